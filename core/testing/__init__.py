"""The test kit: a virtual clock, and fixtures that pytest finds by itself."""

from core.testing.virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
