"""The layout of a matrix, and its regions."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from core.errors import ProgramError
from plugin_gpio_matrix.layout import Led, Matrix, rows_of_leds
from plugin_gpio_matrix.regions import leds_named


def matrix(*lengths: int) -> tuple[Matrix, dict[int, bool]]:
    levels: dict[int, bool] = {}
    return Matrix(rows_of_leds(lengths, levels.__setitem__)), levels


def numbers(group: Iterable[Led]) -> list[int]:
    return [led.number for led in group]


def test_rows_columns_and_single_leds() -> None:
    square, levels = matrix(5, 5, 5, 5, 5)
    assert square.size == (5, 5)
    assert numbers(square.row(1)) == numbers(square[1]) == [5, 6, 7, 8, 9]
    assert numbers(square.column(-1)) == [4, 9, 14, 19, 24]
    assert numbers(square.all) == list(range(25))
    led = square.get(2, 3)
    assert led is square[2, 3]
    assert (led.number, led.name) == (13, "r3c4")
    assert square.get(-1, -1).number == 24
    led.set(True)
    square.row(0)[1:3].set(True)
    assert levels == {13: True, 1: True, 2: True}
    for row, column in ((2, 9), (5, 0), (-6, 0)):
        with pytest.raises(LookupError, match=f"row {row}, column {column}"):
            square.get(row, column)


def test_groups_are_sliced_reversed_and_added() -> None:
    square, _ = matrix(3, 3, 3)
    row = square.row(0)
    assert numbers(row.reversed) == numbers(row[::-1]) == [2, 1, 0]
    assert numbers(row.reversed) == [2, 1, 0]  # a second time too
    assert numbers(row + square.column(0)) == [0, 1, 2, 3, 6]
    assert repr(row[:2]) == "<r1c1 r1c2>"


def test_rings_run_clockwise_from_the_top_left() -> None:
    square, _ = matrix(5, 5, 5, 5, 5)
    assert [numbers(ring) for ring in square.rings] == [
        [0, 1, 2, 3, 4, 9, 14, 19, 24, 23, 22, 21, 20, 15, 10, 5],
        [6, 7, 8, 13, 18, 17, 16, 11],
        [12],
    ]
    with pytest.raises(LookupError, match="no ring 3"):
        square.ring(3)


def test_rings_of_what_is_no_square() -> None:
    wide, _ = matrix(4, 4, 4)
    assert numbers(wide.ring(1)) == [5, 6]
    line, _ = matrix(3)
    assert numbers(line.ring(0)) == [0, 1, 2]
    post, _ = matrix(1, 1, 1)
    assert numbers(post.ring(0)) == [0, 1, 2]


def test_diagonals_in_both_directions() -> None:
    wide, _ = matrix(3, 3)
    assert [numbers(one) for one in wide.diagonals] == [[3], [0, 4], [1, 5], [2]]
    assert [numbers(one) for one in wide.antidiagonals] == [[0], [1, 3], [2, 4], [5]]
    tall, _ = matrix(2, 2, 2)
    assert [numbers(one) for one in tall.diagonals] == [[4], [2, 5], [0, 3], [1]]
    assert [numbers(one) for one in tall.antidiagonals] == [[0], [1, 2], [3, 4], [5]]


def test_ragged_rows() -> None:
    ragged, _ = matrix(3, 1, 2)
    assert [numbers(column) for column in ragged.columns] == [[0, 3, 4], [1, 5], [2]]
    assert numbers(ragged.ring(0)) == [0, 1, 2, 5, 4, 3]
    assert ragged.find(1, 1) is None
    with pytest.raises(LookupError):
        ragged.get(1, 1)
    assert [numbers(one) for one in ragged.diagonals] == [[4], [3, 5], [0], [1], [2]]


def test_parts_count_from_their_own_corner_and_switch_the_same_leds() -> None:
    square, levels = matrix(5, 5, 5, 5, 5)
    part = square[1:4, 1:4]
    assert part.size == (3, 3)
    assert numbers(part.ring(0)) == numbers(square.ring(1))
    assert part.get(0, 0).name == "r1c1"
    part.get(2, 2).set(True)
    assert levels == {18: True}
    assert numbers(square[:2].all) == list(range(10))
    assert numbers(square[:, 0].all) == [0, 5, 10, 15, 20]
    assert square[:, 0].size == (5, 1)
    assert numbers(square[0, 1:3].all) == [1, 2]
    every_second = square[::2, ::2]
    assert every_second.size == (3, 3)
    assert numbers(every_second.all) == [0, 2, 4, 10, 12, 14, 20, 22, 24]
    upside_down = square[::-1]
    assert numbers(upside_down.row(0)) == [20, 21, 22, 23, 24]
    assert numbers(part[1:, 1:].all) == [12 + 0, 13, 17, 18]
    ring = square.part(square.ring(1))
    assert ring.size == (3, 3)
    assert ring.find(1, 1) is None


def test_pictures_choose_leds() -> None:
    square, _ = matrix(3, 3, 3)
    assert numbers(square.drawn(["X.X", "...", ".X."])) == [0, 2, 7]
    assert numbers(square.drawn(["XX"], 1, 2)) == [5]
    assert numbers(square.drawn(["XX", "XX"], -1, -1)) == [0]
    assert len(square.drawn(["...", "..."])) == 0
    ragged, _ = matrix(3, 1)
    assert numbers(ragged.drawn(["XXX", "XXX"])) == [0, 1, 2, 3]


def test_several_matrices_are_one() -> None:
    left, lit_left = matrix(2, 2)
    right, lit_right = matrix(1, 1)
    wide = left.beside(right)
    assert wide.size == (2, 3)
    wide.row(1).set(True)
    assert (lit_left, lit_right) == ({2: True, 3: True}, {1: True})
    high = left.above(right)
    assert [len(row) for row in high.rows] == [2, 2, 1, 1]
    high.column(0).set(False)
    assert (lit_left, lit_right) == ({0: False, 2: False, 3: True}, {0: False, 1: False})
    both = wide.row(0) + wide.column(2)
    assert len(both) == 4  # LEDs of two matrices with the same number are two


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("all", list(range(12))),
        ("row 1", [0, 1, 2, 3]),
        ("Rows 2-3", [4, 5, 6, 7, 8, 9, 10, 11]),
        ("column 4", [3, 7, 11]),
        ("columns 1 - 2", [0, 4, 8, 1, 5, 9]),
        ("ring 2", [5, 6]),
        ("r2c3", [6]),
        ("r1c1-r2c2", [0, 1, 4, 5]),
        ("r2c2-r9c9", [5, 6, 7, 9, 10, 11]),
        ("row 1 + r3c1+column 1", [0, 1, 2, 3, 8, 4]),
    ],
)
def test_regions_by_name(name: str, wanted: list[int]) -> None:
    wide, _ = matrix(4, 4, 4)
    assert numbers(leds_named(wide, name)) == wanted


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("row 4", "no 'row 4'; the matrix has 3 rows, 4 columns and 2 rings"),
        ("row 0", "no 'row 0'"),
        ("rows 3-2", "no 'rows 3-2'"),
        ("r9c9", "no LED in 'r9c9'"),
        ("", '\'\' is no region; one is "all", "row 1"'),
        ("row 1 +", "is no region"),
        ("the left half", "'the left half' is no region"),
    ],
)
def test_regions_that_are_none(name: str, says: str) -> None:
    wide, _ = matrix(4, 4, 4)
    with pytest.raises(ProgramError, match=says):
        leds_named(wide, name)
