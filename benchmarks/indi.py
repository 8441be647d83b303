"""Measure core beside Debian's indiserver and the indipyserver of PyPI, with the same drivers and clients.

The servers of one row are run in turn, several times over, each as a fresh process, and their medians are told: so that
a busy moment of the machine meets all of them. The driver and the clients are C programs (`benchmarks/indi/`), compiled
here with `cc`; they count every message and compare every character of a BLOB, and a run in which anything was lost,
out of order or damaged counts as failed. A server that is not installed is left out, and said to be. Run it as
`python benchmarks/indi.py`, from an environment with core; `make peers` installs indipyserver and indipydriver,
Debian's package `indi-bin` holds indiserver. `--write` puts the table into docs/indi-figures.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "indi"
DOCUMENT = Path(__file__).parent.parent / "docs" / "indi-figures.md"
CORECTL = Path(sys.executable).parent / "corectl"
PEERS = Path(__file__).parent.parent / "build" / "peers" / "bin" / "python"
DEVICE = "Load"
MANY_DRIVERS = 50
EXTRA_VECTORS = 9
SLOW = 10
"""indipyserver is asked for a tenth of the messages, so that its rows do not last minutes."""
OURS, THEIRS, PYTHONS = "core", "indiserver", "indipyserver"
IDLE_PERCENT = 0.1
"""Up to how much of one CPU counts as none: what the kernel needs to look at the process at all."""
TEXT = """# Figures of the INDI server

Written by `benchmarks/indi.py` on Python {python}, {cpus} CPUs, Linux {linux}, beside {beside};
medians of {rounds} interleaved rounds, with all checks on that a user has: what leaves is proven to be well-formed XML.
Messages of external drivers are of 293 bytes. Every sequence number and every character of a BLOB was checked; a figure
is told only where nothing was lost, out of order or damaged. Absolute figures are those of this machine, where driver
and clients share the CPUs with the server; the ratios are what counts.

{table}

`ratio` is core's figure by indiserver's: the greater the better, except for times (c1, e). In the rows with the driver
in the process, indipydriver is served by IPyServer in the same process. A burst measures a driver that is faster than
its clients, a window the steady speed with a short queue. Idle means at most {idle:g} % of one CPU.

What cannot be won in Python is memory at rest and the time to start: see [promises.md](promises.md).
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@dataclasses.dataclass(frozen=True)
class Goal:
    """Be what a row has to reach: `times` or a `share` of indiserver's figure, or an absolute one."""

    times: float = 0.0
    share: float = 0.0
    least: float = 0.0
    most: float = 0.0

    def __str__(self) -> str:
        parts = [
            f">= {self.times:g} x" if self.times else "",
            f"<= {self.share:g} x" if self.share else "",
            f">= {self.least:,.0f}" if self.least else "",
            "none" if self.most else "",
        ]
        return " or ".join(filter(None, parts))

    def reached(self, ours: float, theirs: float | None) -> bool | None:
        """Return whether it is reached; None if there is nothing to compare with."""
        if (self.least and ours >= self.least) or (self.most and ours <= self.most):
            return True
        if (self.least and not self.times) or self.most:
            return False
        if theirs is None:
            return None
        return ours >= self.times * theirs if self.times else ours <= self.share * theirs


@dataclasses.dataclass(frozen=True)
class Row:
    """Be one kind of work: words for the clients, in which `{count}` is how many messages, and what is told of it."""

    title: str
    unit: str
    words: str
    count: int
    goal: Goal
    key: str = "rate"
    drivers: int = 1
    in_process: bool = False

    @property
    def kind(self) -> str:
        """Return what the clients do."""
        return self.words.split()[0]


MEBI = 1 << 20
ROWS = {
    "a1": Row("1 client, burst of 20,000", "msg/s", "sets 1 {count} 0 20", 20_000, Goal(times=60)),
    "a3": Row("1 client, windows of 200", "msg/s", "sets 1 {count} 200 20", 100_000, Goal(times=6)),
    "a4": Row("1 client, windows of 20", "msg/s", "sets 1 {count} 20 20", 6_000, Goal(times=150)),
    "b100": Row("100 clients, windows of 200", "delivered/s", "sets 100 {count} 200 25", 5_000, Goal(times=30)),
    "b500": Row("500 clients, windows of 200", "delivered/s", "sets 500 {count} 200 30", 1_000, Goal(times=30)),
    "c1": Row("round trip, 1 in flight", "us, p50", "trips {count} 1 20", 3_000, Goal(share=0.6), key="p50_us"),
    "c64": Row("round trip, 64 in flight", "1/s", "trips {count} 64 20", 20_000, Goal(times=8)),
    "r": Row("client to driver", "msg/s", "commands {count} 20", 20_000, Goal(times=10, least=400_000)),
    "d1": Row("BLOBs of 1 MiB, 1 client", "MB/s", f"blobs 1 {MEBI} {{count}} 20", 150, Goal(times=1.4)),
    "d1x4": Row("BLOBs of 1 MiB, 4 clients", "MB/s", f"blobs 4 {MEBI} {{count}} 20", 150, Goal(times=1.1)),
    "d16": Row("BLOBs of 16 MiB, 1 client", "MB/s", f"blobs 1 {16 * MEBI} {{count}} 30", 12, Goal(times=2)),
    "d16x4": Row("BLOBs of 16 MiB, 4 clients", "MB/s", f"blobs 4 {16 * MEBI} {{count}} 30", 12, Goal(times=1.5)),
    "e": Row(
        f"definitions of {MANY_DRIVERS} drivers to a new client",
        "ms",
        f"defined {MANY_DRIVERS * (4 + EXTRA_VECTORS)} {{count}} 30",
        10,
        Goal(share=0.5),
        key="ms",
        drivers=MANY_DRIVERS,
    ),
    "f": Row("idle with 100 clients", "% of a CPU", "idle {count} 6", 100, Goal(most=IDLE_PERCENT), key="percent"),
    "fx": Row("idle after 3 clients left", "% of a CPU", "idle {count} 0.2", 3, Goal(most=IDLE_PERCENT), key="percent"),
    "u": Row(
        "driver in the process: update() of two numbers, windows of 200",
        "msg/s",
        "sets 1 {count} 200 20",
        100_000,
        Goal(least=150_000),
        in_process=True,
    ),
    "n": Row(
        "driver in the process: new* to on_new",
        "msg/s",
        "commands {count} 20",
        50_000,
        Goal(least=100_000),
        in_process=True,
    ),
}


# The servers.


@dataclasses.dataclass(frozen=True)
class Place:
    """Be where everything of one run of this script lies."""

    folder: Path
    peer_python: Path

    @property
    def clients(self) -> Path:
        """Return the program of the clients."""
        return self.folder / "load_clients"

    @property
    def driver(self) -> Path:
        """Return the program of the driver."""
        return self.folder / "load_driver"

    def device(self, name: str) -> Path:
        """Return the driver under the name of a device."""
        path = self.folder / "devices" / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_symlink():
            path.symlink_to(self.driver)
        return path

    def command(self, server: str, row: Row, port: int) -> list[str | Path]:
        """Return how a server is started for a row."""
        names = [DEVICE] if row.drivers == 1 else [f"Load{number:02d}" for number in range(row.drivers)]
        drivers = [] if row.in_process else [self.device(name) for name in names]
        if server == THEIRS:
            return ["indiserver", "-p", str(port), "-u", self.folder / f"indiserver-{port}", *drivers]
        if server == PYTHONS:
            return [self.peer_python, HERE / "indipy_peer.py", "--port", str(port), *drivers]
        if row.in_process:
            text = f'[device.{DEVICE}]\nplugin = "load"\n[transport.server]\nport = {port}\n'
            (self.folder / "core.toml").write_text(text)
            return [CORECTL, "run", "--plain"]
        return [CORECTL, "serve", "-p", str(port), *drivers]


def make_place(folder: Path, peer_python: Path) -> Place:
    """Compile the programs, and install the plugin of the rows in the process."""
    for name in ("load_driver", "load_clients"):
        subprocess.run(["cc", "-O2", "-o", folder / name, HERE / f"{name}.c"], check=True)
    information = folder / "site" / "load-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: load\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[core.plugins]\nload = core_device\n")
    return Place(folder, peer_python)


def present(peer_python: Path) -> dict[str, str]:
    """Return why a server is left out, by its name."""
    missing = {}
    if shutil.which("indiserver") is None:
        missing[THEIRS] = "indiserver is not installed (Debian: apt-get install indi-bin); no ratio can be told."
    try:
        question = "import indipydriver, indipyserver"
        there = subprocess.run([peer_python, "-c", question], capture_output=True, check=False).returncode == 0
    except OSError:
        there = False
    if not there:
        missing[PYTHONS] = f"indipyserver and indipydriver are not installed for {peer_python} (make peers)."
    return missing


class Server:
    """Be a server that runs."""

    def __init__(self, place: Place, name: str, row: Row) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._driver = str(place.driver.resolve())
        self.log = place.folder / "log"
        folders = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"), str(place.folder))
        more = {"LOAD_EXTRA": str(EXTRA_VECTORS if row.drivers > 1 else 0)}
        if row.in_process and name == OURS:
            more["PYTHONPATH"] = os.pathsep.join((str(place.folder / "site"), str(HERE)))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                place.command(name, row, self.port),
                cwd=place.folder,
                env={**ENVIRONMENT, **folders, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> Iterator[int]:
        """Yield the server's process and its children, drivers of the load left out."""
        waiting = [self.process.pid]
        while waiting:
            number = waiting.pop()
            with contextlib.suppress(OSError):
                tasks = Path(f"/proc/{number}/task")
                if os.path.realpath(f"/proc/{number}/exe") == self._driver:
                    continue
                waiting += [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
                yield number

    def cpu(self) -> float:
        """Return the seconds that it has been on a CPU, to the nanosecond."""
        spent = 0
        for number in self.processes():
            with contextlib.suppress(OSError):
                tasks = Path(f"/proc/{number}/task").iterdir()
                spent += sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
        return spent / 1e9

    def stop(self) -> None:
        """End it, and all that it has started."""
        for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)


# One measurement.


class FailedError(Exception):
    """Say why there is no figure."""


def clients(place: Place, *words: object) -> dict[str, Any]:
    """Let the clients work, and return what they tell."""
    command = [str(place.clients), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise FailedError(f"the clients ended with {done.returncode}") from None
    if "error" in told:
        raise FailedError(f"refuses: {told['error']}" if "connected" in told else told["error"])
    return told


def measure(place: Place, server_name: str, row: Row) -> float:
    """Return the figure of one server in one row; raise FailedError if it has none."""
    server = Server(place, server_name, row)
    try:
        device = DEVICE if row.drivers == 1 else "-"
        if row.drivers == 1 and not clients(place, "ready", server.port, device, 15)["ready"]:
            raise FailedError(f"no definition: {server.log.read_text(errors='replace')[-200:]}")
        count = row.count // SLOW if server_name == PYTHONS and row.kind not in ("idle", "defined") else row.count
        kind, *words = row.words.format(count=max(count, 2)).split()
        if kind == "idle":
            return idle(place, server, row, words)
        told = clients(place, kind, server.port, device, *words)
        if told["came"] != told["wanted"] or told["wrong"] or told["gone"]:
            raise FailedError(f"{told['came']} of {told['wanted']} came, {told['wrong']} wrong, {told['gone']} cut off")
        return float(told[row.key])
    finally:
        server.stop()


def idle(place: Place, server: Server, row: Row, words: list[str]) -> float:
    """Return the share of one CPU, in percent, that it takes to do nothing."""
    command = [str(place.clients), "idle", str(server.port), DEVICE, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        try:
            if waiting.stdout is None or json.loads(waiting.stdout.readline())["connected"] < row.count:
                raise FailedError("refuses so many clients")
            if float(words[-1]) < 1:
                waiting.wait(20)
            time.sleep(1)
            before, began = server.cpu(), time.monotonic()
            time.sleep(3)
            return 100 * (server.cpu() - before) / (time.monotonic() - began)
        finally:
            waiting.terminate()


def cpus_in_use(seconds: float = 0.2) -> float:
    """Return how many CPUs the machine uses now."""

    def ticks() -> int:
        values = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(values) - values[3] - values[4]

    before, began = ticks(), time.monotonic()
    time.sleep(seconds)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def wait_for_quiet(patience: float) -> float:
    """Wait until others leave the machine alone, not for ever; return how many CPUs they use."""
    until = time.monotonic() + patience
    while (used := cpus_in_use()) > 0.1 and time.monotonic() < until:
        pass
    return used


# The rounds.


@dataclasses.dataclass
class Outcome:
    """Be what a server has reached in a row."""

    figures: list[float] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def median(self) -> float | None:
        """Return the median; None if any run failed, since half a result is none."""
        return statistics.median(self.figures) if self.figures and not self.failures else None

    def __str__(self) -> str:
        if self.median is None:
            return self.failures[0] if self.failures else "-"
        return shown(self.median)


def shown(value: float) -> str:
    """Return a figure with three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio_of(row: Row, ours: float | None, theirs: float | None) -> str:
    """Return how many times indiserver's figure ours is."""
    if ours is None or not theirs or row.goal.most:
        return ""
    ratio = ours / theirs
    return f"{ratio:.0f} x" if ratio >= 100 else f"{ratio:.2g} x"


def rounds(place: Place, names: list[str], servers: list[str], options: argparse.Namespace) -> list[dict[str, str]]:
    """Measure all rows, and print and return them as lines of the table."""
    lines = []
    for name in names:
        row = ROWS[name]
        takes_part = [server for server in servers if not (row.in_process and server == THEIRS)]
        outcomes = {server: Outcome() for server in takes_part}
        busy = 0.0
        for number in range(options.rounds):
            for server in takes_part[:: -1 if number % 2 else 1]:
                if len(outcomes[server].failures) > 1:
                    continue  # it will not do, and every try may last as long as it is given
                busy = max(busy, wait_for_quiet(options.patience))
                try:
                    outcomes[server].figures.append(measure(place, server, row))
                except (FailedError, subprocess.TimeoutExpired) as error:
                    outcomes[server].failures.append(str(error))
        ours = outcomes[OURS].median
        theirs = outcomes[THEIRS].median if THEIRS in outcomes else None
        reached = row.goal.reached(ours, theirs) if ours is not None else False
        line = {
            "id": name,
            "work": row.title,
            "unit": row.unit,
            **{server: str(outcomes.get(server, Outcome())) for server in (THEIRS, PYTHONS, OURS)},
            "ratio": ratio_of(row, ours, theirs),
            "goal": str(row.goal),
            "reached": {True: "yes", False: "no", None: "?"}[reached],
        }
        print(json.dumps({**line, "others_use_cpus": round(busy, 2)}), flush=True)
        lines.append(line)
    return lines


def table(lines: list[dict[str, str]]) -> str:
    """Return the table of the documentation."""
    keys = list(lines[0])
    rows = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    return "\n".join(rows + ["| " + " | ".join(line[key] for key in keys) + " |" for line in lines])


def versions(peer_python: Path) -> str:
    """Return what was compared."""
    told = []
    if shutil.which("indiserver"):
        said = subprocess.run(["indiserver", "-h"], capture_output=True, text=True, check=False)
        words = (said.stderr + said.stdout).split()
        told += [f"indiserver {words[words.index('Library:') + 1]}"] if "Library:" in words else ["indiserver"]
    question = (
        "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in ('indipyserver', 'indipydriver')))"
    )
    with contextlib.suppress(OSError):
        said = subprocess.run([peer_python, "-c", question], capture_output=True, text=True, check=False)
        told += [said.stdout.strip()] if said.returncode == 0 else []
    return ", ".join(told)


def write(lines: list[dict[str, str]], options: argparse.Namespace) -> None:
    """Write the document."""
    DOCUMENT.write_text(
        TEXT.format(
            python=platform.python_version(),
            cpus=os.cpu_count(),
            linux=platform.release().split("-")[0],
            beside=versions(options.peer_python),
            rounds=options.rounds,
            table=table(lines),
            idle=IDLE_PERCENT,
        )
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is measured")
    parser.add_argument("--only", default=",".join(ROWS), help="rows, with commas between them")
    parser.add_argument("--without", default="", help="servers to leave out, with commas between them")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for a quiet machine each time")
    parser.add_argument("--peer-python", type=Path, default=PEERS, help="the Python that has indipyserver")
    parser.add_argument("--write", action="store_true", help="write docs/indi-figures.md")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if shutil.which("cc") is None:
        parser.error(f"a C compiler is needed, and {shlex.quote('cc')} is not on PATH (Debian: apt-get install gcc)")
    without = present(options.peer_python)
    for reason in without.values():
        print(reason, file=sys.stderr)
    left_out = {*without, *options.without.split(",")}
    servers = [server for server in (THEIRS, PYTHONS, OURS) if server not in left_out]
    with tempfile.TemporaryDirectory(prefix="indi-bench-") as folder:
        lines = rounds(make_place(Path(folder), options.peer_python), names, servers, options)
    print(table(lines))
    if options.write:
        write(lines, options)


if __name__ == "__main__":
    main()
