"""An instance in a process of its own, as `isolate = true` in its table of core.toml asks.

It is run as any external INDI driver is, under its guardian, by `core.cli.isolated`. What it is to be goes along as the
text of a core.toml that has this instance alone: the file itself may have been changed meanwhile.
"""

from __future__ import annotations

import logging
import shlex
import sys
from asyncio import TaskGroup
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from core.config import VERSION, CoreTable, Table, toml_key
from core.config_text import toml_value
from core.control_path import socket_path
from core.drivers.executable import Executable
from core.drivers.stdio import Stdio
from core.indi import PingRequest
from core.loop import Loop
from core.plumbing import Router

__all__ = ["CONFIGURATION", "KEY", "IsolatedInstance", "child_run_name", "isolated_text"]

_log = logging.getLogger("core.isolation")

KEY = "isolate"
"""The key of a `[device.<name>]` that asks for it."""

CONFIGURATION = "CORE_ISOLATED_INSTANCE"
"""The environment variable in which the process finds what it is to run."""

PING_SECONDS = 5.0
"""How often it is asked for a sign of life."""
SILENT_PINGS = 2
"""After how many questions without any word it counts as one that does not answer."""
HUNG_PINGS = 12
"""After how many it is ended and started again."""


class IsolatedInstance(Executable):
    """Run one instance as a child process; whatever becomes of it, only its own device goes and comes."""

    kind = "isolated"

    def __init__(self, name: str, plugin: str, text: str, source: str, run: str) -> None:
        command = [sys.executable, "-P", "-m", "core.cli.isolated", name, source]
        super().__init__(name, Executable.Options(command=shlex.join(command), environment={CONFIGURATION: text}))
        self.plugin = plugin
        self.process: int | None = None
        """Its process id while it runs."""
        self._run_name = run
        self._has_spoken = False
        self._unanswered = 0

    def summary(self) -> str:
        """Say what runs there."""
        return f"{self.name}: {self.plugin} in a process of its own"

    @property
    def answers(self) -> bool:
        """Return whether it runs and has said anything lately."""
        return self.process is not None and self._unanswered <= SILENT_PINGS

    @property
    def state(self) -> tuple[str, str]:
        """Return in which state the instance is as seen from here, and why: ready, opening or failed."""
        router, connection = self._router, self._connection
        if self.process is None:
            why = self.child.statistics.last_end if self.child is not None else ""
            return ("failed", why) if why else ("opening", "")
        if not self.answers:
            return "failed", f"it has not answered for {self._unanswered * PING_SECONDS:g} s"
        defined = router is not None and connection is not None and router.owners.get(self.name) is connection
        return ("ready", "") if defined else ("opening", "")

    @property
    def control_name(self) -> str | None:
        """Return the name of the run that its process is, None if there is none."""
        return child_run_name(self._run_name, self.process) if self.process is not None else None

    async def open(self, router: Router) -> None:
        """Get ready, and keep the name from all other drivers, also while the process is started again."""
        await super().open(router)
        router.reserved[self.name] = None

    async def close(self) -> None:
        """Close the connection and give the name up."""
        await super().close()
        if self._router is not None:
            self._router.reserved.pop(self.name, None)

    async def run(self) -> None:
        """Run it until cancelled, and end it when it hangs."""
        async with TaskGroup() as group:
            watching = group.create_task(self._watch(), name=f"{self.name}: signs of life")
            await super().run()
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await Loop.current().delay(PING_SECONDS)
            connection = self._connection
            if self.child is None or connection is None or connection.closed or not self._has_spoken:
                continue  # Python and its plugin may take long to be loaded
            # Questions are counted, not seconds: while we ourselves could not listen, we have not asked either.
            if self._unanswered == HUNG_PINGS:
                self.child.fail(f"it has not answered for {HUNG_PINGS * PING_SECONDS:g} s")
                continue
            if self._unanswered == SILENT_PINGS:
                left = (HUNG_PINGS - SILENT_PINGS) * PING_SECONDS
                _log.warning(
                    "%s %r does not answer: it hangs, or its plugin blocks; in %g s its process is ended and started"
                    " again",
                    self.plugin,
                    self.name,
                    left,
                )
            self._unanswered += 1
            connection.send(PingRequest("alive"))

    def heard(self) -> None:
        """Take note of a sign of life."""
        self._has_spoken = True
        self._unanswered = 0

    def _started(self, stdio: Stdio) -> None:
        self.process = self.child.statistics.process if self.child is not None else None
        self._has_spoken = False
        self._unanswered = 0
        super()._started(stdio)
        if self._router is not None:
            self._router.reserved[self.name] = self._connection

    def _ended(self, why: str) -> None:
        if (name := self.control_name) is not None:
            with suppress(OSError):  # one that was killed leaves it behind
                socket_path(name).unlink(missing_ok=True)
        self.process = None
        super()._ended(why)


def child_run_name(run: str, process: int) -> str:
    """Return by which name the process of an isolated instance answers `corectl status --name`."""
    return f"{run}.{process}"


def isolated_text(core: CoreTable, disable: Iterable[str], device: Table, programs: Iterable[Table]) -> str:
    """Return the core.toml of a run that has this one instance; raise DefinitionError for what TOML cannot write."""
    tables: list[tuple[str, Mapping[str, Any]]] = [
        ("core", {**_given(core), "disable": sorted(disable)}),
        (f"device.{toml_key(device.name)}", device.without(KEY)),
        *((f"program.{toml_key(one.name)}", {**one.keys, "device": device.name}) for one in programs),
    ]
    lines = [f"version = {VERSION}"]
    for title, keys in tables:
        lines += [f"[{title}]", *(f"{toml_key(key)} = {toml_value(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def _given(core: CoreTable) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(core)
    return {key: value for key, value in built.items() if value is not None}
