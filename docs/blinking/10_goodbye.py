"""A program for everybody: with a name, a description and settings, on any matrix."""

from theatre import on_matrix

from core import hookimpl, run
from core import programs as p
from plugin_gpio_matrix.layout import Matrix

core_api = 1

EYES = (".X.X.", ".X.X.", ".....", ".....", ".....")
MOUTHS = (
    (".....", ".....", ".....", "X...X", ".XXX."),
    (".....", ".....", ".....", ".....", "XXXXX"),
    (".....", ".....", ".....", ".XXX.", "X...X"),
)


@p.program
async def goodbye(matrix: Matrix, *, seconds: float = 1.0):
    """Look happy, then serious, then sad, with eyes that blink; everything goes dark at the end."""
    eyes = p.forever(p.sequence(p.timeout(p.on(matrix.drawn(EYES)), 0.8 * seconds), p.sleep(0.2 * seconds)))
    mouth = p.walk([matrix.drawn(one) for one in MOUTHS], seconds)
    await p.any(eyes, mouth)()


@hookimpl
def core_register_programs():
    """Return the programs of this plugin."""
    return [goodbye]


async def main():
    """Run it by itself."""
    await on_matrix(goodbye)


if __name__ == "__main__":
    run(main())
