"""What is wrong with the hooks of a module: names and arguments that no hook has, markers that are missing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from core.errors import DefinitionError
from core.hookspecs import PROJECT
from core.suggestions import nearest

__all__ = ["implemented", "refuse_hooks", "specified"]

PREFIX = "core_"
MARK, SPECIFICATION = f"{PROJECT}_impl", f"{PROJECT}_spec"


def specified(specifications: ModuleType) -> dict[str, tuple[str, ...]]:
    """Return the hooks by name, each with its arguments."""
    return {
        name: _arguments(function)
        for name, function in vars(specifications).items()
        if name.startswith(PREFIX) and hasattr(function, SPECIFICATION)
    }


def implemented(module: Any, hooks: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the hooks that a module implements."""
    return sorted({hook for hook, _, _ in _marked(module) if hook in hooks})


def refuse_hooks(module: Any, hooks: Mapping[str, tuple[str, ...]]) -> None:
    """Raise DefinitionError for a hook that would never be called, or not with what it asks for.

    What is marked with `optionalhook=True` may be of an unknown name: it is for another version of `core`.
    """
    for name, function in vars(module).items():
        if inspect.isfunction(function) and not hasattr(function, MARK) and not hasattr(function, SPECIFICATION):
            if name in hooks:
                raise DefinitionError(f"{name} is not marked as a hook; write @core.hookimpl above it")
            own = name.startswith(PREFIX) and function.__module__ == module.__name__
            if own and (near := nearest(name, hooks)):
                raise DefinitionError(f"there is no hook {name}; did you mean {near}, with @core.hookimpl above it?")
    for hook, function, optional in _marked(module):
        if hook not in hooks:
            if not optional:
                near = nearest(hook, hooks) or nearest(PREFIX + hook, hooks)
                meant = f"; did you mean {near}?" if near else f"; there is {', '.join(hooks)}"
                raise DefinitionError(f"there is no hook {hook}{meant}")
            continue
        for argument in _arguments(function):
            if argument not in hooks[hook]:
                raise DefinitionError(f"the hook {hook} has no argument {argument}{_meant(argument, hooks[hook])}")


def _meant(argument: str, allowed: tuple[str, ...]) -> str:
    if near := nearest(argument, allowed):
        return f"; did you mean {near}?"
    return f"; it has {', '.join(allowed)}" if allowed else "; it takes none"


def _marked(module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield the hook that each marked function is for, the function, and whether it may be unknown."""
    for name, function in vars(module).items():
        options = getattr(function, MARK, None)
        if isinstance(options, Mapping):
            yield options.get("specname") or name, function, bool(options.get("optionalhook"))


def _arguments(function: Any) -> tuple[str, ...]:
    """Return what a hook is called with: the arguments without a default, as pluggy has it."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD)
