"""Draw docs/gallery.md and a moving picture of every program of gpio-matrix, by `corectl record`.

Usage: draw_gallery.py [DOCS]; DOCS is the folder docs if left out.
"""

import sys
from pathlib import Path

from core.cli import cli
from core.plugins import discover
from core.programs import Program

DOCS = Path(__file__).parent.parent / "docs"
PLUGIN = "gpio-matrix"
SECONDS = {"scroll_text": 6, "clock": 8, "game_of_life": 6, "the_nice_pattern": 6, "smiley": 8}
"""How long the recordings are where 4 s show too little."""
LARGE = {"scroll_text": (5, 16), "clock": (5, 16), "game_of_life": (8, 12)}
"""Rows and columns of the matrix where 5x5 shows too little."""
SAME_EVERY_TIME = {"seed": "1", "start": "12:34"}
HEAD = """# Gallery

Every program of `gpio-matrix`, its first seconds as [`corectl record`](reference/commands.md) draws them on the virtual
clock, in an instant: `corectl record kaa kaa.svg`. With `.gif` it writes a GIF (that needs `pip install
'core[record]'`), with `.cast` an asciicast for `asciinema play`. `tools/draw_gallery.py` makes this page.

| program | its first seconds | what it does |
|---|---|---|
"""


def programs() -> dict[str, Program]:
    """Return the programs of the plugin by name, in the order of the alphabet."""
    plugins = discover()
    names = [name for record in plugins.records if record.name == PLUGIN for name in record.registers["programs"]]
    return {name: plugins.programs[name] for name in sorted(names)}


def command(program: Program, out: Path) -> list[str]:
    """Return the words after `corectl` that record a program."""
    words = ["record", program.name, str(out), "--seconds", str(SECONDS.get(program.name, 4))]
    if program.name in LARGE:
        rows, columns = LARGE[program.name]
        lines = [list(range(row * columns, (row + 1) * columns)) for row in range(rows)]
        words += ["--option", f"lines={lines}"]
    settings = {parameter.name for parameter in program.parameters}
    for name, value in SAME_EVERY_TIME.items():
        # The start of the game of life is a picture, and chance with a seed shows more.
        if name in settings and not (name == "start" and "seed" in settings):
            words.append(f"{name}={value}")
    return words


def main() -> None:
    """Write the page and its pictures."""
    docs = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    gallery = docs / "gallery"
    gallery.mkdir(parents=True, exist_ok=True)
    page = HEAD
    for name, program in programs().items():
        cli.main(command(program, gallery / f"{name}.svg"), prog_name="corectl", standalone_mode=False)
        told = program.description.replace("|", r"\|")
        page += f"| `{name}` | ![{name}](gallery/{name}.svg) | {told} |\n"
    for picture in gallery.glob("*.svg"):
        if picture.stem not in programs():
            picture.unlink()
    (docs / "gallery.md").write_text(page)


if __name__ == "__main__":
    main()
