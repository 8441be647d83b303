"""A run with a recorder, as somebody meets it who leaves it running: reloads, kills, two runs with one file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.conftest import Run, Start, wait_until

pytestmark = pytest.mark.system

RECORDED = """
[device.climate]
plugin = "spi-sensor"
period = 0.1
[device.history]
plugin = "recorder"
"""
SECOND = '[device.second]\nplugin = "spi-sensor"\nchip_select = 1\nperiod = 0.1\n'


def recorded(run: Run) -> dict[str, dict[str, Any]]:
    """Return what `corectl history` lists, by device and member."""
    done = run.corectl("history", "--json")
    if "there is no recording" in done.stderr:
        return {}
    assert done.returncode == 0, done.stderr
    return {f"{one['device']}.{one['member']}": one for one in json.loads(done.stdout)["series"]}


def grows(run: Run, name: str) -> None:
    """Return when a further value of a number has been recorded."""
    wait_until(lambda: bool(recorded(run).get(name, {}).get("last")), f"{name} is recorded")
    before = recorded(run)[name]["last"]
    wait_until(lambda: recorded(run)[name]["last"] > before, f"{name} goes on")


def test_devices_that_a_reload_adds_are_recorded_as_the_first_ones_are(start: Start) -> None:
    run = start("--port", "0", configuration=RECORDED)
    assert run.port
    grows(run, "climate.temperature")
    core_toml = run.directory / "core.toml"
    core_toml.write_text(RECORDED + SECOND)
    assert run.corectl("reload").returncode == 0
    grows(run, "second.temperature")
    core_toml.write_text(RECORDED)
    assert run.corectl("reload").returncode == 0
    grows(run, "climate.temperature")
    core_toml.write_text(RECORDED + SECOND)
    assert run.corectl("reload").returncode == 0
    grows(run, "second.temperature")
    assert run.end() == 0


def test_a_recorder_that_a_reload_adds_records_what_runs_already(start: Start) -> None:
    run = start("--port", "0", configuration=SECOND)
    assert run.port
    assert recorded(run) == {}
    core_toml = run.directory / "core.toml"
    for text in (SECOND + RECORDED, SECOND, SECOND + RECORDED.replace('"recorder"', '"recorder"\nskip = []')):
        core_toml.write_text(text)
        assert run.corectl("reload").returncode == 0
        if "recorder" in text:
            grows(run, "second.temperature")
    assert run.end() == 0


def test_an_instance_is_recorded_in_whichever_process_it_is(start: Start) -> None:
    alone = RECORDED.replace('"spi-sensor"', '"spi-sensor"\nisolate = true')
    run = start("--port", "0", configuration=alone)
    assert run.port
    core_toml = run.directory / "core.toml"
    grows(run, "climate.temperature")
    for text in (RECORDED, alone):
        core_toml.write_text(text)
        assert run.corectl("reload").returncode == 0
        grows(run, "climate.temperature")
    core_toml.write_text(alone + SECOND + "isolate = true\n")
    assert run.corectl("reload").returncode == 0
    grows(run, "second.temperature")
    assert run.end() == 0


def test_a_recorder_in_a_process_of_its_own_is_refused(start: Start) -> None:
    run = start("--port", "0", configuration=RECORDED + "isolate = true\n")
    run.log.until(r"\[device.history\]: isolate is true, but recorder watches the devices of this process")
    assert run.process.wait(20) == 2
