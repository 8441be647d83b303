"""Programs on a running matrix: begun by core.toml, and by the commands `corectl program`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.system.conftest import RawClient, Run, Start, wait_until

pytestmark = pytest.mark.system

CONFIGURATION = """
[device.panel]
plugin = "gpio-matrix"
[program.top]
program = "blink_rows"
device = "panel"
region = "rows 1-2"
interval = 0.2
[program.spiral]
device = "panel"
region = "rows 3-5"
[program.later]
program = "cross"
device = "panel"
region = "row 1"
if_busy = "wait"
"""


@pytest.fixture
def run(start: Start) -> Run:
    """Return a run that has begun the programs of its core.toml."""
    started = start("--port", "0", configuration=CONFIGURATION)
    assert started.port > 0
    started.log.until("program cross on panel waits for LEDs")
    return started


def listed(run: Run) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return region, state and settings of the programs that run or wait."""
    programs = json.loads(run.corectl("program", "list", "panel", "--json").stdout)["programs"]
    return {one["program"]: (one["region"], one["state"], one["settings"]) for one in programs}


def test_core_toml_starts_and_queues_them_with_their_settings(run: Run) -> None:
    assert listed(run) == {
        "blink_rows": ("rows 1-2", "running", {"interval": 0.2}),
        "spiral": ("rows 3-5", "running", {}),
        "cross": ("row 1", "waiting", {}),
    }
    shown = run.corectl("program", "list").stdout.splitlines()
    assert shown[0].split() == ["number", "device", "program", "region", "state", "settings"]
    assert shown[1].split() == ["1", "panel", "blink_rows", "rows", "1-2", "running", "interval=0.2"]


def test_the_next_begins_when_its_leds_are_free(run: Run) -> None:
    queued = run.corectl("program", "queue", "panel", "scroll_text", "text=HI", "--region", "all")
    assert queued.stdout == "scroll_text waits as number 4 until its LEDs are free\n"
    assert run.corectl("program", "stop", "panel", "blink_rows").returncode == 0
    wait_until(lambda: listed(run)["cross"][1] == "running", "the first of the queue to begin")
    # What waits for all LEDs waits for both.
    assert run.corectl("program", "stop", "panel", "spiral").returncode == 0
    assert listed(run)["scroll_text"] == ("all", "waiting", {"text": "HI"})
    assert run.corectl("program", "stop", "panel", "3").returncode == 0
    wait_until(lambda: listed(run) == {"scroll_text": ("all", "running", {"text": "HI"})}, "the last one to begin")
    assert run.corectl("program", "stop", "panel").returncode == 0
    assert listed(run) == {}


def test_one_that_wants_taken_leds_waits_takes_over_or_is_refused(run: Run) -> None:
    refused = run.corectl("program", "start", "panel", "heartbeat", "--region", "row 3", "--if-busy", "refuse")
    assert refused.returncode == 1
    assert "heartbeat cannot have row 3: program 2 spiral on rows 3-5 has LEDs of it; end that" in refused.stderr
    waits = run.corectl("program", "start", "panel", "heartbeat", "--region", "row 3", "--if-busy", "wait")
    assert waits.returncode == 0
    assert listed(run)["heartbeat"][:2] == ("row 3", "waiting")
    takes = run.corectl("program", "start", "panel", "cross", "--region", "row 5", "--if-busy", "take-over")
    assert takes.returncode == 0
    assert "spiral" not in listed(run)
    wait_until(lambda: listed(run)["heartbeat"][1] == "running", "the one that waited to begin")


def test_settings_and_speed_change_while_it_runs(run: Run) -> None:
    assert run.corectl("program", "set", "panel", "blink_rows", "interval=0.5").returncode == 0
    assert listed(run)["blink_rows"] == ("rows 1-2", "running", {"interval": 0.5})
    assert run.corectl("program", "speed", "panel", "2").returncode == 0
    assert run.corectl("program", "speed", "panel").stdout == "2\n"
    with RawClient(run.port) as client:
        client.until(rb'<defNumberVector [^>]*name="program_speed"[\s\S]*?>\s*2\.00\s*</defNumber>')


WRONG = [
    (("start", "panel", "spirl"), "panel has no program 'spirl'; it has heartbeat, spiral,"),
    (("start", "panel", "spiral", "interval=abc"), "interval is 'abc': expected float"),
    (("start", "panel", "spiral", "intervall=1"), "did you mean 'interval'?"),
    (("start", "panel", "spiral", "--region", "row 9"), "there is no 'row 9'; the matrix has 5 rows"),
    (("start", "pannel", "spiral"), "'pannel' runs no programs; panel does"),
    (("set", "panel", "kaa", "interval=1"), "panel runs no program 'kaa'; it runs 1 blink_rows on rows 1-2"),
    (("stop", "panel", "99"), "panel runs no program 99"),
    (("speed", "panel", "100"), "a speed is a number from 0.1 to 10"),
]


def test_what_cannot_be_done_says_why_and_changes_nothing(run: Run) -> None:
    before = listed(run)
    for arguments, says in WRONG:
        done = run.corectl("program", *arguments)
        assert done.returncode == 1, arguments
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    assert listed(run) == before
