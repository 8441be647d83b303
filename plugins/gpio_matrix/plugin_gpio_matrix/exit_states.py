"""What each LED is left in at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

__all__ = ["ExitState", "ExitStates", "exit_states"]

ExitState = Literal["off", "on", "keep"]

ExitStates = ExitState | dict[str, ExitState]
"""One for all LEDs, or some by the LED's name with "all" for the rest."""

REST = "all"


def exit_states(given: ExitStates, names: Sequence[str]) -> Mapping[str, ExitState]:
    """Return the exit state of each LED by its name; raise ValueError for the name of none."""
    if isinstance(given, str):
        return dict.fromkeys(names, given)
    if unknown := sorted(given.keys() - {REST, *names}):
        raise ValueError(
            f"exit_state: there is no LED {', '.join(map(repr, unknown))}; LEDs are {names[0]} to {names[-1]}, "
            f'and "{REST}" is for those that are not named'
        )
    return {name: given.get(name, given.get(REST, "off")) for name in names}
