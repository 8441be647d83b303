"""A driver of indipydriver in our process: what clients see of it, snooping, and what becomes of its errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from core import Client, ClientError, CoreError, Device, Router, Switch, SwitchVector
from core.plumbing import DeviceDriver
from core.transports.server import Server

from plugin_indipydriver.transport import IndipyDriver

pytestmark = pytest.mark.usefixtures("no_leaks")
RELAY = Path(__file__).parent / "relay.py"
SECONDS = 20

Talk = Callable[[Client], Awaitable[None]]


class Lamp(Device):
    """A lamp, which the relay follows."""

    light = SwitchVector("Light", rule="AnyOfMany", members={"on": Switch(label="On")})


def transport(place: str, *arguments: str) -> IndipyDriver:
    return IndipyDriver("relay", IndipyDriver.Options(driver=place, arguments=list(arguments)))


async def with_a_client(
    talk: Callable[[Client], Awaitable[None]], *arguments: str, device: Device | None = None
) -> None:
    router, relay, server = (
        Router(),
        transport(f"{RELAY}:make_driver", *arguments),
        Server("server", Server.Options(port=0)),
    )
    local = None
    if device is not None:
        local = DeviceDriver(device, router)
        router.add(local)
        local.begin()
        device.closed_because = None
    await relay.open(router)
    await server.open(router)
    running = [asyncio.create_task(one.run()) for one in (relay, server)]
    try:
        async with asyncio.timeout(SECONDS), Client("localhost", server.port) as client:
            await talk(client)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        if local is not None:
            await local.close()
        await relay.close()
        await server.close()


def test_a_client_switches_it_and_follows_it() -> None:
    async def talk(client: Client) -> None:
        await client.wait_for("relay", "contact", {"closed": False}, timeout=SECONDS)
        await client.set("relay", "contact", {"closed": True})
        assert client.devices["relay"]["contact"]["closed"] is True
        await client.wait_for("relay", "uptime", {"seconds": 1}, timeout=SECONDS)

    asyncio.run(with_a_client(talk))


def test_its_function_is_called_with_arguments() -> None:
    async def talk(client: Client) -> None:
        await client.wait_for("Pump 2", "contact", {"closed": False}, timeout=SECONDS)

    asyncio.run(with_a_client(talk, "Pump 2"))


def test_it_snoops_on_a_device_of_ours() -> None:
    lamp = Lamp("lamp")

    async def talk(client: Client) -> None:
        await client.wait_for("relay", "contact", {"closed": False}, timeout=SECONDS)
        # Its request to hear of the lamp comes a second after it began.
        await client.wait_for("relay", "uptime", lambda vector: vector["seconds"] >= 2, timeout=SECONDS)
        await client.set("lamp", "light", {"on": True})
        await client.wait_for("relay", "contact", {"closed": True}, timeout=SECONDS)

    asyncio.run(with_a_client(talk, device=lamp))


def test_one_that_fails_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(client: Client) -> None:
        await client.wait_for("relay", "uptime", {"seconds": 1}, timeout=SECONDS)
        with contextlib.suppress(ClientError):  # it is gone before it could answer
            await client.set("relay", "fire", {"words": "burn"}, timeout=SECONDS)
        await client.wait_for("relay", "uptime", {"seconds": 0}, timeout=SECONDS)

    asyncio.run(with_a_client(talk))
    assert "has failed; it is started again in 1 s" in caplog.text
    assert "the relay burns" in caplog.text


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nothing_here:make_driver", "cannot be imported: ModuleNotFoundError"),
        (f"{RELAY}:make_another", "has no attribute 'make_another'"),
        ("/nothing/here.py:make_driver", "cannot be imported: FileNotFoundError"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(place: str, said: str) -> None:
    with pytest.raises(CoreError, match=said):
        asyncio.run(transport(place).open(Router()))
