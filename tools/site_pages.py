"""What of the site is made from the code: the pages of commands and of core.toml, and the end of the navigation.

MkDocs calls the functions by their names. Commands come from click and options from the classes that check core.toml,
so that there is no second list to keep.
"""

from __future__ import annotations

import html
import json
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from core.cli import OWN_COMMANDS, cli
from core.config import CoreTable, described
from core.hookspecs import PROJECT
from core.late_class import loaded
from core.options import Options
from core.plugins import PluginSet, discover

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from core.plugin_records import Parts

GENERATED = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
NAMED = re.compile(r"^<!-- file: (\S+) -->\n```(\w+)$", re.MULTILINE)
"""A block that is a file, as tests/documents has it."""
REST = "More"
"""The heading of pages that the navigation does not name."""
SECTIONS: tuple[tuple[Parts, str], ...] = (("devices", "device"), ("transports", "transport"))
MEANT = {one: f"\\{one}" for one in "*_\\[]#"} | {"{": "&#123;"}
"""Characters that Markdown takes for its own, as they are written to be themselves."""
OURS = ("core", "plugin-gpio-matrix", "plugin-spi-sensor")


def on_config(config: MkDocsConfig) -> None:
    """Put pages into the navigation: those of a folder where it says `folder/*`, and at the end what nobody named."""
    docs = Path(config.docs_dir)
    pages = sorted(str(path.relative_to(docs)) for path in docs.rglob("*.md"))
    nav = _expanded(config.nav or [], pages)
    named = set(_leaves(nav))
    if rest := [page for page in pages if page not in named]:
        nav.append({REST: rest})
    config.nav = nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is generated, and head blocks that are files with their names."""
    makers = {"commands": commands, "options": options}
    markdown = NAMED.sub(lambda match: f'```{match[2]} title="{match[1].rpartition("/")[2]}"', markdown)
    return GENERATED.sub(lambda match: "\n".join(makers[match[1]]()), markdown)


def _expanded(nav: list[Any], pages: list[str]) -> list[Any]:
    made: list[Any] = []
    for entry in nav:
        if isinstance(entry, str) and entry.endswith("/*"):
            made += [page for page in pages if page.startswith(entry[:-1])]
        elif isinstance(entry, dict):
            made.append({title: _expanded(it, pages) if isinstance(it, list) else it for title, it in entry.items()})
        else:
            made.append(entry)
    return made


def _leaves(nav: Iterable[Any]) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values():
                yield from [inner] if isinstance(inner, str) else _leaves(inner)


def commands() -> Iterator[str]:
    """Yield the page of every command, sub-commands after their groups."""
    context = click.Context(cli, info_name="corectl")
    for name in sorted(OWN_COMMANDS):
        command = cli.get_command(context, name)
        if command is not None:
            yield from _command(command, click.Context(command, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    level = "##" if context.parent is not None and context.parent.parent is None else "###"
    yield f"{level} {context.command_path}\n"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    yield _plain(command.help or "") + "\n"
    rows = [one.get_help_record(context) for one in command.params if isinstance(one, click.Option)]
    if rows:
        yield "| option | |\n|---|---|"
        yield from (f"| {_code(row[0])} | {_cell(row[1])} |" for row in rows if row is not None)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(inner, click.Context(inner, info_name=name, parent=context))


def options() -> Iterator[str]:
    """Yield the tables of core.toml: `[core]`, and each device and transport of the distributions made here."""
    yield "## `[core]`\n"
    yield from _table(CoreTable)
    plugins = discover()
    for part, section in SECTIONS:
        yield f"## `[{section}.<name>]`\n"
        for title, one in _classes(plugins, part):
            yield f"### {title}\n"
            yield _plain((one.__doc__ or "").strip().splitlines()[0]) + "\n"
            yield from _table(one.Options)


def _classes(plugins: PluginSet, part: Parts) -> Iterator[tuple[str, Any]]:
    for record in plugins.records:
        if record.distribution not in OURS:
            continue
        for kind, late in record.parts[part].items():
            one = loaded(late)
            key = f'type = "{kind}"' if record.distribution == PROJECT else f'plugin = "{record.name}"'
            several = record.distribution != PROJECT and len(record.parts[part]) > 1
            yield f"`{key}`" + (f', `type = "{kind}"`' if several else ""), one


def _table(options: type[Options]) -> Iterator[str]:
    hints = typing.get_type_hints(options)
    rows = [(name, _type(hints[name]), default, text) for name, text, default in described(options)]
    if not rows:
        yield "It has no options.\n"
        return
    yield "| key | type | default | |\n|---|---|---|---|"
    for name, kind, default, text in rows:
        yield f"| {_code(name)} | {_cell(kind)} | {_default(default)} | {_cell(text)} |"
    yield ""


def _default(value: Any) -> str:
    if value is msgspec.NODEFAULT:
        return "needed"
    return "" if value is None else _code(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


def _type(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return ", ".join(json.dumps(one) for one in typing.get_args(hint))
    if origin in (list, tuple):
        return f"list of {_type(typing.get_args(hint)[0])}"
    if origin is dict:
        return f"table of {_type(typing.get_args(hint)[1])}"
    if origin is not None:
        return " or ".join(_type(one) for one in typing.get_args(hint))
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "NoneType": "nothing"}
    name = getattr(hint, "__name__", str(hint))
    return names.get(name, "table" if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else name)


def _plain(text: str) -> str:
    """Return text for people as Markdown, nothing in it meant as such but paragraphs and code."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(_escaped(part) for part in paragraphs)


def _escaped(text: str) -> str:
    return "".join(
        piece if piece.startswith("`") else "".join(MEANT.get(one, one) for one in html.escape(piece, quote=False))
        for piece in re.split(r"(`[^`]*`)", text)
    )


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", r"\|")


def _code(text: str) -> str:
    return f"`{text}`"
