"""The command `corectl`. Each sub-command is imported when it is used."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "doctor": "core.cli.doctor",
    "init": "core.cli.init",
    "list-plugins": "core.cli.listing",
    "list-programs": "core.cli.listing",
    "run": "core.cli.run",
}

FAILED, MISUSED = 1, 2


class LateGroup(click.Group):
    """Be a group whose commands are imported when they are needed, those of plugins last."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*_COMMANDS, *_plugin_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return _plugin_commands().get(cmd_name)
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        return command


def _plugin_commands() -> dict[str, click.Command]:
    from core.plugins import discover

    return {name: command for name, command in discover().commands.items() if name not in _COMMANDS}


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        import core

        click.echo(f"corectl {core.__version__}")
        ctx.exit()


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Run hardware plugins on this board, and look at them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `corectl`; what goes wrong is one sentence on stderr and an exit status: 1 failed, 2 misused."""
    sys.exit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> Any:
    from core.errors import ConfigError, CoreError, PluginMissing

    try:
        return cli.main(arguments, prog_name="corectl", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (ConfigError, PluginMissing) as error:
        click.echo(f"corectl: {error}", err=True)
        return MISUSED
    except CoreError as error:
        click.echo(f"corectl: {error}", err=True)
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said, and Python shall not try at its end.
        sys.stdout = None
        return 0
