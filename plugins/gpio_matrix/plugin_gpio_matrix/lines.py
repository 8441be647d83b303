"""The lines of a matrix: those of its LEDs taken with one request, those of its buttons with another."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.errors import DeviceUnavailable
from core.sim.inputs import InputWiring, SimulatedInputs
from core.sim.lines import SimulatedChip
from plugin_gpio_matrix.buttons import Inputs
from plugin_gpio_matrix.chips import SIMULATED
from plugin_gpio_matrix.holding import end_holders
from plugin_gpio_matrix.wiring import Wiring

__all__ = [
    "LineBusy",
    "Lines",
    "OpenLines",
    "checked_wiring",
    "chip_gone",
    "open_lines",
    "simulated_chip",
    "take_lines",
]


class LineBusy(DeviceUnavailable):
    """Report a line that somebody has; `holder` is the consumer's name."""

    def __init__(self, text: str, holder: str) -> None:
        super().__init__(errno.EBUSY, text)
        self.holder = holder


class Lines(Protocol):
    """Be a request for output lines."""

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one call; raise OSError if the chip has gone."""
        ...

    def watch(self, gone: Callable[[], None]) -> None:
        """Have `gone` called in the loop when the chip is taken away."""
        ...

    def close(self) -> None:
        """Give the lines back."""
        ...


@dataclass(frozen=True)
class OpenLines:
    """Be the lines of a matrix, open: the requests, and which offsets its LEDs and buttons have."""

    outputs: Lines
    leds: Sequence[Sequence[int]]
    inputs: Inputs | None
    buttons: Mapping[str, int]
    title: str
    """What people know the chip by."""
    request: tuple[int, Sequence[int]] | None = None
    """The descriptor of the outputs' request and its offsets in their order; None on a simulated chip."""

    def close(self) -> None:
        """Give all lines back."""
        try:
            self.outputs.close()
        finally:
            if self.inputs is not None:
                self.inputs.close()


def chip_gone(title: str) -> DeviceUnavailable:
    """Return the error that says that a chip has gone while it was used."""
    return DeviceUnavailable(errno.ENODEV, f"{title} has gone; it is looked for again")


async def take_lines(chip: SimulatedChip | str, wiring: Wiring, *, consumer: str) -> OpenLines:
    """Do the same as `open_lines`, also where an earlier run of ours has left its lines to a holder, which is ended."""
    try:
        return open_lines(chip, wiring, consumer=consumer)
    except LineBusy as error:
        if error.holder != consumer or not await end_holders(consumer):
            raise
    return open_lines(chip, wiring, consumer=consumer)


def open_lines(chip: SimulatedChip | str, wiring: Wiring, *, consumer: str) -> OpenLines:
    """Take the lines of a matrix; raise DeviceUnavailable with chip, line, holder and cure."""
    if isinstance(chip, SimulatedChip):
        return _open_simulated(chip, wiring, consumer)
    # Here, because a simulated matrix needs no gpiod.
    from plugin_gpio_matrix.gpiod_lines import open_gpiod

    return open_gpiod(chip, wiring, consumer=consumer)


def simulated_chip(wiring: Wiring) -> SimulatedChip:
    """Return a simulated chip that is large enough; lines by name come after those with numbers."""
    used = wiring.all_lines
    count = max((line for line in used if isinstance(line, int)), default=-1) + 1
    names = {name: count + at for at, name in enumerate(dict.fromkeys(n for n in used if isinstance(n, str)))}
    return SimulatedChip(SIMULATED, count + len(names), names=names)


def checked_wiring(
    leds: Sequence[Sequence[int]], buttons: Mapping[str, tuple[int, InputWiring]], title: str
) -> dict[int, InputWiring]:
    """Return the wiring of the buttons by offset; raise DeviceUnavailable if two share a line (by number and name)."""
    offsets = [offset for row in leds for offset in row] + [offset for offset, _ in buttons.values()]
    if twice := sorted({offset for offset in offsets if offsets.count(offset) > 1}):
        raise DeviceUnavailable(
            f"line {', '.join(map(str, twice))} of {title} stands more than once, by number and by name; "
            "each LED and button has a line of its own"
        )
    return dict(buttons.values())


def _open_simulated(chip: SimulatedChip, wiring: Wiring, consumer: str) -> OpenLines:
    def offset(line: int | str) -> int:
        return chip.names[line] if isinstance(line, str) else line

    leds = [[offset(line) for line in row] for row in wiring.leds]
    buttons = {name: (offset(line), wired) for name, (line, wired) in wiring.buttons.items()}
    inputs = checked_wiring(leds, buttons, chip.label)
    output = wiring.output
    outputs = chip.request_outputs(
        [at for row in leds for at in row],
        consumer=consumer,
        active_low=output.active_low,
        drive=output.drive,
        bias=output.bias,
    )
    return OpenLines(
        outputs,
        leds,
        SimulatedInputs(chip, inputs, consumer=consumer) if inputs else None,
        {name: at for name, (at, _) in buttons.items()},
        chip.label,
    )
