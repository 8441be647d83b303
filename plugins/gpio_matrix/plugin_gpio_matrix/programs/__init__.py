"""The blink programs, each a small composition; one subject a file."""

from plugin_gpio_matrix.programs.blinking import blink_cols, blink_rows, breathe, cross, heartbeat, matrix_on_off
from plugin_gpio_matrix.programs.faces import mickey, smiley
from plugin_gpio_matrix.programs.life import game_of_life
from plugin_gpio_matrix.programs.nice_pattern import the_nice_pattern
from plugin_gpio_matrix.programs.rain import raindrops
from plugin_gpio_matrix.programs.sweeping import all_directions, kaa, squares
from plugin_gpio_matrix.programs.texts import clock, scroll_text
from plugin_gpio_matrix.programs.winding import kaa_spiral, mad_spiral, mad_spiral_until_left_button, spiral

PROGRAMS = (
    heartbeat,
    spiral,
    blink_rows,
    blink_cols,
    cross,
    matrix_on_off,
    breathe,
    mad_spiral,
    mad_spiral_until_left_button,
    kaa_spiral,
    squares,
    kaa,
    all_directions,
    raindrops,
    smiley,
    mickey,
    the_nice_pattern,
    game_of_life,
    scroll_text,
    clock,
)
"""Every program, those that go together beside each other."""

__all__ = ["PROGRAMS", *(program.name for program in PROGRAMS)]
