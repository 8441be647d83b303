"""What a device of ours hears of other drivers: a queue that keeps the newest of each property."""

from __future__ import annotations

import asyncio
import logging

from core.device import Device
from core.errors import ProtocolError, ValueRefused
from core.indi import DelProperty, Message, Notice, VectorMessage
from core.log.origin import INSTANCE
from core.loop import Loop
from core.plumbing.handling import Handling
from core.plumbing.interest import Interest
from core.plumbing.wire import new_values
from core.snooped import Snooped

_log = logging.getLogger("core.snooping")

MAXIMUM_WAITING = 1000
"""How many pieces of news may wait; the oldest are dropped and counted."""


class SnoopQueue:
    """Hold what is to be told to one device, and tell it, one piece after another.

    Sets of one property that the device has not taken yet are replaced by the newest. `handling` bounds how long
    devices keep a turn of the loop with that.
    """

    def __init__(self, device: Device, handling: Handling) -> None:
        self.interest = Interest()
        self.dropped = 0
        self._device = device
        self._handling = handling
        self._postponed = False
        self._waiting: dict[tuple[str, str, int], Snooped] = {}
        self._number = 0
        self._running: asyncio.Task[None] | None = None

    def put(self, message: Message) -> None:
        """Queue a message of another driver."""
        try:
            news = _news(message)
        except (ProtocolError, ValueRefused) as error:
            _log.warning("%s: snooped traffic cannot be read: %s", self._device.name, error)
            return
        if news is None:
            return
        # Only what one set says is replaced by the next; definitions, ends and messages stand for themselves.
        self._number += news.kind != "changed" or news.message is not None
        key = (news.device, news.name or "", 0 if news.kind == "changed" and news.message is None else self._number)
        before = self._waiting.pop(key, None)
        if before is not None:
            news = before.followed_by(news)
        self._waiting[key] = news
        if len(self._waiting) > MAXIMUM_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self.dropped += 1
        self._advance()

    async def close(self) -> None:
        """Drop what waits; cancel and await what runs."""
        self._waiting.clear()
        if (running := self._running) is not None:
            running.cancel()
            await asyncio.wait([running])

    def _advance(self) -> None:
        handling, loop = self._handling, Loop.current()
        while self._waiting and self._running is None and not self._postponed:
            if handling.is_over:
                self._postponed = True
                handling.join(self._go_on)
                return
            news = self._waiting.pop(next(iter(self._waiting)))
            begun = loop.now()
            self._running = loop.run_lent(self._give(news), self._ended)
            handling.spend(loop.now() - begun)

    def _go_on(self) -> None:
        self._postponed = False
        self._advance()

    async def _give(self, news: Snooped) -> None:
        INSTANCE.set(self._device.name)
        await self._device.on_snoop(news)

    def _ended(self, _result: None, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._device.report_failure(f"{self._device.name}.on_snoop", error)
        if self._running is not None:
            self._running = None
            self._advance()


def _news(message: Message) -> Snooped | None:
    match message:
        case VectorMessage(verb="def" | "set"):
            values = new_values(message)
            kind = "defined" if message.verb == "def" else "changed"
            attributes = message.attributes
            return Snooped(
                kind,  # type: ignore[arg-type]  # one of the two
                message.device,
                message.name,
                values,
                attributes.get("state"),
                attributes.get("message"),
            )
        case DelProperty(device, name, said) if device is not None:
            return Snooped("deleted", device, name, message=said)
        case Notice(text, device) if device is not None:
            return Snooped("message", device, message=text)
        case _:
            return None
