"""ProgramDevice: what a plugin subclasses whose outputs programs act on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Coroutine, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from msgspec import Meta

from core.device import Device
from core.errors import ProgramError, ValueRefused
from core.options import Options as BaseOptions
from core.program_device.parameters import GROUP, NUMBERS, SWITCHES, TEXTS, given, vectors_of
from core.programs import Output, PreparedRun, Program
from core.programs.pace import FASTEST, SLOWEST
from core.programs.regions import ALL, Region
from core.programs.runs import IF_BUSY, IfBusy, Run, Runs
from core.programs.settings import converted
from core.properties import Number, NumberVector, Switch, SwitchVector, Text, TextVector

_log = logging.getLogger("core.program_device")

NONE = "none"
"""The switch that is On while no program runs."""


IfBusyOption = Annotated[
    IfBusy, Meta(description="what a program does that wants LEDs of another: take-over, wait or refuse")
]


@functools.cache
def _warn_once(text: str) -> None:
    _log.warning("%s", text)


class ProgramDevice(Device):
    """Be a device whose outputs programs act on: subclass it and return the outputs from `outputs`.

    Several programs run at once where their regions share no output; override `region` to have parts. An option
    `if_busy` (`IfBusyOption`), if the subclass has one, says what happens where they do.
    """

    program = SwitchVector("Program", group=GROUP, members={NONE: Switch(True, label="no program")})
    program_descriptions = TextVector("What programs do", group=GROUP, members={NONE: Text("no program", label="none")})
    program_region = TextVector(
        "Region of the next program", group=GROUP, perm="rw", members={"region": Text(ALL, label="region")}
    )
    program_if_busy = SwitchVector(
        "If its LEDs are taken", group=GROUP, members={one: Switch(one == IF_BUSY[0], label=one) for one in IF_BUSY}
    )
    program_speed = NumberVector(
        "Speed",
        group=GROUP,
        perm="rw",
        members={"factor": Number(1.0, label="factor", min=SLOWEST, max=FASTEST, step=0.1, format="%.2f")},
    )
    program_runs = TextVector(
        "Programs", group=GROUP, members={"running": Text(label="running"), "waiting": Text(label="waiting")}
    )

    def __init__(self, name: str, options: BaseOptions | None = None) -> None:
        super().__init__(name, options)
        self.programs: dict[str, Program] = {}
        self._runs = Runs(self._spawn_program, self._free, self._show)
        self._selected: str | None = None
        self._settings: dict[str, dict[str, Any]] = {}
        self._turns = asyncio.Lock()
        chosen = getattr(self.options, "if_busy", IF_BUSY[0])
        self.program_if_busy.replace_members({one: Switch(one == chosen, label=one) for one in IF_BUSY})

    def outputs(self) -> Iterable[Output]:
        """Return every output that a program may switch."""
        raise NotImplementedError

    def region(self, name: str) -> Region:
        """Return a region by name; raise ProgramError for one that the device does not have."""
        if name != ALL:
            raise ProgramError(f"{self.name} has no region {name!r}; {ALL} is allowed")
        return Region.of(self, self.outputs())

    def settle(self) -> None:
        """Bring out at once what the outputs have been set to, and tell it; for devices that collect changes."""

    def in_turn(self) -> AbstractAsyncContextManager[object]:
        """Return a context that is entered when the programs are as clients have asked for before.

        A handler waits that way for a program that still ends, since the commands of different vectors do not wait for
        each other: `program.none` followed by an LED.
        """
        return self._turns

    def accepts(self, program: Program) -> bool:
        """Return whether the program's first parameter may be this device."""
        return self._fits(program, self)

    def offer(self, programs: Mapping[str, Program]) -> None:
        """Offer those of the programs that run on this device; called before its properties are defined."""
        self.programs = {name: program for name, program in programs.items() if self.accepts(program)}
        switches = {
            name: Switch(label=program.description.partition("\n")[0] or name)
            for name, program in self.programs.items()
        }
        self.program.replace_members({NONE: Switch(True, label="no program"), **switches})
        # Apart from the labels, since clients keep 63 bytes of those.
        descriptions = {name: Text(program.description, label=name) for name, program in self.programs.items()}
        self.program_descriptions.replace_members({NONE: Text("no program", label="none"), **descriptions})

    @property
    def running_program(self) -> str | None:
        """Return the name of the program that began last of those that run, None if there is none."""
        return self._runs.running[-1].program if self._runs.running else None

    @property
    def running(self) -> tuple[Run, ...]:
        """Return the programs that run, the newest last."""
        return tuple(self._runs.running)

    @property
    def waiting(self) -> tuple[Run, ...]:
        """Return the programs that wait for outputs, the next first."""
        return tuple(self._runs.waiting)

    @property
    def speed(self) -> float:
        """Return how many times faster than written the programs run."""
        return self._runs.pace.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._runs.pace.speed = speed
        self.program_speed.update(factor=self._runs.pace.speed)

    def check_program(
        self, name: str, settings: Mapping[str, Any] | None = None, region: str = ALL
    ) -> tuple[Region, dict[str, Any]]:
        """Return the region and the settings, converted, of a program that could be started.

        Raises ProgramError if no such program or region is here, the settings do not fit it, or it needs another size.
        """
        _, place, checked = self._prepare(name, settings, region)
        return place, checked

    async def begin_program(
        self,
        name: str,
        settings: Mapping[str, Any] | None = None,
        *,
        region: str = ALL,
        if_busy: IfBusy | None = None,
        asked_by: str = "",
    ) -> Run:
        """Start a program on a region; return when it has started, or waits for its outputs.

        `if_busy` says what happens where another program has outputs of the region: "take-over" ends that first,
        "wait" queues, "refuse" raises ProgramError; by default as the device is set. `asked_by` is added to what is
        told if the program fails. Raises ProgramError as `check_program` does.
        """
        try:
            prepared, place, checked = self._prepare(name, settings, region)
        except ProgramError as error:
            raise ProgramError(f"program {name!r} on {self.name}: {error}") from error
        if if_busy is None:
            if_busy = self._if_busy()
        elif if_busy not in IF_BUSY:
            raise ProgramError(f"if_busy is {if_busy!r}; {', '.join(IF_BUSY)} is allowed")
        run = await self._runs.start(prepared, place, checked, if_busy, asked_by)
        self._select(name, checked)
        return run

    async def end_program(self, which: int | str | None = None) -> None:
        """End a run by its number, all of a program by its name, or without either all; return when they are done.

        Those that wait are taken off the queue. Raises ProgramError if there is nothing of that number or name.
        """
        listed = [run for run in (*self._runs.running, *self._runs.waiting) if which in (None, run.number, run.program)]
        if not listed and which is not None:
            known = ", ".join(map(str, (*self._runs.running, *self._runs.waiting))) or "none"
            raise ProgramError(f"{self.name} runs no program {which!r}; it runs {known}")
        await self._runs.stop(listed)
        self._tell()

    def find_run(self, which: int | str) -> Run:
        """Return the run of this number, or the newest of this program; raise ProgramError if there is none."""
        for run in reversed(self._runs.running):
            if which in (run.number, run.program):
                return run
        known = ", ".join(map(str, self._runs.running)) or "none"
        raise ProgramError(f"{self.name} runs no program {which!r}; it runs {known}")

    async def change_program(self, which: int | str, settings: Mapping[str, Any]) -> Run:
        """Start a program that runs anew with other settings; those that are not given stay as they are."""
        run = self.find_run(which)
        return await self.begin_program(
            run.program, {**run.settings, **settings}, region=run.region.name, if_busy="take-over"
        )

    def refuse_while_running(self, what: str, keys: Iterable[Hashable] | None = None) -> None:
        """Raise ValueRefused if a program, one that has outputs of `keys`, would overwrite what a client sets."""
        running = self._runs.running
        holder = (running[-1] if running else None) if keys is None else self._runs.holder(keys)
        if holder is not None:
            raise ValueRefused(f"{what} cannot be set while program {holder.program!r} runs; choose {NONE!r} first")

    async def end_work(self) -> None:
        """Cancel and await the programs with everything else."""
        await self._runs.stop((*self._runs.waiting, *self._runs.running))
        await super().end_work()

    @program.on_new
    async def choose_program(self, new: dict[str, bool]) -> None:
        """Run the program that a client has chosen in the region that is set; `none` ends what runs there."""
        chosen = next(name for name, on in new.items() if on)
        region = self.program_region["region"]
        async with self.in_turn():
            await self._choose(chosen, region)

    async def _choose(self, chosen: str, region: str) -> None:
        if chosen == NONE:
            place = self.region(region)
            await self._runs.stop(
                [run for run in (*self._runs.waiting, *self._runs.running) if run.region.meets(place)]
            )
            self._tell()
            return
        run = await self.begin_program(chosen, self._settings.get(chosen), region=region)
        if run.state == "waiting":
            self._tell(f"program {run} waits until its LEDs are free")

    @program_region.on_new
    async def choose_region(self, new: dict[str, str]) -> None:
        """Take the region that the next program is started on; refuse one that does not exist."""
        try:
            self.region(new["region"])
        except ProgramError as error:
            raise ValueRefused(str(error)) from error

    @program_speed.on_new
    async def choose_speed(self, new: dict[str, float]) -> None:
        """Let all programs run at another speed from their next wait on."""
        self.speed = new["factor"]

    @NUMBERS.on_new
    @TEXTS.on_new
    @SWITCHES.on_new
    async def choose_settings(self, new: dict[str, Any]) -> None:
        """Start the program whose settings are shown anew with others, or keep them for its next start."""
        async with self.in_turn():
            await self._change_settings(new)

    async def _change_settings(self, new: dict[str, Any]) -> None:
        if (name := self._selected) is None:
            raise ValueRefused("no program has been chosen yet")
        program = self.programs[name]
        settings = given(program, new)
        runs = [run for run in self._runs.running if run.program == name]
        try:
            if runs:
                await self.change_program(runs[-1].number, settings)
            else:
                self._select(name, self.check_program(name, {**self._settings.get(name, {}), **settings})[1])
        except ProgramError as error:
            raise ValueRefused(str(error)) from error

    def _prepare(
        self, name: str, settings: Mapping[str, Any] | None, region: str
    ) -> tuple[PreparedRun, Region, dict[str, Any]]:
        program = self.programs.get(name)
        if program is None:
            raise ProgramError(f"{self.name} has no program {name!r}; it has {', '.join(self.programs) or 'none'}")
        place = self.region(region)
        if not self._fits(program, place.target):
            raise ProgramError(f"it runs on the whole device only, not on {region!r}")
        checked = converted(program, settings or {})
        try:
            return program(place.target, **checked), place, checked
        except TypeError as error:
            raise ProgramError(str(error)) from error

    def _spawn_program(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self.spawn(coroutine, name=f"{self.name}: {name}")

    def _fits(self, program: Program, target: object) -> bool:
        wanted = program.device_type
        try:
            return wanted is None or isinstance(target, wanted)
        except TypeError as error:
            _warn_once(f"program {program.name!r} fits no device: {error}")
            return False

    def _if_busy(self) -> IfBusy:
        return next(one for one in IF_BUSY if self.program_if_busy[one])

    def _select(self, name: str, settings: Mapping[str, Any]) -> None:
        """Show the settings of a program."""
        if self._selected == name and self._settings.get(name) == settings:
            return
        same = self._selected == name
        self._selected = name
        self._settings[name] = dict(settings)
        vectors = vectors_of(self.programs[name], settings)
        wanted = {vector.name: vector for vector in vectors}
        for one in (NUMBERS, TEXTS, SWITCHES):
            shown, vector = self.vectors.get(one.name), wanted.get(one.name)
            if vector is None:
                if shown is not None:
                    self.delete(shown)
            elif shown is not None and same:
                shown.update(vector.values)
            else:
                self.define(vector)

    def _show(self, run: Run) -> None:
        """Tell what has become of a run."""
        if run.state == "running":
            self.log.info("program %s on %s", run.program, self.name)
        elif run.state == "waiting":
            self.log.info("program %s on %s waits for LEDs", run.program, self.name)
        elif run.state == "ended":
            self.log.info("program %s on %s has ended", run.program, self.name)
        # Why it failed is told where every task of a device ends.
        self._tell(alert=run.state == "failed")

    def _tell(self, message: str | None = None, *, alert: bool = False) -> None:
        runs = {
            "running": "; ".join(map(str, self._runs.running)),
            "waiting": "; ".join(map(str, self._runs.waiting)),
        }
        if runs != self.program_runs.values:
            self.program_runs.update(runs)
        self.program.choose(self.running_program or NONE, state="Alert" if alert else None, message=message)

    def _free(self, run: Run) -> None:
        for output in run.region.outputs:
            with contextlib.suppress(OSError):  # a device that has gone reports that by itself
                output.set(False)
        if not self._runs.waiting:
            self.settle()
