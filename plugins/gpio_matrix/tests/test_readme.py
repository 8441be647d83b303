"""README.md tells every option, every property with its members and permission, and what regions are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugin_gpio_matrix.matrix import GpioMatrix
from plugin_gpio_matrix.programs import PROGRAMS
from plugin_gpio_matrix.regions import leds_named

README = (Path(__file__).parent.parent / "README.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """Return the rows of the table with this first column, by what stands in it."""
    table = README.partition(f"| {heading} |")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for line in table.splitlines()[2:]:
        first, _, rest = line.removeprefix("| ").partition(" |")
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", first), rest))
    return found


def test_every_option_is_told_with_its_default() -> None:
    told = rows("option")
    fields = GpioMatrix.Options.__struct_fields__
    assert set(told) == set(fields) - {"plugin", "isolate", "persist", "type"}
    defaults = GpioMatrix.Options()
    for name in set(told) - {"lines", "buttons"}:
        value = getattr(defaults, name)
        shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
        shown = shown or (f'"{value}"' if isinstance(value, str) else f"{value:g}")
        assert told[name].startswith(f" `{shown}` |"), name


def test_every_property_is_told_with_its_permission_and_members() -> None:
    matrix = GpioMatrix("panel")
    matrix.offer({program.name: program for program in PROGRAMS})
    told = rows("property")
    of_a_program = {"program_numbers", "program_texts", "program_switches"}
    assert set(told) == set(matrix.vectors) | of_a_program
    for name, vector in matrix.vectors.items():
        members, _, permission = told[name].strip(" |").partition(" | ")
        assert ("write" in permission) is (vector.perm == "rw"), name
        if name in ("program_region", "program_speed", "program_runs", "frame", "statistics", "program_if_busy"):
            assert all(f"`{member}`" in members for member in vector.members), name
        assert ("any of many" in told[name]) is (getattr(vector, "rule", "") == "AnyOfMany"), name


REGIONS = README.partition("claims its whole region before it starts")[2].partition("joined by")[0]


@pytest.mark.parametrize("name", re.findall(r"`([^`]+)`", REGIONS))
def test_regions_are_called_so(name: str) -> None:
    assert leds_named(GpioMatrix("panel"), name)
