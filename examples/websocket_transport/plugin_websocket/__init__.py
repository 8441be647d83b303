"""plugin-websocket: INDI over WebSockets, for `core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core import Proposal, Transport

core_api = 1


@hookimpl
def core_register_transports() -> list[type[Transport]]:
    """Return the transport classes of this plugin."""
    from plugin_websocket.transport import WebSocketServer

    return [WebSocketServer]


@hookimpl
def core_default_config() -> list[Proposal]:
    """Return what `corectl init` writes; a run without core.toml has the server alone."""
    from core import Proposal

    comment = "Browsers reach every device here."
    return [Proposal("transport", "websocket", {"port": 7681}, comment=comment, demo=False)]
