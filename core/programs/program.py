"""Program: an async function as something that can be listed, checked and started any number of times."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from core.errors import ProgramError
from core.suggestions import nearest

__all__ = [
    "RESERVED",
    "Needs",
    "Parameter",
    "PreparedRun",
    "Program",
    "Startable",
    "name_of",
    "program",
    "program_of",
    "programs_of",
]

RESERVED = ("program", "device", "region", "if_busy")
"""What no setting is called, because core.toml has a meaning of its own for it."""

AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]
Needs = Callable[[Any], None]
"""What is asked before a program starts: it gets the first argument and raises ProgramError that says what it lacks."""
Startable = Callable[[], Coroutine[Any, Any, Any]]
"""What combinators take: a prepared run, or any function without arguments that makes a coroutine."""


class PreparedRun:
    """Be a program with its arguments: each call makes a fresh coroutine of it."""

    def __init__(self, name: str, make: Startable, description: str = "") -> None:
        self.name = name
        self.description = description
        self._make = make

    def __call__(self) -> Coroutine[Any, Any, Any]:
        """Return a coroutine that does it once."""
        return self._make()

    def __repr__(self) -> str:
        return f"<run of {self.name}>"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Describe a setting of a program: a keyword parameter with a default."""

    name: str
    default: Any
    annotation: Any
    """Its type as far as it can be resolved, else None."""


class Program:
    """Be an async function as a factory of prepared runs; made by the decorator `program`."""

    def __init__(
        self, function: Callable[..., Coroutine[Any, Any, Any]], name: str | None = None, needs: Needs | None = None
    ) -> None:
        if not inspect.iscoroutinefunction(function):
            raise ProgramError(f"@program decorates an `async def`, not {function!r}")
        functools.update_wrapper(self, function)
        self.name: str = name or function.__name__
        """The name by which it is listed and started."""
        self._function = function
        self._needs = needs
        self._signature = inspect.signature(function)
        if taken := [one.name for one in self.parameters if one.name in RESERVED]:
            raise ProgramError(f"program {self.name}: a setting cannot be called {taken[0]!r}; core.toml uses that")

    def __call__(self, *args: Any, **kwargs: Any) -> PreparedRun:
        """Return a run with these arguments; raise ProgramError if they do not fit or lack what the program needs."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            near = [name for given in kwargs if (name := self._meant(given)) is not None]
            meant = f"; did you mean {' and '.join(map(repr, near))}?" if near else ""
            raise ProgramError(f"program {self.name}: {error}{meant}; it is {self.name}{self._signature}") from error
        if self._needs is not None and args:
            try:
                self._needs(args[0])
            except ProgramError as error:
                raise ProgramError(f"program {self.name} {error}") from error
        return PreparedRun(self.name, lambda: self._function(*args, **kwargs), self.description)

    @property
    def description(self) -> str:
        """Return the first paragraph of the docstring in one line."""
        return " ".join((inspect.getdoc(self._function) or "").split("\n\n")[0].split())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Return the settings: the parameters with defaults."""
        hints = self._hints()
        return tuple(
            Parameter(parameter.name, parameter.default, hints.get(parameter.name))
            for parameter in self._signature.parameters.values()
            if parameter.default is not parameter.empty and parameter.kind is not parameter.POSITIONAL_ONLY
        )

    @property
    def device_type(self) -> type | None:
        """Return the class that the first parameter is annotated with: which devices it runs on; None for all."""
        for parameter in self._signature.parameters.values():
            if parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
                hint = self._hints().get(parameter.name)
                # Any is a class since 3.11, and means no class in particular.
                return hint if isinstance(hint, type) and hint not in (object, Any) else None
            break
        return None

    def _meant(self, given: str) -> str | None:
        known = list(self._signature.parameters)
        return nearest(given, known) if given not in known else None

    def __repr__(self) -> str:
        return f"<program {self.name}{self._signature}>"

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except Exception:
            plain = getattr(self._function, "__annotations__", {})
            return {name: hint for name, hint in plain.items() if not isinstance(hint, str)}


@typing.overload
def program(function: AsyncFunction, /) -> Program: ...
@typing.overload
def program(*, name: str | None = None, needs: Needs | None = None) -> Callable[[AsyncFunction], Program]: ...
def program(
    function: AsyncFunction | None = None, /, *, name: str | None = None, needs: Needs | None = None
) -> Program | Callable[[AsyncFunction], Program]:
    """Turn an `async def` into a Program: its first parameter is the device, its keyword parameters are settings.

    `needs` looks at what the program is to run on before it starts, and raises ProgramError("needs ...") if that will
    not do.
    """
    if function is None:
        return lambda decorated: Program(decorated, name, needs)
    return Program(function, name, needs)


def name_of(part: Startable) -> str:
    """Return a name of anything startable."""
    return str(getattr(part, "name", None) or getattr(part, "__name__", "program"))


def program_of(what: str, part: object) -> Startable:
    """Return `part` if it can be started; raise ProgramError that says what to write instead."""
    if isinstance(part, Program):
        raise ProgramError(f"{what}() takes prepared programs: write {part.name}(...) with its arguments")
    if inspect.iscoroutine(part):
        part.close()
        raise ProgramError(f"{what}() takes programs, not coroutines, which can run once only: leave the last () away")
    if not callable(part):
        raise ProgramError(f"{what}() takes programs, not {part!r} ({type(part).__name__})")
    return typing.cast(Startable, part)


def programs_of(what: str, programs: tuple[Any, ...]) -> tuple[Startable, ...]:
    """Return the programs that a combinator was given, one by one or as one iterable; raise ProgramError."""
    if len(programs) == 1 and not callable(programs[0]) and isinstance(programs[0], Iterable):
        # One list, as in 2023.
        programs = tuple(programs[0])
    return tuple(program_of(what, part) for part in programs)
