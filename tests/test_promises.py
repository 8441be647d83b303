"""What docs/promises.md says is so: its tests are there, and its limits are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.drivers import fifo, stderr_log
from core.indi import framing, messages
from core.plumbing import PeerLimits, handling, interest, memory, turns
from core.transports.server import Server

ROOT = Path(__file__).parent.parent
PROMISES = (ROOT / "docs" / "promises.md").read_text()
MEBI = 1 << 20
LIMITS = PeerLimits()
SERVER = Server.Options()

TOLD = {
    "a message, its BLOBs apart": f"{LIMITS.maximum_size // MEBI} MiB",
    "the BLOBs of one message": f"{SERVER.maximum_blob >> 30} GiB",
    "levels of a message": str(framing.MAXIMUM_DEPTH),
    "tags, comments and sections in a message": f"{framing.MAXIMUM_MARKUP:,}",
    "attributes of a tag": str(framing.MAXIMUM_ATTRIBUTES),
    "a start tag of a BLOB vector": f"{framing.LONGEST_TAG:,} bytes",
    "names of tags and attributes": f"{framing.LONGEST_NAME} bytes",
    "names of a device or property": f"{interest.LONGEST_NAMES:,} characters",
    "the `uid` of a ping": f"{messages.LONGEST_UID:,} characters",
    "devices and properties that one client or driver asks for by name": f"{interest.MAXIMUM_NAMES:,}",
    "the names that one client or driver asks for, together": f"{interest.MAXIMUM_NAMED // MEBI} MiB",
    "devices of a driver": f"{LIMITS.maximum_devices:,}",
    "properties of a driver": f"{LIMITS.maximum_properties:,}",
    "clients": f"{SERVER.maximum_clients:,}, ",
    "messages that wait for a client": f"{SERVER.pending_messages // MEBI} MiB",
    "BLOBs that wait for a client": f"{SERVER.pending_blobs // MEBI} MiB",
    "what waits from which on frames of video streams are dropped": f"{SERVER.pending_streams // MEBI} MiB",
    "time in which a client reads nothing while something waits for it": f"{SERVER.write_deadline:g} s",
    "unfinished messages of all peers together": f"{memory.MAXIMUM_UNFINISHED // MEBI} MiB",
    "messages of one peer before others have their turn": str(turns.SLICE),
    "time that handlers of new values keep a turn of the loop": f"{handling.NANOSECONDS_A_TURN // 1_000_000} ms",
    "commands of the FIFO that wait; more stay in it": f"{fifo.MANY_COMMANDS:,}",
    "lines of a driver's stderr": f"{stderr_log.AT_ONCE} at once, {stderr_log.PER_SECOND:g} a second",
}


@pytest.mark.parametrize("what", TOLD)
def test_a_limit_is_what_is_told(what: str) -> None:
    assert re.search(rf"^\| {re.escape(what)} \| {re.escape(TOLD[what])}", PROMISES, re.MULTILINE)


def test_every_test_that_holds_a_promise_is_there() -> None:
    named = re.findall(r"\| [^|]* \| [^|]* \| `((?:tests/)?)(test_\w+\.py)`(?:: `(test_\w+)`)? \|", PROMISES)
    assert len(named) > 15
    for above, file, test in named:
        path = ROOT / (above or "tests/attacks") / file
        assert path.exists(), file
        assert not test or f"def {test}(" in path.read_text(), test
