"""docs/indi.md: each weakness of others has a test of ours that exists, and the tables are whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from core.indi.frame import MAXIMUM_REFERENCES
from core.indi.framing import MAXIMUM_ATTRIBUTES, MAXIMUM_DEPTH, MAXIMUM_MARKUP, MAXIMUM_SIZE
from core.plumbing.interest import LONGEST_NAMES, MAXIMUM_NAMES
from core.plumbing.memory import MAXIMUM_UNFINISHED
from core.transports.limits import DEFAULTS
from core.transports.server import Server

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "indi.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its own two lines."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if "|---" not in line]


def test_each_weakness_has_its_test() -> None:
    weaknesses = rows("What others suffer from, and our test of it")[1:]
    assert len(weaknesses) >= 35
    for weakness, seen_in, test in weaknesses:
        assert weakness
        assert seen_in
        path, name = test.strip("`").split("::")
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in functions, f"{weakness}: there is no {test}"


def test_every_feature_says_what_core_does() -> None:
    head, *features = rows("Side by side")
    assert head[-1] == "core"
    assert len(features) >= 25
    for row in features:
        assert len(row) == len(head), row
        assert row[-1], row


def test_the_limits_are_those_of_the_code() -> None:
    said = {re.findall(r"`(\w+)`", option)[0]: default for option, default, *_ in rows("Limits")[1:]}
    options = Server.Options()
    assert said["maximum_clients"] == str(options.maximum_clients)
    assert said["maximum_blob"] == f"{options.maximum_blob >> 30} GiB"
    for name in ("pending_messages", "pending_blobs", "pending_streams"):
        assert said[name] == f"{getattr(options, name) >> 20} MiB"
    assert said["write_deadline"] == f"{DEFAULTS.write_deadline:g} s"


def test_the_limits_that_cannot_be_set_are_those_of_the_code() -> None:
    for said in (
        f"{MAXIMUM_SIZE >> 20} MiB for a message",
        f"{MAXIMUM_DEPTH} levels of nesting",
        f"{MAXIMUM_ATTRIBUTES} attributes",
        f"{MAXIMUM_MARKUP:,} members",
        f"{MAXIMUM_REFERENCES:,} references",
        f"names of {LONGEST_NAMES} characters",
        f"{MAXIMUM_NAMES:,} devices and properties that one client names",
        f"{DEFAULTS.maximum_devices:,} devices and {DEFAULTS.maximum_properties:,} properties of one driver",
        f"{MAXIMUM_UNFINISHED >> 20} MiB for unfinished messages",
    ):
        assert said in " ".join(PAGE.split()), said
