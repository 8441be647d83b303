"""Numbers as INDI writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ProtocolError
from core.indi import format_number, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5", 12.5),
        (" +5 ", 5),
        ("1.5e3", 1500),
        ("1e-06", 1e-6),
        ("-.5", -0.5),
        ("12:30:36", 12.51),
        ("12;30;36", 12.51),
        ("12 30 36", 12.51),
        ("-0:30:00", -0.5),
        ("10:15", 10.25),
        ("1 : 30", 1.5),
    ],
)
def test_reads(text: str, value: float) -> None:
    assert parse_number(text) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "inf",
        "-Infinity",
        "1_000",
        "0x10",
        "12:",
        "a",
        "1:2:3:4",
        "1e999",
        "1,5",
        "9" * 400 + ":0",
        "9" * 20_000 + "x",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_number(text)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (12.5824, "%010.6m", "  12:34:57"),
        (1.99999999, "%.6m", "2:00:00"),
        (-0.5, "%9.6m", " -0:30:00"),
        (-0.00001, "%9.6m", "  0:00:00"),
        (1.5, "%5.3m", " 1:30"),
        (1.25, "%.5m", "1:15.0"),
        (1.0001, "%.8m", "1:00:00.4"),
        (1.0001, "%.9m", "1:00:00.36"),
        (21.537, "%.2f", "21.54"),
        (3.0, "%d", "3"),
        (3.7, "%4.0lf", "   4"),
        (1e-7, "%g", "1e-07"),
        (1e308, "%10.6m", "1e+308"),
        (0.1, "%q", "0.10000000000000001"),
        (0.1, "%s%s", "0.10000000000000001"),
    ],
)
def test_writes(value: float, form: str, text: str) -> None:
    assert format_number(value, form) == text


@given(st.floats(-1e6, 1e6))
def test_sexagesimal_comes_back_within_its_resolution(value: float) -> None:
    written = format_number(value, "%.9m")
    assert math.isclose(parse_number(written), value, abs_tol=0.5 / 360000 + 1e-9)
