"""plugin-indipydriver: drivers written for indipydriver, in the process of `core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core import Transport

core_api = 1


@hookimpl
def core_register_transports() -> list[type[Transport]]:
    """Return the transport that brings such drivers."""
    from plugin_indipydriver.transport import IndipyDriver

    return [IndipyDriver]
