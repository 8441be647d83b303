"""The holder process from outside: started with a request, left behind at the end, found and ended by a later run."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import DeviceUnavailable
from plugin_gpio_matrix import holder
from plugin_gpio_matrix.exit_states import ExitState

__all__ = ["Holder", "end_holders", "holders"]

PATIENCE = 2.0
"""For how many seconds a holder of an earlier run has to end."""

_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Holder:
    """Start the process that holds a request after our end; raise OSError if there is no process to be had."""

    def __init__(self, request: int, offsets: Sequence[int], states: Mapping[int, ExitState], consumer: str) -> None:
        mask = sum(1 << at for at, offset in enumerate(offsets) if states[offset] != "keep")
        bits = sum(1 << at for at, offset in enumerate(offsets) if states[offset] == "on")
        self.stays = any(state != "off" for state in states.values())
        """Whether it holds on after the end; with all outputs off it only sees to that."""
        arguments = [consumer, str(os.getpid()), f"{mask:x}", f"{bits:x}", str(int(self.stays))]
        reading, self._writing = os.pipe()
        try:
            # Nothing of subprocess, which wants to see the end of all that it starts.
            self.process = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(Path(holder.__file__)), *arguments],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_DUP2, request, holder.LINES),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,  # Ctrl-C and the end of the terminal are for us, not for it
                setsigmask=[],
                setsigdef=_SIGNALS,
            )
        except BaseException:
            os.close(self._writing)
            raise
        finally:
            os.close(reading)

    def leave(self, *, lost: bool = False) -> str | None:
        """Let it do its work, or end it if its lines are lost; return what to tell people if it holds them now."""
        os.close(self._writing)
        if lost:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            return None
        ended, _ = os.waitpid(self.process, os.WNOHANG)
        if ended or not self.stays:
            return None
        return f"its lines are held by process {self.process}; `kill {self.process}` gives them back"


def holders(consumer: str | None = None) -> dict[int, str]:
    """Return the processes that hold lines after the end of their runs, and for which consumer; of one, or of all."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().split("\0")
            if len(command) < 6 or not command[3].endswith("/plugin_gpio_matrix/holder.py"):
                continue
            name, state = (folder / "stat").read_text().partition("(")[2].rsplit(") ", 1)
        except (OSError, ValueError):  # it has ended meanwhile, or is not for us to see
            continue
        dead, parent = state.startswith("Z"), state.split()[1]
        of_a_run = name != holder.HOLDING and parent == command[5]
        if not dead and not of_a_run and consumer in (None, command[4]):
            found[int(folder.name)] = command[4]
    return found


async def end_holders(consumer: str) -> bool:
    """End the holders of an earlier run and wait for that; return whether there were any.

    Raises DeviceUnavailable for one that is somebody else's, or does not end.
    """
    found = False
    for process in holders(consumer):
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        try:
            # Its number may have become that of another process between the two looks.
            if process in holders(consumer):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                found = True
                async with asyncio.timeout(PATIENCE):
                    await _readable(descriptor)
                _reap(process)
        except PermissionError as error:
            raise DeviceUnavailable(
                errno.EBUSY, f"its lines are held by process {process} of another user; sudo kill {process}"
            ) from error
        except TimeoutError as error:
            raise DeviceUnavailable(
                errno.EBUSY, f"its lines are held by process {process}, which does not end; kill -9 {process}"
            ) from error
        finally:
            os.close(descriptor)
    return found


async def _readable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _reap(process: int) -> None:
    with contextlib.suppress(ChildProcessError):  # as a rule it is the child of a run that has ended
        os.waitpid(process, os.WNOHANG)
