"""Have the C library keep what is used again, and give back at once what is not.

By default glibc returns the top of the heap whenever 128 KiB are free there, and takes it back for the next read: each
buffer of 256 KiB that passes through costs sixty-four page faults. And once a large buffer has been freed it takes even
larger ones from the heap, where a small one above them keeps them from ever being returned.
"""

from __future__ import annotations

import ctypes

_LIBC = ctypes.CDLL(None)
# malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

KEPT = 16 << 20
"""How many bytes may be free at the top of the heap before they are returned."""
OWN_MAPPING = 1 << 20
"""From how many bytes on a buffer is a mapping of its own, which goes when the buffer goes."""


def settle_allocator() -> bool:
    """Tell the C library what to keep; return whether it is one that listens, as only glibc is."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, KEPT)) and bool(mallopt(_M_MMAP_THRESHOLD, OWN_MAPPING))


def give_back() -> None:
    """Return what is free in the middle of the heap: a buffer that grew there leaves a hole."""
    if (trim := getattr(_LIBC, "malloc_trim", None)) is not None:
        trim(0)
