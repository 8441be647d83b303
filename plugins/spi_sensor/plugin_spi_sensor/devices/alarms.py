"""Alarm limits: which lights change with a reading, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

from core import Number
from core.properties import State

__all__ = ["changed", "sentence", "state_of"]


def changed(
    reading: Mapping[str, float],
    limits: Mapping[str, float],
    members: Mapping[str, Number],
    lights: Mapping[str, State],
) -> dict[str, State]:
    """Return the lights that change: Alert beyond a quantity's limits, Ok within, Idle where it has none.

    `limits` and `members` have `<quantity>_low` and `<quantity>_high`; a limit at its member's end is none.
    """
    found: dict[str, State] = {}
    for name, value in reading.items():
        low, high = limits[f"{name}_low"], limits[f"{name}_high"]
        state: State = "Ok"
        if not low <= value <= high:
            state = "Alert"
        if low <= members[f"{name}_low"].min and high >= members[f"{name}_high"].max:
            state = "Idle"
        if lights[name] != state:
            found[name] = state
    return found


def state_of(lights: Mapping[str, State]) -> State:
    """Return the state of all lights together: Alert before Ok before Idle."""
    states = lights.values()
    return "Alert" if "Alert" in states else "Ok" if "Ok" in states else "Idle"


def sentence(name: str, member: Number, value: float, limits: Mapping[str, float]) -> str:
    """Return what is wrong with a quantity that is beyond its limits."""
    way, limit = "above", limits[f"{name}_high"]
    if value < limits[f"{name}_low"]:
        way, limit = "below", limits[f"{name}_low"]
    unit = f" {member.unit}" if member.unit else ""
    return f"{name} is {member.format % value}{unit}, {way} {member.format % limit}"
