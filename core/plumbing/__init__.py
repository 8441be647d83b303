"""The queues between transports and devices: connections, the router, and one driver for each device."""

from core.plumbing.channel import Channel
from core.plumbing.connection import Connection
from core.plumbing.driver import DeviceDriver
from core.plumbing.outbox import PeerLimits
from core.plumbing.router import Router
from core.plumbing.transport import Transport

__all__ = ["Channel", "Connection", "DeviceDriver", "PeerLimits", "Router", "Transport"]
