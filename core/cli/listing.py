"""`corectl list-plugins` and `corectl list-programs`."""

from __future__ import annotations

import click

from core.cli.tables import show_json, show_table

JSON_VERSION = 1


@click.command("list-plugins")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
def list_plugins(as_json: bool) -> None:
    """Show every plugin that was found, what it registers and its state."""
    from core.cli.choices import discovered

    plugins = discovered()
    if as_json:
        show_json({"version": JSON_VERSION, "plugins": [record.as_json() for record in plugins.records]})
        return
    rows = []
    for record in plugins.records:
        parts = [f"{part}: {', '.join(names)}" for part, names in record.registers.items() if names]
        rows.append((record.name, record.distribution, record.version, record.state, "; ".join(parts) or "-"))
    show_table(("plugin", "distribution", "version", "state", "registers"), rows)
    for record in plugins.records:
        if not record.active:
            click.echo(
                f"\n{record.name} ({record.distribution}): {record.state}: {record.cause}\n  cure: {record.cure}"
            )


@click.command("list-programs")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
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
