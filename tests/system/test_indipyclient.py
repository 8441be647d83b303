"""The PyPI package indipyclient controls a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.conftest import CONFIGURATION, SECONDS, Start

indipyclient = pytest.importorskip("indipyclient")

pytestmark = pytest.mark.system


def client(port: int) -> Any:
    class Watching(indipyclient.IPyClient):  # type: ignore[misc, name-defined]  # the package has no types
        def __init__(self) -> None:
            super().__init__(indihost="localhost", indiport=port)
            self.news = asyncio.Event()

        async def rxevent(self, event: Any) -> None:
            self.news.set()

        async def until(self, holds: Callable[[], bool]) -> None:
            async with asyncio.timeout(SECONDS):
                while not holds():
                    self.news.clear()
                    await self.news.wait()

    return Watching()


def test_it_lists_chooses_and_is_refused(start: Start) -> None:
    async def talk(port: int) -> None:
        watching = client(port)
        running = asyncio.create_task(watching.asyncrun())
        try:
            await watching.until(lambda: "matrix" in watching and "leds" in watching["matrix"])
            await watching.until(lambda: "climate" in watching and "sampling" in watching["climate"])
            program = watching["matrix"]["program"]
            await watching.until(lambda: program["heartbeat"] == "On")
            assert program.rule == "OneOfMany"

            await watching.send_newVector("matrix", "program", members={"spiral": "On"})
            await watching.until(lambda: program["spiral"] == "On" and program.state == "Ok")
            assert [name for name in program if program[name] == "On"] == ["spiral"]

            await watching.send_newVector("matrix", "program", members={"none": "On"})
            await watching.until(lambda: program["none"] == "On" and program.state == "Ok")
            leds = watching["matrix"]["leds"]
            await watching.send_newVector("matrix", "leds", members={"r3c3": "On"})
            await watching.until(lambda: leds["r3c3"] == "On" and leds.state == "Ok")
            assert [name for name in leds if leds[name] == "On"] == ["r3c3"]

            sampling = watching["climate"]["sampling"]
            before = sampling["period"]
            await watching.send_newVector("climate", "sampling", members={"period": 1e9})
            await watching.until(lambda: sampling.state == "Alert")
            assert "out of range" in sampling.message
            assert sampling["period"] == before
            await watching.send_newVector("climate", "sampling", members={"period": 0.5})
            await watching.until(lambda: sampling.state == "Ok" and float(sampling["period"]) == 0.5)
        finally:
            watching.shutdown()
            await running

    asyncio.run(talk(start("--port", "0", configuration=CONFIGURATION).port))
