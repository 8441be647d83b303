"""The theatre of docs/blinking.md: the matrix of plugin-gpio-matrix, on the LEDs of the stage."""

import asyncio

from stage import CHIP, ROWS, draw

from core.instance import Instance
from plugin_gpio_matrix.matrix import GpioMatrix


async def on_matrix(program):
    """Run a program as `corectl run` does, and tell what it has cost."""
    matrix = GpioMatrix("panel", GpioMatrix.Options(chip=CHIP or "simulated", lines=[list(row) for row in ROWS]))
    matrix.offer({program.name: program})
    opened = asyncio.Event()
    matrix.observe(lambda event: opened.set() if event.kind == "opened" else None)
    if CHIP is None:
        matrix.on_frame(lambda: draw(matrix.picture()))
    life = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
    await opened.wait()
    run = await matrix.begin_program(program.name)
    await run.over.wait()
    print(f"{matrix.frames.calls} pictures, one call each")
    life.cancel()
    await asyncio.wait([life])
