"""Measure what this machine leaves to one process: how late it is woken, and how much longer its work takes.

It waits, 50 times a second, and works for ten milliseconds of CPU time after every fifth wait. A line on stdin is
answered by the latest wake-up in seconds, and by how many times longer than its CPU time the work has lasted at worst.
"""

from __future__ import annotations

import json
import os
import select
import time

PERIOD = 0.02
WORK_EVERY = 5
WORK = 0.01


def work() -> float:
    """Use up some CPU time; return how many times longer that has lasted."""
    began, cpu = time.monotonic(), time.process_time()
    while time.process_time() - cpu < WORK:
        pass
    return max(1.0, (time.monotonic() - began) / WORK)


def main() -> None:
    """Wait and work until stdin ends."""
    latest, due, waits = 0.0, time.monotonic() + PERIOD, 0
    slower = last = work()
    while True:
        readable, _, _ = select.select([0], [], [], max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now >= due:
            latest = max(latest, now - due)
            waits += 1
            if waits % WORK_EVERY == 0:
                last = work()
                slower = max(slower, last)
            due = time.monotonic() + PERIOD
        if readable:
            if not os.read(0, 100):
                return
            os.write(1, json.dumps({"late": latest, "slower": slower}).encode() + b"\n")
            latest, slower = 0.0, last


if __name__ == "__main__":
    main()
