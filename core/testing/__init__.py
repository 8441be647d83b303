"""The test kit: a virtual clock, devices as drivers under test, simulated parts with assertions, faults on demand.

Its fixtures `clock` and `no_leaks` are found by pytest without an import. Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.client.errors import SetRefused
    from core.testing.bus_record import BusRecord, Transaction, assert_bus_at_rest
    from core.testing.driver_harness import DriverHarness, Heard
    from core.testing.faults import FaultyLink, Injection, failing
    from core.testing.server_and_client import Served, served_by, serving
    from core.testing.simulated_leds import Picture, SimulatedLeds, assert_shows, shown_on_lines
    from core.testing.virtual_clock import VirtualClock

_HOMES = {
    "core.client.errors": ("SetRefused",),
    "core.testing.bus_record": ("BusRecord", "Transaction", "assert_bus_at_rest"),
    "core.testing.driver_harness": ("DriverHarness", "Heard"),
    "core.testing.faults": ("FaultyLink", "Injection", "failing"),
    "core.testing.server_and_client": ("Served", "served_by", "serving"),
    "core.testing.simulated_leds": ("Picture", "SimulatedLeds", "assert_shows", "shown_on_lines"),
    "core.testing.virtual_clock": ("VirtualClock",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BusRecord",
    "DriverHarness",
    "FaultyLink",
    "Heard",
    "Injection",
    "Picture",
    "Served",
    "SetRefused",
    "SimulatedLeds",
    "Transaction",
    "VirtualClock",
    "assert_bus_at_rest",
    "assert_shows",
    "failing",
    "served_by",
    "serving",
    "shown_on_lines",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: pytest loads this package in every project that has `core` installed."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
