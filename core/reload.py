"""Reload: a changed core.toml is applied to a run, and only what has changed is closed and opened."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from core.app import App
from core.assembly import Assembly, assemble
from core.config import Config, Table
from core.errors import ConfigError, CoreError
from core.plugin_code import describe
from core.plumbing import Transport
from core.supervision import Supervision

__all__ = ["Reload", "Reloaded"]

_log = logging.getLogger("core.reload")


@dataclass
class Reloaded:
    """Be what a reload has done, by the titles of the tables."""

    opened: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    core: list[str] = field(default_factory=list)
    """The keys of `[core]` that have been applied."""
    restart: list[str] = field(default_factory=list)
    """What only the next run will take."""
    failed: list[str] = field(default_factory=list)
    """What could not be done."""
    lost: set[str] = field(default_factory=set)
    """What could not be opened and is tried again by the next reload, by the titles of the tables."""
    kept: set[str] = field(default_factory=set)
    """What could not be opened as it is now and goes on as it was."""

    def fail(self, title: str, why: object) -> None:
        """Take note that a table's instance could not be opened, and why."""
        self.failed.append(f"{title}: {why}")
        self.lost.add(title)
        for ledger in (self.opened, self.reopened):
            if title in ledger:
                ledger.remove(title)

    def as_json(self) -> dict[str, Any]:
        """Return its stable JSON form."""
        return {
            "opened": self.opened,
            "reopened": self.reopened,
            "closed": self.closed,
            "programs": self.programs,
            "unchanged": self.unchanged,
            "core": self.core,
            "restart": self.restart,
            "failed": self.failed,
        }


class Reload:
    """Apply core.toml once more: `read` returns it as it is now, `apply_log` takes what `[core]` says of the log.

    A file with a mistake changes nothing.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        supervision: Supervision,
        apply_log: Callable[[App, Config], Awaitable[None]],
    ) -> None:
        self._config = config
        self._name = config.core.name
        self._read = read
        self._supervision = supervision
        self._apply_log = apply_log
        self._one_at_a_time = asyncio.Lock()

    async def accompany(self, app: App) -> None:
        """Reload whenever the process is told so by SIGHUP, which then does not end the run."""
        asked = asyncio.Event()
        app.on_hangup = asked.set
        while True:
            await asked.wait()
            asked.clear()
            try:
                done = await self(app)
            except CoreError as error:
                _log.error("%s", error)
            else:
                for note in (*done.restart, *done.failed):
                    _log.warning("%s", note)

    async def answer(self, app: App) -> dict[str, Any]:
        """Do it for the control socket."""
        return (await self(app)).as_json()

    async def __call__(self, app: App) -> Reloaded:
        """Do it; raise ConfigError, with what is wrong, where nothing has been changed."""
        self._supervision.reloading()
        try:
            done = await self._apply(app)
        except CoreError as error:
            self._supervision.reloaded(str(error))
            raise
        self._supervision.reloaded(f"reloaded: {len(done.opened)} opened, {len(done.reopened)} opened again")
        return done

    async def _apply(self, app: App) -> Reloaded:
        async with self._one_at_a_time:
            try:
                config = self._read()
                # A run keeps its name to its end, and what it keeps by that.
                core = msgspec.structs.replace(config.core, name=self._name)
                new = assemble(dataclasses.replace(config, core=core), app.plugins)
                if broken := {name: why for name, why in new.failed.items() if name not in app.assembly.failed}:
                    raise ConfigError("; ".join(f"{name} cannot be made: {why}" for name, why in broken.items()))
            except CoreError as error:
                raise ConfigError(f"nothing has been changed: {error}") from error
            done = _compared(app.assembly, new)
            self._core(config, done)
            await self._apply_log(app, config)
            # All that is given up goes before anything is opened: a line may go from one instance to another.
            await self._close(app, done)
            await self._open(app, new, {*done.opened, *done.reopened}, done)
            await self._programs(app, new, done)
            old = app.assembly.tables
            app.assembly.tables = {
                title: old[title] if title in done.kept else table
                for title, table in new.tables.items()
                if title not in done.lost
            }
            app.assembly.isolated = new.isolated
            app.assembly.failed = new.failed
            _log.info("%s is reloaded", config.path or "core.toml")
            return done

    def _core(self, new: Config, done: Reloaded) -> None:
        old, self._config = self._config, new
        changed = [key for key in new.core.__struct_fields__ if getattr(old.core, key) != getattr(new.core, key)]
        fixed = [key for key in changed if not key.startswith("log_")]
        done.restart += [f"[core] {key} has changed, which needs a restart of the run" for key in fixed]
        done.core += [key for key in changed if key not in fixed]

    async def _close(self, app: App, done: Reloaded) -> None:
        old, titles = app.assembly, {*done.closed, *done.reopened}
        closings = [app.remove_device(name) for name in tuple(old.devices) if _device_title(name) in titles]
        for name in tuple(app.transports):
            title = _transport_title(old, name)
            # A transport that changes is closed when the new one is opened, so that it can go on if that fails.
            if title in titles and (name in old.isolated or title in done.closed):
                closings.append(app.remove_transport(name))
        for error in await asyncio.gather(*closings, return_exceptions=True):
            if error is not None:  # of a plugin; what it had is gone all the same
                done.failed.append(str(error))

    async def _open(self, app: App, new: Assembly, titles: set[str], done: Reloaded) -> None:
        for name in new.devices:
            if (title := _device_title(name)) in titles:
                try:
                    app.add_device(new, name)
                except CoreError as error:
                    done.fail(title, error)
        for transport in new.transports:
            title = _transport_title(new, transport.name)
            if title in titles:
                await self._replace(app, app.transports.get(transport.name), transport, title, done)

    async def _replace(
        self,
        app: App,
        old: Transport | None,
        transport: Transport,
        title: str,
        done: Reloaded,
    ) -> None:
        """Open a transport in the place of another; where that fails, the other is opened again."""
        if old is not None:
            await app.remove_transport(old.name)
        try:
            await app.add_transport(transport)
        except Exception as error:  # a plugin's transport may raise anything, and the others are to be opened
            done.fail(title, describe(error) if not isinstance(error, CoreError | OSError) else error)
            if old is not None:
                await self._go_on(app, old, title, done)

    async def _go_on(self, app: App, old: Transport, title: str, done: Reloaded) -> None:
        try:
            await app.add_transport(type(old)(old.name, old.options))
        except Exception as error:  # as above
            done.failed.append(f"{title}: nor can it go on as it was: {error}")
        else:
            done.failed.append(f"{title}: it goes on as it was")
            done.lost.remove(title)
            done.kept.add(title)

    async def _programs(self, app: App, new: Assembly, done: Reloaded) -> None:
        for name in new.devices:
            if _device_title(name) in done.unchanged and _program(app.assembly, name) != _program(new, name):
                try:
                    await app.begin_program(new, name)
                except CoreError as error:
                    done.failed.append(f"{name}: {error}")
                else:
                    done.programs.append(name)


def _compared(old: Assembly, new: Assembly) -> Reloaded:
    """Return what is to be closed, opened, and left as it is."""
    done = Reloaded(closed=[title for title in old.tables if title not in new.tables])
    for title, table in new.tables.items():
        if title not in old.tables:
            done.opened.append(title)
        elif old.tables[title].keys != table.keys or _process_changed(old, new, title):
            done.reopened.append(title)
        else:
            done.unchanged.append(title)
    return done


def _process_changed(old: Assembly, new: Assembly, title: str) -> bool:
    """Return whether an isolated instance is to begin with another program, which its process is told at its start."""
    table = new.tables[title]
    isolated = table.section == "device" and table.name in new.isolated
    return isolated and _program(old, table.name) != _program(new, table.name)


def _device_title(name: str) -> str:
    return Table("device", name, {}).title


def _transport_title(assembly: Assembly, name: str) -> str:
    """Return by which table a transport is there: an isolated instance is one too."""
    return _device_title(name) if name in assembly.isolated else Table("transport", name, {}).title


def _program(assembly: Assembly, name: str) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    starts = assembly.programs.get(name, [])
    return [(start.program, start.region, start.if_busy, start.settings) for start in starts]
