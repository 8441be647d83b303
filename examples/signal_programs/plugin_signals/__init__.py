"""plugin-signals: Morse code and other signals for the LEDs of `core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core.programs import Program

core_api = 1


@hookimpl
def core_register_programs() -> list[Program]:
    """Return the programs of this plugin."""
    from plugin_signals.morse import morse
    from plugin_signals.programs import count, scanner, siren

    return [morse, scanner, count, siren]
