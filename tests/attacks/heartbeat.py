"""A driver on stdin and stdout that sends a numbered beat 50 times a second, each with the moment at which it left."""

from __future__ import annotations

import os
import select
import sys
import time

PERIOD = 0.02
DEFINITION = (
    b'<defNumberVector device="heart" name="beat" state="Ok" perm="ro">'
    b'<defNumber name="number" format="%.0f" min="0" max="0" step="0">0</defNumber>'
    b'<defNumber name="moment" format="%.6f" min="0" max="0" step="0">0</defNumber></defNumberVector>\n'
)
BEAT = (
    b'<setNumberVector device="heart" name="beat" state="Ok">'
    b'<oneNumber name="number">%d</oneNumber><oneNumber name="moment">%.6f</oneNumber></setNumberVector>\n'
)


def write(data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    """Beat until stdin ends."""
    number, due = 0, time.monotonic()
    while True:
        readable, _, _ = select.select([0], [], [], max(0.0, due - time.monotonic()))
        if readable:
            heard = os.read(0, 65536)
            if not heard:
                sys.exit()
            if b"getProperties" in heard:
                write(DEFINITION)
        if time.monotonic() >= due:
            due += PERIOD
            number += 1
            write(BEAT % (number, time.monotonic()))


if __name__ == "__main__":
    main()
