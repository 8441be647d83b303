"""Measure sensors on a shared bus: how late their ticks come, and how many readings reach an INDI client.

Lateness: four sensors and a log on an SD card, each at 100 Hz, on one simulated bus; every tick notes how long after
its deadline it begins. Throughput: twelve converters, each measuring once a millisecond, on one bus. In both a process
of its own reads the messages from the INDI server's TCP port and counts them. Both are measured with ManagedResource,
and with an asyncio.Lock in its place, in turn, several times over, each in a process of its own; the medians are told.
Each row is printed as one line of JSON; `--write` puts the tables into docs/sensor-figures.md. Run it as
`python benchmarks/sensor.py` from an environment with core and plugin-spi-sensor.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gc
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import core.spi
from core import Device, Loop
from core.testing.server_and_client import served_by
from core.transports.server import Server
from plugin_spi_sensor.bus.shared import open_buses
from plugin_spi_sensor.devices.adxl345 import Adxl345Sensor
from plugin_spi_sensor.devices.card_logger import CardLogger
from plugin_spi_sensor.devices.generic import GenericSensor
from plugin_spi_sensor.devices.mcp3xxx import Mcp3008Sensor, Mcp3208Sensor

DOCUMENT = Path(__file__).parent.parent / "docs" / "sensor-figures.md"
PEERS = ("ManagedResource", "asyncio.Lock")
WARM_UP = 0.5
CONVERTERS = 12
QUICK = 0.001
MARK = b"<setNumberVector"

Row = dict[str, Any]


class Locked:
    """Do with an asyncio.Lock what ManagedResource does here: no limits, no statistics, no names."""

    def __init__(
        self, resource: Any, acquire: Callable[..., Any], release: Callable[..., Any], **ignored: object
    ) -> None:
        self.resource, self.acquire, self.release = resource, acquire, release
        self.lock = asyncio.Lock()
        self.name = "lock"

    def handle(self, *arguments: Any) -> LockedHandle:
        """Return a handle."""
        return LockedHandle(self, arguments)


class LockedHandle:
    """Be a handle of a Locked."""

    def __init__(self, locked: Locked, arguments: tuple[Any, ...]) -> None:
        self.locked, self.arguments = locked, arguments

    def waiting_at_most(self, limit: object) -> LockedHandle:
        """Return itself."""
        return self

    async def __aenter__(self) -> Any:
        await self.locked.lock.acquire()
        self.locked.acquire(*self.arguments)
        return self.locked.resource

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.locked.release(*self.arguments)
        self.locked.lock.release()


def quantile(values: list[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def noted(device: Device, tick: str, late: list[float]) -> None:
    """Have a tick note how many microseconds after its deadline it begins."""
    bound = device.tick(tick)
    method = bound._method

    async def run(owner: Any) -> None:
        if bound.scheduled is not None:
            late.append((time.monotonic_ns() - bound.scheduled.deadline) / 1000)
        await method(owner)

    bound._method = run


def lateness_devices() -> list[tuple[Device, str]]:
    """Return four sensors and the log at 100 Hz, with the names of their ticks."""
    return [
        (GenericSensor("climate", GenericSensor.Options(period=0.01, start=[(0x74, 1)], wait=0.002)), "sample"),
        (Mcp3008Sensor("light", Mcp3008Sensor.Options(chip_select=1, period=0.01)), "sample"),
        (Mcp3208Sensor("bridge", Mcp3208Sensor.Options(chip_select=2, period=0.01)), "sample"),
        (Adxl345Sensor("table", Adxl345Sensor.Options(chip_select=3, period=0.01, rate=100)), "sample"),
        (
            CardLogger("log", CardLogger.Options(chip_select=4, period=0.01, logs=["climate"], overwrite=True)),
            "write",
        ),
    ]


async def measure_lateness(seconds: float) -> Row:
    """Return quantiles of the lateness, and the ticks a second."""
    late: list[float] = []
    made = lateness_devices()
    for device, tick in made:
        noted(device, tick, late)
    server = Server("server", Server.Options(port=0))
    async with served_by(server, *(device for device, _ in made)):
        with Reader(server.port, seconds + 60):
            loop = Loop.current()
            await loop.delay(WARM_UP)
            gc.collect()
            gc.freeze()
            late.clear()
            cpu, began = time.process_time(), time.perf_counter()
            await loop.delay(seconds)
            passed = time.perf_counter() - began
            row = {
                "p50_us": quantile(late, 0.5),
                "p99_us": quantile(late, 0.99),
                "max_us": max(late),
                "ticks_per_s": len(late) / passed,
                "cpu_percent": 100 * (time.process_time() - cpu) / passed,
            }
    return row


async def measure_throughput(seconds: float) -> Row:
    """Return the readings a second that a client got, and those that were made."""
    devices = [
        Mcp3008Sensor(f"adc{number}", Mcp3008Sensor.Options(chip_select=number, period=QUICK, inputs={"voltage": 0}))
        for number in range(CONVERTERS)
    ]
    late: list[float] = []
    for device in devices:
        noted(device, "sample", late)
    server = Server("server", Server.Options(port=0))
    async with served_by(server, *devices):
        loop = Loop.current()
        with Reader(server.port, seconds + 60) as reader:
            await loop.delay(WARM_UP)
            gc.collect()
            gc.freeze()
            late.clear()
            before = await asyncio.to_thread(reader.count)
            (bus,) = open_buses().values()
            turns, cpu, began = bus.bus.transferred, time.process_time(), time.perf_counter()
            await loop.delay(seconds)
            passed = time.perf_counter() - began
            made, used = (bus.bus.transferred - turns) / 3, time.process_time() - cpu
            got = await asyncio.to_thread(reader.count) - before
            row = {
                "client_readings_per_s": got / passed,
                "readings_per_s": made / passed,
                "p99_late_us": quantile(late, 0.99),
                "us_cpu_per_reading": used / made * 1e6,
                "cpu_percent": 100 * used / passed,
            }
    return row


class Reader:
    """Be an INDI client in a process of its own, which counts messages."""

    def __init__(self, port: int, seconds: float) -> None:
        command = [sys.executable, __file__, "--read", str(port), str(seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def count(self) -> int:
        """Return how many messages it has read until now."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the reader has no pipes")
        print(file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def read(port: int, seconds: float) -> None:
    """Read from a server, and print how many messages have come whenever a line comes on stdin."""
    import select

    count, rest, deadline = 0, b"", time.monotonic() + seconds
    with socket.create_connection(("localhost", port)) as connection:
        connection.sendall(b"<getProperties version='1.7'/>\n")
        while time.monotonic() < deadline:
            ready, _, _ = select.select([connection, sys.stdin], [], [], 1)
            if connection in ready:
                data = connection.recv(1 << 18)
                if not data:
                    return
                # Nothing is counted twice: what is kept is shorter than the mark.
                count += (rest + data).count(MARK)
                rest = (rest + data)[1 - len(MARK) :]
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                print(count, flush=True)


# The rounds.

CLAIMS: dict[str, tuple[str, Callable[[float], Any]]] = {
    "lateness": ("Four sensors and the log on an SD card at 100 Hz each: how late ticks begin", measure_lateness),
    "throughput": ("Twelve converters at 1 kHz each: readings that reach an INDI client by TCP", measure_throughput),
}


def one(claim: str, peer: str, seconds: float) -> None:
    """Measure one row and print it."""
    if peer == "asyncio.Lock":
        vars(core.spi)["ManagedResource"] = Locked
    print(json.dumps(Loop().run(CLAIMS[claim][1](seconds))))


def rounds(claim: str, count: int, seconds: float) -> list[Row]:
    """Measure both peers in turn, `count` times over; print and return the medians."""
    results: dict[str, list[Row]] = {peer: [] for peer in PEERS}
    for _ in range(count):
        for peer in PEERS:
            command = [sys.executable, __file__, "--one", claim, peer, str(seconds)]
            environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent))
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            results[peer].append(json.loads(done.stdout))
    rows = []
    for peer, runs in results.items():
        row: Row = {"peer": peer, **{key: round(statistics.median(run[key] for run in runs), 1) for key in runs[0]}}
        print(json.dumps({"claim": claim, **row}), flush=True)
        rows.append(row)
    return rows


def table(rows: list[Row]) -> str:
    """Return rows of one claim as a table."""
    keys = list(rows[0])
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long one measurement lasts")
    parser.add_argument("--only", choices=list(CLAIMS), help="measure this alone")
    parser.add_argument("--write", action="store_true", help="write docs/sensor-figures.md")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], options.one[1], float(options.one[2]))
        return
    if options.read:
        read(int(options.read[0]), float(options.read[1]))
        return
    found = {
        title: rounds(claim, options.rounds, options.seconds)
        for claim, (title, _) in CLAIMS.items()
        if options.only in (None, claim)
    }
    if options.write:
        introduction = (
            f"Written by `benchmarks/sensor.py` on {dt.datetime.now(tz=dt.UTC).date()}, "
            f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, "
            f"Linux {platform.release()}; medians of {options.rounds} interleaved rounds of {options.seconds:g} s on a "
            "simulated bus, whose bytes cost processor time that a real bus does not take from Python. Only rows of "
            "one table can be compared: the machine may have done other work meanwhile."
        )
        parts = ["# Figures of the sensors", introduction]
        for title, rows in found.items():
            parts += [f"## {title}", table(rows)]
        DOCUMENT.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
