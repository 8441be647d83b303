"""The command `corectl`. Each sub-command is imported when it is used."""

from __future__ import annotations

import errno
import importlib
import io
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from core.cli.plugin_options import plugin_options

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN_COMMANDS = {
    "check-plugin": "core.cli.check_plugin",
    "completion": "core.cli.completion",
    "doctor": "core.cli.doctor",
    "get": "core.cli.client_commands",
    "history": "core.cli.history",
    "init": "core.cli.init",
    "driver": "core.cli.control",
    "list-plugins": "core.cli.listing",
    "list-programs": "core.cli.listing",
    "new-plugin": "core.cli.new_plugin",
    "program": "core.cli.programs",
    "reload": "core.cli.control",
    "record": "core.cli.record.command",
    "run": "core.cli.run",
    "serve": "core.cli.serve",
    "service": "core.cli.service",
    "set": "core.cli.client_commands",
    "status": "core.cli.control",
    "view": "core.cli.view.command",
    "watch": "core.cli.watching",
}

FAILED, MISUSED = 1, 2

COMMANDS = "core.commands"

INDISERVER = "indiserver"
"""The name of a link to `corectl` by which it is what Debian's indiserver is."""


class LateGroup(click.Group):
    """Be a group whose commands are imported when they are needed, those of plugins last."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*OWN_COMMANDS, *_plugin_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        module = OWN_COMMANDS.get(cmd_name)
        if module is None:
            return _plugin_commands(ctx).get(cmd_name)
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant; say the nearest one where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from core.suggestions import nearest

            near = nearest(args[0], self.list_commands(ctx))
            meant = f" Did you mean {near!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx) from error


def _plugin_commands(ctx: click.Context) -> dict[str, click.Command]:
    """Return the commands of plugins, found once for all that is asked of one context."""
    if COMMANDS not in ctx.meta:
        from core.cli.choices import discovered

        ctx.meta[COMMANDS] = discovered().commands
    commands: dict[str, click.Command] = ctx.meta[COMMANDS]
    return commands


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from core.version import __version__

        click.echo(f"corectl {__version__}")
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
@plugin_options
def cli() -> None:
    """Run hardware plugins on this board, and look at them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `corectl`; what goes wrong is one sentence on stderr and an exit status: 1 failed, 2 misused."""
    if arguments is None and PurePath(sys.argv[0]).name == INDISERVER:
        arguments = ["serve", *sys.argv[1:]]
    _mend_streams()
    status = _status(arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # here, because Python itself would show a traceback
    except OSError as error:
        status = _said_in_vain(error) or status
    sys.exit(status)


class _ClosedOutput(io.TextIOBase):
    """Be the stdout of a command that was started without one."""

    encoding = "utf-8"

    def write(self, text: str, /) -> int:
        """Fail as a file would."""
        raise OSError(errno.EBADF, "it is closed")


def _mend_streams() -> None:
    """Let no text fail for its characters, and say it where stdout is closed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()


def _said_in_vain(error: OSError) -> int:
    # Whatever is left in its buffer cannot be written either, and Python shall not try at its end.
    sys.stdout = None
    if error.errno == errno.EPIPE:
        return 0
    if sys.stderr is not None:
        click.echo(f"corectl: cannot write to stdout: {error.strerror or error}", err=True)
    return FAILED


def _status(arguments: Sequence[str] | None) -> Any:
    from core.errors import ConfigError, CoreError, PluginMissing

    stdout = sys.stdout
    try:
        return cli.main(arguments, prog_name="corectl", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:
        # Where nobody reads, click puts something else in the place of stdout and says 1; it is no failure of ours.
        return 0 if sys.stdout is not stdout else end.code
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
    except BrokenPipeError as error:
        return _said_in_vain(error)
    except OSError as error:
        if error.filename is None and error.errno in (errno.EBADF, errno.ENOSPC, errno.EIO):
            return _said_in_vain(error)
        raise
