"""`corectl watch`: what changes on a server, as a live table, as lines, or as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli.specs import Spec, plain, printable, server, server_options, shown, written
from core.cli.tables import show_json
from core.interrupt import heeding_interrupts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from rich.console import RenderableType

    from core.client import Client, ClientEvent, ReceivedBlob, RemoteVector

FRAME_SECONDS = 0.1
BLOBS_SHOWN = 3
STYLES = {"Idle": "bright_black", "Ok": "green", "Busy": "yellow", "Alert": "bold red"}


@click.command("watch")
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@server_options(2.0)
@click.option("--json", "json_wanted", is_flag=True, help="Print one line of stable JSON for each change.")
@click.option(
    "--blobs",
    "directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Write the BLOBs that come to files in this directory.",
)
def watch(
    specs: tuple[str, ...], host: str, port: int, timeout: float, json_wanted: bool, directory: Path | None
) -> None:
    """Show properties of an INDI server, and every change, until Ctrl-C.

    SPEC is device.property.element; * stands for any, also where a part is left out. On a terminal it is a table, in a
    pipe a line for each element that changes. A server that goes away is waited for. BLOBs, images say, are sent only
    with --blobs.
    """
    wanted = [Spec.parse(spec) for spec in specs] or [Spec()]
    # Ctrl-C is the way in which it is meant to end.
    with contextlib.suppress(KeyboardInterrupt), heeding_interrupts():
        asyncio.run(_watch(wanted, host, port, timeout, json_wanted=json_wanted, directory=directory))


async def _watch(
    specs: Sequence[Spec], host: str, port: int, seconds: float, *, json_wanted: bool, directory: Path | None
) -> None:
    task = asyncio.current_task()
    if task is not None:
        # Ctrl-C is asyncio's; this too has to give the terminal back in order.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    client = server(host, port, seconds, specs, reconnect=True)
    if json_wanted or not sys.stdout.isatty():
        lines = JsonLines(specs) if json_wanted else PlainLines(specs)
        events = client.events()
        async with client, _saving(client, specs, directory, lines.show_blob):
            dropped = 0
            async for event in events:
                lines.show(event)
                if events.dropped > dropped:
                    click.echo(f"corectl: {events.dropped - dropped} changes came too fast to be shown", err=True)
                    dropped = events.dropped
    else:
        await _draw(client, specs, directory)


@contextlib.asynccontextmanager
async def _saving(
    client: Client, specs: Sequence[Spec], directory: Path | None, tell: Callable[[ReceivedBlob], None]
) -> AsyncIterator[None]:
    """Save BLOBs meanwhile, if that is wanted."""
    if directory is None:
        yield
        return
    from core.cli.saving import save

    try:
        async with asyncio.TaskGroup() as group:
            saving = group.create_task(save(client, specs, directory, tell))
            yield
            saving.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # one sentence is shown, as without BLOBs


class PlainLines:
    """Print a line for each element that changes, with the time in UTC."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self._specs = specs
        self._known: dict[tuple[str, str, str], Any] = {}
        self._lost = False

    def show(self, event: ClientEvent) -> None:
        """Print what an event tells, if it is meant and new."""
        vector = event.vector
        now = timestamp()
        if vector is None:
            self._say(now, event)
            return
        meant = _meant(self._specs, vector)
        if event.kind == "deleted":
            for gone in [key for key in self._known if key[:2] == (vector.device, vector.name)]:
                del self._known[gone]
            if meant:
                click.echo(f"{now} {vector} deleted")
            return
        if not meant:
            return
        for name, value in {"_STATE": event.state, **event.values}.items():
            key = (vector.device, vector.name, name)
            if (name == "_STATE" or name in meant) and self._known.get(key, self) != value:
                self._known[key] = value
                click.echo(f"{now} {vector}.{name}={event.state if name == '_STATE' else written(vector, name, value)}")
        if event.message:
            click.echo(f"{now} {vector}: {printable(event.message)}")

    def show_blob(self, blob: ReceivedBlob) -> None:
        """Print where a BLOB has been written."""
        click.echo(f"{timestamp()} {saved(blob)}")

    def _say(self, now: str, event: ClientEvent) -> None:
        if event.kind == "message" and _device_meant(self._specs, event.device):
            click.echo(f"{now} {event.device or 'server'}: {printable(event.message or '')}")
        elif event.kind == "disconnected" or (event.kind == "connected" and self._lost):
            self._lost = event.kind == "disconnected"
            click.echo(f"{now} {event.kind}{': ' + event.message if event.message else ''}", err=True)


class JsonLines(PlainLines):
    """Print a line of JSON for each event."""

    def show(self, event: ClientEvent) -> None:
        """Print an event, if it is meant; of members only those that are."""
        vector = event.vector
        line: dict[str, Any] = {"time": timestamp(), "event": event.kind, "device": event.device}
        if vector is not None:
            meant = _meant(self._specs, vector)
            if not meant:
                return
            values = {name: plain(value) for name, value in event.values.items() if name in meant}
            line |= {"name": vector.name, "state": event.state, "values": values}
        elif not _device_meant(self._specs, event.device):
            return
        show_json({**line, "message": event.message}, indent=None)

    def show_blob(self, blob: ReceivedBlob) -> None:
        """Print where a BLOB has been written."""
        line = {"time": timestamp(), "event": "blob", "device": blob.device, "name": blob.name, "member": blob.member}
        path = str(blob.path.absolute()) if blob.path is not None else None
        show_json({**line, "format": blob.format, "size": blob.size, "path": path}, indent=None)


def saved(blob: ReceivedBlob) -> str:
    """Return in one line what came and where it is."""
    return f"{printable(f'{blob.device}.{blob.name}.{blob.member}')}: {blob.size} bytes in {blob.path}"


async def _draw(client: Client, specs: Sequence[Spec], directory: Path | None) -> None:
    """Draw a table of what is meant whenever something has changed, at most ten times a second."""
    from rich.console import Console
    from rich.live import Live

    changed = asyncio.Event()
    blobs: deque[str] = deque(maxlen=BLOBS_SHOWN)

    def tell(blob: ReceivedBlob) -> None:
        blobs.append(saved(blob))
        changed.set()

    end = client.observe(lambda _: changed.set())
    try:
        async with client, _saving(client, specs, directory, tell):
            # On the alternate screen a table of any length leaves nothing behind.
            with Live(console=Console(), auto_refresh=False, screen=True) as live:
                while True:
                    live.update(_table(client, specs, blobs), refresh=True)
                    await asyncio.sleep(FRAME_SECONDS)
                    await changed.wait()
                    changed.clear()
    finally:
        end()


def _table(client: Client, specs: Sequence[Spec], blobs: Iterable[str]) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table("property", "state", "values", box=SIMPLE_HEAD, pad_edge=False)
    for vector in client.devices.vectors():
        names = _meant(specs, vector)
        if names:
            style = "bright_black" if vector.stale else STYLES[vector.state]
            table.add_row(Text(printable(str(vector))), Text(vector.state, style=style), Text(_values(vector, names)))
    said = [f"{device.name}: {device.messages[-1]}" for device in client.devices.values() if device.messages]
    notes = [Text(printable(line), style="dim") for line in said]
    notes += [Text(line) for line in blobs]
    if not client.connected:
        notes.append(Text("disconnected; waiting for the server", style="bold red"))
    return Group(table, *notes, Text("Ctrl-C ends", style="dim"))


def _values(vector: RemoteVector, names: Sequence[str]) -> str:
    if vector.kind == "Switch" and vector.rule != "AnyOfMany" and len(names) == len(vector.members):
        return vector.chosen or "-"
    return "  ".join(f"{name}={shown(vector, name)}" for name in names)


def _meant(specs: Sequence[Spec], vector: RemoteVector) -> list[str]:
    return list(dict.fromkeys(name for spec in specs for name in spec.elements(vector)))


def _device_meant(specs: Sequence[Spec], device: str | None) -> bool:
    from fnmatch import fnmatchcase

    return device is None or any(fnmatchcase(device, spec.device) for spec in specs)


def timestamp() -> str:
    """Return the time in UTC to the millisecond."""
    now_ms = time.time_ns() // 1_000_000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms // 1000)) + f".{now_ms % 1000:03d}Z"
