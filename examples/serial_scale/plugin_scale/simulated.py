"""A simulated balance behind a pty: who opens its path has a serial port before him, as with the real one."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import tty
from collections.abc import Callable

from core import DeviceUnavailable

from plugin_scale.protocol import END, TARE, WEIGH, ZERO

CAPACITY = 3200.0
"""Grams; above that the answer is "+"."""
SETTLING_SECONDS = 1.5
"""How long it swings after something was put on it."""


class SimulatedBalance:
    """Answer as the balance does; `now` tells the time in nanoseconds. `put` a load on it."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._load = self._before = 250.0
        self._zero = self._tare = 0.0
        self._changed = now() - int(SETTLING_SECONDS * 1e9)
        self._present = True
        self._master = self._stop = -1
        self._thread: threading.Thread | None = None

    def put(self, grams: float) -> None:
        """Have this load on the pan from now on."""
        self._before, self._load, self._changed = self._load, grams, self._now()

    def plug(self) -> str:
        """Become a serial port and return its path; raise DeviceUnavailable while it has vanished."""
        if not self._present:
            raise DeviceUnavailable(errno.ENODEV, "the simulated balance has gone; plug it in again")
        self._master, slave = os.openpty()
        try:
            tty.setraw(slave)
            path = os.ttyname(slave)
        finally:
            os.close(slave)
        ending, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, args=(self._master, ending), name="simulated balance")
        self._thread.start()
        return path

    def unplug(self) -> None:
        """Be a serial port no longer."""
        if self._thread is None:
            return
        os.close(self._stop)
        self._thread.join()
        self._thread = None

    def vanish(self) -> None:
        """Go, as when the plug is pulled: who has the port open gets an error."""
        self._present = False
        self.unplug()

    def reappear(self) -> None:
        """Be there again."""
        self._present = True

    def _serve(self, master: int, ending: int) -> None:
        """In a thread: answer lines until the pipe `ending` is closed."""
        rest = b""
        try:
            while True:
                ready, _, _ = select.select([master, ending], [], [])
                if ending in ready:
                    return
                try:
                    rest += os.read(master, 4096)
                except OSError:
                    # Nobody has the other end open: wait until somebody has, or until the end.
                    if select.select([ending], [], [], 0.01)[0]:
                        return
                    continue
                *lines, rest = rest.split(END)
                for line in lines:
                    with contextlib.suppress(OSError):
                        os.write(master, self.answer(line.decode("ascii", errors="replace")).encode() + END)
        finally:
            os.close(master)
            os.close(ending)

    def answer(self, command: str) -> str:
        """Return what the balance says to a command."""
        stable, grams = self._state()
        if grams > CAPACITY:
            return {WEIGH: "S +", ZERO: "Z +", TARE: "T +"}.get(command, "ES")
        shown = grams - self._zero - self._tare
        match command:
            case "SI":
                return f"S {'S' if stable else 'D'} {shown:10.2f} g"
            case "Z" | "T" if not stable:
                return f"{command} I"
            case "Z":
                self._zero, self._tare = grams, 0.0
                return "Z A"
            case "T":
                self._tare = grams - self._zero
                return f"T S {self._tare:10.2f} g"
            case _:
                return "ES"

    def _state(self) -> tuple[bool, float]:
        part = (self._now() - self._changed) / (SETTLING_SECONDS * 1e9)
        if part >= 1:
            return True, self._load
        return False, self._before + (self._load - self._before) * part
