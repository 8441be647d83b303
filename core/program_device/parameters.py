"""The settings of a program as properties: numbers, texts and switches."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from msgspec import Meta

from core.programs import Parameter, Program
from core.programs.settings import parsed, type_of
from core.properties import Number, NumberVector, Switch, SwitchVector, Text, TextVector, Vector

__all__ = ["NUMBERS", "SWITCHES", "TEXTS", "given", "vectors_of"]

GROUP = "Programs"

# What carries a name and is never bound: which vectors there are depends on the program.
NUMBERS = NumberVector("Settings", name="program_numbers", members={})
TEXTS = TextVector("Texts", name="program_texts", members={})
SWITCHES = SwitchVector("Switches", name="program_switches", members={}, rule="AnyOfMany")


def vectors_of(program: Program, settings: Mapping[str, Any]) -> list[Vector[Any, Any]]:
    """Return the vectors, none of them empty, that show the settings of a program; those not given have defaults."""
    numbers: dict[str, Number] = {}
    switches: dict[str, Switch] = {}
    texts: dict[str, Text] = {}
    for parameter in program.parameters:
        value = settings.get(parameter.name, parameter.default)
        if isinstance(value, bool):
            switches[parameter.name] = Switch(value)
        elif isinstance(value, int | float) and _is_number(parameter):
            numbers[parameter.name] = _number(parameter, value)
        else:
            texts[parameter.name] = Text("" if value is None else str(value))
    found: list[Vector[Any, Any]] = []
    if numbers:
        found.append(NumberVector("Settings", name=NUMBERS.name, group=GROUP, perm="rw", members=numbers))
    if texts:
        found.append(TextVector("Texts", name=TEXTS.name, group=GROUP, perm="rw", members=texts))
    if switches:
        found.append(SwitchVector("Switches", name=SWITCHES.name, group=GROUP, members=switches, rule="AnyOfMany"))
    return found


def given(program: Program, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client has set as values that the program's parameters may be."""
    values: dict[str, Any] = {}
    for parameter in program.parameters:
        if parameter.name not in new:
            continue
        value = new[parameter.name]
        if isinstance(value, str) and not isinstance(parameter.default, str):
            value = parsed(value) if value else None
        elif isinstance(value, float) and value.is_integer() and _plain(type_of(parameter)) is not float:
            value = int(value)
        values[parameter.name] = value
    return values


def _plain(kind: Any) -> Any:
    """Return a type without what is annotated to it."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _is_number(parameter: Parameter) -> bool:
    return _plain(type_of(parameter)) in (int, float, int | float)


def _number(parameter: Parameter, value: float) -> Number:
    low = high = None
    for one in getattr(type_of(parameter), "__metadata__", ()):
        if isinstance(one, Meta):
            low, high = one.ge, one.le
    if low is None or high is None or not low <= value <= high:
        return Number(value)
    return Number(value, min=low, max=high)
