"""What BLOBs our peers want of servers behind us, as one: those keep BLOBs to themselves until they are told otherwise.

A server sees one client in us, so that the words of our clients cannot be passed on as they come: one's Never, or Only,
would count for all. It is told `Also` for what any of them wants and `Never` for what nobody wants any more.

indiserver takes a word about a device for one about the whole connection. So what is wanted no longer, while something
else is, is declined by the names of its properties, which every server understands alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from core.indi import EnableBlob, Message
from core.plumbing.interest import BlobMode

MAXIMUM_KNOWN = 1000
"""How many BLOB properties of servers behind us are remembered, to decline them."""

Wish = tuple[str, str]
"""A device and a property; "" stands for all of them."""


class Server(Protocol):
    """Be a server behind us."""

    def send(self, message: Message) -> None:
        """Queue a message for it."""
        ...


class BlobWishes:
    """Join the wishes of peers, and tell each server behind us of those that it may fulfil.

    `may_have` tells whether a device may be one of a server's.
    """

    def __init__(self, may_have: Callable[[Server, str], bool]) -> None:
        self._may_have = may_have
        self._counts: Counter[Wish] = Counter()
        self._of: dict[object, dict[str, set[str]]] = {}
        self._told: dict[Server, set[Wish]] = {}
        self._only: dict[Server, str] = {}
        self._known: dict[Wish, None] = {}

    # Peers

    def say(self, peer: object, device: str | None, name: str | None, mode: BlobMode) -> None:
        """Take note of a peer's enableBLOB; a word about a whole replaces what was said of its parts."""
        mine = self._of.setdefault(peer, {})
        device, name = device or "", (name or "") if device else ""
        if not device:
            before = list(_wishes(mine))
            mine.clear()
        elif not name:
            before = [(device, one) for one in mine.pop(device, ())]
        else:
            before = [(device, name)] if name in mine.get(device, ()) else []
            mine.get(device, set()).discard(name)
        wish = (device, name)
        if mode != "Never":
            mine.setdefault(device, set()).add(name)
            self._counts[wish] += 1
            if wish not in before:
                for server in self._told:
                    self._ask(server, wish)
        self._withdraw(before)

    def leave(self, peer: object) -> None:
        """Forget the wishes of a peer that has gone."""
        self._withdraw(list(_wishes(self._of.pop(peer, {}))))

    # Servers behind us

    def introduce(self, server: Server, device: str | None = None) -> None:
        """Tell a server that has been connected, and asked for its properties, of everything that is wanted.

        `device` is the one device that is asked for; None stands for all.
        """
        self._told[server] = set()
        self._only[server] = device or ""
        for wish in sorted(self._counts):  # what is said of a whole comes first
            self._ask(server, wish)

    def part(self, server: Server) -> None:
        """Forget a server that has gone."""
        self._told.pop(server, None)
        self._only.pop(server, None)

    def defined(self, server: Server, device: str, name: str | None) -> None:
        """Take note of a BLOB property of a server; one that it would send though nobody wants it is declined."""
        if server not in self._told or not name:
            return
        if len(self._known) >= MAXIMUM_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[device, name] = None
        for wish in (device, ""), (device, name):
            if self._counts[wish]:
                self._ask(server, wish)
        if not self._wanted(device, name) and _has_wide(self._told[server]):
            server.send(EnableBlob(device, name, "Never"))

    def _ask(self, server: Server, wish: Wish) -> None:
        device, name = wish
        told, only = self._told[server], self._only[server]
        if wish in told or (device and only not in ("", device)) or (device and not self._may_have(server, device)):
            return
        told.add(wish)
        server.send(EnableBlob(device or only or None, name or None, "Also"))
        if not name:
            self._decline(server, self._known)

    def _decline(self, server: Server, properties: dict[Wish, None]) -> None:
        for device, name in properties:
            if not self._wanted(device, name) and self._may_have(server, device):
                server.send(EnableBlob(device, name, "Never"))

    def _withdraw(self, wishes: list[Wish]) -> None:
        for wish in wishes:
            self._counts[wish] -= 1
        gone = {wish for wish in wishes if not self._counts[wish]}
        for wish in gone:
            del self._counts[wish]
        for server, told in self._told.items():
            withdrawn = gone & told
            if not withdrawn:
                continue
            told -= withdrawn
            if not told:
                server.send(EnableBlob(None, None, "Never"))
            else:
                concerned = {wish for wish in withdrawn if wish[1]} | {
                    known for known in self._known if not withdrawn.isdisjoint((("", ""), (known[0], "")))
                }
                self._decline(server, dict.fromkeys(sorted(concerned)))

    def _wanted(self, device: str, name: str) -> bool:
        counts = self._counts
        return ("", "") in counts or (device, "") in counts or (device, name) in counts


def _wishes(mine: dict[str, set[str]]) -> Iterator[Wish]:
    for device, names in mine.items():
        for name in names:
            yield device, name


def _has_wide(told: set[Wish]) -> bool:
    return any(not name for _, name in told)
