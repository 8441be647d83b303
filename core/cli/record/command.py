"""`corectl record`: the first seconds of a program as a moving picture, made in an instant."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli.number_range import NumberRange
from core.cli.plugin_options import plugin_options

if TYPE_CHECKING:
    from core.cli.record.film import Film
    from core.program_device import ProgramDevice

FORMATS = (".svg", ".gif", ".cast")


def _names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the programs whose names begin so, for the Tab key."""
    from core.cli.choices import discovered

    return sorted(name for name in discovered().programs if name.startswith(begun))


@click.command("record")
@click.argument("program", shell_complete=_names)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.(svg|gif|cast)")
@click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
@click.option(
    "--seconds", type=NumberRange(0.1, 600), default=4.0, show_default=True, help="How long the recording is."
)
@click.option(
    "--speed",
    type=NumberRange(0.1, 10),
    default=1.0,
    show_default=True,
    help="How many times faster the program runs.",
)
@click.option("--device", metavar="NAME", help="The simulated device it runs on; the first that has it otherwise.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help='An option of the device as in core.toml, as "lines=[[0, 1], [2, 3]]"; may be given again.',
)
@plugin_options
def record(
    program: str,
    out: Path,
    settings: tuple[str, ...],
    seconds: float,
    speed: float,
    device: str | None,
    options: tuple[str, ...],
) -> None:
    """Record the first seconds of PROGRAM: a moving SVG, a GIF, or an asciicast for asciinema.

    It runs on a simulated device, in time that passes by itself, so that minutes take a moment and no LED of this
    machine is lit. OUT is replaced if it exists, but only by a recording that is whole.
    """
    from core.cli.record.film import film
    from core.cli.waiting import waiting
    from core.programs.settings import from_texts, parsed

    write = _writer(out)
    texts = _pairs(settings, "SETTING")
    given = {key: parsed(text) for key, text in _pairs(options, "KEY").items()}
    target = _device(program, device, given)
    # What goes wrong with the program comes as an error, and is not said by the log as well.
    logging.getLogger("core").addHandler(logging.NullHandler())
    with _replacing(out) as put, waiting(f"recording {seconds:g} s of {program}"):
        filmed = film(target, program, from_texts(target.programs[program], texts), seconds, speed)
        put(write(filmed))
    rows, columns = filmed.size
    click.echo(f"{out}: {filmed.seconds:g} s of {program}, {rows}x{columns}, {len(filmed.pictures)} pictures")


def _writer(out: Path) -> Callable[[Film], bytes]:
    match out.suffix.lower():
        case ".svg":
            from core.cli.record.svg import svg

            return svg
        case ".gif":
            from core.cli.record.gif import gif, require_pillow

            require_pillow()
            return gif
        case ".cast":
            from core.cli.record.cast import cast

            return cast
    raise click.UsageError(f"{str(out)!r} says no format; its name has to end with one of {', '.join(FORMATS)}")


def _device(program: str, name: str | None, options: dict[str, Any]) -> ProgramDevice:
    """Return a simulated device that has the program; raise ConfigError if there is none."""
    from core.assembly import assemble, propose, usable_proposals
    from core.cli.choices import discovered
    from core.errors import ConfigError
    from core.program_device import ProgramDevice
    from core.suggestions import nearest

    # Not those of core.toml: what hangs on their lines shall not see time fly.
    plugins = discovered()
    proposals = {one.name: one for one in usable_proposals(plugins) if one.demo and one.section == "device"}
    found = assemble(propose(proposals.values()), plugins).devices.values()
    devices = {one.name: one for one in found if isinstance(one, ProgramDevice)}
    if not devices:
        raise ConfigError("there is no simulated device that runs programs; for one: pip install plugin-gpio-matrix")
    if name is not None and name not in devices:
        raise ConfigError(f"there is no simulated device {name!r} that runs programs; there is {', '.join(devices)}")
    able = [one for one in devices.values() if program in one.programs and name in (None, one.name)]
    if not able:
        near = nearest(program, {known for device in devices.values() for known in device.programs})
        meant = f" Did you mean {near!r}?" if near else ""
        where = name or "no simulated device"
        has = "has no" if name else "has a"
        raise ConfigError(f"{where} {has} program {program!r}.{meant} See corectl list-programs")
    if not options:
        return able[0]
    chosen = proposals[able[0].name]
    chosen = dataclasses.replace(chosen, table={**chosen.table, **options})
    device = assemble(propose([chosen]), plugins).devices[chosen.name]
    if not isinstance(device, ProgramDevice):
        raise ConfigError(f"{chosen.name} runs no programs with {', '.join(options)}")
    return device


@contextlib.contextmanager
def _replacing(out: Path) -> Iterator[Callable[[bytes], None]]:
    """Yield what writes the file; until it has been called, the file is as it was. Raise ConfigError if it cannot be.

    Whether there may be a file is tried first, before anything has been waited for.
    """
    with _told(out):
        target = out.resolve()  # a link stays one
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    with contextlib.ExitStack() as stack:
        # Before there is a file, because Ctrl-C may come between any two steps.
        stack.callback(beside.unlink, missing_ok=True)
        with _told(out):
            file = stack.enter_context(beside.open("xb", buffering=0))

        def put(data: bytes) -> None:
            with _told(out):
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                beside.replace(target)

        yield put


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    from core.errors import ConfigError

    try:
        yield
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}") from error


def _pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{text!r} is no {what}=VALUE")
        pairs[key] = value
    return pairs
