"""What a client may meet: a server that is away, an answer that does not come, values that are refused."""

from __future__ import annotations

from core.errors import CoreError

__all__ = ["BlobLost", "ClientError", "ClientTimeout", "PropertyMissing", "SetRefused"]


class ClientError(CoreError, ConnectionError):
    """Report a server that cannot be reached, has gone, or talks nonsense: its address, the cause and the cure."""


class ClientTimeout(CoreError, TimeoutError):  # noqa: N818 - reads as what happened
    """Report that what was waited for did not come in time: what it was, and what there is instead."""


class SetRefused(CoreError, ValueError):  # noqa: N818 - reads as what happened
    """Report values that were not taken: by the server, with its words, or before they were sent."""


class PropertyMissing(SetRefused, LookupError):  # noqa: N818 - reads as what happened
    """Report a property that the server does not have: what was asked for, and what there is."""


class BlobLost(CoreError, OSError):  # noqa: N818 - reads as what happened
    """Report a BLOB that arrived and could not be kept: damaged, too large, or no room on the disk."""
