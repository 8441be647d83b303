"""Outputs: what programs switch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from core.errors import ProgramError
from core.programs.together import raise_all

__all__ = ["Lit", "Output", "Outputs", "darken", "outputs_of", "steps_of"]


@runtime_checkable
class Output(Protocol):
    """Be switched on and off: an LED, a relay, a group of them."""

    def set(self, value: bool) -> object:
        """Switch on (True) or off (False)."""


Outputs = Output | Iterable[Output]


class Lit:
    """Keep outputs lit; darken every one of them at the end, whatever the others raise."""

    def __init__(self, targets: tuple[Output, ...]) -> None:
        self._targets = targets

    def __enter__(self) -> None:
        lit = 0
        try:
            for target in self._targets:
                lit += 1
                target.set(True)
        except BaseException:  # however it ends, what was lit is not left on
            darken(self._targets[:lit])
            raise

    def __exit__(self, *_: object) -> None:
        darken(self._targets)


def darken(targets: Iterable[Output]) -> None:
    """Switch every one off, whatever the others raise; raise that at the end."""
    errors: list[Exception] = []
    for target in targets:
        try:
            target.set(False)
        except Exception as error:
            errors.append(error)
    raise_all(errors)


def outputs_of(what: str, outputs: object) -> tuple[Output, ...]:
    """Return one Output, or an iterable of them (also one that iterates once only), as a tuple; raise ProgramError."""
    if isinstance(outputs, Output):
        return (outputs,)
    if not isinstance(outputs, Iterable):
        raise ProgramError(f"{what}() takes outputs, which have set(bool); {outputs!r} has not")
    targets = tuple(outputs)
    for target in targets:
        if not isinstance(target, Output):
            raise ProgramError(f"{what}() takes outputs, which have set(bool); {target!r} has not")
    return targets


def steps_of(what: str, outputs: object) -> tuple[tuple[Output, ...], ...]:
    """Return what is lit one after another, each step an Output or several; raise ProgramError."""
    if not isinstance(outputs, Iterable):
        raise ProgramError(f"{what}() takes several outputs, one after another; {outputs!r} is not iterable")
    return tuple(outputs_of(what, step) for step in outputs)
