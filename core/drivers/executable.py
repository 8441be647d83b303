"""An INDI executable as a driver: a child process that is started again when it ends."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, field

from core.drivers.child import ChildDriver
from core.drivers.peer import connect_driver
from core.drivers.stdio import Stdio
from core.errors import CoreError
from core.options import Options as BaseOptions
from core.plumbing import Connection, Router, Transport
from core.transports.limits import DEFAULTS, MaximumBlob, PendingBlobs, PendingMessages, driver_limits

Command = Annotated[str, Meta(min_length=1, description="the program and its arguments, as a shell would split them")]
Environment = Annotated[dict[str, str], Meta(description="environment variables to set; empty ones are unset")]


class Executable(Transport):
    """Run an INDI driver of any make as a child process and bring its devices here."""

    kind = "driver"
    brings_devices = True

    class Options(BaseOptions):
        """The options of `[transport.<name>]` with `type = "driver"`."""

        command: Command
        restarts: Annotated[int, Meta(ge=-1, description="how often it may be started again; -1: for ever")] = -1
        environment: Environment = field(default_factory=dict)
        maximum_blob: MaximumBlob = DEFAULTS.maximum_blob
        pending_messages: PendingMessages = DEFAULTS.maximum_pending
        pending_blobs: PendingBlobs = DEFAULTS.blob_pending

        def __post_init__(self) -> None:
            """Raise ValueError for a command that no shell would split, and for what no process can be given."""
            try:
                words = shlex.split(self.command)
            except ValueError as error:  # a quote that is not closed, say
                raise ValueError(f"command is {self.command!r}: {error}") from None
            if not words or not words[0]:
                raise ValueError(f"command is {self.command!r}: it names no program")
            texts = (*words, *self.environment, *self.environment.values())
            if any("\0" in text for text in texts):
                raise ValueError("command and environment may hold no NUL character")
            try:
                for text in texts:
                    os.fsencode(text)
            except UnicodeEncodeError:
                raise ValueError("command and environment may hold nothing that no file name can") from None
            if any("=" in name or not name for name in self.environment):
                raise ValueError("environment: the name of a variable may not be empty, nor hold =")

    options: Options
    child: ChildDriver | None = None
    _router: Router | None = None
    _connection: Connection | None = None
    heard: Callable[[], None] | None = None
    """Is called whenever the program says anything."""

    def summary(self) -> str:
        """Say what is run."""
        return f"driver {self.name}: {self.options.command}"

    async def open(self, router: Router) -> None:
        """Get ready; the program is started in `run`, and one that cannot be started stops nobody else."""
        self._router = router
        restarts = self.options.restarts
        environment = {**os.environ, **self.options.environment}
        self.child = ChildDriver(
            shlex.split(self.options.command),
            name=self.name,
            on_start=self._started,
            on_end=self._ended,
            environment={key: value for key, value in environment.items() if value},
            restarts=None if restarts < 0 else restarts,
        )

    async def run(self) -> None:
        """Run the program until cancelled, or until it has used up its restarts."""
        if self.child is None:
            raise CoreError(f"{self.summary()} has not been opened")
        await self.child.run()

    async def close(self) -> None:
        """Close the connection; the program has been ended with `run`."""
        if self._connection is not None:
            self._connection.close()

    def _started(self, stdio: Stdio) -> None:
        if self._router is None:
            raise CoreError(f"{self.summary()} has not been opened")
        # Descriptors of our own: the child's end of life closes those that it gave.
        own = stdio.duplicate()
        stdio.close()
        self._connection = connect_driver(
            self._router,
            own,
            f"driver {self.name}",
            on_heard=self.heard,
            on_lost=self._lost,
            limits=driver_limits(self.options),
        )

    def _lost(self) -> None:
        # A program that can say nothing any more is of no use, even if it lives.
        if self.child is not None:
            self.child.fail("its connection has ended")

    def _ended(self, _why: str) -> None:
        """Leave the connection to its end of file, which comes behind what the program wrote last."""
