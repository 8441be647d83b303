"""Who has locked a file, as the kernel tells it: a lock of flock names its process in /proc/locks."""

from __future__ import annotations

import os
from pathlib import Path

UNKNOWN = "another process"


def lock_holder(descriptor: int) -> str:
    """Return who holds the lock on an open file, for people; "another process" where the kernel does not tell.

    It does not tell of processes of another container, nor on file systems whose device numbers are their own secret.
    """
    there = os.fstat(descriptor)
    place = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}:{there.st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        process = next(words[4] for words in locks if words[1] == "FLOCK" and words[5] == place)
    except (OSError, IndexError, StopIteration):
        return UNKNOWN
    if int(process) <= 0:
        return UNKNOWN
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:  # it has just ended
        return f"process {process}"
    # A recorder says who it is in its last argument.
    return f"process {process} ({words[-1]})" if words[-1].startswith("recorder ") else f"process {process}"
