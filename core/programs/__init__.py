"""Programs: what lamps, relays and LEDs do, built from small parts.

Import the module, not its names (`from core import programs as p`): `all` and `any` would hide Python's own.

A program is a factory: calling it makes a fresh coroutine, so that it can be started any number of times. The
combinators take programs and return programs. They act on anything with `set(value: bool)`.
"""

from core.programs.combinators import all as all
from core.programs.combinators import any as any
from core.programs.combinators import blink, cycle, forever, on, repeat, sequence, sleep, walk
from core.programs.conditions import Pressable, choose, timeout, when
from core.programs.dimming import breathe, fade
from core.programs.outputs import Output, Outputs
from core.programs.program import Parameter, PreparedRun, Program, Startable, program

# `all` and `any` are left out, so that even `import *` hides nothing of Python's.
__all__ = [
    "Output",
    "Outputs",
    "Parameter",
    "PreparedRun",
    "Pressable",
    "Program",
    "Startable",
    "blink",
    "breathe",
    "choose",
    "cycle",
    "fade",
    "forever",
    "on",
    "program",
    "repeat",
    "sequence",
    "sleep",
    "timeout",
    "walk",
    "when",
]
