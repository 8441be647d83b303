"""The programs that need no table: a scanner, a counter, a siren."""

from __future__ import annotations

from core import programs as p

from plugin_signals.leds import Leds


@p.program
async def scanner(leds: Leds, *, interval: float = 0.08) -> None:
    """Let a column of light run from side to side."""
    there = list(leds.columns)
    # The columns at both ends are lit once each time round.
    await p.forever(p.walk([*there, *there[-2:0:-1]], interval))()


@p.program
async def count(leds: Leds, *, interval: float = 0.5, limit: int = 0) -> None:
    """Count in binary, the last LED being the ones; to `limit` or, if that is 0, as far as the LEDs reach."""
    places = len(leds.all)
    highest = min(limit, 2**places - 1) if limit > 0 else 2**places - 1
    number = 0
    try:
        while True:
            for place in range(places):
                leds.all[places - 1 - place].set(bool(number >> place & 1))
            await p.sleep(interval)()
            number = number + 1 if number < highest else 0
    finally:
        leds.all.set(False)


@p.program
async def siren(leds: Leds, *, interval: float = 0.25) -> None:
    """Flash the left half and the right half in turn, twice each."""
    there = list(leds.columns)
    left, right = there[: len(there) // 2], there[(len(there) + 1) // 2 :]
    await p.forever(p.sequence(p.blink(left, interval / 2, 2), p.blink(right, interval / 2, 2)))()
