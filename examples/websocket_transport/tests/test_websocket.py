"""WebSocketServer with real WebSockets on a real port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from core import CoreError, Device, Number, NumberVector, Switch, SwitchVector
from core.testing import served_by
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from plugin_websocket.transport import WebSocketServer

pytestmark = pytest.mark.usefixtures("no_leaks")
SECONDS = 20
ASK = '<getProperties version="1.7"/>'


class Lamp(Device):
    """A lamp."""

    light = SwitchVector("Light", rule="AnyOfMany", members={"on": Switch(label="On")})
    brightness = NumberVector("Brightness", members={"value": Number(label="Value", format="%.3f")})


def server(**options: object) -> WebSocketServer:
    return WebSocketServer("it", WebSocketServer.Options(port=0, **options))  # type: ignore[arg-type]


@asynccontextmanager
async def connected(transport: WebSocketServer, origin: str | None = None) -> AsyncIterator[ClientConnection]:
    async with (
        asyncio.timeout(SECONDS),
        connect(
            f"ws://localhost:{transport.port}",
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol("indi")],
            max_size=None,
        ) as client,
    ):
        yield client


async def heard(client: ClientConnection, until: str) -> str:
    text = ""
    while until not in text:
        data = await client.recv()
        text += data if isinstance(data, str) else data.decode()
    return text


def test_a_client_sets_and_sees_a_property() -> None:
    async def main() -> None:
        transport = server()
        async with served_by(transport, Lamp("lamp")), connected(transport) as client:
            assert client.subprotocol == "indi"
            await client.send(ASK)
            await heard(client, "</defNumberVector>")
            await client.send('<newSwitchVector device="lamp" name="light"><oneSwitch name="on">On')
            await client.send(b"</oneSwitch></newSwitchVector>")
            assert "On" in await heard(client, "</setSwitchVector>")

    asyncio.run(main())


def test_two_clients_see_what_one_does() -> None:
    async def main() -> None:
        transport, lamp = server(), Lamp("lamp")
        async with served_by(transport, lamp), connected(transport) as one, connected(transport) as other:
            for client in (one, other):
                await client.send(ASK)
                await heard(client, "</defNumberVector>")
            lamp.brightness.update(value=0.5)
            for client in (one, other):
                assert "0.500" in await heard(client, "</setNumberVector>")

    asyncio.run(main())


def test_a_client_that_reads_nothing_gets_the_newest_when_it_does() -> None:
    async def main() -> None:
        transport, lamp = server(), Lamp("lamp")
        async with served_by(transport, lamp), connected(transport) as slow, connected(transport) as quick:
            for client in (slow, quick):
                await client.send(ASK)
                await heard(client, "</defNumberVector>")
            for number in range(60_000):
                lamp.brightness.update(value=number)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            assert "59999.000" in await heard(quick, "59999.000")
            assert "59999.000" in await heard(slow, "59999.000")

    asyncio.run(main())


def test_what_is_not_indi_ends_that_client_alone() -> None:
    async def main() -> None:
        transport = server()
        async with served_by(transport, Lamp("lamp")), connected(transport) as good, connected(transport) as bad:
            await bad.send("this is not INDI <at all")
            with pytest.raises(ConnectionClosed):
                await heard(bad, "never")
            await good.send(ASK)
            await heard(good, "</defNumberVector>")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("origin", "origins", "welcome"),
    [
        ("http://localhost:8000", [], True),
        ("https://elsewhere.example", [], False),
        ("https://elsewhere.example", ["https://elsewhere.example"], True),
    ],
)
def test_pages_from_elsewhere_may_not_connect(origin: str, origins: list[str], welcome: bool) -> None:
    async def main() -> None:
        transport = server(origins=origins)
        async with served_by(transport, Lamp("lamp")):
            if welcome:
                async with connected(transport, origin) as client:
                    await client.send(ASK)
                    await heard(client, "</defNumberVector>")
            else:
                with pytest.raises(InvalidStatus, match="403"):
                    async with connected(transport, origin):
                        pytest.fail("it is connected")

    asyncio.run(main())


def test_a_port_that_is_taken_is_one_sentence() -> None:
    async def main() -> None:
        with socket.create_server(("localhost", 0)) as taken:
            port = taken.getsockname()[1]
            transport = WebSocketServer("it", WebSocketServer.Options(port=port))
            with pytest.raises(CoreError, match=f"it cannot listen on localhost:{port}: .*; choose another port"):
                async with served_by(transport):
                    pytest.fail("it listens")

    asyncio.run(main())
