"""A film as an animated GIF; Pillow, of the extra `core[record]`, makes it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from core.cli.record.colours import BOARD, led
from core.cli.record.film import LEVELS, Brightness, Film
from core.errors import PluginMissing

if TYPE_CHECKING:
    from PIL.Image import Image

PITCH, RADIUS, MARGIN = 24, 9, 6
FINER = 4
"""How many times larger LEDs are drawn than they are shown, for their smooth edges."""
STEPS = 16
"""How many colours there are from the board to an LED of one brightness; with LEVELS they fill the palette."""


def require_pillow() -> None:
    """Raise PluginMissing with the cure where Pillow is not installed."""
    try:
        import PIL.Image  # noqa: F401 - whether it can be
    except ImportError as error:
        raise PluginMissing(
            f"a GIF needs Pillow, which cannot be imported ({error}); pip install 'core[record]', or record a .svg"
        ) from error


def gif(film: Film) -> bytes:
    """Return the file, which Pillow makes."""
    leds = [_led(level) for level in range(LEVELS)]
    pictures = [_drawn(picture, film.size, leds) for _, picture in film.pictures]
    lasts = [round((end - start) * 1000) for end, (start, _) in zip(film.ends(), film.pictures, strict=True)]
    target = io.BytesIO()
    pictures[0].save(
        target, format="GIF", save_all=True, append_images=pictures[1:], duration=lasts, loop=0, optimize=False
    )
    return target.getvalue()


def _palette() -> list[int]:
    """Return red, green and blue of every colour, that of a brightness and step at `level * STEPS + step`."""
    return [
        round(board + (full - board) * step / (STEPS - 1))
        for level in range(LEVELS)
        for step in range(STEPS)
        for board, full in zip(BOARD, led(level), strict=True)
    ]


def _led(level: int) -> Image:
    """Return an LED as places in the palette."""
    from PIL import Image, ImageDraw

    size, middle, edge = PITCH * FINER, PITCH * FINER // 2, RADIUS * FINER
    disc = Image.new("L", (size, size), 0)
    ImageDraw.Draw(disc).ellipse((middle - edge, middle - edge, middle + edge, middle + edge), fill=255)
    small = disc.resize((PITCH, PITCH), Image.Resampling.BOX)
    return small.point([level * STEPS + round(covered / 255 * (STEPS - 1)) for covered in range(256)])


def _drawn(picture: Brightness, size: tuple[int, int], leds: list[Image]) -> Image:
    from PIL import Image

    rows, columns = size
    image = Image.new("L", (columns * PITCH + 2 * MARGIN, rows * PITCH + 2 * MARGIN), 0)
    for row, line in enumerate(picture):
        for column, level in enumerate(line):
            if level is not None:
                image.paste(leds[level], (MARGIN + column * PITCH, MARGIN + row * PITCH))
    image.putpalette(_palette())
    return image
