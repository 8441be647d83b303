"""A run with a recorder, as somebody meets it who leaves it running: reloads, kills, two runs with one file."""

from __future__ import annotations

import json
import os
import re
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import SECONDS, RawClient, Run, Start, wait_until

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


def test_a_run_keeps_its_name_and_its_folder_until_it_ends(start: Start) -> None:
    run = start("--port", "0", configuration=SECOND)
    assert run.port
    (run.directory / "core.toml").write_text('[core]\nname = "lab"\n' + SECOND + RECORDED)
    done = run.corectl("reload", "--name", "core")
    assert "[core] name has changed, which needs a restart of the run" in done.stdout + done.stderr
    wait_until((run.directory / "core" / "core" / "history.db").exists, "it is where it has been from the start")
    assert not (run.directory / "core" / "lab").exists()
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


def told(client: RawClient) -> list[float]:
    """Return the temperatures that a client is told until the end of the connection."""
    while data := client.socket.recv(65536):
        client.seen += data
    return [float(value) for value in re.findall(rb'<oneNumber name="temperature">\s*([-\d.]+)', client.seen)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_a_run_writes_what_was_told_last(start: Start, number: int) -> None:
    run = start("--port", "0", configuration=RECORDED.replace("0.1", "0.01"))
    grows(run, "climate.temperature")
    with RawClient(run.port) as client:
        client.until(rb"<setNumberVector(?:.*?<setNumberVector){20}")
        assert run.end(number) == 0
        seen = told(client)
    assert len(seen) > 0

    def written() -> list[float]:
        done = run.corectl("history", "climate.climate.temperature", "--json")
        points = json.loads(done.stdout)["series"][0]["points"]
        return [float(f"{point['value']:.2f}") for point in points[-len(seen) :]]

    # On a slow disk the recorder's process is done a little later than the run.
    wait_until(lambda: written() == seen, f"the last values are there: {seen}")


def test_two_runs_do_not_record_to_one_file(start: Start) -> None:
    first = start("--port", "0", configuration=RECORDED)
    grows(first, "climate.temperature")
    second = start("--port", "0", XDG_RUNTIME_DIR=str(first.directory / "another"))
    said = second.log.until("recorder 'history' cannot be opened: ").string
    path = first.directory / "core" / "core" / "history.db"
    holder = rf"process \d+ \(recorder 'history' of the run that is process {first.process.pid}\)"
    assert re.search(rf"{path} is being recorded to by {holder}; give another file, or end that one", said)
    assert second.process.poll() is None
    grows(first, "climate.temperature")
    # And when that one has ended, the other takes over.
    assert first.end() == 0
    grows(second, "climate.temperature")
    assert second.end() == 0


def test_a_killed_process_is_told_and_started_again(start: Start) -> None:
    run = start("--port", "0", configuration=RECORDED)
    grows(run, "climate.temperature")
    (process,) = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    os.kill(int(process), signal.SIGKILL)
    run.log.until(r"the recorder's process has ended with status -9")
    wait_until(lambda: "it is started again in 1 s" in run.corectl("status").stdout, "status says so")
    wait_until(lambda: "values in this run" in run.corectl("status").stdout, "it records again")
    grows(run, "climate.temperature")
    assert run.end() == 0


def test_the_recorders_process_ends_by_itself_when_the_run_is_killed(start: Start) -> None:
    run = start("--port", "0", configuration=RECORDED.replace("0.1", "0.01"))
    grows(run, "climate.temperature")
    (process,) = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
    ended = os.pidfd_open(int(process))
    with RawClient(run.port) as client:
        client.until(rb"<setNumberVector(?:.*?<setNumberVector){20}")
        seen = [float(value) for value in re.findall(rb'<oneNumber name="temperature">\s*([-\d.]+)', client.seen)]
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
    try:
        assert select.select([ended], [], [], SECONDS)[0], "it goes on"
    finally:
        os.close(ended)
    folder = run.directory / "core" / "core"
    assert [path.name for path in folder.iterdir() if path.name.startswith("history")] == ["history.db"]
    done = run.corectl("history", "climate.climate.temperature", "--csv")
    assert len(done.stdout.splitlines()) > len(seen) + 10
