"""Ask the kernel for five lines, and switch them."""

import time

import gpiod
from gpiod.line import Direction, Value
from stage import CHIP, request_lines

ROW = (4, 5, 6, 7, 8)
OUTPUT = gpiod.LineSettings(direction=Direction.OUTPUT)

with request_lines(CHIP, config={ROW: OUTPUT}, consumer="blinking") as lines:
    for _ in range(2):
        lines.set_values(dict.fromkeys(ROW, Value.ACTIVE))
        time.sleep(0.3)
        lines.set_values(dict.fromkeys(ROW, Value.INACTIVE))
        time.sleep(0.3)
