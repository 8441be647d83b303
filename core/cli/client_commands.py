"""`corectl get` and `corectl set`: what a server's properties are, and what they shall be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import click

from core.cli.specs import Spec, as_json, printable, server, server_options, shown
from core.cli.tables import show_json
from core.cli.waiting import waiting
from core.interrupt import heeding_interrupts
from core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.client import Client, RemoteVector

JSON_VERSION = 1
QUIET = 0.5
"""For how many seconds a server that has begun to answer defines nothing before it has told everything."""

Found = list[tuple["RemoteVector", list[str]]]


@click.command("get")
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@server_options(2.0)
@click.option("--json", "json_wanted", is_flag=True, help="Print stable JSON with all attributes.")
def get(specs: tuple[str, ...], host: str, port: int, timeout: float, json_wanted: bool) -> None:
    """Print properties of an INDI server as device.property.element=value.

    SPEC is device.property.element; * stands for any, also where a part is left out. An element _LABEL, _GROUP, _STATE,
    _PERM, _TO or _TS tells that of the property. Without a SPEC everything is printed.
    """
    wanted = [Spec.parse(spec) for spec in specs] or [Spec()]
    with waiting(f"asking {host}:{port}"), heeding_interrupts():
        found, missing = asyncio.run(_get(wanted, host, port, timeout))
    if json_wanted:
        document = {"version": JSON_VERSION, "properties": [as_json(vector, names) for vector, names in found]}
        show_json(document)
    else:
        for vector, names in found:
            for name in names:
                click.echo(f"{vector}.{name}={shown(vector, name)}")
    for sentence in missing:
        click.echo(f"corectl: {sentence}", err=True)
    if missing:
        raise click.exceptions.Exit(1)


async def _get(specs: Sequence[Spec], host: str, port: int, seconds: float) -> tuple[Found, list[str]]:
    """Return the properties that are meant with the names of their elements, and what there is to say of the rest."""
    async with server(host, port, seconds, specs) as client:
        await _collect(client, specs, seconds)
        found: Found = []
        for vector in client.devices.vectors():
            names = list(dict.fromkeys(name for spec in specs for name in spec.elements(vector)))
            if names:
                found.append((vector, names))
        missing = [spec for spec in specs if not any(spec.elements(vector) for vector, _ in found)]
        known = {(vector.device, vector.name): list(vector.members) for vector in client.devices.vectors()}
    if missing and not all(any(spec.device == device for device, _ in known) for spec in missing):
        # A server tells nothing of other devices to who has named one.
        async with server(host, port, seconds) as client:
            await _collect(client, [Spec()], seconds)
            known = {(vector.device, vector.name): list(vector.members) for vector in client.devices.vectors()}
    return found, [f"nothing on {host}:{port} matches {spec}; {_what_there_is(spec, known)}" for spec in missing]


def _what_there_is(spec: Spec, known: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Return what the server has instead, the nearest name first where one was meant."""
    devices = list(dict.fromkeys(device for device, _ in known))
    wanted, names, there = spec.device, devices, f"there is {', '.join(devices) or 'no device'}"
    if spec.device in devices:
        wanted, names = spec.name, [name for device, name in known if device == spec.device]
        there = f"{spec.device} has {', '.join(names)}"
    if (members := known.get((spec.device, spec.name))) is not None:
        wanted, names = spec.element, list(members)
        there = f"{spec.device}.{spec.name} has {', '.join(names)}"
    near = nearest(wanted, names)
    return printable(f"did you mean {near}? {there}" if near else there)


async def _collect(client: Client, specs: Sequence[Spec], seconds: float) -> None:
    """Wait until what is meant is there, or the server has nothing more to tell."""
    events = client.events()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            if all(spec.exact for spec in specs):
                for spec in specs:
                    await client.wait_for(spec.device, spec.name, lambda vector, spec=spec: spec.elements(vector))
                return
            async for event in events:
                if event.kind == "defined":
                    break
            await client.settled(QUIET)


@click.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="SPEC=VALUE...")
@server_options(10.0)
@click.option("--no-wait", is_flag=True, help="Do not wait until the server has done it.")
def set(assignments: tuple[str, ...], host: str, port: int, timeout: float, no_wait: bool) -> None:
    """Set elements of properties of an INDI server, and wait until it has.

    SPEC is device.property.element; elements of one property are sent together. VALUE is a number, also as 12:34:56, a
    text, On or Off, or for BLOBs the path of a file. What the server refuses ends the command with its reason.
    """
    values = _grouped(assignments)
    with waiting(f"waiting until {host}:{port} has done it"), heeding_interrupts():
        asyncio.run(_set(values, host, port, timeout, wait=not no_wait))


def _grouped(assignments: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the values by property and element; raise click.UsageError for what is no assignment."""
    grouped: dict[tuple[str, str], dict[str, str]] = {}
    for assignment in assignments:
        place, equals, value = assignment.partition("=")
        parts = place.split(".", 2)
        if not equals or len(parts) != 3 or not all(parts):
            raise click.UsageError(f"{assignment!r} is no assignment; write device.property.element=value")
        device, name, element = parts
        # indi_setprop's way to set several elements of one property.
        elements, values = [element], [value]
        if ";" in element:
            elements, values = element.split(";"), value.split(";")
        if len(elements) != len(values):
            raise click.UsageError(f"{assignment!r} has {len(elements)} elements and {len(values)} values")
        grouped.setdefault((device, name), {}).update(zip(elements, values, strict=True))
    return grouped


async def _set(
    grouped: dict[tuple[str, str], dict[str, str]], host: str, port: int, seconds: float, *, wait: bool
) -> None:
    async with server(host, port, seconds) as client:
        for (device, name), values in grouped.items():
            await client.set(device, name, values, timeout=seconds, wait=wait)
