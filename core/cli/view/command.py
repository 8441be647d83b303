"""`corectl view`: the view of a running instance, wherever it runs, through its INDI port."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import click

from core.cli.number_range import NumberRange
from core.cli.waiting import waiting
from core.interrupt import heeding_interrupts

INDI_PORT = 7624


@click.command("view")
@click.argument("address", default="localhost", metavar="[HOST][:PORT]")
@click.option("--plain", is_flag=True, help="Show it without Textual: a picture on a terminal, lines otherwise.")
@click.option(
    "--timeout",
    type=NumberRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the connection.",
)
def view(address: str, plain: bool, timeout: float) -> None:
    """Show the matrices, programs, buttons and messages of a running instance, with keys, until Ctrl-C.

    HOST and PORT are those of its INDI server, localhost and 7624 where they are left out; a path is a Unix socket. Of
    any other INDI server it shows what its devices measure. An instance that goes away is waited for.
    """
    from core.cli.view.terminal import why_not

    host, port, path = parsed(address)
    hindrance = "" if plain else why_not(sys.stdin, sys.stdout)
    if hindrance:
        click.echo(f"corectl: no view: {hindrance}", err=True)
    show = _show_plainly if plain or hindrance else _show
    with heeding_interrupts():
        status = asyncio.run(show(host, port, path, timeout))
    if status:
        raise click.exceptions.Exit(status)


def parsed(address: str) -> tuple[str, int, str | None]:
    """Return host, port and path of an address like "host:port"; raise click.UsageError for what is none."""
    if address.startswith("@") or "/" in address:
        return "", INDI_PORT, address
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):  # no port, and perhaps the colons of IPv6
        host, port = address, str(INDI_PORT)
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise click.UsageError(f"{address!r} is no address: {port!r} is no port; write host:port, as localhost:7624")
    return host.removeprefix("[").removesuffix("]") or "localhost", int(port), None


async def _show(host: str, port: int, path: str | None, seconds: float) -> int:
    from core.cli.view.ending import ended_from_outside
    from core.cli.view.instance import RunningInstance
    from core.cli.view.screen import ViewApp
    from core.client import Client

    # Before the screen, so that an error is a sentence below the command.
    async with contextlib.AsyncExitStack() as stack:
        client = Client(host, port, path=path, connect_timeout=seconds)
        with waiting(f"connecting to {path or f'{host}:{port}'}"):
            await stack.enter_async_context(client)
        shown = ViewApp(RunningInstance(client, path or f"{host}:{port}"), stays=True)
        with ended_from_outside(shown):
            await shown.run_async()
        return shown.return_code or 0


async def _show_plainly(host: str, port: int, path: str | None, seconds: float) -> int:
    from core.cli.view.plain import show
    from core.client import Client

    async with contextlib.AsyncExitStack() as stack:
        client = Client(host, port, path=path, connect_timeout=seconds)
        with waiting(f"connecting to {path or f'{host}:{port}'}"):
            await stack.enter_async_context(client)
        await show(client, path or f"{host}:{port}")
    return 0
