"""What counts as a failure of plugin code."""

from __future__ import annotations

import asyncio

import pytest

from core.guard import is_failure
from core.testing import VirtualClock


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), BaseException(), TimeoutError()])
def test_what_a_plugin_raises_is_its_failure(error: BaseException) -> None:
    assert is_failure(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_what_the_interpreter_raises_is_not(error: BaseException) -> None:
    assert not is_failure(error)


def test_a_cancellation_where_no_task_runs_is_a_failure() -> None:
    assert is_failure(asyncio.CancelledError())


def test_a_cancellation_counts_only_if_nobody_has_asked_for_it(clock: VirtualClock) -> None:
    seen: list[bool] = []

    async def asked() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as error:
            seen.append(is_failure(error))
            raise

    async def main() -> None:
        task = asyncio.create_task(asked())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        seen.append(is_failure(asyncio.CancelledError()))

    clock.run(main())
    assert seen == [False, True]
