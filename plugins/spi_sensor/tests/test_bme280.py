"""The driver on a simulated chip: what it measures, the bytes that it sends, and what it says where the chip fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core import DeviceUnavailable, Loop
from core.sim.spi import SimulatedSpiBus
from core.testing import VirtualClock
from plugin_spi_sensor.bus.shared import Seat, take_seat
from plugin_spi_sensor.chips.bme280 import BAUDRATE, Bme280, Measurement, Oversampling, Settings
from plugin_spi_sensor.simulated.bme280 import SimulatedBme280

WEATHER = Measurement(temperature=-12.5, humidity=81.25, pressure=987.65)


class Tapped(SimulatedBme280):
    """A chip on whose wires somebody listens."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock, lambda _: WEATHER)
        self.sent: list[bytes] = []
        self.times: list[int] = []
        self.stuck = False

    def select(self) -> None:
        self.sent.append(b"")
        self.times.append(self._clock())
        super().select()

    def transfer(self, byte: int) -> int:
        self.sent[-1] += bytes([byte])
        answer = super().transfer(byte)
        # The first byte that is read, if it is the status.
        return answer | 0x08 if self.stuck and len(self.sent[-1]) == 2 and self.sent[-1][0] == 0xF3 else answer


class Desk:
    """Be a driver, a bus and a chip, to be used on a virtual clock."""

    def __init__(self, settings: Settings | None = None) -> None:
        loop = Loop.current()
        self.seat: Seat[SimulatedSpiBus] = take_seat("simulated:desk", 0, "the test", baudrate=BAUDRATE)
        self.bus = self.seat.shared.bus
        self.chip = Tapped(loop.now)
        self.bus.attach(0, self.chip)
        self.driver = Bme280(self.seat.handle, loop.delay, settings)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *error: object) -> None:
        self.seat.leave()


@pytest.mark.parametrize("samples", [1, 2, 4, 8, 16])
def test_it_measures_the_climate(clock: VirtualClock, samples: Oversampling) -> None:
    async def measure() -> Measurement:
        with Desk(Settings(samples, samples, samples)) as desk:
            return await desk.driver.measure()

    measured = clock.run(measure())
    assert measured.temperature == pytest.approx(WEATHER.temperature, abs=0.005)
    assert measured.humidity == pytest.approx(WEATHER.humidity, abs=0.02)
    assert measured.pressure == pytest.approx(WEATHER.pressure, abs=0.03)


def test_the_bytes_are_those_of_the_data_sheet(clock: VirtualClock) -> None:
    async def measure() -> list[bytes]:
        with Desk(Settings(temperature=2, pressure=16, humidity=1)) as desk:
            await desk.driver.measure()
            first = desk.chip.sent.copy()
            desk.chip.sent.clear()
            await desk.driver.measure()
            return [*first, b"and again", *desk.chip.sent]

    once = [
        bytes.fromhex("72 01 74 55"),  # ctrl_hum, then ctrl_meas: x2, x16, forced
        b"\xf3" + bytes(12),
    ]
    assert clock.run(measure()) == [
        b"\xd0\x00",
        b"\x60\xb6",
        b"\xf3\x00",
        b"\x88" + bytes(26),
        b"\xe1" + bytes(7),
        b"\x88" + bytes(26),
        b"\xe1" + bytes(7),
        *once,
        b"and again",
        b"\xd0\x00",
        *once,
    ]


def test_it_waits_as_long_as_the_chip_may_take(clock: VirtualClock) -> None:
    settings = Settings(temperature=4, pressure=8, humidity=2)

    async def measure() -> int:
        with Desk(settings) as desk:
            await desk.driver.measure()
            return desk.chip.times[-1] - desk.chip.times[-2]

    # 1.25 ms, 2.3 for each of 14 samples, 0.575 each for pressure and humidity (section 9.1).
    assert clock.run(measure()) == pytest.approx(34_600_000, abs=1)
    assert settings.conversion_seconds == pytest.approx(0.0346)


def test_the_bus_is_free_while_the_chip_measures(clock: VirtualClock) -> None:
    async def measure() -> tuple[int, list[int]]:
        loop = Loop.current()
        with Desk() as desk:
            other = desk.seat.shared.managed.cs_handle(desk.bus.chip_select(1), baudrate=100_000)
            used: list[int] = []

            async def use() -> None:
                while True:
                    async with other:
                        used.append(loop.now())
                    await loop.delay(0.001)

            await desk.driver.measure()
            user = loop.add_task(use())
            begin = loop.now()
            await desk.driver.measure()
            user.cancel()
            return loop.now() - begin, [time - begin for time in used]

    took, used = clock.run(measure())
    assert took == 9_300_000
    # Nobody waited: the other one came at each of its milliseconds.
    assert used == [millisecond * 1_000_000 for millisecond in range(10)]


@pytest.mark.parametrize(("found", "why"), [(0x58, "another chip"), (0x00, "nothing answers")])
def test_a_wrong_id_is_named(clock: VirtualClock, found: int, why: str) -> None:
    async def measure() -> list[bytes]:
        with Desk() as desk:
            desk.chip.chip_id = found
            with pytest.raises(DeviceUnavailable, match=f"chip id is {found:#04x}, .* 0x60: .*{why}.*chip_select"):
                await desk.driver.measure()
            return desk.chip.sent

    # A chip that is none of ours is written nothing.
    assert clock.run(measure()) == [b"\xd0\x00"]


def test_an_empty_socket_is_named(clock: VirtualClock) -> None:
    async def measure() -> None:
        with Desk() as desk:
            desk.bus.detach(0)
            with pytest.raises(DeviceUnavailable, match=r"0xff.*nothing answers.*wiring"):
                await desk.driver.measure()

    clock.run(measure())


def test_a_chip_that_stays_busy(clock: VirtualClock) -> None:
    async def measure() -> None:
        with Desk() as desk:
            desk.chip.stuck = True
            with pytest.raises(DeviceUnavailable, match=r"still measures after 9\.3 ms"):
                await desk.driver.measure()
            desk.chip.stuck = False
            assert (await desk.driver.measure()).temperature == pytest.approx(WEATHER.temperature, abs=0.01)

    clock.run(measure())


def test_a_plug_that_is_pulled_during_a_measurement(clock: VirtualClock) -> None:
    async def measure() -> None:
        loop = Loop.current()
        with Desk() as desk:
            await desk.driver.measure()
            loop.run_later(0.005, pull(desk))
            with pytest.raises(DeviceUnavailable, match=r"stopped to answer.*wiring"):
                await desk.driver.measure()

    async def pull(desk: Desk) -> None:
        desk.bus.detach(0)

    clock.run(measure())


def test_a_reset_during_a_measurement_and_the_way_back(clock: VirtualClock) -> None:
    async def measure() -> list[bytes]:
        loop = Loop.current()
        with Desk() as desk:
            await desk.driver.measure()
            loop.run_later(0.005, reset(desk))
            with pytest.raises(DeviceUnavailable, match="lost its measurement"):
                await desk.driver.measure()
            desk.chip.sent.clear()
            assert (await desk.driver.measure()).pressure == pytest.approx(WEATHER.pressure, abs=0.05)
            return desk.chip.sent

    async def reset(desk: Desk) -> None:
        async with desk.seat.handle as bus:
            bus.write(b"\x60\xb6")

    # It may be another chip by now, so that its calibration is read anew.
    assert b"\x88" + bytes(26) in clock.run(measure())
