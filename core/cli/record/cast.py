"""A film as an asciicast of version 2: a terminal session that `asciinema play` shows."""

from __future__ import annotations

import json

from core.cli.record.colours import led
from core.cli.record.film import Brightness, Film

BEGIN, END = "\x1b[?25l\x1b[2J", "\x1b[0m\x1b[?25h\r\n"


def cast(film: Film) -> bytes:
    """Return the file."""
    rows, columns = film.size
    header = {"version": 2, "width": 2 * columns + 1, "height": rows + 1, "duration": film.seconds, "title": film.title}
    lines = [json.dumps(header, ensure_ascii=False)]
    for number, (start, picture) in enumerate(film.pictures):
        lines.append(_event(start, (BEGIN if number == 0 else "") + "\x1b[H" + _drawn(picture)))
    lines.append(_event(film.seconds, END))
    return ("\n".join(lines) + "\n").encode()


def _event(second: float, text: str) -> str:
    return json.dumps([round(second, 6), "o", text], ensure_ascii=False)


def _drawn(picture: Brightness) -> str:
    lines = []
    for row in picture:
        line, before = "", None
        for level in row:
            if level is not None and level != before:
                line += "\x1b[38;2;{};{};{}m".format(*led(level))
                before = level
            line += "● " if level is not None else "  "
        lines.append(" " + line.rstrip())
    return "\r\n".join(lines)
