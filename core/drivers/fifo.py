"""The FIFO: lines by which drivers are started and stopped while the server runs, as indiserver takes them.

    start indi_simulator_ccd -n "CCD Simulator" -c "ccd.xml" -s "skeleton.xml" -p "/opt/indi"
    start "Telescope Simulator"@observatory:7624
    stop indi_simulator_ccd -n "CCD Simulator"

Where indiserver is narrow or surprising, more is taken and nothing is guessed: options may stand before the driver and
without quotes; an @ in an option does not make a driver remote; a command that is none is refused, where indiserver
stops a driver; `restart` is ours.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.drivers.rate_limit import RateLimit
from core.errors import ConfigError, CoreError
from core.loop import Loop

__all__ = [
    "CommandRefused",
    "FifoCommands",
    "FifoReader",
    "RestartDriver",
    "StartDriver",
    "StopDriver",
    "parse_command",
]

_log = logging.getLogger("core.fifo")

LONGEST = 4096
"""How many bytes a line may have; indiserver takes 1023. A line up to this long is written in one piece by any one."""

READ_SIZE = 1024
"""How many bytes are read in a turn: others wait for as many commands as these can hold."""

MANY_COMMANDS = 1000
"""From how many commands that wait on the FIFO is not read, so that who writes to it waits."""

RETRY_SECONDS = 1.0
"""After how many seconds a FIFO that has gone is looked for again."""

_VARIABLES = ("INDIDEV", "INDICONFIG", "INDISKEL")


class CommandRefused(CoreError, ValueError):  # noqa: N818 - reads as what happened
    """Refuse a line of the FIFO: what is wrong in it and what would be right."""


@dataclass(frozen=True, slots=True)
class StartDriver:
    """Ask for a driver to be started."""

    driver: str
    """A program, or for a remote one `device@host:port`, `@host`."""
    device: str = ""
    """-n: the name that its device shall have."""
    configuration: str = ""
    """-c: its configuration file."""
    skeleton: str = ""
    """-s: its skeleton file."""
    prefix: str = ""
    """-p: the folder whose `bin` has the program, and which the driver takes for that of its data."""

    @property
    def remote(self) -> bool:
        """Return True if it is a device of another server."""
        return "@" in self.driver

    def command(self, own_folder: Path | None = None) -> list[str]:
        """Return what is to be executed.

        A program that begins with a dot is sought from `own_folder`, that of our own program if None, as indiserver
        does; and where it is not there, from the current folder, as everybody means it.
        """
        if self.prefix:
            return [f"{self.prefix}/bin/{self.driver}"]
        if self.driver.startswith("."):
            folder = Path(sys.argv[0]).parent if own_folder is None else own_folder
            beside, here = folder / self.driver, Path(self.driver)
            return [str(here.absolute() if here.exists() and not beside.exists() else beside)]
        return [self.driver]

    def environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Return the driver's environment: `ours`, with what the command says and without what it does not say.

        INDIDEV, INDICONFIG and INDISKEL of ours are meant for nobody that the FIFO starts; INDIPREFIX stays.
        """
        given = (self.device, self.configuration, self.skeleton)
        variables = {key: value for key, value in ours.items() if key not in _VARIABLES}
        variables |= {key: value for key, value in zip(_VARIABLES, given, strict=True) if value}
        return variables | ({"INDIPREFIX": self.prefix} if self.prefix else {})


@dataclass(frozen=True, slots=True)
class StopDriver:
    """Ask for a driver to be stopped for good."""

    driver: str
    """As it was started: the program's name, or `device@host:port`."""
    device: str = ""
    """-n: only the one that has this device; the first one of that program if empty."""


@dataclass(frozen=True, slots=True)
class RestartDriver:
    """Ask for a driver to be ended and started again."""

    driver: str
    """As it was started."""
    device: str = ""
    """-n: only the one that has this device; the first one of that program if empty."""


FifoCommand = StartDriver | StopDriver | RestartDriver

_TOKEN = re.compile(r'\s*((?:"[^"]*"|[^\s"])+)')
_FIELDS = {"-n": "device", "-c": "configuration", "-s": "skeleton", "-p": "prefix"}
_KINDS: dict[str, type[StartDriver] | type[StopDriver] | type[RestartDriver]] = {
    "start": StartDriver,
    "stop": StopDriver,
    "restart": RestartDriver,
}


def parse_command(line: str) -> FifoCommand:
    """Return the command in a line; raise CommandRefused if there is none."""
    if "\0" in line:
        raise CommandRefused(f"{line.strip()!r}: no name holds a NUL character")
    tokens = _tokens(line)
    kind = _KINDS.get(tokens[0]) if tokens else None
    if kind is None:
        raise CommandRefused(f"{line.strip()!r} is no command: start, stop or restart, then a driver")
    words: list[str] = []
    fields: dict[str, str] = {}
    rest = iter(tokens[1:])
    for token in rest:
        field = _FIELDS.get(token)
        if field is None:
            if token.startswith("-"):
                raise CommandRefused(f"{line.strip()!r}: there is no option {token}, only -n, -c, -s and -p")
            words.append(token)
            continue
        if field != "device" and kind is not StartDriver:
            raise CommandRefused(f"{line.strip()!r}: {tokens[0]} takes no {token}, only -n")
        value = next(rest, None)
        if value is None:
            raise CommandRefused(f"{line.strip()!r}: {token} lacks its value")
        if field in fields:
            raise CommandRefused(f"{line.strip()!r}: {token} is given twice")
        fields[field] = value.replace('"', "")
    driver = " ".join(words).replace('"', "").strip()
    if not driver:
        raise CommandRefused(f"{line.strip()!r}: which driver? {tokens[0]} needs one")
    if "@" in driver:
        # A remote device's name may hold spaces, with quotes or without.
        if fields:
            raise CommandRefused(f"{line.strip()!r}: a remote driver takes no options")
    elif len(words) > 1:
        raise CommandRefused(f"{line.strip()!r}: one driver at a time, and a value with spaces in double quotes")
    return kind(driver, **fields)


def _tokens(line: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    line = line.rstrip()
    while position < len(line):
        found = _TOKEN.match(line, position)
        if found is None:
            raise CommandRefused(f"{line.strip()!r}: a double quote is not closed")
        tokens.append(found[1])
        position = found.end()
    return tokens


class FifoReader:
    """Read commands from a FIFO that others write to, line by line, while they come and go.

    The FIFO has to exist, as for indiserver: whoever makes it says who may write to it, and to make one in the place of
    a path that was mistyped would hide that. A last line without its end counts when all writers have closed.
    """

    # Opened for reading alone: only so the kernel tells that the last writer has closed. It is opened anew then, before
    # the old descriptor is closed, so that there is a reader at every moment and nothing that is written gets lost.

    def __init__(self, path: str | os.PathLike[str], on_command: Callable[[FifoCommand], None]) -> None:
        self.path = os.fspath(path)
        self._on_command = on_command
        self._descriptor = _opened(self.path)
        self._partial = b""
        self._overlong = False
        self._limit: RateLimit | None = None
        self._unsaid = 0
        self._gone: asyncio.Future[None] | None = None
        self._paused = False

    async def run(self) -> None:
        """Read until cancelled, then close; a line that is refused is logged and stops nothing.

        A FIFO that has been removed is waited for: whoever restarts his software may make it anew.
        """
        loop = asyncio.get_running_loop()
        self._limit = RateLimit(Loop.current().now, at_once=20, per_second=2)
        try:
            while True:
                self._gone = loop.create_future()
                if not self._paused:
                    loop.add_reader(self._descriptor, self._readable)
                try:
                    await self._gone
                finally:
                    loop.remove_reader(self._descriptor)
                await self._reopen()
        finally:
            os.close(self._descriptor)

    def pause(self) -> None:
        """Read no more until `resume`, but for the rest of what has been read already."""
        if not self._paused:
            self._paused = True
            asyncio.get_running_loop().remove_reader(self._descriptor)

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            if self._gone is not None and not self._gone.done():
                asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def close(self) -> None:
        """Close it, if it has not been run."""
        if self._gone is None:
            os.close(self._descriptor)

    async def _reopen(self) -> None:
        told = False
        while True:
            try:
                fresh = _opened(self.path)
            except ConfigError as error:
                if not told:
                    told = True
                    _log.error("%s; it is looked for again each second", error)
                await Loop.current().delay(RETRY_SECONDS)
            else:
                os.close(self._descriptor)
                self._descriptor = fresh
                return

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        if data:
            self._take(data)
            return
        self._take(b"\n")
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _take(self, data: bytes) -> None:
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            if self._overlong or len(line) > LONGEST:
                self._leave_out()
                self._overlong = False
            elif line.strip():
                self._obey(line)
        if len(rest) > LONGEST:
            self._leave_out()
        self._partial = b"" if self._overlong else rest

    def _leave_out(self) -> None:
        if not self._overlong:
            self._complain(f"a line of more than {LONGEST} bytes is left out")
        self._overlong = True

    def _obey(self, line: bytes) -> None:
        try:
            command = parse_command(line.decode(errors="backslashreplace"))
        except CommandRefused as error:
            self._complain(str(error))
            return
        try:
            self._on_command(command)
        except Exception:  # a line that somebody wrote stops nothing but itself
            _log.exception("FIFO %s: %s failed", self.path, command)

    def _complain(self, what: str) -> None:
        if self._limit is not None and not self._limit.take():
            self._unsaid += 1
            return
        unsaid, self._unsaid = self._unsaid, 0
        more = f" ({unsaid} more before it)" if unsaid else ""
        _log.error("FIFO %s: %s%s", self.path, what, more)


class FifoCommands:
    """Carry out what is written to a FIFO, one command after another, and read no more than can be carried out."""

    def __init__(self, path: str | os.PathLike[str], obey: Callable[[FifoCommand], Awaitable[None]]) -> None:
        self._reader = FifoReader(path, self._take)
        self._obey = obey
        self._waiting: asyncio.Queue[FifoCommand] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """Return how many commands wait."""
        return self._waiting.qsize()

    async def run(self) -> None:
        """Read and obey until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reader.run())
            while True:
                command = await self._waiting.get()
                if self.waiting < MANY_COMMANDS:
                    self._reader.resume()
                await self._obey(command)

    def _take(self, command: FifoCommand) -> None:
        self._waiting.put_nowait(command)
        if self.waiting >= MANY_COMMANDS:
            self._reader.pause()


def _opened(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ConfigError(f"FIFO {path}: there is none; make it with: mkfifo {path}") from None
    except OSError as error:
        raise ConfigError(f"FIFO {path}: {error.strerror}") from error
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError(f"FIFO {path}: this is no FIFO; make one with: mkfifo {path}")
    return descriptor
