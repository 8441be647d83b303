"""What pytest loads by the entry point `pytest11`: fixtures, and tests that are coroutines on a virtual clock."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from core.testing.virtual_clock import VirtualClock

__all__ = ["clock", "no_leaks"]


@pytest.fixture
def clock() -> VirtualClock:
    """Give a virtual clock: `clock.run(coroutine)` runs it on a loop whose time passes by itself.

    A test that is an `async def` and asks for it runs on it without more ado.
    """
    return VirtualClock()


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail the test if it leaves tasks, descriptors or threads behind.

    For every test of a file: `pytestmark = pytest.mark.usefixtures("no_leaks")`.
    """
    from core.testing.leaks import Holdings, loops_watched

    before = Holdings()
    with loops_watched() as tasks:
        yield
    if left := [*tasks, *before.left()]:
        pytest.fail(f"the test has left behind: {'; '.join(left)}", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function that asks for `clock` on that clock; leave all others to whom they belong."""
    clock = pyfuncitem.funcargs.get("clock")
    if not isinstance(clock, VirtualClock) or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    clock.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True
