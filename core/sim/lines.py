"""A simulated GPIO chip: output lines that keep levels, consumers and a count of the calls that set them."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping

from core.errors import DeviceUnavailable


class SimulatedChip:
    """Be a chip with `count` lines, all low and free at first, as the kernel's gpio-sim has them.

    `levels` are the physical levels of the lines.
    """

    def __init__(self, label: str, count: int) -> None:
        self.label = label
        self.levels = [False] * count
        self.consumers: dict[int, str] = {}
        self.set_calls = 0
        self._present = True

    def vanish(self) -> None:
        """Go, as a chip on USB whose plug is pulled; its requests stay, and fail."""
        self._present = False

    def reappear(self) -> None:
        """Be there again."""
        self._present = True

    def check_present(self) -> None:
        """Raise DeviceUnavailable (ENODEV), as the kernel does, while the chip has gone."""
        if not self._present:
            raise DeviceUnavailable(errno.ENODEV, f"the GPIO chip {self.label} has gone; plug it in again")

    def request_outputs(self, offsets: Iterable[int], *, consumer: str, active_low: bool = False) -> SimulatedOutputs:
        """Take lines as outputs, inactive at first; raise DeviceUnavailable for one that is taken or does not exist."""
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
        for offset in wanted:
            self.levels[offset] = active_low
        return SimulatedOutputs(self, wanted, active_low)


class SimulatedOutputs:
    """Be a request for output lines of a simulated chip."""

    def __init__(self, chip: SimulatedChip, offsets: tuple[int, ...], active_low: bool) -> None:
        self.chip = chip
        self.offsets = offsets
        self._active_low = active_low
        self._released = False

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one call."""
        if self._released:
            raise DeviceUnavailable(errno.EPERM, f"the lines of {self.chip.label} have been released")
        self.chip.check_present()
        self.chip.set_calls += 1
        for offset, active in values.items():
            if offset not in self.offsets:
                raise DeviceUnavailable(errno.EINVAL, f"line {offset} of {self.chip.label} is not in this request")
            self.chip.levels[offset] = active is not self._active_low

    def close(self) -> None:
        """Give the lines back; they keep their levels."""
        if not self._released:
            self._released = True
            for offset in self.offsets:
                self.chip.consumers.pop(offset, None)
