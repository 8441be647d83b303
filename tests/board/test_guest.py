"""The kernel that the other tests here rely on: its chips, lines and buses do what board.dts says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import gpiod
import pytest
from gpiod.line import Direction, Value

from tests.board.simulated_chips import SimulatedChip, chips

OUTPUT = gpiod.LineSettings(direction=Direction.OUTPUT)


def test_chips_have_their_labels_and_lines() -> None:
    assert {chip.label: chip.lines for chip in chips()} == {"pinctrl-bcm2711": 58, "sim-spi": 8, "sim-configfs": 32}


def test_an_unknown_label_names_those_there_are() -> None:
    with pytest.raises(LookupError, match="pinctrl-bcm2711"):
        SimulatedChip.labelled("no such chip")


def test_buses_have_their_nodes() -> None:
    nodes = [Path("/dev", name) for name in ("spidev0.0", "spidev0.1", "spidev1.0")]
    assert [node for node in nodes if node.is_char_device()] == nodes


@pytest.mark.parametrize("label", ["pinctrl-bcm2711", "sim-configfs"])
def test_sysfs_levels_follow_a_request(label: str) -> None:
    chip = SimulatedChip.labelled(label)
    offsets = (5, 6, 13, 19, 26)
    with gpiod.request_lines(str(chip.path), config={offsets: OUTPUT}, consumer="test") as request:
        for pattern in (0b10101, 0b01010, 0b11111, 0):
            wanted = {offset: pattern >> n & 1 for n, offset in enumerate(offsets)}
            request.set_values({offset: Value(level) for offset, level in wanted.items()})
            assert chip.levels(offsets) == wanted


def test_a_line_has_one_holder(board_chip: SimulatedChip) -> None:
    with gpiod.request_lines(str(board_chip.path), config={17: OUTPUT}, consumer="first"):
        with gpiod.Chip(str(board_chip.path)) as chip:
            assert chip.get_line_info(17).consumer == "first"
        with pytest.raises(OSError, match="busy"):
            gpiod.request_lines(str(board_chip.path), config={17: OUTPUT}, consumer="second")


@pytest.mark.parametrize(("way", "byte"), [("up", 0xFF), ("down", 0x00)])
def test_the_pull_of_miso_is_what_the_bus_reads(spi_chip: SimulatedChip, way: Literal["up", "down"], byte: int) -> None:
    spidev = pytest.importorskip("spidev", reason="spidev could not be compiled here")
    spi_chip.pull(0, way)
    bus = spidev.SpiDev()
    bus.open(0, 0)
    try:
        assert bus.xfer2([1, 2, 3]) == [byte] * 3
    finally:
        bus.close()


def test_the_second_bus_is_a_loopback() -> None:
    spidev = pytest.importorskip("spidev", reason="spidev could not be compiled here")
    bus = spidev.SpiDev()
    bus.open(1, 0)
    try:
        data = list(range(256))
        assert bus.xfer2(data) == data
    finally:
        bus.close()
