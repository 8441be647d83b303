"""Buttons on the kernel's chip: edges by toggling the pull, with the kernel's debounce and timestamps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core import Loop
from core.instance import Instance
from plugin_gpio_matrix.buttons import Button
from plugin_gpio_matrix.matrix import GpioMatrix
from tests.board.simulated_chips import SimulatedChip

LINE = 20
TICK = 0.005
"""Seconds between two toggles: the simulator's interrupt comes with the kernel's next tick."""
SECONDS = 20


@asynccontextmanager
async def opened(chip: SimulatedChip, **options: Any) -> AsyncIterator[GpioMatrix]:
    matrix = GpioMatrix("panel", GpioMatrix.Options(chip=chip.label, lines=[[4]], **options))
    known = asyncio.Event()
    matrix.observe(lambda event: known.set() if event.kind == "opened" else None)
    living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
    try:
        async with asyncio.timeout(SECONDS):
            await known.wait()
        assert matrix.closed_because is None
        yield matrix
    finally:
        living.cancel()
        await asyncio.wait([living])


def on_button(chip: SimulatedChip, work: Callable[[Button], Awaitable[None]], **options: Any) -> None:
    """Run `work` with a button to ground on a line."""

    async def main() -> None:
        chip.pull(LINE, "up")
        async with asyncio.timeout(SECONDS), opened(chip, buttons={"left": LINE}, **options) as matrix:
            await work(matrix.buttons["left"])

    Loop().run(main())


async def tap(chip: SimulatedChip) -> None:
    for way in ("down", "up"):
        chip.pull(LINE, way)
        await asyncio.sleep(TICK)


def test_edges_have_the_kernels_timestamps(board_chip: SimulatedChip) -> None:
    async def work(button: Button) -> None:
        edges = button.edges()
        before = time.monotonic_ns()
        for _ in range(3):
            await tap(board_chip)
        seen = [await anext(edges) for _ in range(6)]
        assert [edge.pressed for edge in seen] == [True, False] * 3
        assert [edge.number for edge in seen] == [1, 2, 3, 4, 5, 6]
        times = [edge.timestamp for edge in seen]
        assert times == sorted(times)
        assert before <= times[0]
        assert times[-1] <= time.monotonic_ns()
        assert (button.presses, button.pressed, button.overflows) == (3, False, 0)

    on_button(board_chip, work, debounce=0)


def test_a_contact_that_bounces_is_one_press(board_chip: SimulatedChip) -> None:
    async def work(button: Button) -> None:
        edges = button.edges()
        for _ in range(4):
            await tap(board_chip)
        still = time.monotonic_ns()  # before the last edge, from which the period counts
        board_chip.pull(LINE, "down")
        edge = await anext(edges)
        assert (edge.pressed, edge.number) == (True, 1)
        assert edge.timestamp - still >= 90_000_000  # the period, less a tick or two of the kernel
        assert len(edges) == 0
        assert button.pressed

    on_button(board_chip, work, debounce=100)


def test_it_is_known_from_the_start_whether_it_is_pressed(board_chip: SimulatedChip) -> None:
    async def main() -> None:
        # With a bias, opening pulls the line, as the resistor in the chip does.
        board_chip.pull(LINE, "up")
        button = {"left": {"line": LINE, "active_low": False, "bias": "as-is", "debounce": 0}}
        async with opened(board_chip, **options_of(button)) as matrix:
            assert matrix.buttons["left"].pressed

    Loop().run(main())


def options_of(buttons: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    return {"buttons": msgspec.convert({"buttons": buttons}, GpioMatrix.Options).buttons}


def test_what_nobody_reads_in_time_is_counted(board_chip: SimulatedChip) -> None:
    async def work(button: Button) -> None:
        for _ in range(12):  # while the loop does something else: 24 edges, and the kernel keeps 16
            for way in ("down", "up"):
                board_chip.pull(LINE, way)
                time.sleep(TICK)  # noqa: ASYNC251 - blocks on purpose
        edges = button.edges()
        assert (await anext(edges)).number == 9
        assert (button.overflows, len(edges)) == (8, 15)

    on_button(board_chip, work, debounce=0)


def test_waiting_for_a_press_with_the_led_following_it(board_chip: SimulatedChip) -> None:
    async def main() -> None:
        board_chip.pull(LINE, "up")
        async with asyncio.timeout(SECONDS), opened(board_chip, buttons={"left": LINE}, debounce=5) as matrix:
            button = matrix.buttons["left"]
            button.on_press(lambda edge: matrix.all.set(True))
            button.on_release(lambda edge: matrix.all.set(False))
            waiting = asyncio.create_task(button.wait_press())
            await asyncio.sleep(TICK)
            board_chip.pull(LINE, "down")
            assert (await waiting).pressed
            await asyncio.sleep(TICK)
            assert board_chip.level(4) == 1
            board_chip.pull(LINE, "up")
            await button.wait_release()
            await asyncio.sleep(TICK)
            assert board_chip.level(4) == 0

    Loop().run(main())


@pytest.mark.parametrize(("bias", "pressed"), [("pull-up", False), ("pull-down", True)])
def test_the_bias_is_that_of_the_chip(board_chip: SimulatedChip, bias: str, pressed: bool) -> None:
    async def main() -> None:
        async with opened(board_chip, buttons={"left": LINE}, button_bias=bias) as matrix:
            assert matrix.buttons["left"].pressed is pressed

    Loop().run(main())
