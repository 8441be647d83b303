"""What a client tells those who listen, and who gets what."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from core.client.errors import ClientError
from core.client.mailbox import Mailbox

if TYPE_CHECKING:
    from core.client.mirror import RemoteVector

_log = logging.getLogger("core.client")

ClientEventKind = Literal["connected", "disconnected", "closed", "defined", "changed", "deleted", "message"]

EVENTS_BYTES = 16 << 20
EVENTS_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """Be one thing that happened.

    `vector` is the live property; `state` and `values` are those of the moment, and `values` has only the members
    that were set. `members` names them also where there is no value, as for BLOBs. `message` is what the server said,
    or why the connection has ended. `vector` is None where the event concerns a whole device, or the connection.
    """

    kind: ClientEventKind
    device: str | None = None
    vector: RemoteVector | None = None
    state: str | None = None
    members: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    message: str | None = None
    timestamp: str | None = None
    weight: int = 256
    """About how many bytes it occupies."""

    @property
    def name(self) -> str | None:
        """Return the name of the property, None where there is none."""
        return self.vector.name if self.vector is not None else None


Observer = Callable[[ClientEvent], None]


class Audience:
    """Tell events to observers of everything, of a device, or of a property; one that fails costs only itself."""

    def __init__(self) -> None:
        self._observers: dict[tuple[str | None, str | None], dict[object, Observer]] = {}

    def add(self, observer: Observer, device: str | None = None, name: str | None = None) -> Callable[[], None]:
        """Call `observer` with every event of a device or property from now on; return a function that ends it."""
        key, token = (device, name), object()
        self._observers.setdefault(key, {})[token] = observer

        def end() -> None:
            observers = self._observers.get(key, {})
            observers.pop(token, None)
            if not observers:
                self._observers.pop(key, None)

        return end

    def tell(self, event: ClientEvent) -> None:
        """Tell an event to all whom it concerns; what concerns a whole device concerns its properties' observers."""
        for key in self._keys(event):
            for observer in tuple(self._observers.get(key, {}).values()):
                try:
                    observer(event)
                except Exception:  # it is somebody else's code, and the connection must live on
                    _log.exception("an observer of %s failed", event.device or "the connection")

    def _keys(self, event: ClientEvent) -> list[tuple[str | None, str | None]]:
        if event.device is None:
            return list(self._observers)
        if event.vector is None:
            return [key for key in self._observers if key[0] in (None, event.device)]
        return [(None, None), (event.device, None), (event.device, event.vector.name)]


class EventFeed:
    """Give events one after another: `async for event in client.events(...)`.

    It holds at most 16 MiB of them; `dropped` counts the oldest that had to go. Iteration ends when the client is
    closed, and raises ClientError when the connection is lost for good.
    """

    def __init__(self, audience: Audience, device: str | None, name: str | None) -> None:
        self._mailbox: Mailbox[ClientEvent] = Mailbox(EVENTS_BYTES, EVENTS_COUNT)
        # Weakly, so that a feed that is iterated over and left by `break` does not go on collecting.
        feed = weakref.ref(self)

        def put(event: ClientEvent) -> None:
            alive = feed()
            if alive is None:
                end()
                return
            alive._mailbox.put(event, event.weight)
            if event.kind == "closed":
                alive.close(ClientError(event.message) if event.message else None)

        end = audience.add(put, device, name)
        self._end = end

    @property
    def dropped(self) -> int:
        """Return how many events were dropped because nobody took them."""
        return self._mailbox.dropped

    def close(self, reason: Exception | None = None) -> None:
        """Collect nothing more."""
        self._end()
        self._mailbox.end(reason)

    def __aiter__(self) -> EventFeed:
        """Return itself."""
        return self

    async def __anext__(self) -> ClientEvent:
        """Wait for the next event."""
        return await self._mailbox.take()
