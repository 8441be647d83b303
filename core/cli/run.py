"""`corectl run`: run what core.toml names, or simulated devices where there is none."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.log_options import LogOptions, log_options
from core.cli.plugin_options import is_strict, plugin_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.config import Config, Table


@click.command("run")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port instead of core.toml's (or 7624).")
@click.option("--host", help='Listen on this address instead of core.toml\'s (or localhost); "" means all.')
@click.option(
    "--stdin", "stdin_device", metavar="NAME", help="Speak INDI on stdin and stdout for the device NAME only."
)
@plugin_options
@log_options
@click.option("--view", is_flag=True, help="Show devices, programs and the log on a whole screen, with keys.")
@click.option("--plain", is_flag=True, help="Print plain lines on a terminal too, no live picture.")
def run(
    config: Path | None,
    port: int | None,
    host: str | None,
    stdin_device: str | None,
    log: LogOptions,
    view: bool,
    plain: bool,
) -> None:
    """Run the devices, programs and transports of CONFIG until Ctrl-C.

    CONFIG is a core.toml; left out, it is sought in this directory, in your configuration directory and in /etc/core.
    Without any, simulated devices run, so that everything can be tried without hardware.
    """
    from core import config as configuration
    from core.app import App, Companion
    from core.assembly import assemble
    from core.cli.choices import chosen_config, discovered, with_default
    from core.cli.leaving import leave
    from core.cli.log_options import log_origins, log_settings, with_log_options, without_effect
    from core.cli.run_log import LogLines
    from core.cli.screen import PlainScreen
    from core.cli.view.terminal import can_move_cursor
    from core.control import Control, tell_isolated_log
    from core.drivers.descriptor_limit import raise_descriptor_limit
    from core.errors import ConfigError, PluginError
    from core.reload import Reload
    from core.run_folders import state_folder
    from core.supervision import Notifier, Supervision, supervised

    if view and (plain or stdin_device is not None):
        raise click.UsageError(f"--view cannot be had together with {'--plain' if plain else '--stdin'}")
    streams = None
    if stdin_device is None:
        raise_descriptor_limit()
    else:
        from core.transports.stdin import reserve_streams

        streams = reserve_streams()  # before any plugin is imported, since that may print
    found = chosen_config(config)
    plugins = discovered(found)
    chosen, notices = with_default(found, plugins)
    chosen = with_log_options(chosen, log)
    settings = log_settings(chosen)
    notices = [*notices, *without_effect(settings, chosen, plugins)]
    chosen = with_transports(chosen, port=port, host=host, stdin_device=stdin_device, streams=streams or (0, 1))
    assembly = assemble(chosen, plugins)
    if assembly.failed and is_strict():
        causes = [f"{name}: {why}" for name, why in assembly.failed.items()]
        raise PluginError("\n".join(["--strict: not everything can be made", *causes]))
    if not assembly.devices and not any(transport.brings_devices for transport in assembly.transports):
        source = chosen.path or "no core.toml, and no plugin that proposes one"
        raise ConfigError(f"there is no device to run ({source}); for a first one: pip install plugin-gpio-matrix")
    shown = None
    if view:
        from core.cli.view.terminal import why_not

        if hindrance := why_not(sys.stdin, sys.stdout):
            notices = [*notices, f"no view: {hindrance}"]
        else:
            from core.cli.view.process import ViewProcess

            shown = ViewProcess()
    live = stdin_device is None and not plain and shown is None and can_move_cursor(sys.stdout)
    if live:
        from core.cli.live import LiveScreen

        screen: PlainScreen = LiveScreen()
    else:
        screen = PlainScreen(sys.stderr if stdin_device is not None else sys.stdout)
    lines = LogLines(
        screen,
        settings,
        run=chosen.core.name,
        own_lines=live,
        for_people=live or shown is not None,
        origins=log_origins(chosen, plugins),
    )
    with contextlib.closing(shown) if shown is not None else contextlib.nullcontext(), lines:
        for record in plugins.records:
            if record.state not in ("active", "disabled"):
                lines.say(f"plugin {record.name}: {record.state}: {record.cause}; {record.cure}")
            for warning in record.warnings:
                lines.say(f"plugin {record.name}: {warning}")
        for notice in (*notices, *_without_effect(chosen, port=port, host=host)):
            lines.say(notice)
        supervision = Supervision(Notifier())
        companions: tuple[Companion, ...] = (screen.accompany, supervision.accompany)
        reload = None
        if (path := chosen.path) is not None:

            def read() -> Config:
                again = with_log_options(configuration.load(path), log)
                return with_transports(
                    again, port=port, host=host, stdin_device=stdin_device, streams=streams or (0, 1)
                )

            async def apply_log(app: App, config: Config) -> None:
                lines.know(log_origins(config, plugins))
                lines.apply(log_settings(config))
                await tell_isolated_log(app, log_settings(config))

            reload = Reload(chosen, read, supervision, apply_log)
            if supervised():
                companions += (reload.accompany,)
        if shown is not None:
            companions += (shown.accompany,)
        if stdin_device is None:  # many of these run beside each other, each under a server of its own
            companions += (Control(chosen.core.name, reload.answer if reload is not None else None).serve,)
        # A run without core.toml is one for trying, and leaves nothing behind.
        states = state_folder(chosen.core.name) if chosen.path is not None else None
        app = App(assembly, plugins, say=lines.say, companions=companions, state_folder=states)
        app.router.memory.limit = chosen.core.memory_limit or app.router.memory.limit
        app.run(ignore_signals_afterwards=True)
    leave(app, lines)


def with_transports(
    config: Config, *, port: int | None, host: str | None, stdin_device: str | None, streams: tuple[int, int] = (0, 1)
) -> Config:
    """Return the configuration with the transports that the options ask for; a server where there is none at all."""
    from core.config import Table

    others = tuple(table for table in config.tables if table.section != "transport")
    if stdin_device is not None:
        keys = {"device": stdin_device, "input": streams[0], "output": streams[1]}
        alone = Table("transport", "stdin", keys, "--stdin")
        return dataclasses.replace(config, tables=(*_of_device(stdin_device, others), alone))
    transports = config.of("transport") or [Table("transport", "server", {}, "the default configuration")]
    if port is not None or host is not None:
        overridden = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
        transports = [_overridden(table, overridden) for table in transports]
    return dataclasses.replace(config, tables=(*others, *transports))


def _without_effect(config: Config, *, port: int | None, host: str | None) -> list[str]:
    """Return a sentence if an option was given that changes nothing."""
    given = [option for option, value in (("--port", port), ("--host", host)) if value is not None]
    if not given or any(_is_server(table) for table in config.of("transport")):
        return []
    have, options = "have" if len(given) > 1 else "has", " and ".join(given)
    return [f"{options} {have} no effect: {config.path or 'the configuration'} has no transport of type server"]


def _of_device(name: str, tables: tuple[Table, ...]) -> tuple[Table, ...]:
    """Return the tables of one device: the others' hardware may belong to drivers of their own.

    It is in a process of its own then, whether it asks for that or not.
    """
    from core.isolation import KEY

    if not any(table.section == "device" and table.name == name for table in tables):
        return tables  # it is unknown, and the error shall name those that there are
    return tuple(
        dataclasses.replace(table, keys=table.without(KEY)) if table.section == "device" else table
        for table in tables
        if (table.name if table.section == "device" else table.keys.get("device", name)) == name
    )


def _overridden(table: Table, keys: Mapping[str, object]) -> Table:
    if not _is_server(table):
        return table
    return dataclasses.replace(table, keys={**table.keys, **keys})


def _is_server(table: Table) -> bool:
    return (table.keys.get("type") or table.name) == "server"
