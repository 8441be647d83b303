"""Every code block of README and docs runs."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest

from tests.documents.blocks import ROOT, Block, blocks_of, pages
from tests.documents.shell import Shell, has_networks
from tests.documents.story import assert_said, look_at, tell
from tests.empty_environment import COMPLETE

pytestmark = pytest.mark.system
PAGES = [page for page in pages() if blocks_of(page)]


@pytest.fixture
def new_shell() -> Iterator[Callable[..., Shell]]:
    """Return a function that makes a shell; all that was typed into it has ended afterwards."""
    if not has_networks():
        pytest.skip("no network of its own can be had here: unshare --map-root-user --net fails")
    made: list[Shell] = []

    def make(**arguments: bool) -> Shell:
        # A short path, because the names of sockets are short.
        made.append(Shell(Path(tempfile.mkdtemp(prefix="story-")), **arguments))
        return made[-1]

    yield make
    for shell in made:
        shell.close()
        shutil.rmtree(shell.folder)


@pytest.fixture
def shell(new_shell: Callable[..., Shell]) -> Shell:
    return new_shell()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page(page: Path, new_shell: Callable[..., Shell]) -> None:
    blocks = blocks_of(page)
    typed = "\n".join(one.text for one in blocks if one.language == "console" and "not run" not in one.says)
    missing = [
        name for name in set(re.findall(r"\bindi_(?:get|set|eval)prop\b|\bindiserver\b", typed)) if not which(name)
    ]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian: apt-get install indi-bin)")
    installs = "pip install" in typed
    if installs and not COMPLETE.exists():
        pytest.skip(f"no {COMPLETE.name} in build/wheelhouse: make test fills it")
    tell(blocks, new_shell(empty=installs))


def test_a_block_that_fails_is_named(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)page.md:7: exit status 1:.*ZeroDivisionError.*not run: REASON"):
        tell([Block("page.md:7", "python", "1 / 0\n")], shell)
    with pytest.raises(AssertionError, match=r"page.md:9: exit status 2"):
        tell([Block("page.md:9", "console", "$ corectl run --prot 1\n")], shell)


def test_what_a_command_says_is_compared() -> None:
    block = Block("page.md:1", "console", "$ corectl --version\n...\n")
    assert_said(block, "it", ["corectl ...", "and ... more"], "\ncorectl 1.0\nand much\nmuch more\n")
    with pytest.raises(AssertionError, match=r"page.md:1: it shows\none\nbut said\ntwo"):
        assert_said(block, "it", ["one"], "two")


@pytest.mark.parametrize("command", ["corectl rum", "sudo corectl run --prot 1", "corectl program begin x"])
def test_what_is_not_run_is_looked_at(command: str) -> None:
    with pytest.raises(AssertionError, match=r"page.md:1"):
        look_at(Block("page.md:1", "console", f"$ {command}\n"))
