"""The layout of a matrix."""

from __future__ import annotations

import pytest

from plugin_gpio_matrix.layout import Group, Layout

SQUARE = [[row * 5 + column for column in range(5)] for row in range(5)]


def layout(offsets: list[list[int]]) -> tuple[Layout, dict[int, bool]]:
    levels: dict[int, bool] = {}
    return Layout(offsets, levels.__setitem__), levels


def offsets(group: Group) -> list[int]:
    return [led.offset for led in group]


def test_rows_columns_and_single_leds() -> None:
    square, levels = layout(SQUARE)
    assert offsets(square.row(1)) == [5, 6, 7, 8, 9]
    assert offsets(square.column(-1)) == [4, 9, 14, 19, 24]
    assert len(square.all) == 25
    led = square.get(2, 3)
    assert (led.offset, led.name) == (13, "r3c4")
    led.set(True)
    square.row(0)[1:3].set(True)
    assert levels == {13: True, 1: True, 2: True}
    with pytest.raises(LookupError, match="row 2, column 9"):
        square.get(2, 9)


def test_rings_run_clockwise_from_the_top_left() -> None:
    square, _ = layout(SQUARE)
    assert offsets(square.ring(0)) == [0, 1, 2, 3, 4, 9, 14, 19, 24, 23, 22, 21, 20, 15, 10, 5]
    assert offsets(square.ring(1)) == [6, 7, 8, 13, 18, 17, 16, 11]
    assert offsets(square.ring(2)) == [12]
    with pytest.raises(LookupError, match="no ring 3"):
        square.ring(3)


def test_rings_of_what_is_no_square() -> None:
    wide, _ = layout([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
    assert offsets(wide.ring(1)) == [5, 6]
    line, _ = layout([[0, 1, 2]])
    assert offsets(line.ring(0)) == [0, 1, 2]
    post, _ = layout([[0], [1], [2]])
    assert offsets(post.ring(0)) == [0, 1, 2]


def test_ragged_rows() -> None:
    ragged, _ = layout([[0, 1, 2], [3], [4, 5]])
    assert [offsets(column) for column in ragged.columns] == [[0, 3, 4], [1, 5], [2]]
    assert offsets(ragged.ring(0)) == [0, 1, 2, 5, 4, 3]
