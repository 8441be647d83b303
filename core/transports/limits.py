"""The options by which transports bound what peers may send and leave unread."""

from __future__ import annotations

from typing import Annotated, Protocol

from msgspec import Meta

from core.plumbing import PeerLimits

MaximumClients = Annotated[
    int, Meta(ge=1, description="how many clients may be connected; one more on this machine always may")
]
MaximumBlob = Annotated[int, Meta(ge=1, description="bytes that the BLOBs of one message may have")]
PendingMessages = Annotated[
    int, Meta(ge=1 << 16, description="bytes of messages that may wait for a peer before it is disconnected")
]
PendingBlobs = Annotated[
    int, Meta(ge=1 << 16, description="bytes of BLOBs that may wait for a peer before it is; one BLOB always may")
]
PendingStreams = Annotated[
    int, Meta(ge=0, description="bytes that wait for a client from which on frames of video streams are dropped")
]
WriteDeadline = Annotated[
    float, Meta(gt=0, le=86400, description="seconds that a client may read nothing while something waits for it")
]

DEFAULTS = PeerLimits()


class OfDriver(Protocol):
    """Be the options of a transport that brings devices; a driver that is busy may read nothing for long."""

    maximum_blob: int
    pending_messages: int
    pending_blobs: int


class OfClients(OfDriver, Protocol):
    """Be the options of a transport that clients reach."""

    pending_streams: int
    write_deadline: float


def driver_limits(options: OfDriver) -> PeerLimits:
    """Return what the connection of a driver may hold."""
    return _limits(options, DEFAULTS.stream_pending, DEFAULTS.write_deadline)


def client_limits(options: OfClients) -> PeerLimits:
    """Return what the connection of a client may hold."""
    return _limits(options, options.pending_streams, options.write_deadline)


def _limits(options: OfDriver, streams: int, deadline: float) -> PeerLimits:
    pending = options.pending_messages
    return PeerLimits(
        maximum_pending=pending,
        blob_pending=options.pending_blobs,
        stream_pending=streams,
        # What happens on the way to the limit happens within a lower one too.
        collapse_from=min(DEFAULTS.collapse_from, pending // 4),
        pause_from=min(DEFAULTS.pause_from, pending // 8),
        write_deadline=deadline,
        maximum_blob=options.maximum_blob,
    )
