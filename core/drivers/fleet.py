"""The drivers of a server by the words that indiserver takes: executables, `device@host:port`, and FIFO commands."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shlex
from collections.abc import Awaitable, Callable

from core.drivers.executable import Executable
from core.drivers.fifo import FifoCommand, RestartDriver, StartDriver
from core.drivers.remote import Remote
from core.errors import ConfigError, CoreError
from core.plumbing import Transport
from core.transports.limits import DEFAULTS
from core.transports.server import INDI_PORT

_log = logging.getLogger("core.drivers")


_REMOTE = re.compile(r"(?P<device>[^@]*)@(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d+))?")


class _FleetDriver(Executable):
    """Be a driver that tells its end for good in the words in which KStars looks for it."""

    def __init__(self, name: str, options: Executable.Options, driver: str, on_end: Callable[[str], None]) -> None:
        super().__init__(name, options)
        self._driver = driver
        self._on_end = on_end

    async def run(self) -> None:
        """Run the program until cancelled, or until it has used up its restarts."""
        try:
            await super().run()
            done = self.child.statistics if self.child is not None else None
            restarts = done.starts + done.failures - 1 if done is not None else 0
            _log.error("Driver %s: Terminated after #%d restarts.", self._driver, restarts)
        finally:
            self._on_end(self.name)


class Fleet:
    """Know which drivers were started by which words, and carry out commands about them.

    `add` and `remove` begin and end a transport of the run; `is_taken` tells names that other transports have.
    """

    def __init__(
        self,
        add: Callable[[Transport], Awaitable[None]],
        remove: Callable[[str], Awaitable[None]],
        *,
        is_taken: Callable[[str], bool],
        restarts: int,
        maximum_blob: int = DEFAULTS.maximum_blob,
    ) -> None:
        self._is_taken = is_taken
        self._add = add
        self._remove = remove
        self._restarts = restarts
        self._maximum_blob = maximum_blob
        self._commands: dict[str, StartDriver] = {}
        self._transports: dict[str, Transport] = {}

    def transport(self, command: StartDriver) -> Transport:
        """Return the transport that a start command means; raise ConfigError for one that means none."""
        name = self._free_name(command.device or os.path.basename(command.driver))  # noqa: PTH119 - no path need it be
        made = self._remote(name, command.driver) if command.remote else self._executable(name, command)
        self._commands[name] = command
        self._transports[name] = made
        return made

    async def obey(self, command: FifoCommand) -> None:
        """Carry out a command; what cannot be done is logged."""
        try:
            if isinstance(command, StartDriver):
                transport = self.transport(command)
                try:
                    await self._add(transport)
                except BaseException:  # whatever it was, cancellation included, there is no such driver
                    self._forget(transport.name)
                    raise
                return
            name = self._named(command.driver, command.device)
            if isinstance(command, RestartDriver):
                transport = self._transports[name]
                if isinstance(transport, Executable) and transport.child is not None:
                    transport.child.restart()
                return
            self._forget(name)
            await self._remove(name)
        except CoreError as error:
            _log.error("%s", error)

    def _executable(self, name: str, command: StartDriver) -> Executable:
        ours = dict(os.environ)
        wanted = command.environment(ours)
        changes = {key: value for key, value in wanted.items() if ours.get(key) != value}
        changes |= dict.fromkeys(ours.keys() - wanted.keys(), "")
        options = Executable.Options(
            command=shlex.join(command.command()),
            restarts=self._restarts,
            environment=changes,
            maximum_blob=self._maximum_blob,
        )
        return _FleetDriver(name, options, command.driver, self._forget)

    def _remote(self, name: str, words: str) -> Remote:
        parts = _REMOTE.fullmatch(words)
        if parts is None:
            raise ConfigError(f"{words!r} is no remote driver; device@host:port or @host:port is")
        port = int(parts["port"] or INDI_PORT)
        if not 0 < port < 65536:
            raise ConfigError(f"{words!r}: there is no port {port}")
        device, host = parts["device"] or "*", parts["host"].strip("[]")
        return Remote(name, Remote.Options(host=host, port=port, device=device, maximum_blob=self._maximum_blob))

    def _forget(self, name: str) -> None:
        self._commands.pop(name, None)
        self._transports.pop(name, None)

    def _named(self, driver: str, device: str) -> str:
        for name, started in self._commands.items():
            if started.driver == driver and device in ("", started.device):
                return name
        known = ", ".join(sorted({started.driver for started in self._commands.values()}))
        raise ConfigError(f"no driver {driver!r}{f' for {device!r}' if device else ''} runs; {known or 'none'} does")

    def _free_name(self, wanted: str) -> str:
        names = itertools.chain([wanted], (f"{wanted} {number}" for number in itertools.count(2)))
        return next(name for name in names if name not in self._transports and not self._is_taken(name))
