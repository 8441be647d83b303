"""The theatre of docs/blinking.md: the matrix of plugin-gpio-matrix, on the LEDs of the stage."""

from stage import CHIP, ROWS, draw

from core.testing import DriverHarness
from plugin_gpio_matrix.matrix import GpioMatrix


async def on_matrix(program):
    """Run a program as `corectl run` does, and tell what it has cost."""
    matrix = GpioMatrix("panel", GpioMatrix.Options(chip=CHIP or "simulated", lines=[list(row) for row in ROWS]))
    async with DriverHarness(matrix, programs=[program]):
        if CHIP is None:
            matrix.on_frame(lambda: draw(matrix.picture()))
        run = await matrix.begin_program(program.name)
        await run.over.wait()
        print(f"{matrix.frames.calls} pictures, one call each")
