"""`corectl serve`: an INDI server with indiserver's options, which can stand in its place."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.log_options import LogOptions, log_options
from core.cli.number_range import NumberRange

if TYPE_CHECKING:
    from core.log.settings import Level

INDISERVER_SOCKET = "/tmp/indiserver"  # noqa: S108 - the name of an abstract socket, not a file
MEGABYTE = 1 << 20
NEVER_DROPPED = 1 << 62
COMMAND_NAME = Path("/proc/self/comm")


@click.command("serve", context_settings={"allow_interspersed_args": True})
@click.argument("drivers", nargs=-1)
@click.option("-p", "port", type=click.IntRange(0, 65535), default=7624, show_default=True, help="Listen on this port.")
@click.option(
    "-r",
    "restarts",
    type=click.IntRange(0, clamp=True),
    default=10,
    show_default=True,
    help="Restarts of a driver at most.",
)
@click.option(
    "-m", "behind", type=click.IntRange(1), default=128, show_default=True, help="Megabytes a client may be behind."
)
@click.option(
    "-d",
    "stream",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Megabytes a client may be behind before frames of streams are dropped for it; 0: never dropped.",
)
@click.option("-u", "unix", metavar="PATH", help="Listen on this abstract Unix socket as well.")
@click.option("-f", "fifo", type=click.Path(path_type=Path), help="Take start and stop commands from this FIFO.")
@click.option("-l", "messages", type=click.Path(path_type=Path), help="Log messages to DIR/YYYY-MM-DD.islog.")
@click.option("-v", "verbose", count=True, help="Show events; -vv messages by their heads; -vvv whole.")
@log_options
@click.option("--host", help='Listen on this address instead of localhost; "" means all.')
@click.option(
    "--max-clients", "clients", type=click.IntRange(1), default=1000, show_default=True, help="Clients at most."
)
@click.option(
    "--max-blob", "blob", type=click.IntRange(1), default=1024, show_default=True, help="Megabytes of a BLOB at most."
)
@click.option(
    "--write-deadline",
    "deadline",
    type=NumberRange(0, 86400, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that a client may read nothing while something waits for it.",
)
@click.option(
    "--memory-limit",
    "memory",
    type=click.IntRange(64),
    metavar="MEGABYTES",
    help="From this on the peer for which most waits has to go; otherwise half of the machine's memory.",
)
@click.option("--name", default="core", show_default=True, help="Name of the run, for corectl status and driver.")
def serve(
    drivers: tuple[str, ...],
    port: int,
    restarts: int,
    behind: int,
    stream: int,
    unix: str | None,
    fifo: Path | None,
    messages: Path | None,
    verbose: int,
    log: LogOptions,
    host: str | None,
    clients: int,
    blob: int,
    deadline: float,
    memory: int | None,
    name: str,
) -> None:
    """Serve INDI DRIVERS: executables, or devices of other servers as device@host:port or @host:port.

    The options are indiserver's. The exit status is 1 when the last driver has ended for good.
    """
    from core.app import App
    from core.assembly import Assembly
    from core.cli import INDISERVER
    from core.cli.leaving import leave
    from core.cli.log_options import log_settings, with_log_options
    from core.cli.run_log import LogLines
    from core.cli.screen import PlainScreen
    from core.config import Config, CoreTable
    from core.control import Control
    from core.drivers.descriptor_limit import raise_descriptor_limit
    from core.drivers.fifo import FifoCommand, FifoCommands, StartDriver
    from core.drivers.fleet import Fleet
    from core.message_log import MessageLog
    from core.plugins import PluginSet
    from core.transports.server import Server

    if not drivers and fifo is None:
        raise click.UsageError("no driver is named, and no FIFO (-f) that could start one")
    raise_descriptor_limit()
    as_indiserver = Path(sys.argv[0]).name == INDISERVER
    screen = PlainScreen(sys.stderr)
    screen.outlives_reader = True  # those served have nothing to do with who reads the log
    if as_indiserver:
        with suppress(OSError):
            # pkill and indiwebmanager look for it; a launcher of Python's would show Python's name.
            COMMAND_NAME.write_text(INDISERVER)
    options = Server.Options(
        host=host if host is not None else ("" if as_indiserver else "localhost"),
        port=port,
        socket=f"@{unix}" if unix else "",
        maximum_clients=clients,
        maximum_blob=blob * MEGABYTE,
        pending_messages=behind * MEGABYTE,
        pending_streams=stream * MEGABYTE or NEVER_DROPPED,
        write_deadline=deadline,
    )
    by_verbosity: tuple[Level, ...] = ("warning", "info", "debug")
    core_table = CoreTable(log_level=by_verbosity[min(verbose, 2)])
    lines = LogLines(screen, log_settings(with_log_options(Config(core_table), log)), run=name)
    server = Server("server", options)
    if as_indiserver and unix is None:
        server.if_free = f"@{INDISERVER_SOCKET}"
    assembly = Assembly(transports=[server])
    app = App(
        assembly,
        PluginSet([]),
        say=lines.say,
        companions=(screen.accompany, Control(name).serve),
        ends_with_drivers=fifo is None,
    )
    if verbose:
        app.router.comings = logging.INFO
    if verbose > 1:
        from core.plumbing.traffic import Traffic

        app.router.traffic = Traffic(whole=verbose > 2)
    if memory is not None:
        app.router.memory.limit = memory * MEGABYTE
    fleet = Fleet(
        app.add_transport,
        app.remove_transport,
        is_taken=lambda name: name == server.name or name in app.transports,
        restarts=restarts,
        maximum_blob=blob * MEGABYTE,
    )
    assembly.transports += [fleet.transport(StartDriver(words)) for words in drivers]
    if messages is not None:
        app.router.on_message = MessageLog(messages).write
    if fifo is not None:

        async def obey(command: FifoCommand) -> None:
            if not app.stopping.is_set():  # what is started now would have to be ended at once
                await fleet.obey(command)

        commands = FifoCommands(fifo, obey)
        app.add_companion(lambda _: commands.run())
    with lines:
        app.run(ignore_signals_afterwards=True)
    leave(app, lines)
