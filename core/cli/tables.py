"""Tables: with lines and colours on a terminal, in plain columns otherwise; and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click


def show_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts under their headers."""
    listed = [tuple(row) for row in rows]
    if sys.stdout.isatty():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for number, header in enumerate(headers):
            # Names stay in one piece as long as there is room, and nothing is left out where there is none.
            table.add_column(header, no_wrap=number == 0, overflow="fold")
        for row in listed:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(headers, *listed, strict=True)]
    for row in (tuple(headers), *listed):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_json(document: Any, *, indent: int | None = 2) -> None:
    """Print a document as strict JSON, in ASCII where stdout takes nothing else; without `indent` in one line."""
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    click.echo(json.dumps(document, indent=indent, ensure_ascii=ascii_only, allow_nan=False))
