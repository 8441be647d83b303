"""`corectl doctor`: look what is here and what is missing, with the cure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.plugin_options import plugin_options
from core.cli.tables import show_json
from core.cli.waiting import waiting
from core.hookspecs import CheckResult

if TYPE_CHECKING:
    from core.doctor.finding import Finding

_MARKS = {"ok": "ok     ", "warning": "note   ", "failed": "FAILED "}


@click.command("doctor")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
@plugin_options
def doctor(config: Path | None, as_json: bool) -> None:
    """Check this machine, the plugins and core.toml; exit status 1 if something needed is missing.

    What CONFIG needs counts; left out, it is the core.toml that a run would find. What is missing and not needed is a
    note.
    """
    with waiting("looking at this machine"):
        found = list(_examine(config))
    if as_json:
        checks = [
            {"check": title, "outcome": result.outcome, "text": result.text, "cure": result.cure}
            for title, result in found
        ]
        show_json({"version": 1, "checks": checks})
    else:
        for title, result in found:
            click.echo(f"{_MARKS[result.outcome]}{title}: {result.text}")
            if result.cure:
                click.echo(f"       {result.cure}")
    if any(result.outcome == "failed" for _, result in found):
        raise SystemExit(1)


def _examine(path: Path | None) -> Iterator[Finding]:
    from core.cli.choices import chosen_config, discovered
    from core.cli.log_options import log_settings
    from core.doctor import machine, nodes, running, storage
    from core.errors import CoreError

    known = None
    with contextlib.suppress(CoreError):  # it is said below why
        known = chosen_config(path)
    case, told = machine.examined_config(discovered(known, failing_allowed=True), path)
    yield from machine.python(case)
    yield "core.toml", told
    settings = log_settings(case.config) if case.config is not None else None
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: machine.plugins(case),
        lambda: machine.gpiod(case),
        lambda: machine.plugin_checks(case),
        lambda: nodes.nodes(case),
        lambda: running.run(case),
        lambda: running.ports(case),
        lambda: storage.storage(case, settings.file if settings is not None else None),
        lambda: running.units(case),
    )
    for look in looks:
        try:
            yield from look()
        except OSError as error:  # a look that fails costs only itself
            yield "corectl doctor", CheckResult("warning", f"something could not be looked at: {error}")
