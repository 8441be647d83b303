"""The commands of balances that speak MT-SICS: lines of ASCII, each answered by one line that ends with CR and LF.

Source: the reference manual "MT-SICS Interface Commands", level 0: `SI` (weight now), `Z` (set to zero); level 1: `T`
(tare).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

WEIGH, ZERO, TARE = "SI", "Z", "T"
END = b"\r\n"
LONGEST_ANSWER = 64

WEIGHT = re.compile(r"S (?P<mark>[SD]) +(?P<value>-?[0-9]+(?:\.[0-9]+)?) (?P<unit>g|kg|mg)")
GRAMS = {"mg": 0.001, "g": 1.0, "kg": 1000.0}
REFUSALS = {"I": "it is busy; try again", "+": "there is too much on it", "-": "the pan is not on it", "L": "it cannot"}


class NoAnswerError(ValueError):
    """The balance has said nothing that makes sense."""


class RefusedError(ValueError):
    """The balance has said why it does not."""


@dataclass(frozen=True)
class Weight:
    """Be what the balance shows: grams, and whether it has settled."""

    grams: float
    stable: bool


def read_weight(answer: str) -> Weight:
    """Return the weight that an answer to WEIGH tells; raise RefusedError or NoAnswerError."""
    if found := WEIGHT.fullmatch(answer):
        return Weight(float(found["value"]) * GRAMS[found["unit"]], found["mark"] == "S")
    raise _error(answer, "S")


def check_done(command: Literal["Z", "T"], answer: str) -> None:
    """Return if the balance has done what `command` says; raise RefusedError or NoAnswerError."""
    # T tells what the tare is now.
    if not re.fullmatch(rf"{command} (A|S +-?[0-9.]+ g)", answer):
        raise _error(answer, command)


def _error(answer: str, command: str) -> ValueError:
    mark = answer.removeprefix(f"{command} ")
    if mark != answer and mark in REFUSALS:
        return RefusedError(REFUSALS[mark])
    return NoAnswerError(
        f"the balance says {answer!r}, which is no answer to {command}" if answer else "it says nothing"
    )
