"""Measure the recorder's claims: values written a second, a day queried, and what writing costs the ticks of a run.

* `written`: a device in this process tells values, one member an update, as fast as its recorder's process takes them;
  the rate is of what that has committed when all is over, and the cost of a value is CPU time, here and there.
* `queried`: a day of one value a second of one number, out of a database with eight such numbers and a week; with
  opening the database, and the median of many times. The outline is what a plot needs.
* `ticks`: the lateness of a task of 100 Hz which hands on 1000 values with each tick, 100,000 a second: to nobody, to
  the recorder's process, and to the same code in a thread. The rows are run in turn, in processes of their own, several
  times over, and their medians are told.

Each row is one line of JSON. Run it as `python benchmarks/recorder.py [written|queried|ticks]`, on a quiet machine with
at least two cores, with TMPDIR on the disk that is meant.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from core import Device, Loop, Number, NumberVector
from core.recorder.feed import Feed
from core.recorder.history import History
from core.recorder.process import Recording
from core.recorder.protocol import Series, Settings, series_message, values_message
from core.recorder.recorder import Recorder
from core.recorder.spans import SECOND, UNITS
from core.recorder.store import Store

RATE, PER_TICK = 100, 1000
NUMBERS, DAYS = 8, 7
DAY = 86_400
BEGAN = 1_800_000_000 * SECOND
TARGETS = ("nobody", "process", "thread")
TURN = 500
"""How many values are told in one turn of the loop."""


def quantile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(**row: Any) -> None:
    """Print a row."""
    print(json.dumps(row), flush=True)


class Source(Device):
    """A device that tells values."""

    signal = NumberVector("Signal", members={"level": Number()})


def written(folder: Path, seconds: float) -> None:
    """Tell values to a recorder, and count what it has committed."""

    async def main() -> tuple[int, float, float]:
        source = Source("source")
        recorder = Recorder("history", Recorder.Options(file=str(folder / "history.db"), buffer=1 << 28))
        listener = recorder.watch(source)
        if listener is not None:
            source.observe(listener)
        await recorder.open()
        begin, busy, told = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begin < seconds:
            for _ in range(TURN):
                told += 1
                source.signal.update(level=float(told))
            # As much as the process takes, and no more: what waits is to be bounded by it, not by the buffer.
            await asyncio.sleep(0.01 if recorder._feed.bytes > 1 << 22 else 0)
        busy = time.process_time() - busy
        await recorder.end_work()
        while not await recorder._feed.close(60):
            pass
        return told, time.perf_counter() - begin, busy / told

    told, took, cost = Loop().run(main())
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    with contextlib.closing(Store(folder / "history.db")) as store:
        (rows,) = store.connection.execute("SELECT count(*) FROM sample").fetchone()
    show(
        what="written",
        told=told,
        in_the_database=rows,
        seconds=round(took, 2),
        per_second=round(rows / took),
        goal=100_000,
        loop_us_per_value=round(cost * 1e6, 2),
        process_us_per_value=round((children.ru_utime + children.ru_stime) / rows * 1e6, 2),
    )


def queried(folder: Path, times: int) -> None:
    """Read a day out of a week of several numbers."""
    path = folder / "history.db"
    store = Store(path)
    series = [Series(number, "climate", "air", f"member{number}") for number in range(1, NUMBERS + 1)]
    for hour in range(DAYS * 24):
        store.begin(series)
        moments = range(hour * 3600, (hour + 1) * 3600)
        store.add([(one.number, BEGAN + at * SECOND, at % 977 / 7) for at in moments for one in series])
        store.commit()
    store.close()
    since = BEGAN + 3 * UNITS["d"]
    asked: dict[str, Callable[[History, Series], int]] = {
        "values of a day": lambda found, one: len(found.values(one, since, since + UNITS["d"])),
        "outline of a day": lambda found, one: len(found.outline(one, since, since + UNITS["d"], 1600)),
        "outline of a week": lambda found, one: len(found.outline(one, BEGAN, BEGAN + 7 * UNITS["d"], 1600)),
        "list": lambda found, _: len([found.recorded(one) for one in found.series()]),
    }
    for name, ask in asked.items():
        took, busy, count = [], [], 0
        for _ in range(times):
            begin, cpu = time.perf_counter(), time.process_time()
            with History(path) as found:
                count = ask(found, series[4])
            took.append(time.perf_counter() - begin)
            busy.append(time.process_time() - cpu)
        show(
            what="queried",
            asked=name,
            points=count,
            ms=round(statistics.median(took) * 1e3, 1),
            cpu_ms=round(statistics.median(busy) * 1e3, 1),
            worst_ms=round(max(took) * 1e3, 1),
            goal_ms=50 if name == "values of a day" else None,
        )


@contextlib.asynccontextmanager
async def taker(target: str, folder: Path) -> AsyncIterator[Callable[[list[tuple[int, int, float]]], object]]:
    """Yield what takes the values of a tick."""
    settings, series = Settings(str(folder / "history.db")), Series(1, "source", "signal", "level")
    if target == "process":
        feed = Feed("history", limit=1 << 26, on_report=lambda _: None, on_end=lambda: None)
        feed.define(series)
        feed.start(settings)

        def to_process(values: list[tuple[int, int, float]]) -> None:
            feed._enqueue(values_message(values))
            feed._send()

        yield to_process
        await feed.close(10)
    elif target == "thread":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        recording = threading.Thread(target=Recording(theirs, settings).run)
        recording.start()
        ours.send(series_message(series))
        ours.setblocking(False)

        def to_thread(values: list[tuple[int, int, float]]) -> None:
            with contextlib.suppress(BlockingIOError):
                ours.send(values_message(values))

        yield to_thread
        ours.shutdown(socket.SHUT_WR)
        recording.join()
    else:
        yield values_message


def lateness(target: str, seconds: float, folder: Path) -> None:
    """Note how late each tick comes, and print the quantiles: one row of `ticks`, in a process of its own."""
    late: list[float] = []

    async def main() -> None:
        loop = Loop.current()
        over = asyncio.Event()
        async with taker(target, folder) as take:

            async def tick() -> None:
                number = len(late)
                late.append((time.monotonic_ns() - task.deadline) / 1e6)
                take([(1, BEGAN + (number * PER_TICK + at) * 1000, float(at)) for at in range(PER_TICK)])
                if len(late) >= RATE * seconds:
                    task.cancel()
                    over.set()

            await asyncio.sleep(1.0)  # the process has begun
            gc.collect()
            gc.freeze()
            task = loop.schedule_later(RATE, tick)
            await over.wait()

    Loop().run(main())
    json.dump({"p50": quantile(late, 0.5), "p99": quantile(late, 0.99), "max": max(late)}, sys.stdout)


def ticks(seconds: float, rounds: int) -> None:
    """Run the rows in turn."""
    found: dict[str, list[dict[str, float]]] = {target: [] for target in TARGETS}
    for _ in range(rounds):
        for target in TARGETS:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, __file__, "lateness", "--target", target, "--folder", folder]
                command += ["--seconds", str(seconds)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found[target].append(json.loads(done.stdout))
    for target, rows in found.items():
        medians = {f"{key}_ms": round(statistics.median(row[key] for row in rows), 3) for key in ("p50", "p99", "max")}
        show(what="ticks", values_to=target, values_per_second=RATE * PER_TICK, **medians, rounds=rounds)


def main() -> None:
    """Measure what was asked for, all without an argument."""
    parser = argparse.ArgumentParser(description="Measure the recorder's claims.")
    parser.add_argument("what", nargs="?", choices=["written", "queried", "ticks", "lateness"])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--target", choices=TARGETS, default="nobody", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what == "lateness":
        lateness(given.target, given.seconds, given.folder)
        return
    show(what="machine", cores=os.cpu_count(), load=os.getloadavg()[0], python=sys.version.split()[0])
    with tempfile.TemporaryDirectory() as folder:
        if given.what in (None, "written"):
            written(Path(folder), given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        if given.what in (None, "queried"):
            queried(Path(folder), 20)
    if given.what in (None, "ticks"):
        ticks(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
