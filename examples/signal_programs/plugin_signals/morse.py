"""Morse code, by ITU-R M.1677-1: a dash is three dots long, a pause between letters too, one between words seven."""

from __future__ import annotations

from collections.abc import Iterator

from core import ProgramError
from core import programs as p

from plugin_signals.leds import Leds

CODE = {
    "A": ".-", "B": "-...", "C": "-.-.", "D": "-..", "E": ".", "F": "..-.", "G": "--.", "H": "....", "I": "..",
    "J": ".---", "K": "-.-", "L": ".-..", "M": "--", "N": "-.", "O": "---", "P": ".--.", "Q": "--.-", "R": ".-.",
    "S": "...", "T": "-", "U": "..-", "V": "...-", "W": ".--", "X": "-..-", "Y": "-.--", "Z": "--..",
    "0": "-----", "1": ".----", "2": "..---", "3": "...--", "4": "....-", "5": ".....", "6": "-....", "7": "--...",
    "8": "---..", "9": "----.", ".": ".-.-.-", ",": "--..--", "?": "..--..", "/": "-..-.", "=": "-...-", "+": ".-.-.",
}  # fmt: skip
DOT, DASH, GAP, LETTER_GAP, WORD_GAP = 1, 3, 1, 3, 7
SECONDS_AT_ONE_WORD = 1.2
"""How long a dot is at a speed of one word a minute: the word PARIS is fifty dots long."""


@p.program
async def morse(leds: Leds, *, text: str = "SOS", speed: float = 8.0) -> None:
    """Signal `text` in Morse code with all LEDs, again and again, at `speed` words a minute."""
    if not 0.5 <= speed <= 60:
        raise ProgramError(f"speed is {speed:g}; 0.5 to 60 words a minute can be seen")
    dot = SECONDS_AT_ONE_WORD / speed
    steps = [
        p.any(p.on(leds.all), p.sleep(length * dot)) if lit else p.sleep(length * dot) for lit, length in lengths(text)
    ]
    await p.forever(p.sequence(steps))()


def lengths(text: str) -> Iterator[tuple[bool, int]]:
    """Yield lit and dark times of a text, in dots; raise ProgramError for one that cannot be signalled."""
    words = text.upper().split()
    if missing := sorted({letter for word in words for letter in word if letter not in CODE}):
        raise ProgramError(f"there is no Morse code for {' '.join(missing)}; letters, digits and . , ? / = + have one")
    if not words:
        raise ProgramError("text is empty; give at least one letter")
    for word in words:
        for at, letter in enumerate(word):
            for number, mark in enumerate(CODE[letter]):
                if number:
                    yield False, GAP
                yield True, DASH if mark == "-" else DOT
            yield False, WORD_GAP if at == len(word) - 1 else LETTER_GAP
