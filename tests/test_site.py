"""The site: it builds without a warning, has all that users can name, and fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

import core
import core.programs
import core.testing
from core import hookspecs
from core.cli import OWN_COMMANDS, cli
from core.config import described
from core.late_class import loaded
from core.plugins import discover

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = ("core", "plugin-gpio-matrix", "plugin-spi-sensor")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Page(HTMLParser):
    """Keep what a page has: its anchors, its text, and the addresses that a browser fetches by itself."""

    FETCHED = (("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"))

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.fetched: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if (tag, name) in self.FETCHED and value:
                self.fetched.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


def command_paths(command: click.Command, context: click.Context) -> Iterator[str]:
    yield context.command_path
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from command_paths(inner, click.Context(inner, info_name=name, parent=context))


def test_every_command_and_option_is_told(site: Path) -> None:
    text = Page(site / "reference/commands.html").text
    context = click.Context(cli, info_name="corectl")
    for name in OWN_COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        for path in command_paths(command, click.Context(command, info_name=name, parent=context)):
            assert path in text
        for parameter in command.params:
            assert all(option in text for option in parameter.opts if option.startswith("-")), (name, parameter.opts)


def test_every_hook_is_told(site: Path) -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("core_")]
    assert len(hooks) >= 7
    assert [name for name in hooks if f"core.hookspecs.{name}" not in Page(site / "reference/hooks.html").anchors] == []


@pytest.mark.parametrize(("page", "module"), [("python", core), ("programs", core.programs), ("testing", core.testing)])
def test_every_public_name_is_told(site: Path, page: str, module: object) -> None:
    told = Page(site / f"reference/{page}.html").anchors
    prefix = getattr(module, "__name__", "")
    names = {f"{prefix}.{name}" for name in getattr(module, "__all__", ())} - {"core.programs", "core.__version__"}
    assert len(names) > 10
    assert sorted(names - told) == []


def test_every_option_of_core_toml_is_told(site: Path) -> None:
    text = Page(site / "reference/configuration.html").text
    told = 0
    for record in discover().records:
        if record.distribution in DISTRIBUTIONS:
            for late in (*record.parts["devices"].values(), *record.parts["transports"].values()):
                for name, description, _ in described(loaded(late).Options):
                    assert re.search(rf"\b{name}\b", text), (record.name, name)
                    first = description.split("`")[0][:40]
                    assert first in text, (record.name, name, first)
                    told += 1
    assert told > 30


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for path in pages:
        page = Page(path)
        elsewhere = [address for address in page.fetched if re.match(r"(https?:)?//", address)]
        assert elsewhere == [], path
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text()), path


def test_every_page_of_the_documentation_is_in_it(site: Path) -> None:
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    home = (site / "index.html").read_text()
    assert sources
    assert [str(one) for one in sources if f'href="{one.with_suffix(".html")}"' not in home] == []


def test_the_picture_names_what_there_is() -> None:
    named = re.findall(r">(core/[\w/]+\.py)<", (ROOT / "docs/way-of-a-value.svg").read_text())
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_each_decision_says_why_and_what_instead() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. "), path
        parts = ("Situation.", "Decision.", "Instead of", "Consequences.")
        assert [part for part in parts if f"**{part}**" not in text] == [], path
