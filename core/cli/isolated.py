"""What the process of an isolated instance does: it is a driver of the run that has started it.

`core.isolation` starts it as `python -m core.cli.isolated NAME FILE`; FILE is only named in messages.
"""

from __future__ import annotations

import logging
import os
import sys
import tomllib

from core.cli.choices import discovered
from core.cli.leaving import leave
from core.cli.run import with_transports
from core.cli.screen import LogLines, PlainScreen
from core.config import parse
from core.errors import CoreError
from core.isolation import CONFIGURATION, child_run_name
from core.transports.stdin import reserve_streams

_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class PriorityFormatter(logging.Formatter):
    """Begin each line with its priority, `<3>` for an error say, as systemd takes it from programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        priority = _PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def main(name: str, source: str) -> None:
    """Run the instance until the run that has started it has gone or ends it."""
    from core.app import App
    from core.assembly import assemble
    from core.control import Control
    from core.saved_settings import state_folder

    streams = reserve_streams()  # before any plugin is imported, since that may print
    config = parse(tomllib.loads(os.environ.pop(CONFIGURATION)), source)
    plugins = discovered(config)
    chosen = with_transports(config, port=None, host=None, stdin_device=name, streams=streams)
    assembly = assemble(chosen, plugins)
    screen = PlainScreen(sys.stderr)
    with LogLines(screen, chosen.core.log_level, own_lines=False, formatter=PriorityFormatter()) as lines:
        control = Control(child_run_name(chosen.core.name, os.getpid()))
        # Its parts are told by the run that has started it.
        companions = (screen.accompany, control.serve)
        states = state_folder(chosen.core.name)
        app = App(assembly, plugins, say=lambda _: None, companions=companions, state_folder=states)
        app.run(ignore_signals_afterwards=True)
    leave(app, lines)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CoreError as error:
        sys.exit(f"<3>{error}")
