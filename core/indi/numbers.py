"""Numbers as INDI writes them: decimal or sexagesimal, in printf's formats and its own `%m`."""

from __future__ import annotations

import math
import re

from core.errors import ProtocolError

LONGEST = 100
"""How many characters a number may have; no float needs more."""

# No digit may be taken by two parts of an expression: it would be tried both ways, and digits are what attackers send.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DECIMAL_MEMBER = re.compile(rb"[ \t\r\n]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r\n]*")
_SEXAGESIMAL = re.compile(
    r"([+-]?)([0-9]+)(?:\s*[:;]\s*|\s+)([0-9]+(?:\.[0-9]*)?)(?:(?:\s*[:;]\s*|\s+)([0-9]+(?:\.[0-9]*)?))?"
)
_FORMAT = re.compile(r"%([-+ 0#]*)([0-9]*)(?:\.([0-9]+))?(?:hh|h|ll|l|L)?([diouxXeEfFgGm])")
LARGEST_SEXAGESIMAL = 1e9

_FRACTIONS = {9: 360000, 8: 36000, 6: 3600, 5: 600}


def parse_number(text: str) -> float:
    """Return the number that `text` writes, "12.5" or "12:30:00" (also with `;` or spaces).

    Raises ProtocolError for anything else, NaN and infinities included.
    """
    stripped = text.strip()
    if len(stripped) > LONGEST:
        raise ProtocolError(f"{stripped[:40]!r}... is too long for a number")
    if _DECIMAL.fullmatch(stripped):
        number = float(stripped)
        if math.isinf(number):
            raise ProtocolError(f"{stripped[:40]} is too large for a number")
        return number
    parts = _SEXAGESIMAL.fullmatch(stripped)
    if parts is None:
        raise ProtocolError(f"{stripped[:40]!r} is not a number")
    sign, whole, minutes, seconds = parts.groups()
    number = float(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
    return -number if sign == "-" else number


def read_number(raw: bytes) -> float:
    """Return the number that the text of a member writes, as `parse_number` does, sooner where it is decimal."""
    if len(raw) <= LONGEST and _DECIMAL_MEMBER.fullmatch(raw):
        number = float(raw)
        if math.isfinite(number):
            return number
    return parse_number(raw.decode())


def format_number(value: float, form: str) -> str:
    """Return `value` in a printf format or in `%<width>.<fraction>m`; an unusable format counts as `%.17g`.

    The fraction of `%m` is 9 for :mm:ss.ss, 8 for :mm:ss.s, 6 for :mm:ss, 5 for :mm.m, anything else for :mm. The
    value is rounded before it is split, so that 1.99999999 is 2:00:00.
    """
    parts = _FORMAT.fullmatch(form.strip())
    if parts is None:
        return f"{value:.17g}"
    flags, width, fraction, conversion = parts.groups()
    if conversion == "m":
        if abs(value) > LARGEST_SEXAGESIMAL:
            return f"{value:.17g}"
        return _sexagesimal(value, int(width or 0), int(fraction or 0))
    precision = "" if fraction is None else f".{fraction}"
    number: float | int = round(value) if conversion in "diouxX" else value
    return f"%{flags}{width}{precision}{conversion}" % number


def _sexagesimal(value: float, width: int, fraction: int) -> str:
    base = _FRACTIONS.get(fraction, 60)
    whole, part = divmod(int(abs(value) * base + 0.5), base)
    sign = "-" if value < 0 and (whole or part) else ""
    head = f"{sign}{whole}".rjust(max(width - fraction, 0))
    if base == 60:
        return f"{head}:{part:02d}"
    if base == 600:
        return f"{head}:{part // 10:02d}.{part % 10}"
    unit = base // 3600  # how many parts a second has: 1, 10 or 100
    minutes, rest = divmod(part, 60 * unit)
    seconds, rest = divmod(rest, unit)
    tail = "" if unit == 1 else f".{rest:0{len(str(unit)) - 1}d}"
    return f"{head}:{minutes:02d}:{seconds:02d}{tail}"
