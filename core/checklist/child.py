"""The process in which a plugin is checked: `python -m core.checklist.child PIPE PLUGIN [TITLE]...`.

It writes JSON lines to the descriptor PIPE: before each look of the TITLEs its title, afterwards what came of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence

from core.checklist.checklist import check_plugin
from core.errors import CoreError, PluginMissing
from core.plugins import discover

__all__ = ["main"]

SET_PDEATHSIG = 1


def main(pipe: int, name: str, titles: Sequence[str]) -> None:
    """Check the plugin, and tell."""
    if sys.platform == "linux":  # one that hangs shall not stay behind when nobody listens any more
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGKILL)

    def tell(**said: object) -> None:
        data = json.dumps(said).encode() + b"\n"
        while data:
            data = data[os.write(pipe, data) :]

    try:
        for line in check_plugin(name, discover(), titles, lambda title: tell(begins=title)):
            tell(title=line.title, verdict=line.verdict, why=line.why, cure=line.cure)
    except CoreError as error:
        tell(error=str(error), missing=isinstance(error, PluginMissing))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.stdout.flush()
    os._exit(0)  # what a plugin has left behind, a thread say, has been told already
