"""The code blocks of a page, with what the comments before them say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

BLOCK = re.compile(
    r"(?P<comments>(?:^[ ]*<!-- [^\n]* -->\n+)*)"
    r"^(?P<indent>[ ]*)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.DOTALL | re.MULTILINE,
)
COMMENT = re.compile(r"<!-- (file|goes on|ends|fails|not run)(?:: (.*?))? -->")
NEEDS_WORDS = ("file", "goes on", "not run")


@dataclass(frozen=True)
class Block:
    """Be one block; `place` is its page and line."""

    place: str
    language: str
    text: str
    says: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Return the commands of a console block, each with the lines that it must say."""
        found: list[tuple[str, list[str]]] = []
        continued = False
        for line in self.text.splitlines():
            if continued and found:
                found[-1] = (found[-1][0] + "\n" + line.removeprefix("> "), [])
            elif line.startswith("$ "):
                found.append((line[2:], []))
            elif found:
                found[-1][1].append(line)
            continued = line.endswith("\\")
        return found


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = page.read_text()
    name = str(page.relative_to(ROOT))
    found = []
    for match in BLOCK.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in match["text"].splitlines(keepends=True))
        place = f"{name}:{text.count(chr(10), 0, match.start('language')) + 1}"
        says = {key: words or "" for key, words in COMMENT.findall(match["comments"])}
        wordless = [key for key in NEEDS_WORDS if key in says and not says[key]]
        assert not wordless, f"{place}: <!-- {wordless[0]} --> needs words after a colon"
        found.append(Block(place, match["language"].split(" ")[0], body, says))
    return found


def pages() -> list[Path]:
    """Return README, that of gpio-matrix and every page of the documentation."""
    plugin = ROOT / "plugins" / "gpio_matrix" / "README.md"
    return [ROOT / "README.md", plugin, *sorted((ROOT / "docs").rglob("*.md"))]
