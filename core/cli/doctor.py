"""`corectl doctor`: look what is here and what is missing, with the cure."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.plugin_options import plugin_options
from core.cli.tables import show_json
from core.hookspecs import Check, CheckResult

if TYPE_CHECKING:
    from core.plugins import PluginSet

_MARKS = {"ok": "ok     ", "warning": "note   ", "failed": "FAILED "}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
@plugin_options
def doctor(as_json: bool) -> None:
    """Check this machine, the plugins and core.toml; exit status 1 if something needed is missing."""
    found = list(_examine())
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


def _examine() -> Iterator[tuple[str, CheckResult]]:
    from core.cli.choices import discovered

    plugins = discovered(failing_allowed=True)
    yield "Python", CheckResult("ok", f"{platform.python_version()} on {platform.system()} {platform.release()}")
    for record in plugins.records:
        if record.active:
            yield "plugin", CheckResult("ok", f"{record.name} ({record.distribution} {record.version})")
        elif record.state == "disabled":
            yield "plugin", CheckResult("warning", f"{record.name}: {record.cause}", record.cure)
        else:
            yield "plugin", CheckResult("failed", f"{record.name}: {record.state}: {record.cause}", record.cure)
    yield "core.toml", _configuration(plugins)
    yield "INDI port", _port()
    for title, check in plugins.checks.items():
        for result in _results(check):
            yield title, result


def _results(check: Check) -> list[CheckResult]:
    from core.errors import CoreError
    from core.plugin_code import isolated
    from core.plugin_parts import check_results

    try:
        with isolated():
            return check_results(check())
    except CoreError as error:
        return [CheckResult("failed", f"the check itself failed: {error}", "report it to the plugin's authors")]


def _configuration(plugins: PluginSet) -> CheckResult:
    from core import config as configuration
    from core.assembly import assemble
    from core.errors import CoreError

    try:
        path: Path | None = configuration.find()
    except CoreError as error:
        return CheckResult("failed", str(error))
    if path is None:
        sought = ", ".join(map(str, configuration.search_path()))
        return CheckResult("ok", f"none found ({sought}); a run uses simulated devices", "corectl init writes one")
    try:
        assembly = assemble(configuration.load(path), plugins)
    except CoreError as error:
        return CheckResult("failed", str(error), f"mend {path}")
    if assembly.failed:
        failed = "; ".join(f"{name}: {why}" for name, why in assembly.failed.items())
        return CheckResult("failed", f"{path}: {failed}", "report it to the plugin's authors")
    return CheckResult("ok", str(path))


def _port() -> CheckResult:
    from core.transports.port_holder import port_holder
    from core.transports.server import INDI_PORT

    holder = port_holder(INDI_PORT)
    if holder is None:
        return CheckResult("ok", f"{INDI_PORT} is free")
    return CheckResult("warning", f"{INDI_PORT} is in use by {holder}", "a run takes another port with --port")
