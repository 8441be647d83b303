"""The client's connection: lost, opened again, dead, refused; on virtual time."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from core.client import Client, ClientError, mirror
from core.testing import VirtualClock
from tests.scripted_server import CLIMATE, IMAGE, MATRIX, ON, Peer, ScriptedServer, converse, is_stale, setting


def test_the_servers_pings_are_answered_behind_what_it_said(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        peer.say(setting("matrix", "program", "Ok", ON), b'<pingRequest uid="SetBLOB/1"/>')
        await peer.until(rb'<pingReply uid="SetBLOB/1"/>')
        assert client.devices["matrix"]["program"].chosen == "spiral"

    converse(clock, talk, MATRIX)


def test_one_bad_message_is_skipped_and_rubbish_ends_the_connection(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        peer.say(b"<defTextVector/><unknown/><setTextVector device='\xff' name='x'/>", MATRIX)
        await client.wait_for("matrix", "program")
        assert "what cannot be used (1 times): defTextVector without device" in caplog.text
        events = client.events()
        peer.say(b"HTTP/1.0 400 Bad Request\r\n")
        event = await anext(events)
        assert event.kind == "disconnected"
        assert "sends what is not INDI: text between messages" in (event.message or "")

    converse(clock, talk)


def test_a_server_that_defines_without_end_is_left(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "MAXIMUM_WEIGHT", 100_000)

    async def talk(client: Client, peer: Peer) -> None:
        events = client.events()
        for number in range(200):
            peer.say(MATRIX.replace(b"program", b"p%d" % number))
        async for event in events:
            if event.kind == "disconnected":
                assert "occupy more than 100000 bytes" in (event.message or "")
                break
        assert len(client.devices["matrix"]) < 60

    converse(clock, talk)


def test_it_connects_again_with_growing_delay(clock: VirtualClock) -> None:
    async def main() -> None:
        async with ScriptedServer() as server:
            client = Client("127.0.0.1", server.port, first_delay=1, longest_delay=5)
            async with client:
                peer = await server.accept()
                await peer.greeted(MATRIX)
                program = await client.wait_for("matrix", "program")
                setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
                await peer.until(rb"</newSwitchVector>")
                patient = asyncio.create_task(client.wait_for("matrix", "program", {"spiral": True}))
                attempts = []
                for _ in range(5):
                    peer.close()
                    lost = clock.seconds
                    peer = await server.accept()
                    attempts.append(round(clock.seconds - lost, 3))
                assert attempts == [1, 2, 4, 5, 5]
                with pytest.raises(ClientError, match=r"has closed the connection; whether matrix\.program was set"):
                    await setter
                assert is_stale(program)
                assert not patient.done()
                await peer.greeted(MATRIX.replace(b"Off", b"On").replace(b">On</defSwitch><", b">Off</defSwitch><", 1))
                assert await patient is program
                assert not is_stale(program)
                # It was a server, so that the next delay is the first one again.
                peer.close()
                lost = clock.seconds
                await server.accept()
                assert clock.seconds - lost == pytest.approx(1)

    clock.run(main())


def test_without_reconnecting_the_end_reaches_everybody(clock: VirtualClock) -> None:
    async def main() -> None:
        async with ScriptedServer() as server, Client("127.0.0.1", server.port, reconnect=False) as client:
            peer = await server.accept()
            await peer.greeted(MATRIX, IMAGE)
            await client.wait_for("matrix", "program")
            waiting = asyncio.create_task(client.wait_for("matrix", "program", "Alert"))
            events = client.events()
            async with client.blobs("cam") as images:
                await peer.until(b"</enableBLOB>")
                peer.close()
                for ended in (waiting, anext(images)):
                    with pytest.raises(ClientError, match="has closed the connection"):
                        await ended
            assert [(await anext(events)).kind for _ in range(2)] == ["disconnected", "closed"]
            with pytest.raises(ClientError, match="has closed the connection"):
                await anext(events)
            with pytest.raises(ClientError, match="has closed the connection"):
                await client.set("matrix", "program", {"spiral": True})

    clock.run(main())


def test_leaving_ends_whoever_waits(clock: VirtualClock) -> None:
    async def main() -> None:
        async with ScriptedServer() as server:
            client = Client("127.0.0.1", server.port)
            with pytest.raises(ClientError, match="not connected"):
                await client.wait_for("matrix", "program")
            async with client:
                peer = await server.accept()
                waiting = asyncio.create_task(client.wait_for("matrix", "program"))
                events = client.events()
                await peer.greeted(CLIMATE)
                await client.wait_for("climate", "climate")
            with pytest.raises(ClientError, match="not connected"):
                await waiting
            assert [event.kind async for event in events] == ["defined", "closed"]
            assert await peer.ended() == b"\n"
            with pytest.raises(ClientError, match="make another one"):
                await client.__aenter__()

    clock.run(main())


def test_what_was_sent_without_waiting_arrives_though_the_client_leaves(clock: VirtualClock) -> None:
    async def main() -> None:
        async with ScriptedServer() as server:
            async with Client("127.0.0.1", server.port) as client:
                peer = await server.accept()
                await peer.greeted(MATRIX, pings=False)
                await client.set("matrix", "program", {"spiral": True}, wait=False)
                # Not read by the client any more: a plain close would reset the connection.
                peer.say(MATRIX * 100)
            await peer.until(rb"</newSwitchVector>")

    clock.run(main())


def test_a_dead_server_is_noticed_by_ping(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        events = client.events()
        began = clock.seconds
        assert (await anext(events)).kind == "disconnected"
        assert clock.seconds - began == pytest.approx(30, abs=0.2)
        assert (await peer.ended()).count(b"<pingRequest") == 2

    converse(clock, talk, MATRIX)


def test_a_server_that_answers_pings_lives(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        answering = asyncio.create_task(peer.answer_pings())
        await asyncio.sleep(3600)
        assert client.connected
        assert peer.seen.count(b"<pingRequest") == pytest.approx(360, abs=2)
        answering.cancel()
        await asyncio.wait([answering])

    converse(clock, talk, MATRIX)


def test_a_server_that_knows_no_pings_lives_while_it_says_anything(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        for _ in range(100):
            await asyncio.sleep(9)
            peer.say(setting("climate", "climate", "Ok", kind="Number"))
        assert client.connected
        assert peer.seen == b"\n"
        # Silent, it is asked for what it has defined, of one device after another.
        for device in (b"matrix", b"climate", b"matrix"):
            await peer.until(rb'^\s*<getProperties device="' + device + rb'" name="\w+" version="1.7"/>')
            peer.say(MATRIX)
        events = client.events()
        began = clock.seconds
        while (await anext(events)).kind != "disconnected":
            pass
        assert clock.seconds - began == pytest.approx(70, abs=0.2)

    converse(clock, talk, MATRIX, CLIMATE, pings=False)


def test_a_server_with_nothing_to_say_is_not_taken_for_dead(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        await asyncio.sleep(3600)
        assert client.connected

    converse(clock, talk, pings=False)


def test_a_server_that_is_not_there_is_one_sentence(clock: VirtualClock, tmp_path: Path) -> None:
    async def refused(client: Client) -> str:
        with pytest.raises(ClientError) as caught:
            await client.__aenter__()
        return str(caught.value)

    async def main() -> None:
        async with ScriptedServer() as server:
            port = server.port
        for host in ("127.0.0.1", "localhost"):
            cure = f"no INDI server listens on {host}:{port}; start one there: corectl run --port {port}"
            assert await refused(Client(host, port)) == cure
        assert "no INDI server listens on " in await refused(Client(path=str(tmp_path / "socket")))
        assert "'no-such.invalid' is no host" in await refused(Client("no-such.invalid", port))
        for name in ("local..host", "x" * 70):
            assert f"'{name}' is not the name of a host" in await refused(Client(name, port))

    clock.run(main())


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_sockets(clock: VirtualClock, tmp_path: Path, abstract: bool) -> None:
    address = f"@core-test-{tmp_path.name}-{id(clock)}" if abstract else str(tmp_path / "socket")

    async def main() -> None:
        async def define(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(MATRIX)
            await reader.read()
            writer.close()

        bound = "\0" + address[1:] if abstract else address
        server = await asyncio.start_unix_server(define, bound)
        async with Client(path=address) as client:
            await client.wait_for("matrix", "program")
        server.close()
        await server.wait_closed()

    clock.run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_runs_on_any_asyncio_loop(loop: str) -> None:
    async def main() -> str | None:
        async with ScriptedServer() as server, Client("127.0.0.1", server.port) as client:
            peer = await server.accept()
            await peer.greeted(MATRIX)
            await client.wait_for("matrix", "program")
            setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
            await peer.until(rb"</newSwitchVector>")
            peer.say(b'<pingReply uid="core-2"/>', setting("matrix", "program", "Ok", ON))
            return (await setter).chosen

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == "spiral"


def test_nothing_is_logged_loudly_in_an_ordinary_life(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        peer.say(setting("matrix", "program", "Ok", ON))
        await client.wait_for("matrix", "program", "Ok")

    converse(clock, talk, MATRIX)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
