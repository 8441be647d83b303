"""Members of vectors: what one value may be, and how it is shown."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, Generic, Literal, TypeVar

from core.errors import DefinitionError, ValueRefused

State = Literal["Idle", "Ok", "Busy", "Alert"]
"""The four states of a vector, and the four values of a light."""

STATES: tuple[State, ...] = ("Idle", "Ok", "Busy", "Alert")

FORMAT = re.compile(r"%[-+ 0#]*[0-9]*(?:\.[0-9]+)?l?[eEfFgGm]")
"""What a number may be formatted with; clients in C pass it to printf with a double."""

LARGEST_QUICK = 1 << 62

V = TypeVar("V")


@dataclass(frozen=True)
class Member(Generic[V]):
    """Be one named value of a vector."""

    value: V
    label: str | None = field(default=None, kw_only=True)
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the value that the author declared."""
        try:
            object.__setattr__(self, "value", self.accept(self.value))
        except ValueRefused as error:
            raise DefinitionError(f"{type(self).__name__}({self.value!r}): {error}") from error

    def accept(self, value: Any) -> V:
        """Return a value of the device's own as the member keeps it; raise ValueRefused for another type."""
        raise NotImplementedError

    def accept_new(self, value: Any) -> V:
        """Return a value that a client sent as the member keeps it; raise ValueRefused where it may not have it."""
        return self.accept(value)


@dataclass(frozen=True)
class Number(Member[float]):
    """Be a floating-point number.

    `format` is printf's, or `%<w>.<f>m` for sexagesimal; `min` equal to `max` means no limits; `unit` is shown behind
    the label, since INDI has no units of its own.
    """

    value: float = 0.0
    unit: str = field(default="", kw_only=True)
    format: str = field(default="%g", kw_only=True)
    min: float = field(default=0.0, kw_only=True)
    max: float = field(default=0.0, kw_only=True)
    step: float = field(default=0.0, kw_only=True)
    kind: ClassVar[str] = "Number"

    def __post_init__(self) -> None:
        """Check limits and value."""
        super().__post_init__()
        if not (math.isfinite(self.min) and math.isfinite(self.max) and math.isfinite(self.step)):
            raise DefinitionError(f"Number: min {self.min}, max {self.max} and step {self.step} must be finite")
        if not FORMAT.fullmatch(self.format):
            raise DefinitionError(f'Number: format is {self.format!r}; one like "%.2f", "%g" or "%10.6m" is needed')
        if self.min > self.max:
            raise DefinitionError(f"Number: min {self.min} is above max {self.max}")

    def accept(self, value: Any) -> float:
        """Return `value` as a finite float; raise ValueRefused for anything else."""
        if value.__class__ is float and math.isfinite(value):
            return value  # what nearly all are, and the quickest to see
        if value.__class__ is int and -LARGEST_QUICK < value < LARGEST_QUICK:
            return float(value)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueRefused(f"a number is needed, not {value!r}")
        try:
            number = float(value)
        except OverflowError:
            raise ValueRefused("the number is too large") from None
        if not math.isfinite(number):
            raise ValueRefused(f"{number} is not a finite number")
        return number

    def accept_new(self, value: Any) -> float:
        """Return `value` as a float within min and max; raise ValueRefused for anything else."""
        number: float = value if value.__class__ is float and math.isfinite(value) else self.accept(value)
        if self.min < self.max and not self.min <= number <= self.max:
            raise ValueRefused(f"{number:g} is out of range, {self.min:g} to {self.max:g} is allowed")
        return number


@dataclass(frozen=True)
class Text(Member[str]):
    """Be a line or a page of text."""

    value: str = ""
    kind: ClassVar[str] = "Text"

    def accept(self, value: Any) -> str:
        """Return `value` if it is a str; raise ValueRefused otherwise."""
        if not isinstance(value, str):
            raise ValueRefused(f"a text is needed, not {value!r}")
        return value


@dataclass(frozen=True)
class Switch(Member[bool]):
    """Be On (True) or Off (False)."""

    value: bool = False
    kind: ClassVar[str] = "Switch"

    def accept(self, value: Any) -> bool:
        """Return `value` if it is a bool; raise ValueRefused otherwise."""
        if not isinstance(value, bool):
            raise ValueRefused(f"On (True) or Off (False) is needed, not {value!r}")
        return value


@dataclass(frozen=True)
class Light(Member[State]):
    """Be a lamp that shows Idle, Ok, Busy or Alert."""

    value: State = "Idle"
    kind: ClassVar[str] = "Light"

    def accept(self, value: Any) -> State:
        """Return `value` if it is one of the four states; raise ValueRefused otherwise."""
        if value not in STATES:
            raise ValueRefused(f"one of {', '.join(STATES)} is needed, not {value!r}")
        return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class BlobValue:
    """Be the content of a BLOB: its bytes, and the suffix that tells their format (".fits", ".fits.z")."""

    data: bytes = b""
    format: str = ""


@dataclass(frozen=True)
class Blob(Member[BlobValue]):
    """Be a file or an image."""

    value: BlobValue = BlobValue()
    kind: ClassVar[str] = "BLOB"

    def accept(self, value: Any) -> BlobValue:
        """Return `value` if it is a BlobValue; raise ValueRefused otherwise."""
        if not isinstance(value, BlobValue):
            raise ValueRefused(f"a BlobValue is needed, not {type(value).__name__}")
        return value
