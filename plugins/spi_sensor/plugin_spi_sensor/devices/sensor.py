"""What all sensors have in common: their place on a bus, sampling, averaging, calibration, limits, and ways to fail."""

from __future__ import annotations

import abc
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Protocol

from core import (
    ConfigError,
    Device,
    DeviceUnavailable,
    Duration,
    Light,
    LightVector,
    Loop,
    Number,
    NumberVector,
    ResourceError,
    Switch,
    SwitchVector,
    ValueRefused,
)
from core.properties import State
from core.sim.spi import SimulatedSpiBus, SimulatedSpiChip
from core.sim.spi_faults import FaultyWires
from core.sim.unplugging import PluggedSpiChip, Simulation
from core.ticks import every
from plugin_spi_sensor.adafruit.worker import Worker
from plugin_spi_sensor.bus.names import check_select, parse_bus
from plugin_spi_sensor.bus.protocol import SpiBus
from plugin_spi_sensor.bus.shared import Seat, take_seat
from plugin_spi_sensor.chips.chip import ChipFault
from plugin_spi_sensor.devices import alarms
from plugin_spi_sensor.devices.options import LONGEST, MOST_AVERAGED, SHORTEST, SensorOptions

__all__ = ["LONGEST_RETRY", "Handle", "Reading", "SimulatedSensor", "SpiSensor"]

LONGEST_RETRY = 60.0
"""Seconds after which a chip that fails is asked again at latest, unless its period is longer."""
FLIPPED = 0.05
"""The probability with which a byte is spoiled while the fault bit_flips is on."""
TOLERANCE = 0.05
"""How far beyond its range a quantity may be, as a share of the range; further is no measurement."""

Reading = Mapping[str, float]
Handle = AbstractAsyncContextManager[SpiBus]
FAULTS = SwitchVector("Simulated faults", name="faults", group="Simulation", rule="AnyOfMany", members={})


class SimulatedSensor(SimulatedSpiChip, Protocol):
    """Be a simulated chip that can have faults of its own."""

    faults: set[str]


class SpiSensor(Device, abc.ABC):
    """A sensor on a shared SPI bus."""

    reads: ClassVar[str]
    """The name of the vector that holds what is measured."""
    chip_name: str
    baudrate: int
    """Hz, where the option is 0."""
    polarity = 0
    phase = 0
    possible_faults: ClassVar[tuple[str, ...]] = ()
    """The faults that the simulated chip can have beside those of its wires."""

    sampling = NumberVector(
        "Sampling",
        group="Sampling",
        perm="rw",
        persist=True,
        members={
            "period": Number(1.0, label="Period", unit="s", min=SHORTEST, max=LONGEST, step=0.1),
            "averaging": Number(1, label="Averaged over", min=1, max=MOST_AVERAGED, step=1),
        },
    )
    calibration = NumberVector("Calibration", group="Calibration", perm="rw", persist=True, members={})
    limits = NumberVector("Alarm limits", group="Alarms", perm="rw", persist=True, members={})
    alarms = LightVector("Alarms", group="Alarms", members={})

    Options = SensorOptions
    options: SensorOptions

    def __init__(self, name: str, options: SensorOptions | None = None) -> None:
        super().__init__(name, options)
        self._bus = parse_bus(self.options.bus)
        check_select(self._bus, self.options.chip_select)
        self.reading: NumberVector = self.vectors[self.reads]  # type: ignore[assignment]  # see `reads`
        if (members := self.quantities()) is not None:
            self.reading.replace_members(members)
        self._seat: Seat[Any] | None = None
        self._wires: FaultyWires | None = None
        self._worker: Worker | None = None
        self.simulated_chip: Any = None
        """The chip that a simulated bus has at the other end, while the device is open."""
        self._corrections: dict[str, tuple[float, float]] = {}
        self._before: deque[Reading] = deque(maxlen=self.options.averaging)
        self._failures = 0
        self._set_up_vectors()
        self.sample.vector = self.reading
        self.sample.change_rate(Duration.of_seconds(self.options.period))

    # What a chip's device says of it.

    @abc.abstractmethod
    def make_chip(self, handle: Handle) -> None:
        """Make the chip's driver on the handle of its bus; the chip is not asked yet."""

    @abc.abstractmethod
    def make_simulated(self, clock: Callable[[], int]) -> SimulatedSensor:
        """Return a simulated chip; `clock` tells nanoseconds."""

    @abc.abstractmethod
    async def read(self) -> Sequence[Reading]:
        """Measure once, or fetch all that the chip has measured; raise DeviceUnavailable with cause and cure."""

    def quantities(self) -> Mapping[str, Number] | None:
        """Return what is measured where that depends on the options, None where the class says it."""
        return None

    def conversion_seconds(self) -> float:
        """Return how long a measurement takes at most, in seconds."""
        return 0.0

    # The life of the device.

    async def open(self) -> None:
        """Join the bus; raise DeviceUnavailable with cause and cure. The chip is not asked yet."""
        options = self.options
        seat = take_seat(
            options.bus,
            options.chip_select,
            self.name,
            baudrate=options.baudrate or self.baudrate,
            polarity=self.polarity,
            phase=self.phase,
            idle_select=options.idle_select,
            wait_limit=Duration.of_seconds(options.bus_wait),
        )
        self._seat = seat
        self._failures = 0
        self._before.clear()
        self.sample.change_rate(seat.timing(self.sampling["period"]))
        if isinstance(seat.shared.bus, SimulatedSpiBus):
            self.simulated_chip = self.make_simulated(Loop.current().now)
            self._wires = FaultyWires(self.simulated_chip)
            seat.shared.bus.attach(seat.select, self._wires)
            self._set_faults(self.vectors[FAULTS.name].values)
        self.make_chip(seat.handle)

    async def close(self) -> None:
        """Leave the bus to the others; the last one closes it."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()
        seat, self._seat = self._seat, None
        wires, self._wires, self.simulated_chip = self._wires, None, None
        if seat is not None:
            if wires is not None:
                seat.shared.bus.detach(seat.select)
            seat.leave()

    def worker(self, handle: Handle) -> Worker:
        """Return a thread for a driver that blocks; it ends when the device is closed."""
        self._worker = Worker(handle, self.name)
        return self._worker

    def summary(self) -> str:
        """Say on which bus the sensor is."""
        return f"{self.chip_name} on SPI bus {self.options.bus}, chip select {self.options.chip_select}"

    def simulation(self) -> Simulation | None:
        """Return the simulated chip in its socket, None on a real bus."""
        if self._seat is None or self._wires is None:
            return None
        return PluggedSpiChip(self._seat.shared.bus, self._seat.select, self._wires)

    @every(Duration.of_seconds(1))
    async def sample(self) -> None:
        """Measure once; the bus is free for others while the chip converts.

        A chip that fails is asked again after a period, then after twice that, and so on up to a minute.
        """
        if self._seat is None:
            return
        try:
            readings = await self.read()
            for reading in readings:
                self._check_plausible(reading)
        except (OSError, ResourceError) as error:
            self._before.clear()
            self._retry_later()
            raise DeviceUnavailable(f"{self.summary()}: {error}") from error
        if self._failures:
            self._failures = 0
            self.sample.change_rate(Duration.of_seconds(self.sampling["period"]))
        for reading in readings:
            self._publish(reading)

    @sampling.on_new
    async def change_sampling(self, new: dict[str, float]) -> None:
        """Measure at another period from now on; refuse one in which the chip cannot finish."""
        if "averaging" in new:
            if not new["averaging"].is_integer():
                raise ValueRefused(f"sampling.averaging is {new['averaging']:g}; a whole number is needed")
            self._before = deque(self._before, maxlen=int(new["averaging"]))
        if "period" in new:
            if why := self.too_short(new["period"]):
                raise ValueRefused(f"sampling.period: {why}")
            self._failures = 0
            self.sample.change_rate(Duration.of_seconds(new["period"]))

    @calibration.on_new
    async def calibrate(self, new: dict[str, float]) -> None:
        """Correct what is measured from now on."""
        self._correct_by({**self.calibration.values, **new})

    @limits.on_new
    async def change_limits(self, new: dict[str, float]) -> None:
        """Set the alarms by other limits; refuse a low one above its high one."""
        limits = {**self.limits.values, **new}
        for name in self.reading.members:
            if limits[f"{name}_low"] > limits[f"{name}_high"]:
                raise ValueRefused(
                    f"limits: {name}_low is {limits[f'{name}_low']:g}, above {name}_high, {limits[f'{name}_high']:g}"
                )
        self._set_alarms(self.reading.values, limits)

    @FAULTS.on_new
    async def change_faults(self, new: dict[str, bool]) -> None:
        """Let the simulated chip fail in these ways."""
        self._set_faults({**self.vectors[FAULTS.name].values, **new})

    @contextmanager
    def shown_in(self, lights: LightVector) -> Iterator[None]:
        """Show what a chip finds wrong with what is connected to it in lights that have the faults' names."""
        try:
            yield
        except ChipFault as fault:
            self._show(lights, fault.names)
            raise
        self._show(lights, frozenset())

    @staticmethod
    def _show(lights: LightVector, names: frozenset[str]) -> None:
        states: dict[str, State] = {name: "Alert" if name in names else "Ok" for name in lights.members}
        if states != lights.values:
            lights.update(states, state="Alert" if names else "Ok")

    def too_short(self, period: float) -> str:
        """Return why the chip cannot measure once in so many seconds, nothing if it can."""
        shortest = self.conversion_seconds()
        if period >= shortest:
            return ""
        return f"at least {math.ceil(shortest * 1000) / 1000:g} s are needed, which a measurement takes"

    def check_fits_period(self, seconds: float, subject: str = "") -> None:
        """Raise ValueRefused, beginning with the subject, if a measurement of so many seconds is too long for it."""
        period = self.sampling["period"]
        if seconds > period:
            raise ValueRefused(
                f"{subject}a measurement would take {seconds:.3f} s, longer than the period of {period:g} s; "
                "set sampling.period first"
            )

    def _set_up_vectors(self) -> None:
        options, members = self.options, self.reading.members
        for key in ("offset", "scale", "low", "high"):
            for name in getattr(options, key):
                if name not in members:
                    raise ConfigError(f"{key} has {name!r}; {', '.join(members)} is allowed")
        calibration: dict[str, Number] = {}
        limits: dict[str, Number] = {}
        for name, member in members.items():
            title, unit = member.label or name, member.unit
            low, high = (member.min, member.max) if member.min < member.max else (-1e9, 1e9)
            calibration[f"{name}_offset"] = Number(options.offset.get(name, 0.0), label=f"{title}, offset", unit=unit)
            calibration[f"{name}_scale"] = Number(options.scale.get(name, 1.0), label=f"{title}, scale")
            for end, value in (("low", low), ("high", high)):
                chosen: float = getattr(options, end).get(name, value)
                if not low <= chosen <= high:
                    raise ConfigError(f"{end}.{name} is {chosen:g}; {low:g} to {high:g} is allowed")
                limits[f"{name}_{end}"] = Number(chosen, label=f"{title}, {end}", unit=unit, min=low, max=high)
            if limits[f"{name}_low"].value > limits[f"{name}_high"].value:
                raise ConfigError(f"low.{name} is above high.{name}")
        if why := self.too_short(options.period):
            raise ConfigError(f"period is {options.period:g}: {why}")
        self.calibration.replace_members(calibration)
        self.limits.replace_members(limits)
        self.alarms.replace_members({name: Light(label=member.label) for name, member in members.items()})
        own = {"period": options.period, "averaging": float(options.averaging)}
        self.sampling.replace_members(
            {name: replace(member, value=own[name]) for name, member in self.sampling.members.items()}
        )
        self._correct_by(self.calibration.values)
        # What is measured comes first in every list.
        self.vectors = {self.reads: self.vectors.pop(self.reads), **self.vectors}
        if self._bus.kind == "simulated":
            names = ("no_answer", "bit_flips", *self.possible_faults)
            faults = SwitchVector(
                FAULTS.label,
                name=FAULTS.name,
                group=FAULTS.group,
                rule="AnyOfMany",
                members={name: Switch(label=name.replace("_", " ")) for name in names},
            )
            self.define(faults)

    def _correct_by(self, calibration: Mapping[str, float]) -> None:
        corrections = {
            name: (calibration[f"{name}_scale"], calibration[f"{name}_offset"]) for name in self.reading.members
        }
        self._corrections = {name: pair for name, pair in corrections.items() if pair != (1.0, 0.0)}

    def _set_faults(self, faults: Mapping[str, bool]) -> None:
        if self._wires is None:
            return
        self._wires.no_answer = faults["no_answer"]
        self._wires.flips = FLIPPED if faults["bit_flips"] else 0.0
        self.simulated_chip.faults = {name for name in self.possible_faults if faults[name]}

    def _retry_later(self) -> None:
        period = self.sampling["period"]
        delay = min(period * 2.0 ** min(self._failures, 30), max(period, LONGEST_RETRY))
        self._failures += 1
        self.sample.change_rate(Duration.of_seconds(delay))

    def _check_plausible(self, reading: Reading) -> None:
        for name, value in reading.items():
            member = self.reading.members[name]
            margin = (member.max - member.min) * TOLERANCE
            if margin and not member.min - margin <= value <= member.max + margin:
                raise DeviceUnavailable(
                    f"{name} reads {value:g} {member.unit}, and the chip measures {member.min:g} to {member.max:g}; "
                    "check its wiring, or lower baudrate"
                )

    def _publish(self, reading: Reading) -> None:
        if self._before.maxlen != 1:
            self._before.append(reading)
            before = {name: [one[name] for one in self._before if name in one] for name in reading}
            reading = {name: math.fsum(values) / len(values) for name, values in before.items()}
        if self._corrections:
            reading = {
                name: value * self._corrections[name][0] + self._corrections[name][1]
                if name in self._corrections
                else value
                for name, value in reading.items()
            }
        self.reading.update(reading)
        self._set_alarms(reading, self.limits.values)

    def _set_alarms(self, reading: Reading, limits: Mapping[str, float]) -> None:
        """Light Alert for what is beyond its limits, and say so."""
        lights = self.alarms.values
        changed = alarms.changed(reading, limits, self.limits.members, lights)
        if not changed:
            return
        loud = [name for name, state in changed.items() if state == "Alert"]
        words = [alarms.sentence(name, self.reading.members[name], reading[name], limits) for name in loud]
        message = "; ".join(f"{self.name}: {one}" for one in words) or None
        self.alarms.update(changed, state=alarms.state_of({**lights, **changed}), message=message)
