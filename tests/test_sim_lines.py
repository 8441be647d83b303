"""The simulated chip does what the kernel's gpio-sim and character device do."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable

import pytest

from core.errors import DeviceUnavailable
from core.sim.inputs import EVENTS_OF_A_LINE, InputWiring, LineEdge, SimulatedInputs
from core.sim.lines import Drive, SimulatedChip
from core.testing import VirtualClock


def refusal(do: Callable[[], object]) -> DeviceUnavailable:
    with pytest.raises(DeviceUnavailable) as raised:
        do()
    return raised.value


def test_a_line_has_one_holder_and_all_or_none_are_taken() -> None:
    chip = SimulatedChip("bank", 4)
    outputs = chip.request_outputs([0, 1], consumer="core:panel")
    error = refusal(lambda: SimulatedInputs(chip, {2: InputWiring(), 1: InputWiring()}, consumer="other"))
    assert (error.errno, str(error)) == (errno.EBUSY, "line 1 of bank is held by 'core:panel'")
    assert chip.consumers == {0: "core:panel", 1: "core:panel"}
    assert refusal(lambda: chip.request_outputs([4], consumer="x")).errno == errno.EINVAL
    assert refusal(lambda: outputs.set_values({2: True})).errno == errno.EINVAL
    outputs.close()
    assert chip.consumers == {}
    assert refusal(lambda: outputs.set_values({0: True})).errno == errno.EPERM


@pytest.mark.parametrize(("persistent", "after"), [(True, [True, False]), (False, [False, True])])
def test_a_released_output_stays_or_returns_to_its_pull(persistent: bool, after: list[bool]) -> None:
    chip = SimulatedChip("bank", 2, persistent=persistent)
    chip.pull(1, True)
    outputs = chip.request_outputs([0, 1], consumer="x")
    outputs.set_values({0: True, 1: False})
    chip.pull(0, False)
    assert chip.levels == [True, False]  # a pull is weaker than a driver
    outputs.close()
    assert chip.levels == after


@pytest.mark.parametrize(
    ("drive", "pulled", "active", "level"),
    [
        ("open-drain", True, True, True),
        ("open-drain", True, False, False),
        ("open-drain", False, True, False),
        ("open-source", False, False, False),
        ("open-source", True, False, True),
        ("open-source", False, True, True),
        ("push-pull", True, False, False),
    ],
)
def test_drives(drive: Drive, pulled: bool, active: bool, level: bool) -> None:
    chip = SimulatedChip("bank", 1)
    outputs = chip.request_outputs([0], consumer="x", drive=drive, bias="pull-up" if pulled else "pull-down")
    outputs.set_values({0: active})
    assert chip.levels == [level]


def test_a_chip_that_has_gone_fails_with_enodev_and_says_so() -> None:
    chip = SimulatedChip("bank", 2)
    outputs = chip.request_outputs([0], consumer="x")
    told: list[str] = []
    outputs.watch(lambda: told.append("gone"))
    chip.vanish()
    assert told == ["gone"]
    assert refusal(lambda: outputs.set_values({0: True})).errno == errno.ENODEV
    assert refusal(lambda: chip.request_outputs([1], consumer="y")).errno == errno.ENODEV
    chip.reappear()
    again = chip.request_outputs([0], consumer="x")
    again.set_values({0: True})
    assert refusal(lambda: outputs.set_values({0: False})).errno == errno.ENODEV  # it was that of the chip before
    outputs.close()
    assert (chip.levels, chip.consumers) == ([True, False], {0: "x"})


Work = Callable[[SimulatedChip, SimulatedInputs, list[LineEdge]], Awaitable[None]]


def on_input(clock: VirtualClock, work: Work, wiring: InputWiring) -> None:
    """Run `work` with line 0 as an input whose edges are read as they come."""

    async def main() -> None:
        chip = SimulatedChip("bank", 1)
        inputs = SimulatedInputs(chip, {0: wiring}, consumer="x")
        edges: list[LineEdge] = []
        inputs.watch(lambda: edges.extend(inputs.read_edges()))
        await work(chip, inputs, edges)
        inputs.close()
        assert chip.consumers == {}

    clock.run(main())


def test_edges_have_the_time_at_which_they_were_and_a_number(clock: VirtualClock) -> None:
    async def work(chip: SimulatedChip, inputs: SimulatedInputs, edges: list[LineEdge]) -> None:
        for _ in range(2):
            await asyncio.sleep(0.25)
            chip.pull(0, not chip.pulls[0])
        chip.pull(0, chip.pulls[0])  # no change, no edge
        await asyncio.sleep(0.1)
        assert edges == [LineEdge(0, True, 250_000_000, 1), LineEdge(0, False, 500_000_000, 2)]
        assert inputs.get_values() == {0: False}

    on_input(clock, work, InputWiring())


def test_debounce_tells_one_edge_when_the_line_has_been_still(clock: VirtualClock) -> None:
    async def work(chip: SimulatedChip, inputs: SimulatedInputs, edges: list[LineEdge]) -> None:
        for up in (True, False, True, False, True):  # a contact that bounces for 16 ms
            chip.pull(0, up)
            await asyncio.sleep(0.004)
            assert inputs.get_values() == {0: False}
        await asyncio.sleep(0.1)
        assert edges == [LineEdge(0, True, 26_000_000, 1)]  # 10 ms after the last of them
        chip.pull(0, False)
        await asyncio.sleep(0.009)
        chip.pull(0, True)  # too short to be anything
        await asyncio.sleep(0.1)
        assert len(edges) == 1
        assert inputs.get_values() == {0: True}

    on_input(clock, work, InputWiring(debounce=0.01))


def test_a_button_to_ground_with_a_pull_up_is_active_low(clock: VirtualClock) -> None:
    async def work(chip: SimulatedChip, inputs: SimulatedInputs, edges: list[LineEdge]) -> None:
        assert (chip.levels, inputs.get_values()) == ([True], {0: False})
        inputs.press(0, True)
        assert (chip.levels, inputs.get_values()) == ([False], {0: True})
        await asyncio.sleep(0)
        inputs.press(0, False)
        await asyncio.sleep(0)
        assert [edge.active for edge in edges] == [True, False]

    on_input(clock, work, InputWiring(active_low=True, bias="pull-up"))


def test_a_full_buffer_loses_its_oldest_edges_and_the_numbers_show_it(clock: VirtualClock) -> None:
    async def work(chip: SimulatedChip, inputs: SimulatedInputs, edges: list[LineEdge]) -> None:
        for _ in range(EVENTS_OF_A_LINE + 3):
            chip.pull(0, not chip.pulls[0])
        await asyncio.sleep(0)
        assert [edge.number for edge in edges] == list(range(4, EVENTS_OF_A_LINE + 4))

    on_input(clock, work, InputWiring())


def test_who_reads_an_input_of_a_chip_that_has_gone_is_told(clock: VirtualClock) -> None:
    async def main() -> None:
        chip = SimulatedChip("bank", 1)
        inputs = SimulatedInputs(chip, {0: InputWiring()}, consumer="x")
        told: list[DeviceUnavailable] = []
        inputs.watch(lambda: told.append(refusal(inputs.read_edges)))
        chip.vanish()
        await asyncio.sleep(0)
        assert [error.errno for error in told] == [errno.ENODEV]
        inputs.close()

    clock.run(main())
