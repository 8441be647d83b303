"""Measure the loop's claims side by side with asyncio, uvloop, trio and a bare nanosleep.

Rows of one claim are run in turn, several times over, each in a process of its own, and their medians are told: so that
a busy moment of the machine meets all of them. Cost is CPU time between two moments of the steady run, wake-ups
included, over the ticks between them; making and ending the tasks is left out. Rows of core have its defaults: with
more than a thousand wake-ups a second it shares them, which costs lateness (see docs/loop.md). Each row is printed as
one line of JSON; `--write` puts the table into docs/loop-figures.md. Run it as `python benchmarks/loop.py`, with uvloop
and trio installed to have them measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parent.parent / "docs" / "loop-figures.md"
LATENESS = (
    ("100 Hz", ("nanosleep", "asyncio", "uvloop", "trio", "core", "core on uvloop", "core precise"), 100.0),
    ("1 kHz", ("nanosleep", "asyncio", "uvloop", "trio", "core", "core on uvloop", "core precise"), 1000.0),
)
COST = (
    ("1,000 tasks x 10 Hz, at one instant", 1_000, 10.0, 0.0),
    ("10,000 tasks x 1 Hz, at one instant", 10_000, 1.0, 0.0),
    ("1,000 tasks x 10 Hz, spread over the period", 1_000, 10.0, 1.0),
    ("10,000 tasks x 1 Hz, spread over the period", 10_000, 1.0, 1.0),
)
COST_PEERS = ("asyncio", "uvloop", "trio", "core", "core on uvloop")
NEEDS = {"uvloop": "uvloop", "trio": "trio", "core on uvloop": "uvloop"}


def quantile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# Lateness: one task, each tick noting how late it came.


def lateness_nanosleep(rate: float, seconds: float) -> list[int]:
    """Sleep to each deadline in a bare thread: what the kernel alone gives."""
    period, late = round(1e9 / rate), []
    start = time.monotonic_ns()
    for number in range(1, int(rate * seconds) + 1):
        deadline = start + number * period
        while (left := deadline - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        late.append(time.monotonic_ns() - deadline)
    return late


async def lateness_asyncio(rate: float, seconds: float) -> list[int]:
    """Sleep to each deadline with asyncio.sleep, on the grid."""
    period, late = round(1e9 / rate), []
    start = time.monotonic_ns()
    for number in range(1, int(rate * seconds) + 1):
        deadline = start + number * period
        await asyncio.sleep(max(deadline - time.monotonic_ns(), 0) / 1e9)
        # A timer that fired early is not on time either.
        while time.monotonic_ns() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0)
        late.append(time.monotonic_ns() - deadline)
    return late


async def lateness_trio(rate: float, seconds: float) -> list[int]:
    """Sleep to each deadline with trio.sleep, on the grid."""
    import trio

    period, late = round(1e9 / rate), []
    start = time.monotonic_ns()
    for number in range(1, int(rate * seconds) + 1):
        deadline = start + number * period
        await trio.sleep(max(deadline - time.monotonic_ns(), 0) / 1e9)
        while time.monotonic_ns() < deadline:
            await trio.lowlevel.checkpoint()
        late.append(time.monotonic_ns() - deadline)
    return late


async def lateness_core(rate: float, seconds: float, *, precise: bool) -> list[int]:
    """Run a scheduled task."""
    from core.loop import Loop, Timing

    late: list[int] = []
    over = asyncio.get_running_loop().create_future()
    count = int(rate * seconds)

    async def tick() -> None:
        late.append(time.monotonic_ns() - task.deadline)
        if len(late) == count and not over.done():
            over.set_result(None)

    task = Loop.current().schedule_later(Timing(rate, precise=precise, cpu_share=0.2), tick)
    await over
    return late


def measure_lateness(peer: str, rate: float, seconds: float) -> dict[str, float]:
    """Return p50, p99 and the greatest lateness in microseconds, and the CPU share."""
    importlib.import_module("core.loop" if peer.startswith("core") else NEEDS.get(peer, "asyncio"))
    gc.collect()
    gc.freeze()
    cpu, began = time.process_time(), time.perf_counter()
    if peer == "nanosleep":
        late = lateness_nanosleep(rate, seconds)
    elif peer == "trio":
        import trio

        late = trio.run(lateness_trio, rate, seconds)
    elif peer.startswith("core"):
        late = run_core(peer, lateness_core(rate, seconds, precise=peer == "core precise"))
    else:
        late = run_asyncio(peer, lateness_asyncio(rate, seconds))
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    micro = [value / 1000 for value in late]
    return {
        "p50_us": quantile(micro, 0.5),
        "p99_us": quantile(micro, 0.99),
        "max_us": max(micro),
        "cpu_percent": 100 * share,
    }


# Cost: many tasks that do nothing, and the CPU time of a tick.


Cost = tuple[float, int]
"""CPU seconds and ticks of whole periods, from the middle of one to the middle of another: with all tasks made
already, and none of them ended."""


async def cost_asyncio(tasks: int, rate: float, periods: int, spread: float) -> Cost:
    """Run `tasks` coroutines that sleep on their grids."""
    ticks = 0
    period = 1 / rate
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.5
    end = start + (periods + 1) * period

    async def work(number: int) -> None:
        nonlocal ticks
        deadline = start + spread * period * number / tasks
        while deadline < end:
            await asyncio.sleep(deadline - loop.time())
            ticks += 1
            deadline += period

    async with asyncio.TaskGroup() as group:
        for number in range(tasks):
            group.create_task(work(number))
        await asyncio.sleep(start + 0.5 * period - loop.time())
        cpu, before = time.process_time(), ticks
        await asyncio.sleep(start + (periods + 0.5) * period - loop.time())
        return time.process_time() - cpu, ticks - before


async def cost_trio(tasks: int, rate: float, periods: int, spread: float) -> Cost:
    """Run `tasks` coroutines that sleep on their grids."""
    import trio

    ticks = 0
    period = 1 / rate
    start = trio.current_time() + 0.5
    end = start + (periods + 1) * period

    async def work(number: int) -> None:
        nonlocal ticks
        deadline = start + spread * period * number / tasks
        while deadline < end:
            await trio.sleep_until(deadline)
            ticks += 1
            deadline += period

    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(work, number)
        await trio.sleep_until(start + 0.5 * period)
        cpu, before = time.process_time(), ticks
        await trio.sleep_until(start + (periods + 0.5) * period)
        return time.process_time() - cpu, ticks - before


async def cost_core(tasks: int, rate: float, periods: int, spread: float) -> Cost:
    """Schedule `tasks` functions, their grids shifted as those of the peers are."""
    from core.loop import Loop, Timing

    ticks = 0
    loop = Loop.current()
    period = round(1e9 / rate)
    first = 500_000_000 / period

    async def work() -> None:
        nonlocal ticks
        ticks += 1

    scheduled = [loop.schedule_later(Timing(rate, phase=spread * number / tasks), work) for number in range(tasks)]
    # All grids begin at one time, that of the first task; the making is over well before this.
    start = scheduled[0].deadline + (int(first) + 1) * period
    await loop.sleep_until(start + period // 2)
    cpu, before = time.process_time(), ticks
    await loop.sleep_until(start + periods * period + period // 2)
    result = time.process_time() - cpu, ticks - before
    for task in scheduled:
        task.stop()
    return result


def measure_cost(peer: str, tasks: int, rate: float, seconds: float, spread: float) -> dict[str, float]:
    """Return the CPU time of a tick in microseconds, and the share of ticks that came."""
    importlib.import_module("core.loop" if peer.startswith("core") else NEEDS.get(peer, "asyncio"))
    gc.collect()
    gc.freeze()
    periods = max(round(seconds * rate), 1)
    if peer == "trio":
        import trio

        cpu, ticks = trio.run(cost_trio, tasks, rate, periods, spread)
    elif peer.startswith("core"):
        cpu, ticks = run_core(peer, cost_core(tasks, rate, periods, spread))
    else:
        cpu, ticks = run_asyncio(peer, cost_asyncio(tasks, rate, periods, spread))
    return {"us_per_tick": cpu / ticks * 1e6, "delivered_percent": 100 * ticks / (tasks * periods)}


def measure_memory(tasks: int) -> dict[str, float]:
    """Return the bytes of one scheduled task, and the microseconds of adding it."""
    import tracemalloc

    from core.loop import Loop

    async def tick(argument: int) -> None:
        """Do nothing."""

    loop = Loop()
    tracemalloc.start()
    kept = [loop.schedule(1.0, tick, 5) for _ in range(tasks)]
    size = tracemalloc.get_traced_memory()[0] / tasks
    tracemalloc.stop()
    kept.clear()

    async def add() -> float:
        running = Loop.current()
        began = time.perf_counter()
        for _ in range(tasks):
            running.schedule_later(0.01, tick, 5)
        return (time.perf_counter() - began) / tasks * 1e6

    return {"bytes_per_task": size, "us_per_add": Loop().run(add())}


def run_asyncio(peer: str, main: Any) -> Any:
    """Run a coroutine on asyncio's or uvloop's loop."""
    if peer == "uvloop":
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    return asyncio.run(main)


def run_core(peer: str, main: Any) -> Any:
    """Run a coroutine on our loop, or on uvloop with our loop attached."""
    from core.loop import Loop

    return run_asyncio("uvloop", main) if peer == "core on uvloop" else Loop().run(main)


# The rounds.


def in_child(*arguments: object) -> dict[str, float]:
    """Measure one row once, in a process of its own."""
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent))
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def lateness_in_child(rate: float, seconds: float, peer: str) -> dict[str, float]:
    """Measure the lateness of one peer."""
    return in_child("lateness", peer, rate, seconds)


def cost_in_child(tasks: int, rate: float, seconds: float, spread: float, peer: str) -> dict[str, float]:
    """Measure the cost of one peer, over three periods at least."""
    return in_child("cost", peer, tasks, rate, max(seconds, 3 / rate), spread)


def rounds(
    claim: str, peers: tuple[str, ...], count: int, measure: Callable[[str], dict[str, float]]
) -> list[dict[str, Any]]:
    """Measure all peers in turn, `count` times over; print and return the medians."""
    present = [peer for peer in peers if importlib.util.find_spec(NEEDS.get(peer, "sys"))]
    results: dict[str, list[dict[str, float]]] = {peer: [] for peer in present}
    for _ in range(count):
        for peer in present:
            results[peer].append(measure(peer))
    rows = []
    for peer, runs in results.items():
        medians = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
        row: dict[str, Any] = {"claim": claim, "peer": peer, **medians}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows of one claim as a table."""
    keys = [key for key in rows[0] if key != "claim"]
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    return "\n".join(lines)


def one(arguments: list[str]) -> None:
    """Measure one row and print it."""
    kind, *rest = arguments
    if kind == "lateness":
        result = measure_lateness(rest[0], float(rest[1]), float(rest[2]))
    elif kind == "cost":
        result = measure_cost(rest[0], int(rest[1]), *map(float, rest[2:]))
    else:
        result = measure_memory(int(rest[0]))
    print(json.dumps(result))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one measurement lasts")
    parser.add_argument("--only", choices=["lateness", "cost", "memory"], help="measure this alone")
    parser.add_argument("--write", action="store_true", help="write docs/loop-figures.md")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one)
        return
    sections: list[tuple[str, list[dict[str, Any]]]] = []
    if options.only in (None, "lateness"):
        for claim, peers, rate in LATENESS:
            measure = functools.partial(lateness_in_child, rate, options.seconds)
            sections.append(
                (f"Lateness of a task at {claim}", rounds(f"lateness at {claim}", peers, options.rounds, measure))
            )
    if options.only in (None, "cost"):
        for claim, tasks, rate, spread in COST:
            measure = functools.partial(cost_in_child, tasks, rate, options.seconds, spread)
            sections.append(
                (f"CPU time of a tick, {claim}", rounds(f"cost of {claim}", COST_PEERS, options.rounds, measure))
            )
    if options.only in (None, "memory"):
        rows = rounds("10,000 scheduled tasks", ("core",), options.rounds, lambda _: in_child("memory", 10_000))
        sections.append(("Memory and time to add, 10,000 scheduled tasks", rows))
    if options.write:
        write(sections, options)


def write(sections: list[tuple[str, list[dict[str, Any]]]], options: argparse.Namespace) -> None:
    """Write the document."""
    with contextlib.suppress(OSError):
        DOCUMENT.parent.mkdir(exist_ok=True)
    parts = [
        "# Figures of the loop",
        " ".join(
            (
                f"Written by `benchmarks/loop.py` on Python {platform.python_version()}, {os.cpu_count()} CPUs;",
                f"medians of {options.rounds} interleaved rounds of {options.seconds:g} s.",
                "Only rows of one table can be compared: the machine may have done other work meanwhile, and the",
                "figures of one row vary by a third from run to run on a shared machine.",
                f"At 100 Hz p99 is that of {int(100 * options.seconds)} ticks a round: one or two moments decide it.",
            )
        ),
    ]
    for title, rows in sections:
        parts += [f"## {title}", table(rows)]
    DOCUMENT.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
