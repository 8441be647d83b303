"""Draw docs/matrix.svg: what the terminal shows of a run, a moment of the program spiral.

Usage: draw_readme_picture.py docs/matrix.svg
"""

import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from core.app import App
from core.assembly import assemble
from core.cli.live import LiveScreen
from core.config import parse
from core.plugins import discover
from core.testing import VirtualClock

DOCUMENT = {
    "device": {"matrix": {"plugin": "gpio-matrix"}},
    "program": {"spiral": {"device": "matrix"}},
}
MOMENT = 0.5
"""Seconds after the start."""

# Rich's own form fetches a font from the network; this one takes the reader's.
FORM = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


async def picture(console: Console) -> None:
    """Print the view of a moment on `console`."""
    plugins = discover()
    app = App(assemble(parse(DOCUMENT), plugins), plugins, say=lambda _: None)
    running = asyncio.create_task(app.serve())
    await asyncio.sleep(MOMENT)
    console.print("no GPIO chip here: using the simulated 5x5 matrix")
    console.print("INDI server on localhost:7624", highlight=False)
    console.print(LiveScreen().draw(app))
    app.stop()
    await running


def main() -> None:
    """Write the picture to the path that is named."""
    console = Console(record=True, width=78, file=sys.stderr)
    VirtualClock().run(picture(console))
    svg = console.export_svg(title="corectl run", theme=MONOKAI, code_format=FORM, unique_id="matrix")
    Path(sys.argv[1]).write_text(svg)


if __name__ == "__main__":
    main()
