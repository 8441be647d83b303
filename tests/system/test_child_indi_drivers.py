"""Debian's simulated devices as children."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from core.drivers import ChildDriver, StartDriver
from core.drivers.stdio import Stdio
from core.loop import Loop
from tests.system.conftest import SECONDS, need

pytestmark = pytest.mark.system


@pytest.mark.parametrize("program", ["indi_simulator_telescope", "indi_simulator_ccd"])
def test_a_real_driver_speaks_is_restarted_and_ends(program: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    need(program)
    sockets: list[Stdio] = []
    started: asyncio.Queue[Stdio] = asyncio.Queue()
    ends: list[str] = []

    async def until(stdio: Stdio, pattern: bytes) -> None:
        seen = b""
        while not re.search(pattern, seen):
            data = await asyncio.get_running_loop().sock_recv(stdio.stdout, 65536)
            assert data, seen
            seen += data

    def on_start(stdio: Stdio) -> None:
        stdio.stdout.setblocking(False)
        stdio.stdin.send(b"<getProperties version='1.7'/>\n")
        sockets.append(stdio)
        started.put_nowait(stdio)

    connection = rb"<defSwitchVector[^>]*device=.Mine.\s+name=.CONNECTION."

    async def main() -> None:
        start = StartDriver(program, device="Mine")
        home = str(tmp_path_factory.mktemp("home"))
        environment = start.environment({"PATH": "/usr/bin:/bin", "HOME": home})
        driver = ChildDriver(
            start.command(), name="real", on_start=on_start, on_end=ends.append, environment=environment
        )
        task = asyncio.create_task(driver.run())
        async with asyncio.timeout(SECONDS):
            await until(await started.get(), connection)
            driver.restart()
            await until(await started.get(), connection)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert driver.statistics.starts == len(ends) == 2
        assert driver.statistics.log_lines_dropped == 0

    try:
        Loop().run(main())
    finally:
        for end in sockets:
            end.close()
