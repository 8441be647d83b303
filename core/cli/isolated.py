"""What the process of an isolated instance does: it is a driver of the run that has started it.

`core.isolation` starts it as `python -m core.cli.isolated NAME FILE`; FILE is only named in messages.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from core.cli.choices import discovered
from core.cli.leaving import leave
from core.cli.log_options import log_origins, log_settings
from core.cli.run import with_transports
from core.cli.run_log import LogLines
from core.cli.screen import PlainScreen
from core.config import parse
from core.errors import CoreError
from core.isolation import CONFIGURATION, child_run_name
from core.log.formats import PriorityFormatter
from core.log.settings import Level
from core.transports.stdin import reserve_streams


def main(name: str, source: str) -> None:
    """Run the instance until the run that has started it has gone or ends it."""
    from core.app import App
    from core.assembly import assemble
    from core.control import Control
    from core.run_folders import state_folder

    streams = reserve_streams()  # before any plugin is imported, since that may print
    config = parse(tomllib.loads(os.environ.pop(CONFIGURATION)), source)
    plugins = discovered(config)
    chosen = with_transports(config, port=None, host=None, stdin_device=name, streams=streams)
    assembly = assemble(chosen, plugins)
    screen = PlainScreen(sys.stderr)
    # Its lines are the run's, which has file and journal.
    settings = replace(log_settings(config), file=None, json=False, journal=False)
    with LogLines(screen, settings, formatter=PriorityFormatter(), origins=log_origins(config, plugins)) as lines:

        def set_log(said: Mapping[str, Any]) -> None:
            level, levels = msgspec.convert((said["level"], said["levels"]), tuple[Level, dict[str, Level]])
            lines.apply(replace(settings, level=level, levels=levels))

        control = Control(child_run_name(chosen.core.name, os.getpid()), set_log=set_log)
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
