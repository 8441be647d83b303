"""The stage of docs/blinking.md: 25 LEDs, drawn on the terminal or real ones, and what the steps have made so far.

`python 01_lines.py` draws; `python 01_lines.py /dev/gpiochip0` lights LEDs on the lines of ROWS.
"""

import asyncio
import functools
import os
import sys

import gpiod
from gpiod.line import Direction, Value

ROWS = ((4, 5, 6, 7, 8), (9, 10, 11, 12, 13), (16, 17, 18, 19, 20), (21, 22, 23, 24, 25), (26, 27, 15, 0, 1))
COLUMNS = tuple(zip(*ROWS, strict=True))
LEDS = sum(ROWS, ())
CHIP = sys.argv[1] if len(sys.argv) > 1 else None
OUTPUT = gpiod.LineSettings(direction=Direction.OUTPUT)


class DrawnLines:
    """Do what a request of gpiod does as far as LEDs need it: in place on a terminal, else a line for each call."""

    def __init__(self):
        """Begin with all LEDs dark."""
        self.lit = set()
        self.up = ""

    def set_values(self, values):
        """Switch some LEDs and draw all of them."""
        self.lit = self.lit - set(values) | {line for line, value in values.items() if value is Value.ACTIVE}
        draw(["".join("X" if line in self.lit else "." for line in row) for row in ROWS])

    def __enter__(self):
        """Return what can be set."""
        return self

    def __exit__(self, *_):
        """Keep the ink."""


def draw(rows):
    """Draw a picture: rows of "X" and "."."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        print(" ".join(rows), flush=True)
        return
    clear_screen()
    lit, dark = "●·" if sys.stdout.encoding.lower().startswith("utf") else "O."
    ink = {"X": f"\x1b[91m{lit} ", ".": f"\x1b[90m{dark} "}
    lines = "\r\n".join(" " + "".join(ink[led] for led in row) for row in rows)
    # At the top of the screen, and back to where texts are printed.
    print(f"\x1b7\x1b[2;1H{lines}\x1b[0m\x1b8", end="", flush=True)


@functools.cache
def clear_screen():
    """Make room for the LEDs, once."""
    print("\x1b[2J\x1b[8;1H", end="")


def request_lines(chip, *, config, consumer):
    """Do what gpiod.request_lines does where there is a chip, and draw where there is none."""
    return gpiod.request_lines(chip, config=config, consumer=consumer) if chip else DrawnLines()


# Made in step 2.


@functools.cache
def all_lines():
    """Return the one request for all LEDs."""
    return request_lines(CHIP, config={LEDS: OUTPUT}, consumer="blinking")


def switch(lines, on):
    """Switch some LEDs on or off in one call."""
    all_lines().set_values(dict.fromkeys(lines, Value.ACTIVE if on else Value.INACTIVE))


# Made in step 3.


async def blink(lines, interval, ntimes):
    """Switch lines on and off."""
    for _ in range(ntimes):
        switch(lines, True)
        await asyncio.sleep(interval)
        switch(lines, False)
        await asyncio.sleep(interval)


# Made in step 4.


async def all(*coroutines):
    """Run coroutines together, until every one has ended."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)


# Made in step 8.


class Group:
    """Be LEDs that are switched together: whatever has set(bool) can blink."""

    def __init__(self, lines):
        """Take the lines."""
        self.lines = lines

    def set(self, value):
        """Switch them."""
        switch(self.lines, value)
