"""`corectl new-plugin`: write a plugin that installs, is listed, and passes its tests."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from core.cli.plugin_options import plugin_options
from core.cli.plugin_template import KINDS, Kind, distribution_of, write_plugin
from core.errors import ConfigError
from core.plugin_records import Parts

_PARTS: dict[str, Parts] = {"transport": "transports", "program": "programs"}


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin brings.")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where its folder goes; here if left out.",
)
@plugin_options
def new_plugin(name: str, kind: str, parent: Path) -> None:
    """Write the plugin NAME, a distribution plugin-NAME of its own: code, tests, a README.

    It works as it is, without hardware and without a network; put your device, wire or program in its place.
    """
    distribution = distribution_of(name)
    plain = distribution.removeprefix("plugin-")
    if (owner := _owner(plain, kind)) is not None:
        raise ConfigError(f"the name {plain!r} belongs to {owner}, which is installed here; choose another name")
    folder = write_plugin(name, cast("Kind", kind), parent)
    files = sum(path.is_file() for path in folder.rglob("*"))
    click.echo(f"{folder} is written: {distribution}, {files} files. Next, in a virtual environment:\n")
    for command in (f"cd {folder}", "pip install -e '.[dev]'", "pytest", f"corectl check-plugin {plain}", *_uses(kind)):
        click.echo(f"    {command}")


def _owner(name: str, kind: str) -> str | None:
    """Return whose a name is already, as that of a plugin or of what it would register."""
    from core.cli.choices import discovered

    plugins = discovered(failing_allowed=True)
    for record in plugins.records:
        if name == record.name or (kind != "device" and name in record.registers[_PARTS[kind]]):
            return f"{record.distribution} {record.version}"
    return None


def _uses(kind: str) -> tuple[str, ...]:
    match kind:
        case "device":
            return ("corectl run",)
        case "transport":
            return ("corectl init", "corectl run")
        case _:
            return ("corectl list-programs",)
