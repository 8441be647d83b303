"""Drivers whose server is killed: nothing of them is left, whatever they have done to stay."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.drivers.guardian import descendants
from tests.system.conftest import Lines, wait_until

pytestmark = pytest.mark.system

MARK = "CORE_TEST_MARK"

# A driver that ignores SIGTERM, with a child in a session of its own and a daemon.
DRIVER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for daemon in False, True:
    if os.fork() == 0:
        os.setsid()
        if daemon and os.fork():
            os._exit(0)
        print("up", file=sys.stderr, flush=True)
        time.sleep(600)
print("up", file=sys.stderr, flush=True)
time.sleep(600)
"""

SERVER = """
import asyncio, os, sys, time
from core.drivers import ChildDriver
async def main():
    async with asyncio.TaskGroup() as tasks:
        for name in "one", "two", "three":
            driver = ChildDriver(sys.argv[1:], name=name, on_start=kept.append, on_end=print)
            tasks.create_task(driver.run())
        while len(kept) < 3:
            await asyncio.sleep(0.01)
        # A process that holds all our descriptors, so that nobody sees their end.
        if (forked := os.fork()) == 0:
            time.sleep(600)
        print("forked", forked, flush=True)
kept = []
asyncio.run(main())
"""


def living(mark: str) -> set[int]:
    """Return all processes with the mark in their environment: server, guardians, drivers, and what those started."""
    found = set()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
    return found


def guardians(processes: set[int]) -> dict[int, int]:
    """Return the guardians among the processes, each with its parent."""
    found = {}
    for process in processes:
        with contextlib.suppress(OSError):
            name, _, rest = Path(f"/proc/{process}/stat").read_text().partition("(")[2].rpartition(")")
            if name == "core-guardian":
                found[process] = int(rest.split()[1])
    return found


class Server:
    """Be a server with three drivers, and all that comes from it."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, sys.executable, "-I", "-S", "-c", DRIVER],
            env={**os.environ, MARK: self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.forked = int(Lines(self.process.stdout).until(r"forked (\d+)").group(1))
        # The server, the forked one, the chief, three guardians, and three of each driver.
        wait_until(lambda: len(self.living) == 2 + 4 + 9, "all are up")
        parents = guardians(self.living)
        [self.chief] = [process for process, parent in parents.items() if parent == self.process.pid]
        self.guardian = next(process for process, parent in parents.items() if parent == self.chief)

    @property
    def living(self) -> set[int]:
        """Return all processes that come from it."""
        return living(self._mark)

    def close(self) -> None:
        """Make sure that all has ended."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        for process in self.living:
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("killed_too", ["nobody", "chief", "guardian"])
def test_a_server_that_ends_in_any_way_leaves_nobody(server: Server, number: signal.Signals, killed_too: str) -> None:
    victim = {"chief": server.chief, "guardian": server.guardian}.get(killed_too)
    # Stopped first, so that it does nothing before it is killed.
    if victim is not None:
        os.kill(victim, signal.SIGSTOP)
    server.process.send_signal(number)
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: server.living == {server.forked}, "all are gone")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("stopped", ["chief", "guardian"])
def test_a_driver_that_stops_a_guardian_does_not_stay_behind(
    server: Server, number: signal.Signals, stopped: str
) -> None:
    os.kill({"chief": server.chief, "guardian": server.guardian}[stopped], signal.SIGSTOP)
    server.process.send_signal(number)
    wait_until(lambda: server.living == {server.forked}, "all are gone")


def test_the_kernel_ends_a_driver_whose_guardians_cannot(server: Server) -> None:
    [driver] = [process for process in descendants(server.guardian) if os.getsid(process) == process][:1]
    assert os.getsid(driver) == driver
    os.kill(server.chief, signal.SIGSTOP)
    server.process.kill()
    os.kill(server.guardian, signal.SIGKILL)
    wait_until(lambda: driver not in server.living, "the driver is gone")
    os.kill(server.chief, signal.SIGCONT)
    wait_until(lambda: server.living == {server.forked}, "all are gone")
