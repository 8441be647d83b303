"""ChildDriver: an external INDI driver as a child process, started again when it ends.

stdin and stdout are Unix stream sockets (`core.drivers.stdio`), so that descriptors can be passed along with BLOBs;
stderr is a pipe that goes to our log. How the process and all that it starts are ended for certain is told
in guardian.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.drivers.guardianship import Guardianship
from core.drivers.stderr_log import LineLog, StderrLog
from core.drivers.stdio import Stdio
from core.drivers.ward import Ward, settled
from core.errors import ConfigError, LoopError
from core.loop import Loop

__all__ = ["ChildDriver", "ChildStatistics"]

FIRST_DELAY = 0.1
"""After how many seconds a driver is started again at first; doubled each time."""

LONGEST_DELAY = 30.0
"""How many seconds that delay may become."""

LONG_RUN = 60.0
"""After how many seconds of running a driver is trusted again: the delay begins anew."""


@dataclass(frozen=True, slots=True)
class ChildStatistics:
    """Tell how a driver has fared."""

    starts: int
    """How often it has been started with success."""
    failures: int
    """How often it could not be started."""
    process: int | None
    """Its process id while it runs."""
    since: float | None
    """The loop's time in seconds at which it was started, while it runs."""
    last_end: str
    """Why it ended, or could not be started, the last time; empty before that."""
    next_start: float | None
    """The loop's time in seconds at which it will be started again, while that is waited for."""
    log_lines: int
    """How many lines of its stderr were logged."""
    log_lines_dropped: int
    """How many lines of its stderr were not, because they were too many."""


class ChildDriver:
    """Run an INDI executable, again and again.

    `on_start` is called each time it has been started, with our ends of its stdin and stdout; they are the caller's to
    read, write and close. `on_end` is called once for each `on_start`, when the process is
    gone, with the reason in words ("exit status 3", "killed by SIGSEGV"); what it wrote last may still lie in the
    sockets. Where it cannot be started neither is called, and the log and the statistics say why. What either raises
    comes out of `run`, when the driver has been ended.

    A program without a slash in its name is sought on the PATH of `environment` (ours if None). `restarts` is how often
    it may be started again, None for ever; those that `restart` asks for are not counted, and a program that does not
    exist, or cannot be executed, is tried again only with None. The delay before a start
    grows from `first_delay` to `longest_delay` seconds by doubling, and begins anew after a minute of running. Raises
    ConfigError for a command or an environment that no process can have.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        on_start: Callable[[Stdio], None],
        on_end: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
        restarts: int | None = None,
        first_delay: float = FIRST_DELAY,
        longest_delay: float = LONGEST_DELAY,
    ) -> None:
        _check(name, command, environment)
        self.name = name
        self.command = tuple(command)
        self._environment = environment
        self._on_start = on_start
        self._on_end = on_end
        self._allowed = restarts
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._log = logging.getLogger(f"core.driver.{name}")
        self._lines: LineLog | None = None
        self._running = False
        self._ward: Ward | None = None
        self._restart = asyncio.Event()
        self._blame = ""
        self._unusable = False
        self._starts = self._failures = 0
        self._process: int | None = None
        self._since: float | None = None
        self._next_start: float | None = None
        self._last_end = ""

    @property
    def statistics(self) -> ChildStatistics:
        """Return how it fares now."""
        logged, dropped = (self._lines.lines, self._lines.dropped) if self._lines is not None else (0, 0)
        return ChildStatistics(
            self._starts,
            self._failures,
            self._process,
            self._since,
            self._last_end,
            self._next_start,
            logged,
            dropped,
        )

    def restart(self) -> None:
        """End the running one and start it again at once, or at once if a delay is waited for; only while it is run."""
        if self._running:
            self._restart.set()
            if self._ward is not None:
                self._ward.end()

    def fail(self, reason: str) -> None:
        """End the running one, which is of no use any more for `reason`; it then counts as one that ended by itself.

        For a driver that lives on though it has closed its stdout, say: `restart` would know neither delay nor limit.
        """
        if self._ward is not None and not self._ward.ended.done():
            self._blame = self._blame or reason
            self._ward.end()

    async def run(self) -> None:
        """Run it until cancelled, or until it has used up its restarts; nothing of it is left afterwards.

        Cancelled, it ends the driver with all its descendants: SIGTERM, after 0.5 s SIGKILL. Raises LoopError if it is
        run already.
        """
        if self._running:
            raise LoopError(f"driver {self.name!r} is run already")
        self._running = True
        self._restart.clear()
        self._lines = LineLog(self.name)
        try:
            async with Guardianship.shared() as guardianship:
                await self._again_and_again(guardianship)
        finally:
            self._running = False

    async def _again_and_again(self, guardianship: Guardianship) -> None:
        loop = Loop.current()
        delay, left = self._first_delay, self._allowed
        while True:
            began = loop.now()
            # A process lives in the machine's time.
            with loop.held():
                await self._run_once(guardianship)
            if self._restart.is_set():
                self._restart.clear()
                delay = self._first_delay
                self._log.info("%s: ended (%s), as asked; it is started again", self.name, self._last_end)
                continue
            if left is not None and self._unusable:
                self._log.error("%s: %s; nothing of that changes by trying it again", self.name, self._last_end)
                return
            if left == 0:
                self._log.error("%s: %s; it is not started again", self.name, self._last_end)
                return
            left = None if left is None else left - 1
            if loop.now() - began >= LONG_RUN * 1e9:
                delay = self._first_delay
            self._log.warning("%s: %s; it is started again in %g s", self.name, self._last_end, delay)
            await self._wait_for_restart(loop, delay)
            delay = min(delay * 2, self._longest_delay)

    async def _wait_for_restart(self, loop: Loop, delay: float) -> None:
        self._next_start = self._seconds() + delay
        try:
            async with asyncio.timeout(delay):
                await self._restart.wait()
        except TimeoutError:
            return
        finally:
            self._next_start = None
        self._restart.clear()

    async def _run_once(self, guardianship: Guardianship) -> None:
        """Start it and wait until it and all that it has started is gone, however this is left."""
        environment = os.environ if self._environment is None else self._environment
        self._blame = ""
        self._unusable = False
        try:
            ward, stdio, stderr = guardianship.start(self.name, self.command, environment)
        except OSError as error:
            self._failures += 1
            self._last_end = f"cannot be started: {error}"
            return
        self._ward = ward
        log = StderrLog(self._lines or self.name, stderr)
        try:
            await self._live(ward, stdio)
        finally:
            try:
                # What it has started may outlive it by half a second.
                await settled(ward.gone)
            finally:
                self._ward = None
                log.close()

    async def _live(self, ward: Ward, stdio: Stdio) -> None:
        """Tell of the start and of the end, however this is left."""
        told = False
        try:
            await asyncio.wait([ward.started])
            self._process = ward.started.result()
            if self._process is not None:
                self._starts += 1
                self._since = self._seconds()
                self._log.info("%s: started, process %d", self.name, self._process)
                told = True
                try:
                    self._give(stdio)
                except OSError as error:  # no descriptor is left: there may be one when it is tried again
                    self._blame = f"cannot be connected: {error}"
                else:
                    await asyncio.wait([ward.ended])
        finally:
            ward.end()
            try:
                await settled(ward.ended)
            finally:
                why = ward.ended.result()
                self._process = self._since = None
                if told:
                    self._last_end = f"{self._blame}; {why}" if self._blame else why
                    self._on_end(self._last_end)
                else:
                    stdio.close()
                    self._failures += 1
                    self._unusable = ward.unusable
                    self._last_end = f"cannot be started: {why}"

    def _give(self, stdio: Stdio) -> None:
        try:
            self._on_start(stdio)
        except BaseException:  # it may not have been taken; and closed twice it harms nobody
            stdio.close()
            raise

    def _seconds(self) -> float:
        return Loop.current().now() / 1e9


def _check(name: str, command: Sequence[str], environment: Mapping[str, str] | None) -> None:
    if isinstance(command, str) or not command or not command[0]:
        raise ConfigError(f"driver {name!r}: {command!r} is no command; it takes a program and its arguments")
    for word in command:
        if "\0" in word:
            raise ConfigError(f"driver {name!r}: {word!r} holds a NUL, which no argument of a program can")
    for key, value in (environment or {}).items():
        if not key or "=" in key or "\0" in key + value:
            raise ConfigError(f"driver {name!r}: {key}={value!r} cannot stand in an environment")
