"""The limit of open descriptors: raised for us, and given to drivers as it was.

A server with a thousand clients needs more than the usual 1024; a driver that calls select() breaks on descriptors
above that, so that it gets the limit which we were started with.
"""

from __future__ import annotations

import resource

__all__ = ["original_descriptor_limit", "raise_descriptor_limit"]

_original = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def original_descriptor_limit() -> int:
    """Return the soft limit that this process had before `raise_descriptor_limit`, or when this was imported."""
    return _original


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard limit, for this process alone; return it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
