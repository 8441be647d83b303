"""The matrix on simulated lines: frames, programs, exit states."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core import ValueRefused
from core import programs as p
from core.errors import ProgramError
from core.sim.lines import SimulatedChip
from core.testing import DriverHarness, VirtualClock, assert_shows
from plugin_gpio_matrix.lines import Lines
from plugin_gpio_matrix.matrix import GpioMatrix
from plugin_gpio_matrix.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("no_leaks")

Work = Callable[[GpioMatrix, SimulatedChip], Awaitable[None]]


def chip_under(matrix: GpioMatrix) -> SimulatedChip:
    lines: Lines | None = matrix._lines
    return lines.chip  # type: ignore[union-attr, no-any-return]  # simulated here


def on_matrix(clock: VirtualClock, work: Work, **options: Any) -> SimulatedChip:
    """Run `work` on an open matrix and return the chip as closing has left it."""

    async def main() -> SimulatedChip:
        matrix = GpioMatrix("matrix", GpioMatrix.Options(**options))
        async with DriverHarness(matrix, programs=PROGRAMS):
            chip = chip_under(matrix)
            await work(matrix, chip)
        return chip

    return clock.run(main())


def test_all_changes_of_one_instant_are_one_call(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        for led in matrix.all:
            led.set(True)
            await asyncio.sleep(0)  # one instant, however many turns it takes
        assert chip.set_calls == 0
        await asyncio.sleep(0.01)
        assert chip.set_calls == 1
        assert all(chip.levels[:25])
        matrix.all.set(True)
        await asyncio.sleep(0.01)
        assert chip.set_calls == 1  # nothing has changed

    on_matrix(clock, work)


def test_leds_with_different_periods_cost_a_call_for_each_instant(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        periods = [0.1 * (1 + number) for number in range(5)]
        running = p.all(*(p.blink(row, period) for row, period in zip(matrix.rows, periods, strict=True)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.95):
                await running()
        instants = {round(turn * period, 3) for period in periods for turn in range(1, 60) if turn * period < 5.95}
        assert chip.set_calls == len(instants) + 1  # and the first one

    on_matrix(clock, work)


class CreepingClock(VirtualClock):
    """A clock on which a microsecond passes whenever somebody looks at it, as on a machine that is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self._look

    def _look(self) -> int:
        self.skip_to(self._tell() + 1_000)
        return self._tell()


@pytest.mark.parametrize("kind", [VirtualClock, CreepingClock])
def test_25_leds_with_25_periods_cost_a_call_for_each_instant(kind: type[VirtualClock]) -> None:
    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        periods = [100 + 20 * number for number in range(25)]
        blinks = (p.blink(led, period / 1000) for led, period in zip(matrix.all, periods, strict=True))
        await p.timeout(p.all(*blinks), 3.99)()
        await asyncio.sleep(0.01)
        instants = {turn * period for period in periods for turn in range(40) if turn * period < 3990}
        assert matrix.frames.calls == chip.set_calls == len(instants) + 1  # and all dark at the end

    on_matrix(kind(), work)


def test_the_leds_are_told_at_most_20_times_a_second(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        told: list[float] = []
        matrix.observe(lambda event: told.append(clock.seconds) if event.vector is matrix.leds else None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await p.blink(matrix.all, 0.004)()
        assert chip.set_calls >= 200
        assert 15 <= len(told) <= 22
        await asyncio.sleep(0.1)
        assert not any(matrix.leds.values.values())  # the last state is told, however soon it came

    on_matrix(clock, work)


def test_a_program_takes_over_from_another(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, _: SimulatedChip) -> None:
        await matrix.begin_program("heartbeat", {"interval": 0.5})
        await asyncio.sleep(0.1)
        assert_shows(matrix, *["XXXXX"] * 5)
        await matrix.begin_program("spiral")
        await asyncio.sleep(0.01)
        assert_shows(matrix, "X....", ".....", ".....", ".....", ".....")
        with pytest.raises(ProgramError, match="no program 'nonsense'; it has heartbeat"):
            await matrix.begin_program("nonsense")
        with pytest.raises(ProgramError, match="speed"):
            await matrix.begin_program("cross", {"speed": 1})
        assert matrix.running_program == "spiral"

    on_matrix(clock, work)


def test_a_program_that_fails_is_an_alert_and_none_runs(clock: VirtualClock) -> None:
    @p.program
    async def broken(matrix: GpioMatrix) -> None:
        matrix.all.set(True)
        await p.sleep(1)()
        raise OSError("a wire is loose")

    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        said: list[str | None] = []
        matrix.observe(lambda event: said.append(event.message))
        matrix.programs["broken"] = broken
        matrix.program.replace_members({**matrix.program.members, "broken": type(matrix.program.members["none"])()})
        await matrix.begin_program("broken")
        await asyncio.sleep(2)
        assert (matrix.program.chosen, matrix.program.state) == ("none", "Alert")
        assert any(message and "a wire is loose" in message for message in said)
        assert not any(chip.levels[:25])

    on_matrix(clock, work)


def test_single_leds_only_while_no_program_runs(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, chip: SimulatedChip) -> None:
        await matrix.take_new(matrix.leds, {"r2c2": True})
        await asyncio.sleep(0.01)
        assert [offset for offset, level in enumerate(chip.levels[:25]) if level] == [6]
        await matrix.begin_program("heartbeat")
        with pytest.raises(ValueRefused, match="while program 'heartbeat' runs; choose 'none' first"):
            await matrix.take_new(matrix.leds, {"r1c1": True})

    on_matrix(clock, work)


@pytest.mark.parametrize(
    ("exit_state", "active_low", "level"), [("off", False, 0), ("on", False, 1), ("off", True, 1), ("on", True, 0)]
)
def test_exit_states(clock: VirtualClock, exit_state: str, active_low: bool, level: int) -> None:
    async def work(matrix: GpioMatrix, _: SimulatedChip) -> None:
        await matrix.begin_program("cross")
        await asyncio.sleep(0.1)

    chip = on_matrix(clock, work, exit_state=exit_state, active_low=active_low)
    assert chip.levels[:25] == [bool(level)] * 25
    assert chip.consumers == {}


def test_keep_leaves_the_leds_as_they_are(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, _: SimulatedChip) -> None:
        matrix.row(2).set(True)
        await asyncio.sleep(0.01)

    chip = on_matrix(clock, work, exit_state="keep")
    assert [offset for offset, level in enumerate(chip.levels[:25]) if level] == [10, 11, 12, 13, 14]


def test_each_led_can_have_an_exit_state_of_its_own(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, _: SimulatedChip) -> None:
        matrix.row(0).set(True)
        await asyncio.sleep(0.01)

    chip = on_matrix(
        clock, work, exit_state={"r1c2": "off", "r1c3": "keep", "r2c1": "on", "all": "keep", "r1c4": "off"}
    )
    assert [offset for offset, level in enumerate(chip.levels[:25]) if level] == [0, 2, 4, 5]


def test_what_has_no_exit_state_is_off(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, _: SimulatedChip) -> None:
        matrix.row(0).set(True)
        await asyncio.sleep(0.01)

    chip = on_matrix(clock, work, exit_state={"r1c1": "keep"})
    assert [offset for offset, level in enumerate(chip.levels[:25]) if level] == [0]


def test_an_exit_state_for_no_led() -> None:
    with pytest.raises(ValueError, match="exit_state: there is no LED 'r6c1'; LEDs are r1c1 to r5c5"):
        GpioMatrix("matrix", GpioMatrix.Options(exit_state={"r6c1": "on"}))
