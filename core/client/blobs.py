"""BLOBs for those who want them: into memory, or piece by piece into files."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.client.attached import Attached
from core.client.content import BlobContent
from core.client.errors import BlobLost
from core.client.mailbox import Mailbox
from core.client.scanner import BlobBegin, BlobEnd, BlobPiece

_log = logging.getLogger("core.client")

WAITING_BYTES = 256 << 20
"""How many bytes of BLOBs wait in a feed before the oldest are dropped."""

WAITING_COUNT = 10_000
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class ReceivedBlob:
    """Be a BLOB that has arrived: its bytes in `data`, or the file that has them in `path`.

    `format` is the suffix that tells what it is, such as ".fits"; `.z` is gone, since the content has been inflated.
    """

    device: str
    name: str
    member: str
    format: str
    size: int
    data: bytes = b""
    path: Path | None = None
    timestamp: str | None = None


class Sink(Protocol):
    """Be where the content of one BLOB goes."""

    async def write(self, data: bytes) -> None:
        """Take a piece."""
        ...

    async def finish(self) -> tuple[bytes, Path | None]:
        """Return the content, or the file that has it."""
        ...

    def discard(self) -> None:
        """Keep nothing."""
        ...


class MemorySink:
    """Collect content in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        """Take a piece."""
        self._pieces.append(data)

    async def finish(self) -> tuple[bytes, None]:
        """Return the content."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces), None

    def discard(self) -> None:
        """Keep nothing."""
        self._pieces.clear()


class FileSink:
    """Write content to a file, under a name that ends in `.part` until it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        # Buffered: its lock makes `discard` wait for a write that goes on in a thread.
        self._file = self._part.open("xb")

    async def write(self, data: bytes) -> None:
        """Write a piece; in a thread, since a slow disk must not stop the loop."""
        await asyncio.to_thread(self._file.write, data)

    async def finish(self) -> tuple[bytes, Path]:
        """Give the file its name and return that."""
        await asyncio.to_thread(self._file.close)
        self._part.rename(self._path)
        return b"", self._path

    def discard(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # a full disk fails once more when what is buffered is flushed
            self._file.close()
        self._part.unlink(missing_ok=True)


class BlobFeed:
    """Give BLOBs one after another: `async with client.blobs(...) as images: async for image in images`.

    At most 256 MiB of them wait in memory, the newest in any case; `dropped` counts the oldest that had to go. One that
    could not be kept raises BlobLost where it would have come; the next can be taken all the same.
    """

    def __init__(
        self,
        device: str | None,
        name: str | None,
        directory: Path | None,
        *,
        enter: Callable[[BlobFeed], Awaitable[None]],
        leave: Callable[[BlobFeed], Awaitable[None]],
    ) -> None:
        self.device = device
        self.name = name
        self._directory = directory
        self._enter = enter
        self._leave = leave
        self._mailbox: Mailbox[ReceivedBlob] = Mailbox(WAITING_BYTES, WAITING_COUNT)

    @property
    def dropped(self) -> int:
        """Return how many BLOBs were dropped because nobody took them."""
        return self._mailbox.dropped

    def wants(self, device: str, name: str) -> bool:
        """Return whether BLOBs of a property belong here."""
        return self.device in (None, device) and self.name in (None, name)

    def open_sink(self, device: str, name: str, member: str, form: str) -> Sink:
        """Return where a BLOB's content is to go; raise OSError if there is no place."""
        if self._directory is None:
            return MemorySink()
        stem = "_".join(_UNFIT.sub("-", part)[:64].strip("-.") for part in (device, name, member))
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        return FileSink(self._directory / f"{stem}_{stamp}_{next(_numbers):04d}{_UNFIT.sub('', form)[:16]}")

    def put(self, blob: ReceivedBlob | BlobLost) -> None:
        """Let a BLOB, or the news that one is lost, wait here."""
        self._mailbox.put(blob, len(blob.data) if isinstance(blob, ReceivedBlob) else 0)

    def end(self, reason: Exception | None = None) -> None:
        """Let nothing more come."""
        self._mailbox.end(reason)

    async def __aenter__(self) -> BlobFeed:
        """Permit the server to send the BLOBs."""
        await self._enter(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Want no more of them."""
        self.end()
        await self._leave(self)

    def __aiter__(self) -> BlobFeed:
        """Return itself."""
        return self

    async def __anext__(self) -> ReceivedBlob:
        """Wait for the next BLOB."""
        return await self._mailbox.take()


class BlobReceiver:
    """Bring the BLOBs of one connection to the feeds that want them; what nobody wants is not even decoded."""

    def __init__(
        self, feeds: list[BlobFeed], maximum: int, take_descriptor: Callable[[], int | None] = lambda: None
    ) -> None:
        self._feeds = feeds
        self._maximum = maximum
        self._take_descriptor = take_descriptor
        self._attached: Attached | None = None
        self._begin: BlobBegin | None = None
        self._content: BlobContent | None = None
        self._sinks: list[tuple[BlobFeed, Sink]] = []

    async def take(self, item: BlobBegin | BlobPiece | BlobEnd) -> None:
        """Take the next part of what the scanner gives."""
        try:
            if isinstance(item, BlobBegin):
                self._open(item)
            elif self._content is None:
                pass
            elif isinstance(item, BlobPiece):
                for data in self._content.feed(item.text):
                    for _, sink in self._sinks:
                        await sink.write(data)
            else:
                await self._take_attached(self._content)
                await self._finish(self._content)
        except (BlobLost, OSError) as error:
            self._lose(str(error))

    def close(self) -> None:
        """Drop a BLOB that is not complete, because its connection has ended."""
        self._forget_attached()
        if self._content is not None:
            self._lose("the connection ended in the middle of it")

    def _open(self, begin: BlobBegin) -> None:
        vector, said = begin.vector, begin.element.attributes
        self._begin, self._content, self._sinks = begin, None, []
        self._forget_attached()
        if said.get("attached") == "true" and (descriptor := self._take_descriptor()) is not None:
            # Taken whoever wants it: the next descriptor belongs to the next BLOB.
            self._attached = Attached(descriptor, said)
        feeds = [feed for feed in self._feeds if feed.wants(vector.device, vector.name)]
        # A size of 0 tells a state only.
        if not feeds or vector.verb != "set" or said.get("size", "").strip() == "0":
            return
        try:
            if said.get("attached") == "true" and self._attached is None:
                raise BlobLost("it is said to be attached, and nothing is")
            self._content = BlobContent(said, self._maximum)
            for feed in feeds:
                sink = feed.open_sink(vector.device, vector.name, begin.element.name, self._content.format)
                self._sinks.append((feed, sink))
        except (BlobLost, OSError) as error:
            self._lose(str(error), feeds)

    async def _take_attached(self, content: BlobContent) -> None:
        attached, self._attached = self._attached, None
        if attached is None:
            return
        try:
            while data := attached.read():
                await asyncio.sleep(0)  # it is memory, but there may be much of it
                for piece in content.feed_decoded(data):
                    for _, sink in self._sinks:
                        await sink.write(piece)
        finally:
            attached.close()

    def _forget_attached(self) -> None:
        if self._attached is not None:
            self._attached.close()
            self._attached = None

    async def _finish(self, content: BlobContent) -> None:
        content.finish()
        while self._sinks and self._begin is not None:
            feed, sink = self._sinks[0]
            data, path = await sink.finish()
            del self._sinks[0]
            vector = self._begin.vector
            when = vector.attributes.get("timestamp")
            member = self._begin.element.name
            feed.put(ReceivedBlob(vector.device, vector.name, member, content.format, content.size, data, path, when))
        self._content = None

    def _lose(self, why: str, feeds: list[BlobFeed] | None = None) -> None:
        begin, sinks = self._begin, self._sinks
        self._content, self._sinks = None, []
        for _, sink in sinks:
            sink.discard()
        if begin is not None:
            place = f"{begin.vector.device}.{begin.vector.name}.{begin.element.name}"
            _log.warning("a BLOB of %s is lost: %s", place, why)
            for feed in feeds or [feed for feed, _ in sinks]:
                feed.put(BlobLost(f"a BLOB of {place} is lost: {why}"))
