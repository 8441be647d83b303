"""The holder: a process that keeps lines after the end of a run, because a released line belongs to the kernel.

This file is run as a script by an interpreter of its own, `python -I -S holder.py CONSUMER RUN MASK BITS STAYS`, and
imports nothing of ours. Descriptor 3 is the kernel's request for the lines, shared with the run: they stay requested
as long as either process has it, so that nothing flickers when the run ends. Standard input is a pipe that only the
run has the other end of: its end is that of the run, by whatever it ended, SIGKILL and crashes included. Then the
lines of MASK are set to BITS (both hexadecimal, in the order of the request), which the run has done already if it
could; if STAYS is 1 the lines are held until this process is ended by a signal.

Its name is `core-guard` while the run lasts and `core-holder` afterwards. CONSUMER, the consumer of the lines, and RUN,
the process of the run, are there to be read by others.
"""

# Without pathlib and contextlib, which would double the time that it takes to start.
# ruff: noqa: PTH123
from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys

LINES = 3
"""The descriptor of the request."""

SET_VALUES = 0xC010B40F
"""GPIO_V2_LINE_SET_VALUES_IOCTL of linux/gpio.h, on every architecture with the generic numbers (not MIPS, PowerPC)."""


GUARDING, HOLDING = "core-guard", "core-holder"


def call_me(name: str) -> None:
    """Set the name that ps and top show."""
    with open("/proc/self/comm", "w") as file:
        file.write(name)


def hold(mask: int, bits: int, stays: bool) -> None:
    """Wait for the end of the run, bring the lines into their exit state and keep them there."""
    call_me(GUARDING)
    while os.read(0, 4096):
        pass
    if mask:
        try:
            fcntl.ioctl(LINES, SET_VALUES, struct.pack("=QQ", bits, mask))
        except OSError:  # the chip has gone: there is nothing to hold
            return
    if stays:
        call_me(HOLDING)
        while True:
            signal.pause()


if __name__ == "__main__":
    os.chdir("/")
    hold(int(sys.argv[3], 16), int(sys.argv[4], 16), sys.argv[5] == "1")
