"""The simulated bus: locks, slices, edges of chip-select lines, and what is read where nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from core.sim.spi import SimulatedSpiBus


class Echo:
    """Answer each byte with the one before, and keep what happens."""

    def __init__(self, first: int = 0x5A) -> None:
        self.last = first
        self.seen: list[int | str] = []

    def select(self) -> None:
        self.seen.append("select")

    def deselect(self) -> None:
        self.seen.append("deselect")

    def transfer(self, byte: int) -> int:
        self.seen.append(byte)
        answer, self.last = self.last, byte
        return answer


@pytest.fixture
def bus() -> SimulatedSpiBus:
    bus = SimulatedSpiBus()
    assert bus.try_lock()
    return bus


def test_nobody_answers_with_all_ones(bus: SimulatedSpiBus) -> None:
    bus.attach(0, Echo())
    bus.chip_select(1).value = False
    answer = bytearray(3)
    bus.write_readinto(b"\x00\x01\x02", answer)
    assert answer == b"\xff\xff\xff"
    assert bus.transferred == 3


def test_a_selected_chip_answers(bus: SimulatedSpiBus) -> None:
    chip = Echo()
    line = bus.attach(2, chip)
    assert line.value
    line.value = False
    answer = bytearray(3)
    bus.write_readinto(b"\x01\x02\x03", answer)
    line.value = True
    assert answer == b"\x5a\x01\x02"
    assert chip.seen == ["select", 1, 2, 3, "deselect"]


def test_a_level_that_stays_is_no_edge(bus: SimulatedSpiBus) -> None:
    chip = Echo()
    line = bus.attach(0, chip)
    for level in (True, False, False, True, True):
        line.value = level
    assert chip.seen == ["select", "deselect"]


def test_slices(bus: SimulatedSpiBus) -> None:
    chip = Echo()
    bus.attach(0, chip).value = False
    bus.write(b"\x01\x02\x03\x04", start=1, end=3)
    assert chip.seen == ["select", 2, 3]
    answer = bytearray(4)
    bus.readinto(answer, start=1, end=3, write_value=7)
    assert answer == b"\x00\x03\x07\x00"
    bus.write_readinto(b"\x0a\x0b\x0c", answer, out_start=1, in_start=2)
    assert answer == b"\x00\x03\x07\x0b"
    with pytest.raises(ValueError, match="2 bytes to send and 4 to receive"):
        bus.write_readinto(b"\x0a\x0b", answer)


def test_two_selected_chips_are_counted_as_collisions(bus: SimulatedSpiBus) -> None:
    bus.attach(0, Echo(0b1100)).value = False
    bus.write(b"\x00")
    assert bus.collisions == 0
    bus.attach(1, Echo(0b1010)).value = False
    answer = bytearray(1)
    bus.chip_select(0).value = True
    bus.chip_select(0).value = False
    bus.readinto(answer)
    assert bus.collisions == 1


def test_a_plug_that_is_pulled_ends_the_answers(bus: SimulatedSpiBus) -> None:
    chip = Echo()
    bus.attach(0, chip).value = False
    bus.detach(0)
    answer = bytearray(1)
    bus.readinto(answer)
    assert answer == b"\xff"
    assert chip.seen == ["select", "deselect"]
    bus.attach(0, chip)
    assert chip.seen[-1] == "select"


def test_the_lock_is_needed_and_is_one() -> None:
    bus = SimulatedSpiBus()
    calls: list[tuple[Any, ...]] = [(bus.configure,), (bus.write, b""), (bus.readinto, bytearray())]
    for call, *arguments in [*calls, (bus.write_readinto, b"", bytearray())]:
        with pytest.raises(RuntimeError, match="try_lock"):
            call(*arguments)
    assert bus.try_lock()
    assert not bus.try_lock()
    bus.unlock()
    with pytest.raises(ValueError, match="not locked"):
        bus.unlock()


def test_the_clock_is_checked_and_kept(bus: SimulatedSpiBus) -> None:
    bus.configure(baudrate=5_000_000, polarity=1, phase=1)
    assert (bus.frequency, bus.polarity, bus.phase) == (5_000_000, 1, 1)
    for wrong in ({"baudrate": 0}, {"polarity": 2}, {"phase": -1}, {"bits": 9}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            bus.configure(**wrong)
    assert bus.frequency == 5_000_000


def test_a_closed_bus_refuses(bus: SimulatedSpiBus) -> None:
    bus.deinit()
    bus.deinit()
    with pytest.raises(ValueError, match="closed"):
        bus.try_lock()
    with pytest.raises(ValueError, match="closed"):
        bus.write(b"\x00")


def test_one_chip_to_a_chip_select(bus: SimulatedSpiBus) -> None:
    bus.attach(0, Echo())
    with pytest.raises(ValueError, match="0 has a chip already"):
        bus.attach(0, Echo())
    with pytest.raises(ValueError, match="below 0"):
        bus.chip_select(-1)
