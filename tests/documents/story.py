"""A page, told block by block."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterable

import click

from core.assembly import assemble
from core.cli import cli
from core.config import parse
from core.plugins import discover
from tests.documents.blocks import Block
from tests.documents.shell import Shell

HINT = "\nIf it cannot be tried here, say so before it: <!-- not run: REASON -->; see tests/documents/__init__.py"


def tell(blocks: Iterable[Block], shell: Shell) -> None:
    """Try every block; fail with its place."""
    for number, block in enumerate(blocks):
        if "ends" in block.says:
            shell.end()
        if "not run" in block.says:
            look_at(block)
        elif (name := block.says.get("file")) is not None:
            path = shell.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            if path.suffix == ".py":
                compile(block.text, block.place, "exec")
        else:
            _try(block, shell, number)
    shell.end()


def _try(block: Block, shell: Shell, number: int) -> None:
    match block.language:
        case "console":
            _type(block, shell)
        case "python":
            tests = "def test_" in block.text
            file = shell.folder / f"{'test_' if tests else ''}block_{number}.py"
            file.write_text(block.text)
            _check(block, *shell.type(f"python -m pytest -q -p no:cacheprovider {file}" if tests else f"python {file}"))
        case "toml":
            _check_toml(block)
        case "json":
            json.loads(block.text)
        case "text":
            pass
        case other:
            raise AssertionError(f"{block.place}: a block of {other or 'no language'} cannot be tried{HINT}")


def _type(block: Block, shell: Shell) -> None:
    commands = block.commands
    assert commands, f"{block.place}: a console block without a command; each begins with '$ '"
    for at, (command, expected) in enumerate(commands):
        last = at == len(commands) - 1
        if last and "goes on" in block.says:
            shell.start(command, block.says["goes on"])
            continue
        status, said = shell.type(command)
        _check(block, status, f"$ {command}\n{said}", fails=last and "fails" in block.says)
        if expected:
            assert_said(block, command, expected, said)


def _check(block: Block, status: int, said: str, *, fails: bool = False) -> None:
    assert (status != 0) is fails, f"{block.place}: exit status {status}:\n{said}{HINT}"


def assert_said(block: Block, command: str, expected: list[str], said: str) -> None:
    """Compare what a command has said with what the page shows; "..." stands for anything, also in a line."""
    shown = "\n".join(line.rstrip() for line in expected).strip("\n")
    pattern = re.escape(shown).replace(re.escape("..."), r"[\s\S]*?")
    text = "\n".join(line.rstrip() for line in said.splitlines()).strip("\n")
    assert re.fullmatch(pattern, text), f"{block.place}: {command} shows\n{shown}\nbut said\n{text}"


def _check_toml(block: Block) -> None:
    document = tomllib.loads(block.text)
    if "project" in document or "build-system" in document:
        assert document["project"]["name"], block.place
        return
    assembly = assemble(parse(document, block.place), discover())
    assert not assembly.failed, f"{block.place}: {assembly.failed}{HINT}"


def look_at(block: Block) -> None:
    """Look at what is not run: that its commands of `corectl`, and their options, are there."""
    for command, _ in block.commands if block.language == "console" else []:
        words = shlex.split(command, comments=True)
        while words and words[0] in ("sudo", "exec"):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "corectl":
            _parse(block, words[1:])


def _parse(block: Block, words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="corectl")
    rest = words
    while isinstance(command, click.Group):
        rest = command.make_parser(context).parse_args(args=[*rest])[1]
        inner = command.get_command(context, rest[0]) if rest else None
        assert inner is not None, f"{block.place}: there is no command {' '.join(words)}"
        command, context, rest = inner, click.Context(inner, info_name=rest[0], parent=context), rest[1:]
    try:
        command.make_parser(context).parse_args(args=[*rest])
    except click.UsageError as error:
        raise AssertionError(f"{block.place}: corectl {' '.join(words)}: {error.message}") from error
