"""`corectl list-plugins` and `corectl list-programs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.cli.plugin_options import plugin_options
from core.cli.tables import show_json, show_table
from core.suggestions import nearest

if TYPE_CHECKING:
    from core.plugin_records import PluginRecord
    from core.plugin_requirements import Requirement
    from core.plugins import PluginSet

JSON_VERSION = 1


@click.command("list-plugins")
@click.option("--hook", metavar="NAME", help="Only those that implement this hook, as core_register_devices.")
@click.option("--requirements", "with_requirements", is_flag=True, help="Show what each needs, and if it is here.")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
@plugin_options
def list_plugins(hook: str | None, with_requirements: bool, as_json: bool) -> None:
    """Show every plugin that was found, what it registers and its state."""
    from core.cli.choices import discovered, refuse_failed
    from core.plugin_requirements import requirements

    plugins = discovered(failing_allowed=True)
    records = plugins.records if hook is None else _implementing(plugins, hook)
    needs = {record.distribution: requirements(record) for record in records} if with_requirements else {}
    if as_json:
        more = {name: [one.as_json() for one in found] for name, found in needs.items()}
        shown = [record.as_json() for record in records]
        for one in shown if with_requirements else ():
            one["requirements"] = more[one["distribution"]]
        show_json({"version": JSON_VERSION, "plugins": shown})
    elif with_requirements:
        _show_requirements(needs)
    else:
        _show_plugins(records)
    refuse_failed(plugins)


def _implementing(plugins: PluginSet, hook: str) -> list[PluginRecord]:
    if hook not in plugins.hooks:
        near = nearest(hook, plugins.hooks) or nearest(f"core_register_{hook}", plugins.hooks)
        meant = f"; did you mean {near}?" if near else ""
        raise click.UsageError(f"there is no hook {hook!r}{meant} There is {', '.join(plugins.hooks)}.")
    return [record for record in plugins.records if hook in record.hooks]


def _show_plugins(records: list[PluginRecord]) -> None:
    rows = []
    for record in records:
        parts = [f"{part}: {', '.join(names)}" for part, names in record.registers.items() if names]
        rows.append((record.name, record.distribution, record.version, record.state, "; ".join(parts) or "-"))
    show_table(("plugin", "distribution", "version", "state", "registers"), rows)
    for record in records:
        if not record.active:
            click.echo(
                f"\n{record.name} ({record.distribution}): {record.state}: {record.cause}\n  cure: {record.cure}"
            )
        for warning in record.warnings:
            click.echo(f"\n{record.name} ({record.distribution}): {warning}")


def _show_requirements(needs: dict[str, list[Requirement]]) -> None:
    rows, cures = [], []
    for distribution, found in needs.items():
        for one in found:
            here = "yes" if one.fulfilled else "no"
            rows.append((distribution, one.needs, one.extra or "-", one.found or "-", here))
            if one.cure and not one.extra:
                cures.append(f"\n{distribution} needs {one.needs}\n  cure: {one.cure}")
    show_table(("distribution", "needs", "for the extra", "found", "fulfilled"), rows)
    for cure in cures:
        click.echo(cure)


@click.command("list-programs")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
@plugin_options
def list_programs(as_json: bool) -> None:
    """Show every program with its settings and what it does."""
    from core.cli.choices import discovered

    plugins = discovered()
    owners = {name: record.name for record in plugins.records for name in record.registers["programs"]}
    if as_json:
        programs = [
            {
                "name": name,
                "plugin": owners[name],
                "description": program.description,
                "settings": {setting.name: repr(setting.default) for setting in program.parameters},
            }
            for name, program in plugins.programs.items()
        ]
        show_json({"version": JSON_VERSION, "programs": programs})
        return
    rows = []
    for name, program in sorted(plugins.programs.items()):
        settings = ", ".join(f"{setting.name}={setting.default!r}" for setting in program.parameters)
        rows.append((name, owners[name], settings or "-", program.description or "-"))
    show_table(("program", "plugin", "settings", "what it does"), rows)
