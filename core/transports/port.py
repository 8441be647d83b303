"""The port: one device listens by itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from core.options import Options as BaseOptions
from core.transports.server import INDI_PORT, Host, MaximumClients, Server
from core.transports.server import Port as PortNumber


class Port(Server):
    """Serve one device, and no other, on a port of its own."""

    kind = "port"

    class Options(BaseOptions):
        """The options of `[transport.<name>]` with `type = "port"`."""

        device: Annotated[str, Meta(description="name of the instance that is served; may be left out if there is one")]
        host: Host = "localhost"
        port: PortNumber = INDI_PORT
        maximum_clients: MaximumClients = 1000

    options: Options  # type: ignore[assignment]  # the same fields and one more

    def summary(self) -> str:
        """Return the address and the device."""
        return super().summary().replace("INDI server", f"INDI driver {self.options.device}")

    def devices(self, names: list[str]) -> list[str]:
        """Return the one instance that is served."""
        return [name for name in names if name == self.options.device]
