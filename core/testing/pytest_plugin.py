"""The fixtures that pytest loads by the entry point `pytest11`."""

from __future__ import annotations

import pytest

from core.testing.virtual_clock import VirtualClock

__all__ = ["clock"]


@pytest.fixture
def clock() -> VirtualClock:
    """Give a virtual clock: `clock.run(coroutine)` runs it on a loop whose time passes by itself."""
    return VirtualClock()
