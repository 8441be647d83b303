"""The programs on simulated LEDs, in virtual time."""

from __future__ import annotations

import itertools

import pytest
from core import ProgramError
from core.testing import DriverHarness, SimulatedLeds, VirtualClock

from plugin_signals.morse import lengths, morse
from plugin_signals.programs import count, scanner, siren

pytestmark = pytest.mark.usefixtures("no_leaks")
PROGRAMS = [morse, scanner, count, siren]


def code(text: str) -> str:
    return "".join(("=" if lit else ".") * length for lit, length in lengths(text))


def test_morse_code() -> None:
    assert code("sos") == "=.=.=...===.===.===...=.=.=......."
    assert len(code("PARIS")) == 50
    assert code("E T") == "=.......===......."


@pytest.mark.parametrize(("text", "said"), [("é", "no Morse code for É"), (" ", "text is empty")])
def test_what_cannot_be_signalled(text: str, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        code(text)


async def test_it_is_signalled_in_time(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=2)
    async with DriverHarness(leds, programs=PROGRAMS) as driver:
        await driver.set("program", morse=True)
        await driver.delay(6)
    shown = leds.history
    lit = [later.seconds - one.seconds for one, later in itertools.pairwise(shown) if one.rows == ("XX",)]
    dot = 1.2 / 8
    assert [round(seconds / dot) for seconds in lit[:9]] == [1, 1, 1, 3, 3, 3, 1, 1, 1]


async def test_the_scanner_turns_at_both_ends(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=4)
    async with DriverHarness(leds, programs=PROGRAMS) as driver:
        await driver.set("program", scanner=True)
        await driver.delay(1)
        leds.assert_showed("X...", ".X..", "..X.", "...X", "..X.", ".X..", "X...", ".X..")


async def test_counting(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=2)
    async with DriverHarness(leds, programs=PROGRAMS) as driver:
        await driver.set("program", count=True)
        await driver.delay(3)
        leds.assert_showed(".X", "X.", "XX", "..", ".X")
        await driver.set("program", none=True)
        leds.assert_shows("..")


async def test_the_siren(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=5)
    async with DriverHarness(leds, programs=PROGRAMS) as driver:
        await driver.set("program", siren=True)
        await driver.delay(2)
        leds.assert_showed("XX...", ".....", "XX...", ".....", "...XX", ".....", "...XX", ".....", "XX...")
