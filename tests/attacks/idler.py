"""Measure how late this machine wakes a process that only waits, 50 times a second; answer a line with the latest."""

from __future__ import annotations

import os
import select
import time

PERIOD = 0.02


def main() -> None:
    """Wait until stdin ends."""
    latest, due = 0.0, time.monotonic() + PERIOD
    while True:
        readable, _, _ = select.select([0], [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now >= due:
            latest = max(latest, now - due)
            due = now + PERIOD
        if readable:
            if not os.read(0, 100):
                return
            os.write(1, b"%.6f\n" % latest)
            latest = 0.0


if __name__ == "__main__":
    main()
