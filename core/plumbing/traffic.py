"""Show what peers say and hear, for who looks at the traffic of a server: heads of messages, or all of them.

Where nobody looks nothing of this exists: a connection is made with its own stream and channel.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from core.indi import MessageStream, Run
from core.indi.message_stream import Definitions, Piece, Skipped
from core.plumbing.attachments import Attachments
from core.plumbing.channel import Channel, unconfirmed

_log = logging.getLogger("core.traffic")

_ATTRIBUTES = rb"(?:\s+[\w.:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*"
_HEAD = re.compile(
    rb"<(getProperties|enableBLOB|message|delProperty|pingRe(?:quest|ply)|(?:def|set|new)\w+Vector)("
    + _ATTRIBUTES
    + rb")\s*/?>"
)
_ATTRIBUTE = re.compile(r"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_LONG_TEXT = re.compile(r"[^<>]{2000,}")
_SPACE = re.compile(r"\s*\n\s*")
# What would steer a terminal; XML allows these of all control characters.
_CONTROLS = dict.fromkeys([0x7F, *range(0x80, 0xA0)], "\ufffd")


class Traffic:
    """Log each message of each peer: what it is about, or with `whole` all of it but the content of BLOBs."""

    def __init__(self, *, whole: bool) -> None:
        self._lines = _whole if whole else _heads

    def stream(self, peer: str) -> Callable[..., MessageStream]:
        """Return what makes the stream of a peer of which everything is shown that it says."""
        return functools.partial(_ShownStream, lambda data: self._show("from", peer, data))

    def channel(self, peer: str, channel: Channel) -> Channel:
        """Return a channel of which everything is shown that goes to the peer."""
        return _ShownChannel(lambda data: self._show("to", peer, data), channel)

    def _show(self, direction: str, peer: str, data: bytes) -> None:
        for line in self._lines(data):
            _log.info("%s %s: %s", direction, peer, line.translate(_CONTROLS))


def _heads(data: bytes) -> Iterator[str]:
    for head in _HEAD.finditer(data):
        given = {one[1]: one[2] or one[3] or "" for one in _ATTRIBUTE.finditer(head[2].decode(errors="replace"))}
        about = ".".join(given[key] for key in ("device", "name") if given.get(key))
        rest = [f"{key}={given[key]!r}" for key in ("state", "version", "uid", "message") if given.get(key)]
        yield " ".join([head[1].decode(), *([about] if about else []), *rest])


def _whole(data: bytes) -> Iterator[str]:
    if b"<" not in data:
        yield f"[{len(data)} bytes of a BLOB]"
        return
    starts = [0, *(head.start() for head in _HEAD.finditer(data) if head.start())]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        text = _SPACE.sub(" ", data[start:end].decode(errors="replace").strip())
        if text:
            yield _LONG_TEXT.sub(lambda found: f"[{len(found[0])} characters]", text)


class _ShownStream(MessageStream):
    def __init__(self, show: Callable[[bytes], None], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._show = show

    def whole_run(self, data: bytes) -> Run | None:
        return None  # so that it comes as a piece

    def next_piece(self) -> Piece | None:
        piece = super().next_piece()
        if piece is not None and not isinstance(piece, Skipped):
            self._show(
                piece if isinstance(piece, bytes) else piece.data if isinstance(piece, Run | Definitions) else piece.raw
            )
        return piece


class _ShownChannel:
    """Be another channel, and show what is sent."""

    def __init__(self, show: Callable[[bytes], None], channel: Channel) -> None:
        self._show = show
        self._channel = channel
        self.take_descriptor = channel.take_descriptor
        self.watch = channel.watch
        self.pause = channel.pause
        self.resume = channel.resume
        self.close = channel.close
        self.part = channel.part

    @property
    def pending(self) -> int:
        return self._channel.pending

    @property
    def unconfirmed(self) -> int:
        return unconfirmed(self._channel)

    @property
    def passes_descriptors(self) -> bool:
        return self._channel.passes_descriptors

    def send(self, data: bytes, attachments: Attachments | None = None) -> None:
        self._show(data)
        self._channel.send(data, attachments)
