"""`corectl init`: write a commented core.toml for this machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from core.cli.plugin_options import plugin_options
from core.cli.tables import show_json
from core.errors import ConfigError


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path, allow_dash=True), default=Path("core.toml"))
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
@click.option("--json", "as_json", is_flag=True, help="Print what it would say as JSON, and write nothing.")
@plugin_options
def init(path: Path, force: bool, as_json: bool) -> None:
    """Write a commented core.toml for this machine to PATH ("-": to stdout)."""
    from core.assembly import usable_proposals
    from core.cli.choices import discovered
    from core.config_text import config_text
    from core.hookspecs import Proposal
    from core.options import Options

    plugins = discovered()
    server = Proposal("transport", "server", {}, comment="INDI clients reach every device here.")
    proposals = [*usable_proposals(plugins), server]
    options: dict[tuple[str, str], type[Options]] = {}
    for proposal in proposals:
        key = (proposal.section, proposal.name)
        if proposal.section == "device":
            kind = proposal.table.get("type")
            options[key] = plugins.device_class(str(proposal.table["plugin"]), kind).Options
        elif proposal.section == "transport":
            options[key] = plugins.transports[proposal.table.get("type", proposal.name)].Options
    text = config_text(proposals, options)
    if as_json:
        show_json({"version": 1, "core_toml": tomllib.loads(text)})
        return
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists; give another path, or --force to overwrite it") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"{path} is written; look through it, then: corectl run {path}")
