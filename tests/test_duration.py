"""Duration: whole nanoseconds, and numbers that no clock can keep are refused."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.duration import Duration
from core.errors import TimingError

CONSTRUCTORS = {
    "of_hours": 3_600_000_000_000,
    "of_minutes": 60_000_000_000,
    "of_seconds": 1_000_000_000,
    "of_milliseconds": 1_000_000,
    "of_microseconds": 1_000,
    "of_nanoseconds": 1,
}
nanoseconds = st.integers(-(10**20), 10**20)


@pytest.mark.parametrize(("name", "size"), CONSTRUCTORS.items())
def test_units_convert_both_ways(name: str, size: int) -> None:
    duration = getattr(Duration, name)(3)
    assert duration.as_nanoseconds() == 3 * size
    assert getattr(duration, name.replace("of_", "as_"))() == 3


def test_floats_round_to_the_nearest_nanosecond() -> None:
    assert Duration.of_seconds(0.1).as_nanoseconds() == 100_000_000
    assert Duration.of_seconds(1.5) == Duration.of_milliseconds(1500)
    assert Duration.of_nanoseconds(1.6).as_nanoseconds() == 2


def test_frequency() -> None:
    assert Duration.of_milliseconds(10).as_frequency() == 100.0
    assert Duration.of_frequency(80) == Duration.of_microseconds(12_500)
    with pytest.raises(TimingError, match="zero"):
        Duration.of_seconds(0).as_frequency()


@pytest.mark.parametrize("hertz", [0, -1, 0.0, math.nan, math.inf, 5e-324])
def test_impossible_frequencies(hertz: float) -> None:
    with pytest.raises(TimingError):
        Duration.of_frequency(hertz)


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True, 1j])
def test_what_is_no_finite_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(TimingError, match=name.removeprefix("of_")):
        getattr(Duration, name)(value)


def test_the_constructor_takes_whole_nanoseconds_only() -> None:
    assert Duration(5).as_nanoseconds() == 5
    with pytest.raises(TimingError, match="of_seconds"):
        Duration(1.5)  # type: ignore[arg-type]


@given(nanoseconds, nanoseconds)
def test_arithmetic_is_that_of_integers(a: int, b: int) -> None:
    one, other = Duration(a), Duration(b)
    assert (one + other).as_nanoseconds() == a + b
    assert (one - other).as_nanoseconds() == a - b
    assert (one * 3).as_nanoseconds() == (3 * one).as_nanoseconds() == 3 * a
    assert (-one).as_nanoseconds() == -a
    assert abs(one).as_nanoseconds() == abs(a)
    assert +one == one
    assert (one < other, one <= other, one == other) == (a < b, a <= b, a == b)
    assert bool(one) == bool(a)
    if b:
        assert one // other == a // b
        assert (one % other).as_nanoseconds() == a % b
        assert divmod(one, other) == (a // b, Duration(a % b))
        assert one / other == a / b


def test_division_by_numbers() -> None:
    assert Duration.of_seconds(1) / 4 == Duration.of_milliseconds(250)
    assert Duration.of_seconds(1) // 3 == Duration(333_333_333)
    assert Duration.of_seconds(1) * 0.5 == Duration.of_milliseconds(500)
    assert sum([Duration(1), Duration(2)], Duration(0)) == Duration(3)
    assert sum([Duration(1), Duration(2)]) == Duration(3)
    with pytest.raises(ZeroDivisionError):
        Duration(1) / 0
    with pytest.raises(TimingError):
        Duration(1) * math.nan


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d: d + 1,
        lambda d: 1 + d,
        lambda d: d - 1,
        lambda d: d * d,
        lambda d: d < 1,
        lambda d: d // 1.5,
        lambda d: d % 2,
        lambda d: divmod(d, 2),
        lambda d: d / "a",
        lambda d: d * "a",
    ],
)
def test_a_number_without_a_unit_is_no_duration(wrong: object) -> None:
    with pytest.raises(TypeError):
        wrong(Duration.of_seconds(1))  # type: ignore[operator]


def test_equal_durations_are_one_key() -> None:
    assert len({Duration.of_seconds(1), Duration.of_milliseconds(1000)}) == 1
    number: object = 1_000_000_000
    assert Duration.of_seconds(1) != number


@given(nanoseconds)
def test_repr_can_be_evaluated_and_copies_are_equal(a: int) -> None:
    duration = Duration(a)
    assert eval(repr(duration)) == duration  # noqa: S307 - our own repr
    assert pickle.loads(pickle.dumps(duration)) == duration  # noqa: S301 - our own bytes
    assert copy.copy(duration) == duration


def test_texts() -> None:
    assert repr(Duration.of_milliseconds(123)) == "Duration.of_milliseconds(123)"
    assert repr(Duration.of_minutes(90)) == "Duration.of_minutes(90)"
    assert repr(Duration(0)) == "Duration.of_seconds(0)"
    assert str(Duration.of_seconds(1.5)) == "1.5 s"
    assert str(Duration.of_microseconds(-2)) == "-2 µs"
    assert str(Duration(0)) == "0 s"


def test_it_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Duration(1).nanoseconds = 2  # type: ignore[misc]
