"""Duration: a length of time in whole nanoseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

from core.errors import TimingError

__all__ = ["Duration"]

_UNITS = (
    ("hours", "h", 3_600_000_000_000),
    ("minutes", "min", 60_000_000_000),
    ("seconds", "s", 1_000_000_000),
    ("milliseconds", "ms", 1_000_000),
    ("microseconds", "µs", 1_000),
    ("nanoseconds", "ns", 1),
)


def _checked(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TimingError(f"{what} must be a number, not {value!r} ({type(value).__name__})")
    if isinstance(value, float) and not math.isfinite(value):
        raise TimingError(f"{what} must be finite, not {value!r}")
    return value


@dataclass(frozen=True, order=True, slots=True, repr=False)
class Duration:
    """Hold a length of time as a whole number of nanoseconds, exact and immutable.

    Make one with `of_seconds` and its relatives; floats are rounded to the nearest nanosecond. Durations add,
    subtract, compare and hash; they multiply and divide by numbers; one divided by another is a float.
    """

    nanoseconds: int

    def __post_init__(self) -> None:
        if isinstance(self.nanoseconds, bool) or not isinstance(self.nanoseconds, int):
            raise TimingError(f"a Duration holds whole nanoseconds, not {self.nanoseconds!r}; see Duration.of_seconds")

    @classmethod
    def of_hours(cls, hours: float) -> Duration:
        """Return a Duration of `hours`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(hours, "hours") * 3_600_000_000_000))

    @classmethod
    def of_minutes(cls, minutes: float) -> Duration:
        """Return a Duration of `minutes`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(minutes, "minutes") * 60_000_000_000))

    @classmethod
    def of_seconds(cls, seconds: float) -> Duration:
        """Return a Duration of `seconds`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(seconds, "seconds") * 1_000_000_000))

    @classmethod
    def of_milliseconds(cls, milliseconds: float) -> Duration:
        """Return a Duration of `milliseconds`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(milliseconds, "milliseconds") * 1_000_000))

    @classmethod
    def of_microseconds(cls, microseconds: float) -> Duration:
        """Return a Duration of `microseconds`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(microseconds, "microseconds") * 1_000))

    @classmethod
    def of_nanoseconds(cls, nanoseconds: float) -> Duration:
        """Return a Duration of `nanoseconds`; raise TimingError for anything but a finite number."""
        return cls(round(_checked(nanoseconds, "nanoseconds")))

    @classmethod
    def of_frequency(cls, hertz: float) -> Duration:
        """Return the period of a frequency in Hz; raise TimingError unless it is finite and above zero."""
        if _checked(hertz, "a frequency") <= 0:
            raise TimingError(f"a frequency must be above zero, not {hertz!r} Hz")
        nanoseconds = 1_000_000_000 / hertz
        if not math.isfinite(nanoseconds):
            raise TimingError(f"a frequency of {hertz!r} Hz has no finite period")
        return cls(round(nanoseconds))

    def as_hours(self) -> float:
        """Return the length in hours."""
        return self.nanoseconds / 3_600_000_000_000

    def as_minutes(self) -> float:
        """Return the length in minutes."""
        return self.nanoseconds / 60_000_000_000

    def as_seconds(self) -> float:
        """Return the length in seconds."""
        return self.nanoseconds / 1_000_000_000

    def as_milliseconds(self) -> float:
        """Return the length in milliseconds."""
        return self.nanoseconds / 1_000_000

    def as_microseconds(self) -> float:
        """Return the length in microseconds."""
        return self.nanoseconds / 1_000

    def as_nanoseconds(self) -> int:
        """Return the length in nanoseconds, exactly."""
        return self.nanoseconds

    def as_frequency(self) -> float:
        """Return the frequency in Hz whose period this is; raise TimingError for a length of zero."""
        if self.nanoseconds == 0:
            raise TimingError("a Duration of zero has no frequency")
        return 1_000_000_000 / self.nanoseconds

    def __add__(self, other: Duration) -> Duration:
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(self.nanoseconds + other.nanoseconds)

    def __radd__(self, other: int) -> Duration:
        # sum() starts at 0; any other number has no unit and is refused.
        return self if other == 0 and type(other) is int else NotImplemented

    def __sub__(self, other: Duration) -> Duration:
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(self.nanoseconds - other.nanoseconds)

    def __mul__(self, factor: float) -> Duration:
        if not isinstance(factor, int | float):
            return NotImplemented
        return Duration(round(self.nanoseconds * _checked(factor, "a factor")))

    __rmul__ = __mul__

    @overload
    def __truediv__(self, other: Duration) -> float: ...
    @overload
    def __truediv__(self, other: float) -> Duration: ...
    def __truediv__(self, other: Duration | float) -> Duration | float:
        if isinstance(other, Duration):
            return self.nanoseconds / other.nanoseconds
        if not isinstance(other, int | float):
            return NotImplemented
        return Duration(round(self.nanoseconds / _checked(other, "a divisor")))

    @overload
    def __floordiv__(self, other: Duration) -> int: ...
    @overload
    def __floordiv__(self, other: int) -> Duration: ...
    def __floordiv__(self, other: Duration | int) -> Duration | int:
        if isinstance(other, Duration):
            return self.nanoseconds // other.nanoseconds
        if not isinstance(other, int):
            return NotImplemented
        return Duration(self.nanoseconds // other)

    def __mod__(self, other: Duration) -> Duration:
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(self.nanoseconds % other.nanoseconds)

    def __divmod__(self, other: Duration) -> tuple[int, Duration]:
        if not isinstance(other, Duration):
            return NotImplemented
        return self // other, self % other

    def __neg__(self) -> Duration:
        return Duration(-self.nanoseconds)

    def __pos__(self) -> Duration:
        return self

    def __abs__(self) -> Duration:
        return Duration(abs(self.nanoseconds))

    def __bool__(self) -> bool:
        return self.nanoseconds != 0

    def __repr__(self) -> str:
        if self.nanoseconds == 0:
            return "Duration.of_seconds(0)"
        name, size = next((name, size) for name, _, size in _UNITS if self.nanoseconds % size == 0)
        return f"Duration.of_{name}({self.nanoseconds // size})"

    def __str__(self) -> str:
        for _, symbol, size in _UNITS:
            if abs(self.nanoseconds) >= size:
                return f"{self.nanoseconds / size:.9g} {symbol}"
        return "0 s"
