"""A simulated GPIO chip: outputs that keep levels, inputs with pulls, edges and debounce, as the kernel has them.

What it does is what the kernel's character device and its gpio-sim do (Documentation/admin-guide/gpio/gpio-sim.rst),
so that a program which is right here is right on a board.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from core.errors import DeviceUnavailable

__all__ = ["Bias", "Drive", "SimulatedChip", "SimulatedOutputs"]

Bias = Literal["as-is", "disabled", "pull-up", "pull-down"]
Drive = Literal["push-pull", "open-drain", "open-source"]


class SimulatedChip:
    """Be a chip with `count` lines, all low and free at first.

    `levels` are the physical levels of the lines and `pulls` what they have while nobody drives them; `names` are
    their offsets by name. A `persistent` chip leaves released outputs as they are, as a Raspberry Pi's does; any other
    returns them to their pull, as gpio-sim does. All methods belong to the thread of the loop.
    """

    def __init__(
        self, label: str, count: int, *, names: Mapping[str, int] | None = None, persistent: bool = True
    ) -> None:
        self.label = label
        self.names = dict(names or {})
        self.persistent = persistent
        self.levels = [False] * count
        self.pulls = [False] * count
        self.consumers: dict[int, str] = {}
        self.set_calls = 0
        """How often lines have been set: on a real chip each is a system call."""
        self.life = 1
        """How many times it has been there: a request belongs to one of them."""
        self._present = True
        self._driven: dict[int, bool] = {}
        self._listeners: dict[int, Callable[[int], None]] = {}
        self._when_gone: list[Callable[[], None]] = []

    def request_outputs(
        self,
        offsets: Iterable[int],
        *,
        consumer: str,
        active_low: bool = False,
        drive: Drive = "push-pull",
        bias: Bias = "as-is",
    ) -> SimulatedOutputs:
        """Take lines as outputs, inactive at first; raise DeviceUnavailable for one that is taken or does not exist."""
        wanted = self.claim(offsets, consumer)
        for offset in wanted:
            self.apply_bias(offset, bias)
        outputs = SimulatedOutputs(self, wanted, active_low, drive)
        for offset in wanted:
            outputs.drive_line(offset, False)
        return outputs

    def pull(self, offset: int, up: bool) -> None:
        """Pull a line up or down, as a button on the wire does; without effect on the level of a driven one."""
        self.pulls[offset] = up
        if offset not in self._driven:
            self._set_level(offset, up)

    def vanish(self) -> None:
        """Go, as a chip on USB whose plug is pulled: whatever is asked of its requests from now on is ENODEV."""
        self._present = False
        self.consumers.clear()
        self._listeners.clear()
        self._driven.clear()
        self.levels[:] = self.pulls
        told, self._when_gone = self._when_gone, []
        for one in told:
            one()

    def reappear(self) -> None:
        """Be there again, with all lines free; requests of before stay dead."""
        if not self._present:
            self._present = True
            self.life += 1

    # For the requests of this chip.

    def claim(self, offsets: Iterable[int], consumer: str) -> tuple[int, ...]:
        """Give lines to a consumer, all or none."""
        self.check_present()
        wanted = tuple(offsets)
        for offset in wanted:
            if not 0 <= offset < len(self.levels):
                raise DeviceUnavailable(
                    errno.EINVAL, f"line {offset} is beyond {self.label}, which has lines 0 to {len(self.levels) - 1}"
                )
            if offset in self.consumers:
                raise DeviceUnavailable(
                    errno.EBUSY, f"line {offset} of {self.label} is held by {self.consumers[offset]!r}"
                )
        self.consumers.update(dict.fromkeys(wanted, consumer))
        return wanted

    def give_back(self, offsets: Iterable[int], life: int) -> None:
        """Take lines back from their consumer."""
        if life != self.life or not self._present:
            return
        for offset in offsets:
            self.consumers.pop(offset, None)
            self._listeners.pop(offset, None)
            self._driven.pop(offset, None)
            if not self.persistent:
                self._set_level(offset, self.pulls[offset])

    def check_present(self, life: int | None = None) -> None:
        """Raise DeviceUnavailable (ENODEV), as the kernel does, if the chip has gone, or that of a request's life."""
        if not self._present or life not in (None, self.life):
            raise DeviceUnavailable(errno.ENODEV, f"the GPIO chip {self.label} has gone; plug it in again")

    def apply_bias(self, offset: int, bias: Bias) -> None:
        """Do what a resistor inside of the chip does."""
        if bias in ("pull-up", "pull-down"):
            self.pull(offset, bias == "pull-up")

    def drive_level(self, offset: int, level: bool | None) -> None:
        """Put a level on a line; None lets go, so that its pull decides."""
        if level is None:
            self._driven.pop(offset, None)
            self._set_level(offset, self.pulls[offset])
        else:
            self._driven[offset] = level
            self._set_level(offset, level)

    def listen(self, offset: int, listener: Callable[[int], None]) -> None:
        """Have `listener(offset)` called at each change of a line's level."""
        self._listeners[offset] = listener

    def when_gone(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have `told` called once when the chip is taken away; call what is returned to end that."""
        self._when_gone.append(told)
        return lambda: self._when_gone.remove(told) if told in self._when_gone else None

    def _set_level(self, offset: int, level: bool) -> None:
        if self.levels[offset] is not level:
            self.levels[offset] = level
            if offset in self._listeners:
                self._listeners[offset](offset)


class SimulatedOutputs:
    """Be a request for output lines of a simulated chip."""

    def __init__(self, chip: SimulatedChip, offsets: tuple[int, ...], active_low: bool, drive: Drive) -> None:
        self.chip = chip
        self.offsets = offsets
        self._own = frozenset(offsets)
        self._active_low = active_low
        self._let_go = {"push-pull": None, "open-drain": True, "open-source": False}[drive]
        self._life = chip.life
        self._released = False
        self._unwatch: Callable[[], None] = lambda: None

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one call."""
        if self._released:
            raise DeviceUnavailable(errno.EPERM, f"the lines of {self.chip.label} have been released")
        self.chip.check_present(self._life)
        if not values.keys() <= self._own:
            raise DeviceUnavailable(
                errno.EINVAL, f"line {min(values.keys() - self._own)} of {self.chip.label} is not in this request"
            )
        self.chip.set_calls += 1
        for offset, active in values.items():
            self.drive_line(offset, active)

    def drive_line(self, offset: int, active: bool) -> None:
        """Drive one line; for the chip."""
        level = active is not self._active_low
        self.chip.drive_level(offset, None if level is self._let_go else level)

    def watch(self, gone: Callable[[], None]) -> None:
        """Have `gone` called when the chip is taken away."""
        self._unwatch = self.chip.when_gone(gone)

    def close(self) -> None:
        """Give the lines back; what becomes of their levels is up to the chip."""
        if not self._released:
            self._released = True
            self._unwatch()
            self.chip.give_back(self.offsets, self._life)
