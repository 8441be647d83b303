"""Scale: a laboratory balance on a serial port."""

from __future__ import annotations

import asyncio
import errno
from typing import Annotated, Literal

import core
from core import Device, DeviceUnavailable, Duration, Loop, Number, NumberVector, Switch, SwitchVector, ValueRefused
from msgspec import Meta

from plugin_scale.port import Port
from plugin_scale.protocol import RefusedError, check_done, read_weight
from plugin_scale.simulated import SimulatedBalance

SIMULATED = "simulated"


class Scale(Device):
    """A balance that is read a few times a second, and can be zeroed and tared."""

    kind = "scale"
    weight = NumberVector("Weight", members={"net": Number(label="Net weight", unit="g", format="%.2f")})
    adjust = SwitchVector(
        "Adjust", rule="AtMostOne", members={"zero": Switch(label="Set to zero"), "tare": Switch(label="Tare")}
    )
    sampling = NumberVector(
        "Sampling",
        perm="rw",
        persist=True,
        members={"period": Number(0.5, label="Period", unit="s", min=0.1, max=3600, step=0.1)},
    )

    class Options(core.Options):
        """The options of `[device.<name>]` with `plugin = "scale"`."""

        port: Annotated[str, Meta(description='serial port, best below /dev/serial/by-id, or "simulated"')] = SIMULATED

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        self._balance: SimulatedBalance | None = None
        self._port: Port | None = None
        self._turn = asyncio.Lock()

    def summary(self) -> str:
        """Say where the balance is."""
        return f"balance on {self.options.port}"

    def simulation(self) -> SimulatedBalance | None:
        """Return the simulated balance, so that tests can unplug it and put loads on it."""
        return self._balance

    async def open(self) -> None:
        """Open the port; raise DeviceUnavailable with cause and cure."""
        path = self.options.port
        if path == SIMULATED:
            if self._balance is None:
                self._balance = SimulatedBalance(Loop.current().now)
            path = self._balance.plug()
        self._port = await asyncio.to_thread(Port, path)

    async def close(self) -> None:
        """Close the port, when the command that it is busy with has been answered."""
        async with self._turn:
            port, self._port = self._port, None
            if port is not None:
                port.close()
            if self._balance is not None:
                self._balance.unplug()

    @weight.every(Duration.of_seconds(0.5))
    async def weigh(self) -> None:
        """Ask for the weight; it is Busy while the balance swings, and Alert where it cannot tell."""
        try:
            read = read_weight(await self._ask("SI"))
        except RefusedError as error:
            self.weight.update(state="Alert", message=f"{self.name}: {error}")
        else:
            self.weight.update(net=read.grams, state="Ok" if read.stable else "Busy")

    @adjust.on_new
    async def zero_or_tare(self, new: dict[str, bool]) -> None:
        """Have the balance do it; the switch goes off by itself."""
        command: Literal["Z", "T"] = "Z" if new.get("zero") else "T"
        if any(new.values()):
            try:
                check_done(command, await self._ask(command))
            except RefusedError as error:
                raise ValueRefused(str(error)) from error
        self.adjust.update(zero=False, tare=False, state="Ok")

    @sampling.on_new
    async def change_period(self, new: dict[str, float]) -> None:
        """Ask at another period from now on."""
        self.weigh.change_rate(Duration.of_seconds(new["period"]))

    async def _ask(self, command: str) -> str:
        """Ask one thing at a time, in a thread; a balance that has gone, or is dumb, is looked for again."""
        async with self._turn:
            if self._port is None:
                raise DeviceUnavailable(errno.ENODEV, f"{self.options.port} is not open")
            asking = asyncio.ensure_future(asyncio.to_thread(self._port.ask, command))
            try:
                answer = await asyncio.shield(asking)
            except asyncio.CancelledError:
                # The thread cannot be cancelled, and until it is done the port is not free.
                await asyncio.wait([asking])
                raise
            except DeviceUnavailable as error:
                self.lose(error)
                raise
        if not answer:
            silent = DeviceUnavailable(errno.EIO, f"{self.options.port} does not answer; is it a balance, switched on?")
            self.lose(silent)
            raise silent
        return answer
