"""The plugin by which the transports and drivers of `core` register themselves."""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.late_class import LateClass

core_api = 1


@hookimpl
def core_register_transports() -> list[LateClass]:
    """Return stdin, port and server, and the two that bring devices: driver and remote."""
    return [
        LateClass("stdin", "core.transports.stdin", "Stdin"),
        LateClass("port", "core.transports.port", "Port"),
        LateClass("server", "core.transports.server", "Server"),
        LateClass("driver", "core.drivers.executable", "Executable"),
        LateClass("remote", "core.drivers.remote", "Remote"),
    ]
