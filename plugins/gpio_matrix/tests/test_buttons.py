"""Buttons of a simulated matrix: pressed, waited for, streamed, and what is lost is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from core import programs as p
from core.errors import DeviceUnavailable
from core.instance import Instance
from core.sim.inputs import SimulatedInputs
from core.testing import VirtualClock
from plugin_gpio_matrix.buttons import Button, Edge, Edges, wait_button
from plugin_gpio_matrix.matrix import GpioMatrix

Work = Callable[[GpioMatrix], Awaitable[None]]


def on_matrix(clock: VirtualClock, work: Work, **options: Any) -> GpioMatrix:
    async def main() -> GpioMatrix:
        matrix = GpioMatrix("panel", msgspec.convert(options, GpioMatrix.Options))
        living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
        await asyncio.sleep(0.001)
        try:
            await work(matrix)
        finally:
            living.cancel()
            await asyncio.wait([living])
        return matrix

    return clock.run(main())


async def tap(button: Button) -> None:
    button.press()
    await asyncio.sleep(0.02)
    button.release()
    await asyncio.sleep(0.02)


def test_the_simulated_matrix_has_two_buttons(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        assert list(matrix.buttons) == ["left", "right"]
        left, right = matrix.buttons.values()
        await tap(left)
        left.press()
        await asyncio.sleep(0.02)
        assert (left.pressed, left.presses, right.pressed, right.presses) == (True, 2, False, 0)

    matrix = on_matrix(clock, work)
    assert not matrix.buttons["left"].pressed


def test_edges_come_with_the_time_of_the_kernel_after_the_debounce(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["go"]
        edges = button.edges()
        await asyncio.sleep(0.499)
        await tap(button)
        assert [await anext(edges), await anext(edges)] == [
            Edge(True, 505_000_000, 1),
            Edge(False, 525_000_000, 2),
        ]

    on_matrix(clock, work, lines=[[0]], buttons={"go": "GPIO9"}, debounce=5)


def test_a_button_can_say_its_own_wiring(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        assert matrix._open_lines is not None
        assert matrix._open_lines.buttons == {"left": 7, "right": 8}
        inputs = matrix._open_lines.inputs
        assert isinstance(inputs, SimulatedInputs)
        assert inputs.chip.levels[7:9] == [True, False]  # neither is pressed
        seen = [matrix.buttons[name].edges() for name in ("left", "right")]
        for button in matrix.buttons.values():
            button.press()
        assert inputs.chip.levels[7:9] == [False, True]
        await asyncio.sleep(0.05)
        assert [(await anext(edges)).timestamp for edges in seen] == [31_000_000, 1_000_000]

    right = {"line": 8, "active_low": False, "bias": "pull-down", "debounce": 0}
    on_matrix(clock, work, lines=[[0]], buttons={"left": 7, "right": right}, debounce=30)


def test_every_consumer_gets_all_edges_and_a_slow_one_loses_its_oldest(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["left"]
        quick, slow = button.edges(), button.edges(limit=3)
        for _ in range(3):
            await tap(button)
        assert [(await anext(quick)).number for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        assert [(await anext(slow)).number for _ in range(3)] == [4, 5, 6]
        assert (quick.overflows, slow.overflows, button.overflows) == (0, 3, 3)

    on_matrix(clock, work)


def test_what_the_kernel_had_no_room_for_is_counted(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["go"]
        for _ in range(10):  # 20 edges in one instant, and room for 16
            button.press()
            button.release()
        edges = button.edges()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(edges) == 16
        assert button.overflows == 4

    on_matrix(clock, work, lines=[[0]], buttons={"go": 1}, debounce=0)


def test_a_cancelled_wait_loses_no_edge(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["left"]
        edges = button.edges()
        waiting = asyncio.ensure_future(anext(edges))
        await asyncio.sleep(0)
        button.press()
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        button.release()
        await asyncio.sleep(0.02)
        taken = [] if waiting.cancelled() else [waiting.result()]
        taken += [await anext(edges) for _ in range(len(edges))]
        assert [edge.pressed for edge in taken] == [True, False]

    on_matrix(clock, work)


def test_a_queue_nobody_holds_any_more_is_forgotten(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["left"]
        button.press()
        async for edge in button.edges():
            assert edge.pressed
            break
        assert len(button._consumers) == 0

    on_matrix(clock, work)


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one edge"):
        Edges(0)


def test_waiting_is_for_the_next_press(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["left"]
        button.press()
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(button.wait_press())
        await asyncio.sleep(1)
        assert not waiting.done()
        released = asyncio.create_task(button.wait_release())
        await tap(button)
        assert not waiting.done()
        assert (await released).pressed is False
        await tap(button)
        assert (await waiting).number == 3

    on_matrix(clock, work)


def test_a_program_that_waits_for_a_button(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        running = asyncio.create_task(p.any(p.on(matrix.all), wait_button(matrix.buttons["right"]))())
        await asyncio.sleep(5)
        assert matrix.picture() == ["XXXXX"] * 5
        await tap(matrix.buttons["right"])
        await running
        await asyncio.sleep(0.001)
        assert matrix.picture() == ["....."] * 5

    on_matrix(clock, work)
    assert wait_button.description == "Wait until a button is pressed."


def test_hooks_are_called_and_one_that_fails_costs_only_itself(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(matrix: GpioMatrix) -> None:
        button = matrix.buttons["left"]
        called: list[str] = []

        def broken(edge: Edge) -> None:
            raise RuntimeError("no such lamp")

        async def later(edge: Edge) -> None:
            await asyncio.sleep(1)
            called.append("later")

        button.on_press(broken)
        button.on_press(later)
        end = button.on_press(lambda edge: called.append(f"press {edge.number}"))
        button.on_release(lambda edge: called.append(f"release {edge.number}"))
        await tap(button)
        assert called == ["press 1", "release 2"]
        await asyncio.sleep(1)
        assert called == ["press 1", "release 2", "later"]
        end()
        end()
        await tap(button)
        assert called[3:] == ["release 4"]

    with caplog.at_level(logging.ERROR):
        on_matrix(clock, work)
    assert "panel: button left: no such lamp" in caplog.text


def test_buttons_that_cannot_be_pressed_say_why(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        matrix.buttons["left"].press()

    matrix = on_matrix(clock, work)
    with pytest.raises(DeviceUnavailable, match="button 'left' of panel cannot be pressed: it is being closed"):
        matrix.buttons["left"].press()
    real = GpioMatrix("board", GpioMatrix.Options(chip="gpiochip0", buttons={"stop": 25}))
    with pytest.raises(DeviceUnavailable, match="button 'stop' of board is a real one"):
        real.buttons["stop"].press()


def test_a_real_matrix_has_no_buttons_unless_told() -> None:
    assert GpioMatrix("board", GpioMatrix.Options(chip="gpiochip0")).buttons == {}


def test_a_line_stands_once() -> None:
    with pytest.raises(ValueError, match="lines: 3 stands more than once; each LED and button has a line of its own"):
        GpioMatrix("board", GpioMatrix.Options(buttons={"left": 3}))


def test_a_chip_that_is_unplugged_is_named_and_used_again_when_it_is_back(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix) -> None:
        said: list[str | None] = []
        matrix.observe(lambda event: said.append(event.message))
        button = matrix.buttons["left"]
        waiting = asyncio.create_task(button.wait_press())
        await tap(matrix.buttons["right"])
        chip = matrix.simulation()
        assert chip is not None
        chip.vanish()
        await asyncio.sleep(0.1)
        assert "panel has been lost: simulated has gone; it is looked for again" in said
        with pytest.raises(DeviceUnavailable, match=r"cannot be pressed: .*has gone"):
            button.press()
        await asyncio.sleep(2)
        chip.reappear()
        await asyncio.sleep(3)
        assert "panel could be opened" in said
        assert matrix.buttons["left"] is button
        await tap(button)
        assert (await waiting).number == 1
        matrix.all.set(True)
        await asyncio.sleep(0.001)
        assert matrix.picture() == ["XXXXX"] * 5

    matrix = on_matrix(clock, work)
    assert matrix.buttons["right"].presses == 1
