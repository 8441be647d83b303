"""What `schedule` was called with: positional and keyword, in the words of tasko, asynccp and our own."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from core.errors import LoopError, TimingError
from core.loop.timing import Timing, timing_of

__all__ = ["checked_coroutine", "scheduled_call"]

T = TypeVar("T")

_RATES = ("frequency", "hz")
_FUNCTION = "coroutine_function"


def scheduled_call(what: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Timing, Callable[[], Any], str]:
    """Return the timing, a function that makes the coroutine of a tick, and the task's name.

    Raises TimingError where the rate or the function is missing, given twice or of the wrong kind.
    """
    positional = list(args)
    given = [word for word in _RATES if word in kwargs]
    if len(given) > 1:
        raise TimingError(f"{what}() takes either hz= or frequency=, not both")
    if given:
        rate = kwargs.pop(given[0])
    elif positional:
        rate = positional.pop(0)
    else:
        raise TimingError(f"{what}() needs a frequency in Hz or a Duration{_meant(kwargs)}")
    timing = timing_of(rate)
    if _FUNCTION in kwargs:
        function = kwargs.pop(_FUNCTION)
    elif positional:
        function = positional.pop(0)
    else:
        raise TimingError(f"{what}() needs a coroutine_function{_meant(kwargs)}")
    if inspect.iscoroutine(function):
        function.close()
        raise TimingError(f"{what}() takes the coroutine function, not what it returns: leave the brackets away")
    if not callable(function):
        raise TimingError(f"{what}() needs a coroutine function, not {function!r} ({type(function).__name__})")
    # A plain function may return a coroutine (a partial, a prepared program); these two cannot.
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TimingError(f"{what}() needs an `async def` without yield, and {function.__qualname__} is a generator")
    name = timing.name or getattr(function, "__qualname__", None) or type(function).__name__
    make = functools.partial(function, *positional, **kwargs) if positional or kwargs else function
    return timing, make, name


def _meant(kwargs: dict[str, Any]) -> str:
    for word in kwargs:
        if close := difflib.get_close_matches(word, (_FUNCTION, *_RATES), n=1, cutoff=0.75):
            return f": {word}= is unknown, did you mean {close[0]}=?"
    return ""


def checked_coroutine(coroutine: Coroutine[Any, Any, T], what: str) -> Coroutine[Any, Any, T]:
    """Return `coroutine` if it is one; raise LoopError that says what to write instead."""
    if inspect.iscoroutinefunction(coroutine):
        raise LoopError(f"{what}() takes a coroutine: call {coroutine.__name__}() and pass what it returns")
    if not isinstance(coroutine, Coroutine):
        raise LoopError(f"{what}() takes a coroutine, not {coroutine!r} ({type(coroutine).__name__})")
    return coroutine
