"""What waits aside for a peer: order, fairness, and what may be left out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from core.indi.long_messages import LONG, PIECE, LongBlob, LongMessage
from core.plumbing.lanes import SHARE, Lanes


@dataclass
class Sets:
    """Sets of one vector, as bytes without any meaning, ended by a line feed each."""

    key: str
    has_message: bool = False
    counted: list[int] = field(default_factory=list)

    def count(self, run: bytes) -> int:
        return run.count(b"\n")

    def pieces(self, run: bytes, size: int) -> Iterator[bytes]:
        while len(run) > size:
            at = run.index(b"\n", size - 1) + 1
            yield run[:at]
            run = run[at:]
        yield run

    def last(self, run: bytes) -> bytes:
        return run[run.rfind(b"\n", 0, -1) + 1 :]


def drain(lanes: Lanes) -> list[bytes]:
    taken = []
    while lanes.length:
        taken.append(lanes.take()[0])
    return taken


DEVICES = st.sampled_from(["camera", "dome", "heart", None])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "sets", "bar", "fence", "pieces", "take"]), DEVICES), max_size=60)


@given(STEPS)
def test_within_a_device_everything_comes_in_order_and_whole(steps: list[tuple[str, str | None]]) -> None:
    lanes = Lanes(1 << 20)
    put: list[tuple[str | None, bytes]] = []
    fences: dict[bytes, int] = {}
    taken: list[bytes] = []
    for number, (what, device) in enumerate(steps):
        data = b"%d\n" % number
        match what:
            case "put":
                lanes.put(device, data)
            case "sets":
                lanes.put_sets(device, data, Sets("v"), far_behind=False)
            case "bar":
                lanes.bar(device)
                continue
            case "fence":
                lanes.put_fence(data)
                fences[data] = len(put)
                continue
            case "pieces":
                for piece in (b"<", b"=", b">"):
                    lanes.put(device, piece + data, blob=True, goes_on=piece != b">")
                put += [(device, piece + data) for piece in (b"<", b"=", b">")]
                continue
            case _:
                if lanes.length:
                    taken.append(lanes.take()[0])
                continue
        put.append((device, data))
    taken += drain(lanes)
    assert sorted(taken) == sorted([data for _, data in put] + list(fences))
    for device in {device for device, _ in put}:
        assert [data for data in taken if (device, data) in put] == [data for one, data in put if one == device]
    for fence, before in fences.items():
        assert set(taken[: taken.index(fence)]) >= {data for _, data in put[:before]}
    for at, data in enumerate(taken):
        if data[:1] in (b"<", b"="):
            assert taken[at + 1] == {b"<": b"=", b"=": b">"}[data[:1]] + data[1:]
    assert (lanes.length, lanes.blob_length) == (0, 0)


def test_devices_have_their_turns_one_after_another() -> None:
    lanes = Lanes(1 << 20)
    for number in range(3):
        lanes.put("flood", b"f%d" % number)
    lanes.put("heart", b"beat")
    assert drain(lanes) == [b"f0", b"beat", b"f1", b"f2"]


def test_a_vector_keeps_its_share_and_the_newest_beyond_it() -> None:
    lanes = Lanes(1 << 30)
    shape = Sets("v")
    line = b"%099d\n"
    for number in range(2000):
        lanes.put_sets("scope", line % number, shape, far_behind=True)
        lanes.put_sets("heart", b"beat %d\n" % number, Sets("b"), far_behind=False)
    assert lanes.length < 2 * SHARE + 2000 * 100
    taken = drain(lanes)
    kept = [int(data) for data in taken if not data.startswith(b"beat")]
    assert kept == list(range(kept[0], 2000))
    assert lanes.collapsed == kept[0]
    assert sum(data.startswith(b"beat") for data in taken) == 2000


def test_where_many_vectors_wait_only_the_newest_of_each_is_kept() -> None:
    lanes = Lanes(10_000)
    for number in range(100):
        for vector in range(100):
            lanes.put_sets("scope", b"%d %d\n" % (vector, number), Sets(f"v{vector}"), far_behind=True)
    taken = [(int(vector), int(number)) for vector, number in (data.split() for data in drain(lanes))]
    assert len(taken) < 300
    assert dict(taken) == dict.fromkeys(range(100), 99)


def test_nothing_is_replaced_across_a_definition_and_nothing_with_a_word_to_people() -> None:
    lanes = Lanes(0)
    lanes.put_sets("scope", b"1\n2\n", Sets("v"), far_behind=True)
    lanes.bar("scope")
    lanes.put("scope", b"definition\n")
    lanes.put_sets("scope", b"3\n" * 40_000, Sets("v"), far_behind=True)
    lanes.put_sets("scope", b"said\n", Sets("v", has_message=True), far_behind=True)
    lanes.put_sets("scope", b"4\n" * 40_000, Sets("v"), far_behind=True)
    assert drain(lanes) == [b"1\n2\n", b"definition\n", b"said\n", b"4\n"]


def test_of_a_stream_the_newest_frame_alone_waits() -> None:
    lanes = Lanes(1 << 20)
    for number in range(5):
        lanes.put_frame("camera", b"frame %d" % number, None, "stream")
    assert (lanes.dropped, lanes.blob_length) == (4, 7)
    assert drain(lanes) == [b"frame 4"]


def steps_of(work: Callable[[], object]) -> int:
    """Count the lines of Python that are run."""
    lines = 0

    def trace(frame: object, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def test_many_pings_behind_many_devices_cost_what_each_of_them_costs() -> None:
    lanes = Lanes(1 << 20)
    for number in range(300):
        lanes.put(f"device {number}", b"first")
        lanes.put(f"device {number}", b"second")
    for number in range(1000):
        lanes.put_fence(b"%d" % number)
    for number in range(300):
        lanes.put(f"device {number}", b"behind")
    before = steps_of(lambda: [lanes.take() for _ in range(600)])
    pings = steps_of(lambda: [lanes.take() for _ in range(1000)])
    assert pings < before
    assert [lanes.take()[0] for _ in range(300)] == [b"behind"] * 300
    assert lanes.length == 0


def long_message(fill: bytes) -> LongMessage:
    return LongMessage([b"<b>", LongBlob.of_bytes(fill * (LONG + PIECE)), b"</b>"])


def test_a_long_message_is_written_as_it_is_taken_and_nothing_comes_between() -> None:
    lanes = Lanes(1 << 22)
    message = long_message(b"x")
    lanes.put("camera", message, blob=True)
    lanes.put("camera", b"behind")
    first, _, blob = lanes.take()
    assert (first, blob) == (b"<b>", 3)
    assert lanes.blob_length == len(message) - 3
    lanes.put("heart", b"beat")
    lanes.put_fence(b"fence")
    rest = drain(lanes)
    assert b"".join(rest[:-3]) == b"".join(message)[3:]
    assert max(map(len, rest)) < LONG
    assert rest[-3:] == [b"beat", b"behind", b"fence"]
    assert lanes.blob_length == lanes.length == 0


def test_a_long_frame_of_a_stream_is_replaced_until_it_has_begun() -> None:
    lanes = Lanes(1 << 22)
    one, two, three, four = (long_message(fill) for fill in (b"1", b"2", b"3", b"4"))
    lanes.put_frame("camera", one, None, "video")
    lanes.put_frame("camera", two, None, "video")
    begun = lanes.take()[0]
    lanes.put_frame("camera", three, None, "video")
    lanes.put_frame("camera", four, None, "video")
    assert begun + b"".join(drain(lanes)) == b"".join(two) + b"".join(four)
    assert lanes.dropped == 2


def test_a_long_run_gives_others_their_turn() -> None:
    lanes = Lanes(1 << 30)
    run = b"".join(b"%06d\n" % number for number in range(50_000))
    lanes.put_sets("flood", run, Sets("v"), far_behind=False)
    lanes.put("heart", b"beat")
    taken = drain(lanes)
    assert taken.index(b"beat") == 1
    assert b"".join(piece for piece in taken if piece != b"beat") == run
    assert max(map(len, taken)) < 2 * SHARE
