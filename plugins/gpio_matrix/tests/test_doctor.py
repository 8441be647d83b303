"""How lines in use are told."""

from __future__ import annotations

import pytest

from plugin_gpio_matrix.doctor import told_lines


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ({}, "all of them free"),
        ({3: "spi0 CS0"}, "3 held by 'spi0 CS0'"),
        ({7: "a", 4: "a", 5: "a", 6: "a"}, "4 to 7 held by 'a'"),
        ({1: "a", 2: "a", 9: "a"}, "1, 2 and 9 held by 'a'"),
        ({5: "a", 6: "a", 7: "a", 9: "a", 8: "b", 20: "a"}, "5 to 7, 9 and 20 held by 'a', 8 held by 'b'"),
    ],
)
def test_lines_in_use(used: dict[int, str], told: str) -> None:
    assert told_lines(used) == told
