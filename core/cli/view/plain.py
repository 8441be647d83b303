"""A running instance without Textual: a picture that is drawn anew on a terminal, lines of what happens in a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any

from core.cli.view.ending import when_hung_up
from core.cli.view.instance import RunningInstance
from core.cli.view.terminal import can_move_cursor
from core.cli.writer import Descriptor, PlainSink, Writer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from core.cli.view.looks import Look
    from core.client import Client

FRAME_SECONDS = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def show(client: Client, where: str) -> None:
    """Show an instance until Ctrl-C, or until the reader has gone."""
    loop = asyncio.get_running_loop()
    end, changed = asyncio.Event(), asyncio.Event()
    descriptor = Descriptor(sys.stdout)

    def leave() -> None:
        descriptor.forget()
        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(end.set)

    drawing = can_move_cursor(sys.stdout)
    if descriptor.number is not None:
        when_hung_up(descriptor.number, leave)
    writer: Writer[Any] = Writer(_sink(descriptor) if drawing else PlainSink(descriptor), leave)
    instance = RunningInstance(client, where)
    stop_observing = instance.observe(changed.set, writer.put, writer.put)
    for number in SIGNALS:
        loop.add_signal_handler(number, end.set)
    drawer = asyncio.create_task(_follow(instance, changed, writer, descriptor if drawing else None))
    ending = asyncio.create_task(end.wait())
    try:
        await asyncio.wait({drawer, ending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop_observing()
        for task in (drawer, ending):
            task.cancel()
        await asyncio.wait({drawer, ending})
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        if not writer.close():
            descriptor.let_go_on()
            writer.close()
    if not drawer.cancelled():
        drawer.result()


async def _follow(
    instance: RunningInstance, changed: asyncio.Event, writer: Writer[Any], terminal: Descriptor | None
) -> None:
    told: dict[str, str] = {}
    while True:
        looks = instance.looks()
        if terminal is not None:
            writer.show(_picture(instance, looks, terminal.encoding))
        else:
            for look in looks:
                if (doing := _doing(look)) != told.get(look.name, ""):
                    told[look.name] = doing
                    writer.put(f"{look.name}: {doing}")
        await asyncio.sleep(FRAME_SECONDS)
        await changed.wait()
        changed.clear()


def _doing(look: Look) -> str:
    if look.trouble or not look.programs:
        return look.trouble
    return f"program {look.program}" if look.program else "no program"


def _sink(descriptor: Descriptor) -> Any:
    from core.cli.live import LiveSink

    return LiveSink(descriptor)


def _picture(instance: RunningInstance, looks: list[Look], encoding: str) -> RenderableType:
    from rich.text import Text

    from core.cli.live import Picture, drawn, lamps

    hint = Text(f"{instance.where}; Ctrl-C ends", style="dim")
    if not instance.connected:
        hint = Text(f"{instance.where} has gone; waiting for it to come back", style="bold red")
    return Picture([drawn(look, lamps(encoding)) for look in looks], hint)
