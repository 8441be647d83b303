"""The server: many devices, many clients, on a TCP port."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta

from core.errors import PortInUse
from core.options import Options as BaseOptions
from core.plumbing import Router, Transport
from core.transports.listening import Listener

INDI_PORT = 7624
Port = Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 lets the kernel choose one")]
Host = Annotated[str, Meta(description='name or address to listen on; "" stands for all of this machine')]
MaximumClients = Annotated[int, Meta(ge=1, description="how many clients may be connected at once")]


class Server(Transport):
    """Serve every device to INDI clients."""

    kind = "server"

    class Options(BaseOptions):
        """The options of `[transport.server]`."""

        host: Host = "localhost"
        port: Port = INDI_PORT
        maximum_clients: MaximumClients = 1000

    options: Options
    _listener: Listener | None = None

    def summary(self) -> str:
        """Return the address."""
        port = self._listener.port if self._listener is not None else self.options.port
        return f"INDI server on {self.options.host or '*'}:{port}"

    async def open(self, router: Router) -> None:
        """Listen; raise PortInUse with the holder's name."""
        options = self.options
        self._listener = Listener(router, options.host, options.port, maximum_clients=options.maximum_clients)

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._listener is None:
            raise PortInUse("the server has not been opened")
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Accept no more and close the connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
