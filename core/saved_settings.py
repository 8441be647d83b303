"""What clients have set survives a restart: the values of vectors with `persist=True`, in a file for each device."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import itertools
import json
import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.device import Device
from core.errors import ValueRefused
from core.lock_holder import lock_holder
from core.loop import Loop
from core.properties import Event, State, Switch, SwitchVector, Vector
from core.run_folders import file_name

__all__ = ["SavedSettings"]

_log = logging.getLogger("core.settings")

NAME = "CONFIG_PROCESS"
LOAD, SAVE, DEFAULT, PURGE = "CONFIG_LOAD", "CONFIG_SAVE", "CONFIG_DEFAULT", "CONFIG_PURGE"
VERSION = 1
DELAY_SECONDS = 1.0
"""How long changes are collected until they are written: a slider that is drawn is one change."""
LONGEST_DELAY_SECONDS = 10.0
"""After how long it is tried again at the latest, where they cannot be written."""

Values = dict[str, Any]


class SavedSettings:
    """Keep the persistent values of a device in a file, and give them back to it when it has been opened.

    A saved value holds until the one in core.toml changes. Clients have CONFIG_PROCESS, as libindi's drivers do, to
    load and save by hand, to go back to what core.toml says, and to forget what is saved.
    """

    def __init__(self, device: Device, folder: Path) -> None:
        self.path = folder / f"{file_name(device.name)}.json"
        self._device = device
        self._declared: dict[str, Values] = {}
        self._noted: dict[str, Values] = {}
        self._unsaved = False
        self._saving: asyncio.Task[None] | None = None
        self._asked = self._written = 0
        self._writing = threading.Lock()
        self._failed = ""
        self._lock: int | None = None
        for vector in tuple(device.vectors.values()):
            self._take(vector)

    def note(self, event: Event) -> None:
        """Take note of what has happened to the device while it is ready."""
        vector = event.vector
        if vector is None or not vector.persist:
            return
        if event.kind == "defined":
            self._take(vector)
        elif event.kind == "changed" and event.members and vector.name in self._declared:
            values = dict(vector.values)
            if self._noted.get(vector.name, self._declared[vector.name]) != values:
                self._noted[vector.name] = values
                self._unsaved = True
                if self._saving is None or self._saving.done():
                    self._saving = self._device.spawn(self._save_later(), name=f"{self._device.name}: saving")

    async def restore(self) -> None:
        """Give the device its saved values, as if a client had set them; what it refuses is said and left out."""
        for defined in tuple(self._device.vectors.values()):
            self._take(defined)  # those that it has defined while it was being opened
        if not self._declared:
            return
        document = await asyncio.to_thread(self._read)
        for name, entry in document.items():
            vector = self._device.vectors.get(name)
            if vector is None or name not in self._declared:
                continue
            declared, values = entry["declared"], entry["values"]
            if declared != self._declared[name]:
                _log.info("%s.%s is as core.toml says, which has changed since it was saved", self._device.name, name)
                continue
            self._noted[name] = dict(values)
            await self._give(vector, values)

    @property
    def trouble(self) -> str:
        """Return why settings cannot be saved; empty if they can."""
        return self._failed.removeprefix(f"{self._device.name}: ")

    async def save_what_is_left(self) -> None:
        """Write what has changed and is not written yet; the device is being closed."""
        try:
            if self._unsaved:
                await self._save()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    # For clients

    async def _process(self, new: Mapping[str, Any]) -> None:
        chosen = next((name for name, on in new.items() if on), None)
        device, switches = self._device, self._device.vectors[NAME]
        message = None
        try:
            if chosen in (LOAD, DEFAULT) and device.closed_because is not None:
                raise ValueRefused(f"{device.name}: {device.closed_because}")
            if chosen == LOAD:
                await self.restore()
                message = f"{device.name}: loaded from {self.path}"
            elif chosen == SAVE:
                self._noted = {name: dict(device.vectors[name].values) for name in self._declared}
                await self._save()
                message = self._failed or f"{device.name}: saved to {self.path}"
            elif chosen == DEFAULT:
                for name, values in tuple(self._declared.items()):
                    if name in device.vectors:
                        await self._give(device.vectors[name], values)
                message = f"{device.name}: as core.toml says"
            elif chosen == PURGE:
                self._noted.clear()
                await self._save()
                message = self._failed or f"{device.name}: nothing is saved any more"
        finally:
            state: State = "Alert" if self._failed or (message is None and chosen is not None) else "Ok"
            switches.update(dict.fromkeys(switches.members, False), state=state, message=message)

    def _take(self, vector: Vector[Any, Any]) -> None:
        """Remember what a vector is without saved values, and let clients process them."""
        if not vector.persist or vector.name in self._declared:
            return
        self._declared[vector.name] = dict(vector.values)
        if NAME not in self._device.vectors:
            labels = {LOAD: "Load", SAVE: "Save", DEFAULT: "Default", PURGE: "Purge"}
            members = {name: Switch(label=label) for name, label in labels.items()}
            self._device.serve_always(
                SwitchVector("Configuration", name=NAME, group="Options", rule="AtMostOne", members=members),
                self._process,
            )

    async def _give(self, vector: Vector[Any, Any], values: Values) -> None:
        known = {name: value for name, value in values.items() if name in vector.members}
        try:
            await self._device.take_values(vector, known)
        except ValueRefused as refusal:
            _log.warning("%s: %s is not restored: %s", self._device.name, vector.name, refusal)

    # The file

    async def _save_later(self) -> None:
        delay = DELAY_SECONDS
        while self._unsaved:
            await Loop.current().delay(delay)
            before = self._failed
            await self._save()
            delay = min(2 * delay, LONGEST_DELAY_SECONDS) if self._failed else DELAY_SECONDS
            if self._failed != before:
                state: State = "Alert" if self._failed else "Ok"
                message = self._failed or f"{self._device.name}: its settings are saved again"
                self._device.vectors[NAME].update(state=state, message=message)

    async def _save(self) -> None:
        properties = {
            name: {"declared": self._declared[name], "values": values}
            for name, values in self._noted.items()
            if values != self._declared[name]
        }
        self._asked += 1
        saved = dict(self._noted)
        try:
            await asyncio.to_thread(self._write, properties, self._asked)
        except OSError as error:
            failed = f"{self._device.name}: its settings cannot be saved: {self.path}: {error.strerror or error}"
            if failed != self._failed:
                _log.warning("%s; they hold until the end of this run", failed)
            self._failed = failed
        else:
            self._failed = ""
            # A command that has come meanwhile is saved with the next.
            self._unsaved = saved != self._noted

    def _write(self, properties: dict[str, Any], number: int) -> None:
        """Write what was asked for last, whatever thread comes last."""
        with self._writing:
            if number > self._written:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._claim()
                self._write_now(properties)
                self._written = number

    def _claim(self) -> None:
        """Be the only one who writes the file; raise OSError if another run of the same name does."""
        if self._lock is not None:
            return
        # A file of its own, since the other one is replaced with every change.
        lock = os.open(self.path.with_name(f".{self.path.stem}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            other = lock_holder(lock)
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            why = f"another run of this name saves them, {other}; give one a name of its own: [core] name"
            raise OSError(errno.EBUSY, why) from error
        self._lock = lock

    def _write_now(self, properties: dict[str, Any]) -> None:
        """Write the whole file or leave it as it was, also where the power fails meanwhile."""
        if not properties:
            self.path.unlink(missing_ok=True)
            return
        document = {"version": VERSION, "device": self._device.name, "properties": properties}
        number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:  # whatever it was, half a file stays nowhere
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self) -> dict[str, Any]:
        """Return what is saved; a file that cannot be understood is set aside."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            properties: dict[str, Any] = document["properties"]
            for entry in properties.values():
                if not (isinstance(entry["declared"], dict) and isinstance(entry["values"], dict)):
                    raise TypeError("values are missing")
        except FileNotFoundError:
            return {}
        except OSError as error:
            _log.warning("%s: %s cannot be read: %s", self._device.name, self.path, error.strerror or error)
            return {}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            names = (self.path.with_suffix(f".damaged{number or ''}") for number in itertools.count())
            aside = next(name for name in names if not name.exists())
            with contextlib.suppress(OSError):
                self.path.replace(aside)
            _log.warning(
                "%s: its saved settings are damaged (%s); they are left out, and kept as %s",
                self._device.name,
                error,
                aside,
            )
            return {}
        return properties
