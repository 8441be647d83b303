"""The port: one device listens by itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from core.options import Options as BaseOptions
from core.transports.limits import (
    DEFAULTS,
    MaximumBlob,
    MaximumClients,
    PendingBlobs,
    PendingMessages,
    PendingStreams,
    WriteDeadline,
)
from core.transports.server import INDI_PORT, Host, Server, UnixSocket
from core.transports.server import Port as PortNumber


class Port(Server):
    """Serve one device, and no other, on a port of its own."""

    kind = "port"

    class Options(BaseOptions):
        """The options of `[transport.<name>]` with `type = "port"`."""

        device: Annotated[str, Meta(description="name of the instance that is served; left out, the only one")]
        host: Host = "localhost"
        port: PortNumber = INDI_PORT
        socket: UnixSocket = ""
        maximum_clients: MaximumClients = 1000
        maximum_blob: MaximumBlob = DEFAULTS.maximum_blob
        pending_messages: PendingMessages = DEFAULTS.maximum_pending
        pending_blobs: PendingBlobs = DEFAULTS.blob_pending
        pending_streams: PendingStreams = DEFAULTS.stream_pending
        write_deadline: WriteDeadline = DEFAULTS.write_deadline

    options: Options  # type: ignore[assignment]  # the same fields and one more

    def summary(self) -> str:
        """Return the address and the device."""
        return super().summary().replace("INDI server", f"INDI driver {self.options.device}")

    def visible(self) -> tuple[str, ...] | None:
        """Return the one device that is served."""
        return (self.options.device,)
