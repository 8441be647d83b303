"""What happened on the SPI buses and on GPIO lines, as the kernel's trace events tell it, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
from gpiod.line import Direction, Value

from tests.board.simulated_chips import SimulatedChip

TRACING = Path("/sys/kernel/tracing")
EVENTS = ("spi/spi_setup", "spi/spi_set_cs", "spi/spi_transfer_start", "gpio/gpio_value", "gpio/gpio_direction")

_SELECT = re.compile(r"spi_set_cs: (\S+) (activate|deactivate)")
_TRANSFER = re.compile(r"spi_transfer_start: (\S+) \S+ len=(\d+) tx=\[([^]]*)\]")
_SETUP = re.compile(r"spi_setup: (\S+) setup mode (\d), .* (\d+) Hz max")
_LINE = re.compile(r"gpio_value: (\d+) set (\d)")
_DIRECTION = re.compile(r"gpio_direction: (\d+) out")

Happening = tuple[str, str, object]
"""("select", "spi0.0", True), ("sent", "spi0.0", b"..."), ("mode", "spi0.0", 3), ("line", "25", 0)."""


@dataclass
class Trace:
    """Be what happened; `base` is the kernel's number of the first line of the chip whose lines are told."""

    base: int
    lines: frozenset[int]
    text: str = field(default="", repr=False)

    @property
    def happenings(self) -> list[Happening]:
        """Return the changes of selects and lines, the bytes sent and the modes set, in order."""
        found: list[Happening] = []
        selected: dict[str, bool] = {}
        for line in self.text.splitlines():
            if match := _SELECT.search(line):
                active = match[2] == "activate"
                if selected.get(match[1], False) != active:
                    found.append(("select", match[1], active))
                selected[match[1]] = active
            elif match := _TRANSFER.search(line):
                found.append(("sent", match[1], bytes.fromhex(match[3].replace("-", " "))))
            elif match := _SETUP.search(line):
                found.append(("mode", match[1], int(match[2])))
            elif (match := _LINE.search(line)) and int(match[1]) - self.base in self.lines:
                found.append(("line", str(int(match[1]) - self.base), int(match[2])))
        return found

    def of(self, *kinds: str) -> list[Happening]:
        """Return the happenings of some kinds."""
        return [one for one in self.happenings if one[0] in kinds]

    def sent(self, bus: str) -> list[bytes]:
        """Return the bytes of each transfer of a bus's select, such as "spi0.0"."""
        return [data for _, name, data in self.of("sent") if name == bus and isinstance(data, bytes)]


@contextmanager
def traced(chip: SimulatedChip, *lines: int) -> Iterator[Trace]:
    """Trace the SPI buses and some lines of a chip."""
    trace = Trace(_base(chip), frozenset(lines))
    _switch(on=True)
    try:
        (TRACING / "trace").write_text("")
        yield trace
    finally:
        trace.text = (TRACING / "trace").read_text()
        _switch(on=False)


def _switch(*, on: bool) -> None:
    for name in EVENTS:
        (TRACING / "events" / name / "enable").write_text(str(int(on)))


def _base(chip: SimulatedChip) -> int:
    """Return the kernel's number of the chip's first line: ask for its last one, and see what the trace says."""
    last = chip.lines - 1
    _switch(on=True)
    try:
        (TRACING / "trace").write_text("")
        settings = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.INACTIVE)
        with gpiod.request_lines(str(chip.path), config={last: settings}):
            numbers = _DIRECTION.findall((TRACING / "trace").read_text())
    finally:
        _switch(on=False)
    return int(numbers[-1]) - last
