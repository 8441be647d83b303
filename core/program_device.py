"""A device that runs programs: it offers them as switches and has at most one that runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from core.device import Device
from core.errors import ProgramError, ValueRefused
from core.options import Options
from core.programs import Output, Program
from core.properties import Switch, SwitchVector

_log = logging.getLogger("core.program_device")

NONE = "none"
"""The switch that is On while no program runs."""


@functools.cache
def _warn_once(text: str) -> None:
    _log.warning("%s", text)


class ProgramDevice(Device):
    """Be a device whose outputs programs act on: subclass it and return the outputs from `outputs`."""

    program = SwitchVector("Program", group="Programs", members={NONE: Switch(True, label="no program")})

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        self.programs: dict[str, Program] = {}
        self._running: asyncio.Task[None] | None = None

    def outputs(self) -> Iterable[Output]:
        """Return every output that a program may switch."""
        raise NotImplementedError

    def settle(self) -> None:
        """Bring out at once what the outputs have been set to, and tell it; for devices that collect changes."""

    def accepts(self, program: Program) -> bool:
        """Return whether the program's first parameter may be this device."""
        wanted = program.device_type
        try:
            return wanted is None or isinstance(self, wanted)
        except TypeError as error:
            _warn_once(f"program {program.name!r} fits no device: {error}")
            return False

    def offer(self, programs: Mapping[str, Program]) -> None:
        """Offer those of the programs that run on this device; called before its properties are defined."""
        self.programs = {name: program for name, program in programs.items() if self.accepts(program)}
        switches = {
            name: Switch(label=program.description.partition("\n")[0] or name)
            for name, program in self.programs.items()
        }
        self.program.replace_members({NONE: Switch(True, label="no program"), **switches})

    @property
    def running_program(self) -> str | None:
        """Return the name of the program that runs, None if there is none."""
        return self.program.chosen if self._running is not None else None

    @program.on_new
    async def choose_program(self, new: dict[str, bool]) -> None:
        """Run the program that a client has chosen, after the one that runs has ended."""
        chosen = next(name for name, on in new.items() if on)
        if chosen == NONE:
            await self.end_program()
        else:
            await self.begin_program(chosen)

    async def begin_program(self, name: str, settings: Mapping[str, Any] | None = None, *, asked_by: str = "") -> None:
        """End the program that runs and start another; return when it has started.

        `asked_by` is added to what is told if the program fails. Raises ProgramError if no such program is offered here
        or the settings do not fit it.
        """
        program = self.programs.get(name)
        if program is None:
            raise ProgramError(f"{self.name} has no program {name!r}; it has {', '.join(self.programs) or 'none'}")
        try:
            prepared = program(self, **(settings or {}))
        except (TypeError, ProgramError) as error:
            raise ProgramError(f"program {name!r} on {self.name}: {error}") from error
        await self._cancel_running()
        title = f"program {name} ({asked_by})" if asked_by else f"program {name}"
        self._running = self.spawn(prepared(), name=f"{self.name}: {title}")
        self._running.add_done_callback(self._program_ended)
        self.log.info("program %s on %s", name, self.name)
        self.program.choose(name)

    async def end_program(self) -> None:
        """End the program that runs, if there is one, and return when its clean-up is done and the outputs are off."""
        await self._cancel_running()
        self.program.choose(NONE)

    def refuse_while_running(self, what: str) -> None:
        """Raise ValueRefused if a program runs, since it would overwrite what the client sets."""
        if (name := self.running_program) is not None:
            raise ValueRefused(f"{what} cannot be set while program {name!r} runs; choose {NONE!r} first")

    async def end_work(self) -> None:
        """Cancel and await the program with everything else."""
        await self._cancel_running()
        await super().end_work()

    async def _cancel_running(self) -> None:
        task, self._running = self._running, None
        if task is not None:
            task.cancel()
            # What the program raised is reported by the device that spawned it.
            await asyncio.wait([task])
            self._outputs_off()

    def _program_ended(self, task: asyncio.Task[None]) -> None:
        if task is not self._running:
            return
        self._running = None
        self._outputs_off()
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.log.info("program %s on %s has ended", self.program.chosen, self.name)
            self.program.choose(NONE)
        else:
            self.program.choose(NONE, state="Alert")  # the reason is told where every task of a device ends

    def _outputs_off(self) -> None:
        for output in self.outputs():
            with contextlib.suppress(OSError):  # a device that has gone reports that by itself
                output.set(False)
        self.settle()
