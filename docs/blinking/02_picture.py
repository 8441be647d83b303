"""Show pictures on 25 LEDs: one request, one call for each picture."""

import time

from gpiod.line import Value
from stage import CHIP, LEDS, OUTPUT, request_lines

FACE = ".X.X. .X.X. ..... X...X .XXX."
WINK = ".X... .X.XX ..... X...X .XXX."

with request_lines(CHIP, config={LEDS: OUTPUT}, consumer="blinking") as lines:
    for picture in (FACE, WINK, FACE):
        dots = picture.replace(" ", "")
        values = (Value.ACTIVE if dot == "X" else Value.INACTIVE for dot in dots)
        lines.set_values(dict(zip(LEDS, values, strict=True)))
        time.sleep(0.5)
