"""Measure what LEDs cost: calls for distinct instants, LED changes a second, processor time of dimming.

The LEDs are 25 lines of a simulated chip, which counts the calls that would be system calls on a real one. Beside core
the same blinking runs in the manner of the originals: an asyncio task for each group of LEDs, `asyncio.sleep` between
its changes, and a call for each change of a group. Rows of one claim are run in turn, several times over, each in a
process of its own, and their medians are told. Processor time is that of the whole process between two moments of the
steady run. Each row is printed as one line of JSON; `--write` puts the tables into docs/matrix-figures.md. Run it as
`python benchmarks/matrix.py` from an environment with core and plugin-gpio-matrix.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from core import Loop
from core import programs as p
from core.instance import Instance
from core.sim.lines import SimulatedChip, SimulatedOutputs
from core.testing import VirtualClock
from plugin_gpio_matrix.matrix import GpioMatrix

DOCUMENT = Path(__file__).parent.parent / "docs" / "matrix-figures.md"
LEDS = 25
PERIODS = [0.1 + 0.02 * number for number in range(LEDS)]
"""Seconds for which each of 25 LEDs shines, and is dark."""

QUICK = 0.01
"""Seconds between two changes where the cost of a change is measured: 2,500 changes a second."""

WARM_UP = 0.3

CORE, ORIGINALS, VIRTUAL = "core", "one call for each LED group", "core on a virtual clock"
SHAPES: dict[str, tuple[int, Callable[[int], float]]] = {
    "25 LEDs as one group": (25, lambda number: QUICK),
    "5 rows of 5 LEDs": (5, lambda number: QUICK),
    "25 LEDs, a program each": (1, lambda number: QUICK),
    "25 LEDs with 25 periods": (1, lambda number: PERIODS[number] / 10),
}
"""How many LEDs blink together, and for how many seconds each of these groups shines and is dark."""

DIMMED = ("at rest", "blink 0.5 s", "breathe, 1 group of 25", "breathe, 5 groups", "fade, 1 group of 25")

Row = dict[str, Any]


T = TypeVar("T")


def groups_of(shape: str, leds: Sequence[T]) -> list[tuple[list[T], float]]:
    """Return the groups of a shape with their periods."""
    size, period = SHAPES[shape]
    return [(list(leds[at : at + size]), period(number)) for number, at in enumerate(range(0, LEDS, size))]


class Group:
    """Be LEDs in the manner of the originals: every change is a call."""

    def __init__(self, outputs: SimulatedOutputs, offsets: list[int]) -> None:
        self._outputs = outputs
        self._offsets = offsets

    def set(self, value: bool) -> None:
        """Set all of them in a call of its own."""
        self._outputs.set_values(dict.fromkeys(self._offsets, value))

    async def blink(self, interval: float) -> None:
        """Switch on and off for ever."""
        while True:
            self.set(True)
            await asyncio.sleep(interval)
            self.set(False)
            await asyncio.sleep(interval)


class Measured:
    """Be what is counted between two moments."""

    def __init__(self, calls: Callable[[], int], changes: Callable[[], int]) -> None:
        self._counts = (calls, changes, time.process_time_ns, time.monotonic_ns)
        self._begin = self._now()

    def _now(self) -> list[int]:
        return [count() for count in self._counts]

    def end(self) -> tuple[int, int, float, float]:
        """Return calls, changes, seconds of processor time and seconds that have passed."""
        calls, changes, cpu, passed = (now - then for now, then in zip(self._now(), self._begin, strict=True))
        return calls, changes, cpu / 1e9, passed / 1e9


async def with_matrix(work: Callable[[GpioMatrix], Coroutine[Any, Any, Row]]) -> Row:
    """Run `work` on an open matrix."""
    matrix = GpioMatrix("matrix", GpioMatrix.Options(buttons={}))
    known = asyncio.Event()
    matrix.observe(lambda event: known.set() if event.kind == "opened" else None)
    living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
    await known.wait()
    try:
        return await work(matrix)
    finally:
        living.cancel()
        await asyncio.wait([living])


async def steady(matrix: GpioMatrix, program: p.PreparedRun, seconds: float) -> tuple[int, int, float, float]:
    """Measure a program in its steady run."""
    running = asyncio.create_task(program())
    await p.sleep(WARM_UP)()
    measured = Measured(lambda: matrix.frames.calls, lambda: matrix.frames.changes)
    await p.sleep(seconds)()
    result = measured.end()
    running.cancel()
    await asyncio.wait([running])
    return result


async def originals(groups: list[tuple[list[int], float]], seconds: float, warm_up: float) -> tuple[int, float]:
    """Blink groups of lines in the manner of the originals; return the calls and the seconds of processor time."""
    chip = SimulatedChip("simulated", LEDS)
    outputs = chip.request_outputs(range(LEDS), consumer="benchmark")
    tasks = [asyncio.create_task(Group(outputs, offsets).blink(interval)) for offsets, interval in groups]
    await asyncio.sleep(warm_up)
    measured = Measured(lambda: chip.set_calls, int)
    await asyncio.sleep(seconds)
    calls, _, cpu, _ = measured.end()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return calls, cpu


# What is measured, each in a child process.


def instants(seconds: float) -> int:
    """Return at how many moments within `seconds` any of the LEDs with different periods changes."""
    milliseconds = [round(1000 * period) for period in PERIODS]
    return len({at for each in milliseconds for at in range(0, round(1000 * seconds), each)})


def measure_calls(peer: str, seconds: float) -> Row:
    """Return the calls for 25 LEDs with 25 periods from their begin on, and the distinct instants of that time."""
    # Ended between two instants, so that none is half in it.
    seconds = round(seconds, 2) + 0.01
    row: Row = {"instants": instants(seconds)}
    if peer == ORIGINALS:
        groups = [([number], period) for number, period in enumerate(PERIODS)]
        return row | {"calls": asyncio.run(originals(groups, seconds, 0))[0]}

    async def work(matrix: GpioMatrix) -> Row:
        blinks = [p.blink(led, period) for led, period in zip(matrix.all, PERIODS, strict=True)]
        running = asyncio.create_task(p.all(*blinks)())
        await p.sleep(seconds)()
        calls = matrix.frames.calls
        running.cancel()
        await asyncio.wait([running])
        return row | {"calls": calls}

    return _loop(peer).run(with_matrix(work))


def measure_changes(shape: str, peer: str, seconds: float) -> Row:
    """Return what a change of an LED costs, and how many a processor can make a second."""
    if peer == ORIGINALS:
        groups = groups_of(shape, range(LEDS))
        calls, cpu = asyncio.run(originals(groups, seconds, WARM_UP))
        # Every call changes a whole group.
        changes = calls * LEDS // len(groups)
        return _cost(changes, calls, cpu)

    async def work(matrix: GpioMatrix) -> Row:
        blinks = [p.blink(group, period) for group, period in groups_of(shape, list(matrix.all))]
        calls, changes, cpu, _ = await steady(matrix, p.all(*blinks), seconds * (10 if peer == VIRTUAL else 1))
        return _cost(changes, calls, cpu)

    return _loop(peer).run(with_matrix(work))


def measure_dimming(kind: str, seconds: float) -> Row:
    """Return the share of one processor that dimming takes, on the precise timer."""

    async def work(matrix: GpioMatrix) -> Row:
        rows = [list(row) for row in matrix.rows]
        programs = {
            "at rest": lambda: p.sleep(2 * seconds),
            "blink 0.5 s": lambda: p.blink(matrix.all, 0.5),
            "breathe, 1 group of 25": lambda: p.breathe(matrix.all, 1),
            "breathe, 5 groups": lambda: p.all(*(p.breathe(row, 1 + 0.1 * at) for at, row in enumerate(rows))),
            "fade, 1 group of 25": lambda: p.forever(p.fade(matrix.all, 1)),
        }
        calls, _, cpu, passed = await steady(matrix, programs[kind](), seconds)
        return {"cpu_percent": 100 * cpu / passed, "calls_per_s": calls / passed}

    return Loop().run(with_matrix(work))


def _loop(peer: str) -> Loop | VirtualClock:
    return VirtualClock() if peer == VIRTUAL else Loop()


def _cost(changes: int, calls: int, cpu: float) -> Row:
    return {
        "us_per_change": cpu / changes * 1e6,
        "changes_per_cpu_s": changes / cpu,
        "changes_per_call": changes / calls,
    }


# The rounds.

MEASURES: dict[str, Callable[..., Row]] = {
    "calls": measure_calls,
    "changes": measure_changes,
    "dimming": measure_dimming,
}


def in_child(kind: str, *names: str, seconds: float) -> Row:
    """Measure one row once, in a process of its own."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--one", kind, *names]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout)
    return row


def rounds(kind: str, claim: str, rows: list[tuple[str, ...]], options: argparse.Namespace) -> list[Row]:
    """Measure all rows of a claim in turn, several times over; print and return the medians."""
    results: list[list[Row]] = [[] for _ in rows]
    for _ in range(options.rounds):
        for names, found in zip(rows, results, strict=True):
            found.append(in_child(kind, *names, seconds=options.seconds))
    medians = []
    for names, found in zip(rows, results, strict=True):
        values = {key: round(statistics.median(row[key] for row in found), 2) for key in found[0]}
        medians.append({"claim": claim, "what": names[-1], **values})
        print(json.dumps(medians[-1]), flush=True)
    return medians


def table(rows: list[Row]) -> str:
    """Return rows of one claim as a table."""
    keys = [key for key in rows[0] if key != "claim"]
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    for row in rows:
        cells = (f"{row[key]:,}" if isinstance(row[key], int | float) else row[key] for key in keys)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one measurement lasts")
    parser.add_argument("--only", choices=list(MEASURES), help="measure this alone")
    parser.add_argument("--write", action="store_true", help=f"write docs/{DOCUMENT.name}")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        gc.collect()
        gc.freeze()
        kind, *names = options.one
        print(json.dumps(MEASURES[kind](*names, options.seconds)))
        return
    sections: list[tuple[str, list[Row]]] = []
    peers = (CORE, VIRTUAL, ORIGINALS)
    if options.only in (None, "calls"):
        title = f"Calls of 25 LEDs with 25 periods within {options.seconds:g} s"
        sections.append((title, rounds("calls", "calls", [(peer,) for peer in peers], options)))
    if options.only in (None, "changes"):
        for shape in SHAPES:
            rows = rounds("changes", shape, [(shape, peer) for peer in peers], options)
            sections.append((f"LED changes, {shape}", rows))
    if options.only in (None, "dimming"):
        rows = rounds("dimming", "processor time of dimming", [(kind,) for kind in DIMMED], options)
        sections.append(("Processor time of dimming", rows))
    if options.write:
        write(sections, options)


def write(sections: list[tuple[str, list[Row]]], options: argparse.Namespace) -> None:
    """Write the document."""
    parts = [
        "# Figures of the matrix",
        " ".join(
            (
                f"Written by `benchmarks/matrix.py` on {dt.datetime.now(dt.UTC).date()},",
                f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs,",
                f"Linux {platform.release()};",
                f"medians of {options.rounds} interleaved rounds of {options.seconds:g} s on a simulated chip.",
                "The figures of core include what it tells clients, 20 times a second, and the originals nothing.",
                "Each call is one system call on a real one, whose time is not in these figures. Only rows of one",
                "table can be compared: the machine may have done other work meanwhile.",
            )
        ),
    ]
    for title, rows in sections:
        parts += [f"## {title}", table(rows)]
    DOCUMENT.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
