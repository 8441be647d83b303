"""`corectl status` and `corectl driver`: what is asked of a run on this machine."""

from __future__ import annotations

from typing import Any

import click

from core.cli.tables import show_json, show_table

run_name = click.option("--name", default="core", show_default=True, help="Name of the run, as [core] name says.")


def ask_run(run: str, do: str, **question: Any) -> dict[str, Any]:
    """Ask a run on this machine and return its answer; raise CoreError if it does not run or refuses."""
    from core.cli.waiting import waiting
    from core.control import ask

    with waiting(f"waiting for the answer of the run {run!r}"):
        return ask(run, {"do": do, **question})


@click.command("status")
@run_name
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
def status(name: str, as_json: bool) -> None:
    """Show what runs, in which state, and how exact its tasks are."""
    found = ask_run(name, "status")["status"]
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['name']}: core {found['core']}, process {found['process']}")
    if found["devices"]:
        click.echo()
        rows = [
            (one["name"], one["plugin"], one["state"], _of_device(one, found["process"])) for one in found["devices"]
        ]
        show_table(("device", "plugin", "state", ""), rows)
    if found["failed"]:
        click.echo()
        show_table(("not made", "why"), [(one["instance"], one["cause"]) for one in found["failed"]])
    if found["transports"]:
        click.echo()
        show_table(
            ("transport", "kind", ""), [(one["name"], one["kind"], one["summary"]) for one in found["transports"]]
        )
    if found["peers"]:
        click.echo()
        columns = ("peer", "role", "pending", "collapsed", "dropped", "pauses")
        peers = [tuple(str(one[column]) for column in columns) for one in found["peers"]]
        show_table(("peer", "role", "bytes pending", "sets replaced", "frames dropped", "pauses"), peers)
    if found["loop"]["tasks"]:
        click.echo()
        show_table(
            ("task", "period", "state", "ticks", "misses", "errors", "late p50", "p99", "max", "takes"),
            [_task(task) for task in found["loop"]["tasks"]],
        )


def _of_device(device: dict[str, Any], run: int) -> str:
    runs = []
    for one in device["programs"]:
        region = "" if one["region"] == "all" else f" on {one['region']}"
        state = "" if one["state"] == "running" else f" ({one['state']})"
        runs.append(f"{one['program']}{region}{state}")
    failed, process, again = device["state"] == "failed", device["process"], device["retry_seconds"]
    text = str(device["cause"] if failed else ", ".join(runs) or device["summary"])
    if unsaved := device.get("unsaved"):
        text = f"{text}; {unsaved}"
    text += f" (process {process})" if process not in (run, None) else ""
    return f"{text}, next try in {again:.0f} s" if failed and again is not None else text


def _task(task: dict[str, Any]) -> tuple[str, ...]:
    times = (task[key] for key in ("lateness_p50", "lateness_p99", "lateness_max", "duration_mean"))
    return (
        task["name"],
        f"{task['period']:g} s",
        task["state"],
        str(task["ticks"]),
        str(task["misses"]),
        str(task["errors"]),
        *(f"{seconds * 1000:.3f} ms" for seconds in times),
    )


@click.command("reload")
@run_name
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
def reload(name: str, as_json: bool) -> None:
    """Apply a changed core.toml: close and open only what has changed. A file with a mistake changes nothing."""
    done = ask_run(name, "reload")["reload"]
    if as_json:
        show_json({"version": 1, **done})
    else:
        lines = [
            *(f"{title}: opened" for title in done["opened"]),
            *(f"{title}: closed and opened again" for title in done["reopened"]),
            *(f"{title}: closed" for title in done["closed"]),
            *(f"{device}: its program has changed" for device in done["programs"]),
            *(f"[core] {key}: applied" for key in done["core"]),
        ]
        for line in [*lines, *done["restart"]] or ([] if done["failed"] else ["nothing has changed"]):
            click.echo(line)
        for line in done["failed"]:
            click.echo(f"corectl: {line}", err=True)
    if done["failed"]:
        raise click.exceptions.Exit(1)


@click.group("driver")
def driver() -> None:
    """List, start, stop and restart INDI drivers of a run."""


@driver.command("list")
@run_name
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
def list_(name: str, as_json: bool) -> None:
    """Show the drivers that run as child processes, and how they have fared."""
    drivers = ask_run(name, "driver list")["drivers"]
    if as_json:
        show_json({"version": 1, "drivers": drivers})
        return
    rows = [(one["name"], _fares(one), str(one["starts"]), one["last_end"] or "-", one["command"]) for one in drivers]
    show_table(("driver", "state", "starts", "last end", "command"), rows)


def _fares(driver: dict[str, Any]) -> str:
    if driver["process"] is not None:
        return f"process {driver['process']}"
    again = driver["next_start_seconds"]
    return "does not run" if again is None else f"starts in {again:.1f} s"


@driver.command("start")
@run_name
@click.argument("driver_name", metavar="NAME")
@click.argument("command", required=False)
def start(name: str, driver_name: str, command: str | None) -> None:
    """Start the INDI executable COMMAND (left out: NAME itself) as driver NAME."""
    ask_run(name, "driver start", name=driver_name, command=command)


@driver.command("stop")
@run_name
@click.argument("driver_name", metavar="NAME")
def stop(name: str, driver_name: str) -> None:
    """Stop driver NAME; its properties are deleted at the clients."""
    ask_run(name, "driver stop", name=driver_name)


@driver.command("restart")
@run_name
@click.argument("driver_name", metavar="NAME")
def restart(name: str, driver_name: str) -> None:
    """End driver NAME and start it again at once."""
    ask_run(name, "driver restart", name=driver_name)
