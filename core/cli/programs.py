"""`corectl program`: the programs of a run, started, queued, ended, changed and listed."""

from __future__ import annotations

from collections.abc import Callable

import click

from core.cli.control import ask_run, run_name
from core.cli.tables import show_json, show_table

JSON_VERSION = 1


class _Programs(click.Group):
    """Be a group that knows what is meant where a device stands in the place of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant; say what to type where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if len(args) < 2:
                raise
            words = " ".join(["stop", args[0]] if args[1] == "none" else ["start", *args])
            raise click.UsageError(
                f"No such command {args[0]!r}. Did you mean: corectl program {words}", ctx
            ) from error


@click.group("program", cls=_Programs)
def program() -> None:
    """Start, queue, end and change the programs of a run."""


def _region(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--region",
        default="all",
        show_default=True,
        help="The part of the device that it runs on, as the device names its parts: "
        '"row 1", "rows 1-2", "column 3", "r1c1-r3c3", "ring 1", joined by "+".',
    )(command)


@program.command("start")
@run_name
@_region
@click.option(
    "--if-busy",
    type=click.Choice(["take-over", "wait", "refuse"]),
    help="What happens if another program has LEDs of the region; by default as the device is set.",
)
@click.argument("device")
@click.argument("program_name", metavar="PROGRAM")
@click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
def start(
    name: str, region: str, if_busy: str | None, device: str, program_name: str, settings: tuple[str, ...]
) -> None:
    """Run PROGRAM on DEVICE with its settings, beside those that run on other LEDs."""
    _start(name, device, program_name, settings, region=region, if_busy=if_busy)


@program.command("queue")
@run_name
@_region
@click.argument("device")
@click.argument("program_name", metavar="PROGRAM")
@click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
def queue(name: str, region: str, device: str, program_name: str, settings: tuple[str, ...]) -> None:
    """Run PROGRAM on DEVICE as soon as its LEDs are free."""
    _start(name, device, program_name, settings, region=region, if_busy="wait")


@program.command("stop")
@run_name
@click.argument("device")
@click.argument("which", required=False, metavar="[NUMBER|PROGRAM]")
def stop(name: str, device: str, which: str | None) -> None:
    """End one program of DEVICE, by its number or name, or all; those that wait as well."""
    ask_run(name, "program stop", device=device, which=None if which is None else _which(which))


@program.command("set")
@run_name
@click.argument("device")
@click.argument("which", metavar="NUMBER|PROGRAM")
@click.argument("settings", nargs=-1, required=True, metavar="SETTING=VALUE...")
def set_(name: str, device: str, which: str, settings: tuple[str, ...]) -> None:
    """Start a program that runs on DEVICE anew with other settings."""
    ask_run(name, "program set", device=device, which=_which(which), texts=dict(map(_setting, settings)))


@program.command("speed")
@run_name
@click.argument("device")
@click.argument("factor", type=float, required=False)
def speed(name: str, device: str, factor: float | None) -> None:
    """Let the programs of DEVICE run FACTOR times as fast as written (0.1 to 10); without it, say how fast they run."""
    answer = ask_run(name, "program speed", device=device, speed=factor)
    if factor is None:
        click.echo(f"{answer['speed']:g}")


@program.command("list")
@run_name
@click.argument("device", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
def list_(name: str, device: str | None, as_json: bool) -> None:
    """Show the programs that run and wait, on DEVICE or on all."""
    programs = ask_run(name, "program list", device=device)["programs"]
    if as_json:
        show_json({"version": JSON_VERSION, "programs": programs})
        return
    rows = [
        (
            str(one["number"]),
            one["device"],
            one["program"],
            one["region"],
            one["state"],
            " ".join(f"{key}={value}" for key, value in one["settings"].items()) or "-",
        )
        for one in programs
    ]
    show_table(("number", "device", "program", "region", "state", "settings"), rows)


def _start(
    run: str, device: str, program_name: str, settings: tuple[str, ...], *, region: str, if_busy: str | None
) -> None:
    answer = ask_run(
        run,
        "program start",
        device=device,
        program=program_name,
        texts=dict(map(_setting, settings)),
        region=region,
        if_busy=if_busy,
    )["run"]
    if answer["state"] == "waiting":
        click.echo(f"{program_name} waits as number {answer['number']} until its LEDs are free")


def _which(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no SETTING=VALUE")
    return key, value
