"""Write a commented core.toml from what the plugins propose for this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

import msgspec

from core.config import VERSION, described, toml_key, toml_text
from core.errors import DefinitionError
from core.hookspecs import Proposal
from core.options import Options


def config_text(proposals: Iterable[Proposal], options: Mapping[tuple[str, str], type[Options]]) -> str:
    """Return the text of a core.toml.

    `options` gives the options class of a proposal by its section and name; every option that the proposal does not
    set is written too, commented out and with its default.
    """
    lines = [
        "# core.toml: what runs on this machine. `corectl run` reads it; `corectl doctor` looks what is there.",
        f"version = {VERSION}",
        "",
        "[core]",
        "# disable = []          # plugins that are not to be loaded, by name",
        '# log_level = "info"    # debug, info, warning or error',
        '# log_levels = {}       # of single instances and plugins: { panel = "debug" }',
        '# log_file = ""         # a file beside this one, or anywhere; see docs/logging.md',
    ]
    for proposal in proposals:
        lines += ["", *(f"# {line}" for line in proposal.comment.splitlines()), _head(proposal)]
        lines += _keys(proposal.table, options.get((proposal.section, proposal.name)))
    return "\n".join(lines) + "\n"


def _head(proposal: Proposal) -> str:
    return f"[{proposal.section}.{toml_key(proposal.name)}]"


def _keys(table: Mapping[str, Any], options: type[Options] | None) -> Iterable[str]:
    known = {name: (text, default) for name, text, default in described(options)} if options is not None else {}
    for key, value in table.items():
        if key not in known:
            yield f"{toml_key(key)} = {toml_value(value)}"
    for name, (text, default) in known.items():
        if text:
            yield f"# {text}"
        if name in table:
            yield f"{name} = {toml_value(table[name])}"
        elif default is not msgspec.NODEFAULT and default is not None:
            with contextlib.suppress(DefinitionError):  # a default that no core.toml could give is left to the code
                yield "\n".join(f"# {line}" for line in f"{name} = {toml_value(default)}".splitlines())


def toml_value(value: Any) -> str:
    """Return a text, number, bool, date, time, or list or dict of them as TOML; raise DefinitionError for others."""
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, (list, tuple)) for one in value):
            rows = "".join(f"    {toml_value(one)},\n" for one in value)
            return f"[\n{rows}]"
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        pairs = ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise DefinitionError(f"{value!r} cannot be written in core.toml")
