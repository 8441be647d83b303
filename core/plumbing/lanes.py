"""What waits aside for one peer: a lane for each device, served in turn.

Within a lane the order holds; between devices nobody promises one, so what floods delays itself alone. A vector of
which too much waits is reduced to its newest set, never across a definition or its end.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from typing import Protocol

from core.indi.long_messages import LongMessage
from core.plumbing.attachments import Attachments

ITEM = 64
"""Bytes that one more item costs beside its content."""
SHARE = 1 << 16
"""Up to how many bytes of sets every vector may have waiting, however far behind the peer is."""


class Shape(Protocol):
    """Be what the sets of one run have in common."""

    @property
    def has_message(self) -> bool:
        """Return whether they say something to people, so that none may be left out."""
        ...

    @property
    def key(self) -> Hashable:
        """Return what two sets have in common of which the later replaces the earlier."""
        ...

    def count(self, run: bytes) -> int:
        """Return how many messages a run has."""
        ...

    def pieces(self, run: bytes, size: int) -> Iterator[bytes]:
        """Yield a run in shorter ones."""
        ...

    def last(self, run: bytes) -> bytes:
        """Return the last message of a run."""
        ...


class _Sets:
    """Be the sets of one vector that wait and that a newer one may replace."""

    __slots__ = ("count", "length", "numbers")

    def __init__(self) -> None:
        self.numbers: deque[int] = deque()
        self.length = 0
        self.count = 0


class _Item:
    __slots__ = ("attachments", "blob", "count", "data", "goes_on", "length", "pieces", "sets")

    def __init__(
        self,
        data: bytes | LongMessage,
        attachments: Attachments | None,
        blob: int,
        sets: _Sets | None = None,
        count: int = 0,
        *,
        goes_on: bool = False,
    ) -> None:
        self.data = data
        self.length = len(data)
        self.pieces: Iterator[bytes] | None = None
        self.attachments = attachments
        self.blob = blob
        self.goes_on = goes_on
        self.sets = sets
        self.count = count


class _Lane:
    __slots__ = ("items", "length", "replaceable")

    def __init__(self) -> None:
        # Of which the first is found at once, however many before it have gone: a dict looks at each place.
        self.items: OrderedDict[int, _Item] = OrderedDict()
        self.length = 0
        self.replaceable: dict[Hashable, _Sets] = {}

    def sets(self, key: Hashable) -> _Sets:
        sets = self.replaceable.get(key)
        if sets is None:
            sets = self.replaceable[key] = _Sets()
        return sets


class Lanes:
    """Hold what waits, count its bytes, and give it out lane by lane.

    `many_sets` is from how many bytes of sets on the newest alone is kept of every vector.
    """

    def __init__(self, many_sets: int) -> None:
        self._many_sets = many_sets
        self._lanes: OrderedDict[str | None, _Lane] = OrderedDict()
        self._fences: deque[tuple[int, bytes]] = deque()
        self._oldest = 0  # no item that waits was put before; it may be later
        self._number = 0
        self._sets_length = 0
        self.length = 0
        """How many bytes wait; 0 if nothing does."""
        self.blob_length = 0
        """How many of them are BLOBs."""
        self.collapsed = 0
        """How many sets were replaced by newer ones."""
        self.dropped = 0
        """How many frames of streams were replaced by newer ones."""

    def clear(self) -> None:
        """Forget everything."""
        self._lanes.clear()
        self._fences.clear()
        self.length = self.blob_length = self._sets_length = 0

    def has_much(self, device: str | None) -> bool:
        """Return whether a lane has more than its share of what waits."""
        lane = self._lanes.get(device)
        return lane is not None and lane.length > SHARE and lane.length * len(self._lanes) >= self.length

    def put(
        self,
        device: str | None,
        data: bytes | LongMessage,
        attachments: Attachments | None = None,
        *,
        blob: bool = False,
        goes_on: bool = False,
    ) -> None:
        """Put aside what nothing replaces; one that `goes_on` is a piece which only the next piece may follow."""
        self._add(self._lane(device), _Item(data, attachments, len(data) if blob else 0, goes_on=goes_on))

    def put_fence(self, data: bytes) -> None:
        """Put aside what has to go behind everything that waits now, in whatever lane."""
        self._number += 1
        self._fences.append((self._number, data))
        self.length += len(data) + ITEM

    def put_sets(self, device: str | None, data: bytes, shape: Shape, *, far_behind: bool) -> None:
        """Put a run of sets aside; of a vector of which much waits only the newest is kept if `far_behind`."""
        lane = self._lane(device)
        # In pieces, because what a lane gives at a time the others wait for.
        if shape.has_message:
            for piece in shape.pieces(data, SHARE):
                self._add(lane, _Item(piece, None, 0))
            return
        sets = lane.sets(shape.key)
        count = shape.count(data)
        if far_behind and (sets.length + len(data) > SHARE or self._sets_length > self._many_sets):
            self.collapsed += sets.count + count - 1
            self._remove_all(lane, sets)
            data, count = shape.last(data), 1
        for piece in shape.pieces(data, SHARE):
            self._add(lane, _Item(piece, None, 0, sets, count if piece is data else shape.count(piece)))

    def put_frame(
        self, device: str | None, data: bytes | LongMessage, attachments: Attachments | None, key: Hashable
    ) -> None:
        """Put a frame of a stream aside in the place of the one before it."""
        lane = self._lane(device)
        sets = lane.sets(key)
        self.dropped += sets.count
        self._remove_all(lane, sets)
        self._add(lane, _Item(data, attachments, len(data), sets, 1))

    def bar(self, device: str | None) -> None:
        """Let nothing that waits in a lane be replaced by what comes later."""
        lane = self._lanes.get(device)
        if lane is not None:
            lane.replaceable.clear()

    def take(self) -> tuple[bytes, Attachments | None, int]:
        """Return what is to be sent next, its descriptors, and how many bytes of a BLOB it has."""
        lanes = self._lanes
        if self._fences and self._fences[0][0] < self._oldest:
            return self._take_fence()
        fence = self._fences[0][0] if self._fences else self._number + 1
        heads = ((device, lane, next(iter(lane.items))) for device, lane in lanes.items())
        following = next((head for head in heads if head[2] < fence), None)
        if following is None:
            self._oldest = min((next(iter(lane.items)) for lane in lanes.values()), default=self._number + 1)
            return self._take_fence()
        device, lane, number = following
        item = lane.items[number]
        if isinstance(item.data, LongMessage):
            data = self._next_piece(lane, item, item.data)
            blob = len(data)
            if item.length:  # the rest of it is next, whatever else waits
                return data, None, blob
        else:
            data, blob = item.data, item.blob
        self._remove(lane, number)
        if item.sets is not None:
            item.sets.numbers.popleft()  # it is the first of them
        if not item.goes_on:
            if lane.items:
                lanes.move_to_end(device)  # behind the others
            else:
                del lanes[device]
        return data, item.attachments, blob

    def _next_piece(self, lane: _Lane, item: _Item, message: LongMessage) -> bytes:
        if item.pieces is None:
            item.pieces = iter(message)
            if (sets := item.sets) is not None:  # what has begun is not replaced any more
                sets.numbers.popleft()
                self._leave(sets, item)
                item.sets = None
        piece = next(item.pieces)
        length = len(piece)
        item.length -= length
        item.blob -= length
        lane.length -= length
        self.length -= length
        self.blob_length -= length
        return piece

    def _take_fence(self) -> tuple[bytes, None, int]:
        _, data = self._fences.popleft()
        self.length -= len(data) + ITEM
        return data, None, 0

    def _lane(self, device: str | None) -> _Lane:
        lane = self._lanes.get(device)
        if lane is None:
            lane = self._lanes[device] = _Lane()
        return lane

    def _add(self, lane: _Lane, item: _Item) -> None:
        self._number += 1
        lane.items[self._number] = item
        length = item.length + ITEM
        lane.length += length
        self.length += length
        self.blob_length += item.blob
        if (sets := item.sets) is not None:
            sets.numbers.append(self._number)
            sets.length += length
            sets.count += item.count
            # One very long message says nothing about how many others wait.
            self._sets_length += length if length <= SHARE else 0

    def _remove(self, lane: _Lane, number: int) -> None:
        item = lane.items.pop(number)
        length = item.length + ITEM
        lane.length -= length
        self.length -= length
        self.blob_length -= item.blob
        if (sets := item.sets) is not None:
            self._leave(sets, item)

    def _leave(self, sets: _Sets, item: _Item) -> None:
        length = item.length + ITEM
        sets.length -= length
        sets.count -= item.count
        self._sets_length -= length if length <= SHARE else 0

    def _remove_all(self, lane: _Lane, sets: _Sets) -> None:
        for number in sets.numbers:
            self._remove(lane, number)
        sets.numbers.clear()
