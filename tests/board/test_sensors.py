"""Runs of `corectl` with sensors on the kernel's buses, where no chip answers: what is said, and what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.board.runs import Run
from tests.board.simulated_chips import SimulatedChip
from tests.board.spi_trace import traced

CONFIGURATION = """
[device.kernel]
plugin = "spi-sensor"
type = "bme280"
bus = "spidev0"
chip_select = 1

[device.line]
plugin = "spi-sensor"
type = "adxl345"
bus = "spidev0"
chip_select = "pinctrl-bcm2711:25"
period = 0.04

[device.loop]
plugin = "spi-sensor"
type = "bme680"
bus = "blinka:1"

[device.absent]
plugin = "spi-sensor"
type = "bme280"
bus = "spidev0"
chip_select = 5

[device.desk]
plugin = "spi-sensor"
type = "bme280"
driver = "adafruit"
"""


def test_each_sensor_says_what_is_wrong_with_it_and_the_others_go_on(
    tmp_path: Path, board_chip: SimulatedChip, spi_chip: SimulatedChip
) -> None:
    for package in ("spidev", "adafruit_bme280"):
        pytest.importorskip(package, reason=f"{package} could not be installed here")
    spi_chip.pull(0, "up")
    with traced(board_chip, 25) as trace:
        run = Run(tmp_path, CONFIGURATION)
        try:
            run.says(
                r"kernel\.sample: BME280 on SPI bus spidev0, chip select 1: chip id is 0xff, that of a BME280 is 0x60: "
                r"nothing answers; check its power, its wiring and the option chip_select"
            )
            run.says(r"line\.sample: ADXL345 on SPI bus spidev0, chip select pinctrl-bcm2711:25: chip id is 0xff")
            # What is sent comes back on this bus: the byte after the address is 0.
            run.says(r"loop\.sample: BME680 on SPI bus blinka:1, chip select 0: chip id is 0x00")
            run.says(
                r"spi-sensor 'absent' cannot be opened: /dev/spidev0\.5: there is no such device; there is /dev/spi"
            )
            assert board_chip.level(25) == 1
            assert run.end() == 0
            assert "desk" not in run.rest()
        finally:
            run.stop()
    # Each asks for the chip's id, with its own select alone.
    assert ("sent", "spi0.1", b"\xd0\x00") in trace.happenings
    assert ("sent", "spi1.0", b"\x73\x00") in trace.happenings
    low = [happening for happening in trace.of("line", "sent") if happening[1] in ("25", "spi0.0")]
    begin = low.index(("line", "25", 0))
    assert low[begin : begin + 3] == [("line", "25", 0), ("sent", "spi0.0", b"\x80\x00"), ("line", "25", 1)]
