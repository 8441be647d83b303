"""Write a commented core.toml from what the plugins propose for this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from core.config import VERSION, described
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
    ]
    for proposal in proposals:
        lines += ["", *(f"# {line}" for line in proposal.comment.splitlines()), _head(proposal)]
        lines += _keys(proposal.table, options.get((proposal.section, proposal.name)))
    return "\n".join(lines) + "\n"


def _head(proposal: Proposal) -> str:
    name = proposal.name if re.fullmatch(r"[A-Za-z0-9_-]+", proposal.name) else json.dumps(proposal.name)
    return f"[{proposal.section}.{name}]"


def _keys(table: Mapping[str, Any], options: type[Options] | None) -> Iterable[str]:
    known = {name: (text, default) for name, text, default in described(options)} if options is not None else {}
    for key, value in table.items():
        if key not in known:
            yield f"{key} = {toml_value(value)}"
    for name, (text, default) in known.items():
        if text:
            yield f"# {text}"
        if name in table:
            yield f"{name} = {toml_value(table[name])}"
        elif default is not msgspec.NODEFAULT and default is not None:
            yield "\n".join(f"# {line}" for line in f"{name} = {toml_value(default)}".splitlines())


def toml_value(value: Any) -> str:
    """Return a text, number, bool, or list of them as TOML."""
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(one, (list, tuple)) for one in value):
            rows = "".join(f"    {toml_value(one)},\n" for one in value)
            return f"[\n{rows}]"
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
