"""The settings of programs: what core.toml, the command line and INDI give, made into what the program declares."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from core.errors import ProgramError
from core.programs.program import Parameter, Program

__all__ = ["converted", "from_texts", "parsed", "type_of"]


def converted(program: Program, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, each of the type that the program's parameter says.

    Those that it does not have stay as they are, and are refused when the program is called. Raises ProgramError with
    the setting, its value and what is expected.
    """
    result = dict(settings)
    for parameter in program.parameters:
        if parameter.name not in result:
            continue
        value = result[parameter.name]
        try:
            result[parameter.name] = msgspec.convert(value, type_of(parameter))
        except msgspec.ValidationError as error:
            why = str(error).replace("`", "").replace("Expected", "expected", 1)
            raise ProgramError(f"{parameter.name} is {value!r}: {why}") from error
        except TypeError:  # an annotation that says nothing of values
            continue
    return result


def type_of(parameter: Parameter) -> Any:
    """Return what a setting has to be: as annotated, else like its default."""
    if parameter.annotation is not None:
        return parameter.annotation
    if isinstance(parameter.default, bool):
        return bool
    if isinstance(parameter.default, (int, float)):
        return int | float
    return str if isinstance(parameter.default, str) else Any


def from_texts(program: Program, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return settings that were typed: what the program wants as a text stays one, even if it looks like a number."""
    result: dict[str, Any] = {name: parsed(text) for name, text in texts.items()}
    for parameter in program.parameters:
        name = parameter.name
        if name in result and isinstance(parameter.default, str) and not isinstance(result[name], str):
            result[name] = texts[name]
    return result


def parsed(text: str) -> Any:
    """Return what a text means that was typed: a value as core.toml has it, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
