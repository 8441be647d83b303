"""The plugin by which the transports and drivers of `core` register themselves."""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.plumbing import Transport

core_api = 1


@hookimpl
def core_register_transports() -> list[type[Transport]]:
    """Return stdin, port and server, and the two that bring devices: driver and remote."""
    from core.drivers.executable import Executable
    from core.drivers.remote import Remote
    from core.transports.port import Port
    from core.transports.server import Server
    from core.transports.stdin import Stdin

    return [Stdin, Port, Server, Executable, Remote]
