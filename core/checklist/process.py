"""Check a plugin from outside: one that blocks, or that ends its process, fails a line and not the whole."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.checklist.checklist import LOOKS
from core.checklist.lines import Line
from core.errors import CoreError, PluginError, PluginMissing
from core.plugins import DISABLE_VARIABLE

__all__ = ["checked"]

START_SECONDS = 60.0
"""How long Python and all plugins have to be imported."""
LOOK_SECONDS = 30.0
"""How long one line of the checklist may take."""
IMPATIENT_SECONDS = 10.0
"""How long those after one that was late may take."""

Said = Mapping[str, Any]


def checked(name: str, disabled: Iterable[str] = (), *, seconds: float = LOOK_SECONDS) -> Iterator[Line]:
    """Yield the lines of the checklist, each when it has been looked at; `seconds` is what each look may take.

    Raises PluginMissing, with the nearest name, for a plugin that is not there or not in use, and PluginError where
    plugins cannot even be listed.
    """
    left = list(LOOKS)
    while left:
        with _Child(name, left, disabled) as child:
            began = None
            while (said := child.next(seconds if began else START_SECONDS)) is not None:
                if "error" in said:
                    raise PluginMissing(said["error"]) if said["missing"] else CoreError(said["error"])
                if "begins" in said:
                    began = said["begins"]
                    continue
                left.remove(began or "")
                began = None
                yield Line(said["title"], said["verdict"], said["why"], said["cure"])
            if not left:
                return
            why, late = child.fate()
            if began is None and len(left) == len(LOOKS):
                raise PluginError(f"plugin {name!r} cannot be checked: while plugins are loaded, {why}")
            title = left.pop(0)
            if late:
                seconds = min(seconds, IMPATIENT_SECONDS)
            cure = "never block: wait with await self.delay(), and let a thread or a process do what cannot wait so"
            yield Line(title, "fail", why, cure if late else "find out why with python -X faulthandler -m pytest")


class _Child:
    """Be the process that looks, and what it says."""

    def __init__(self, name: str, titles: Iterable[str], disabled: Iterable[str]) -> None:
        self._reading, writing = os.pipe()
        self._rest = b""
        self._late: float | None = None
        named = f"{os.environ.get(DISABLE_VARIABLE, '')} {' '.join(disabled)}".strip()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core.checklist.child", str(writing), name, *titles],
                env={**os.environ, DISABLE_VARIABLE: named},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=(writing,),
                start_new_session=True,  # Ctrl-C is for us, and ends it with us
            )
        finally:
            os.close(writing)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._reading)

    def next(self, seconds: float) -> Said | None:
        """Return what it says next, None when it says nothing more or not in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._reading], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                self._late = seconds
                return None
            data = os.read(self._reading, 65536)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        said: Said = json.loads(line)
        return said

    def fate(self) -> tuple[str, bool]:
        """Return why it says nothing more, and whether it was late."""
        if self._late is not None:
            return f"it blocks: after {self._late:g} s nothing has come of it", True
        status = self._process.wait()
        if status < 0:
            return f"the process was killed by {signal.Signals(-status).name}", False
        return f"the process ended with status {status}", False
