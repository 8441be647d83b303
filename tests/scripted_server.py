"""A server that says what a test has it say, on a real socket, and shows every byte that a client sends."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from types import TracebackType

from core.client import Client, RemoteVector
from core.testing import VirtualClock

MATRIX = (
    b'<defSwitchVector device="matrix" name="program" label="Program" group="Main" state="Idle" perm="rw"'
    b' rule="OneOfMany" timeout="5" timestamp="2026-01-01T00:00:00"><defSwitch name="none" label="no program">On'
    b'</defSwitch><defSwitch name="spiral" label="Spiral">Off</defSwitch></defSwitchVector>'
)
CLIMATE = (
    b'<defNumberVector device="climate" name="climate" label="Climate" group="Main" state="Ok" perm="ro">'
    b'<defNumber name="temperature" label="Temperature" format="%.1f" min="-40" max="85" step="0.5">21.5</defNumber>'
    b"</defNumberVector>"
)


class Peer:
    """Be a client as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.seen = b""

    def say(self, *parts: bytes) -> None:
        """Send bytes."""
        self._writer.write(b"".join(parts))

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until what the client has sent fits, and forget what lies before the end of the match."""
        while True:
            if found := re.search(pattern, self.seen, re.DOTALL):
                self.seen = self.seen[found.end() :]
                return found
            data = await self._reader.read(65536)
            assert data, f"the client closed before {pattern!r}; seen: {self.seen!r}"
            self.seen += data

    async def ended(self) -> bytes:
        """Wait until the client has closed and return what it sent before."""
        return self.seen + await self._reader.read()

    async def answer_pings(self) -> None:
        """Answer every ping until the client has closed."""
        while data := await self._reader.read(65536):
            self.seen += data
            for uid in re.findall(rb'<pingRequest uid="([^"]*)"', data):
                self.say(b'<pingReply uid="' + uid + b'"/>')

    async def greeted(self, *definitions: bytes, pings: bool = True) -> None:
        """Take what a client says first; answer with definitions, and its ping."""
        uid = (await self.until(rb'<getProperties version="1.7"/>.*<pingRequest uid="([^"]*)"/>')).group(1)
        self.say(*definitions)
        if pings:
            self.say(b'<pingReply uid="' + uid + b'"/>')

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class ScriptedServer:
    """Listen on a port of its own, or on `port`; `accept` gives the clients one after another."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._all: list[Peer] = []
        self._server: asyncio.Server | None = None

    async def accept(self) -> Peer:
        """Wait for the next client."""
        return await self._peers.get()

    async def __aenter__(self) -> ScriptedServer:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._all.append(Peer(reader, writer))
            self._peers.put_nowait(self._all[-1])

        self._server = await asyncio.start_server(connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self._all:
            peer.close()
        await self._server.wait_closed()


Talk = Callable[[Client, Peer], Awaitable[None]]
IMAGE = (
    b'<defBLOBVector device="cam" name="image" state="Idle" perm="ro"><defBLOB name="frame"/></defBLOBVector>'
    b'<defBLOBVector device="cam" name="upload" state="Idle" perm="wo"><defBLOB name="file"/></defBLOBVector>'
)


def converse(clock: VirtualClock, talk: Talk, *definitions: bytes, pings: bool = True, **options: float) -> None:
    """Run a test's talk between a client and a server that has defined what is given."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with ScriptedServer() as server, Client("127.0.0.1", server.port, **options) as client:  # type: ignore[arg-type]
            peer = await server.accept()
            await peer.greeted(*definitions, pings=pings)
            if definitions:
                await client.settled(0.1)
            await talk(client, peer)
        assert asyncio.all_tasks() == before

    clock.run(main())


def setting(device: str, name: str, state: str, body: bytes = b"", *, kind: str = "Switch", message: str = "") -> bytes:
    """Return a set message."""
    said = f' message="{message}"' if message else ""
    return (
        f'<set{kind}Vector device="{device}" name="{name}" state="{state}"{said}>'.encode()
        + body
        + f"</set{kind}Vector>".encode()
    )


def blob(content: bytes, form: str = ".bin", size: int | None = None, *, device: str = "cam") -> bytes:
    """Return a set message with a BLOB."""
    size = len(content) if size is None else size
    one = f'<oneBLOB name="frame" size="{size}" format="{form}">'.encode() + base64.b64encode(content) + b"</oneBLOB>"
    return setting(device, "image", "Ok", one, kind="BLOB")


def is_stale(vector: RemoteVector) -> bool:
    """Return what mypy takes for unchanging otherwise."""
    return vector.stale


ON = b'<oneSwitch name="none">Off</oneSwitch><oneSwitch name="spiral">On</oneSwitch>'
