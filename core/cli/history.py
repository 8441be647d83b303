"""`corectl history`: what a recorder has kept, as a picture, a table, CSV, JSON or SVG."""

from __future__ import annotations

import csv
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.charts import Curve
from core.cli.moments import EXAMPLES, parse_moment
from core.cli.waiting import waiting

if TYPE_CHECKING:
    from core.recorder.history import History, Point, Recorded
    from core.recorder.protocol import Series

SECOND = 1_000_000_000
SVG_POINTS = 1600


class Moment(click.ParamType[int]):
    """Be a moment in nanoseconds since 1970, written as a length of time before now or as a date."""

    name = "moment"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the moment; fail with examples."""
        if isinstance(value, int):
            return value
        try:
            return parse_moment(value, time.time_ns())
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("history", epilog=f"WHEN is {EXAMPLES}.")
@click.argument("spec", required=False)
@click.option("--since", type=Moment(), metavar="WHEN", default="1h", show_default=True, help="From when on.")
@click.option("--until", type=Moment(), metavar="WHEN", default="now", show_default=True, help="Until when.")
@click.option("--table", "form", flag_value="table", help="Print a table; the default where stdout is no terminal.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, times in UTC.")
@click.option("--json", "form", flag_value="json", help="Print stable JSON.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help='Draw to an SVG file ("-": stdout).')
@click.option(
    "--file", type=click.Path(path_type=Path), help="The database; else the one of the recorder in core.toml."
)
@click.option("--device", metavar="NAME", help="Only list what was recorded of this device.")
def history(
    spec: str | None,
    since: int,
    until: int,
    form: str | None,
    plot: Path | None,
    file: Path | None,
    device: str | None,
) -> None:
    """Show what was recorded of SPEC: DEVICE.PROPERTY or DEVICE.PROPERTY.MEMBER, with * as a wildcard.

    Without SPEC, list everything that was recorded, or that of a device. A plot is drawn on a terminal; where values
    have been condensed to minutes or hours, their means are shown.
    """
    from core.recorder.history import History

    _check(since, until, form, plot)
    if device is not None and (spec is not None or plot is not None):
        raise click.UsageError("--device lists the names of what was recorded; for its values give a SPEC alone")
    if spec is None and plot is not None:
        raise click.UsageError("--plot needs a SPEC: what is to be drawn? `corectl history` lists what there is")
    with History(file or _configured()) as found:
        if spec is None:
            _list(found, device, as_json=form == "json", as_csv=form == "csv")
            return
        chosen = _chosen(found, spec)
        if plot is not None:
            _draw(found, chosen, since, until, plot, spec)
        elif form is None and _can_draw():
            _show(found, chosen, since, until)
        else:
            _print(found, chosen, since, until, form or "table")


def _check(since: int, until: int, form: str | None, plot: Path | None) -> None:
    if since >= until:
        raise click.UsageError("--since is not before --until; there is nothing between them")
    if plot is not None and form is not None:
        raise click.UsageError(f"--plot and --{form} exclude each other")
    if plot is not None and str(plot) != "-" and plot.suffix.lower() != ".svg":
        raise click.UsageError(f"--plot writes SVG, so the file is to end in .svg, not {plot.name!r}")


def _configured() -> Path:
    """Return the database of the recorder in core.toml, or where a recorder named "history" writes by itself."""
    from core.cli.choices import chosen_config
    from core.config import Config
    from core.errors import ConfigError
    from core.recorder.location import found_file, found_placed

    config = chosen_config(None) or Config()
    tables = [table for table in config.of("device") if table.text("plugin") == "recorder"]
    try:
        run = config.core.name
        folder = config.path.parent if config.path is not None else Path()
        files = {
            table.name: found_placed(given, folder, run)
            if (given := table.text("file"))
            else found_file(run, table.name)
            for table in tables
        }
        if len(files) > 1:
            listed = ", ".join(f"{name} in {path}" for name, path in files.items())
            raise ConfigError(f"{config.path} has several recorders; choose with --file: {listed}")
        return next(iter(files.values())) if files else found_file(run, "history")
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _chosen(found: History, spec: str) -> list[Series]:
    """Return the series that a SPEC means; raise ConfigError with what was probably meant."""
    from core.errors import ConfigError
    from core.recorder.history import matching
    from core.suggestions import nearest

    everything = found.series()
    try:
        chosen = matching(everything, spec)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if chosen:
        return chosen
    if not everything:
        raise ConfigError(f"{found.path} is empty: nothing has been recorded yet")
    names = list(dict.fromkeys(name for one in everything for name in (f"{one.device}.{one.property}", _full(one))))
    near = nearest(spec, [*names, *{one.device for one in everything}])
    meant = f"; did you mean {near}?" if near else "; `corectl history` lists what there is"
    raise ConfigError(f"nothing was recorded of {spec!r}{meant}")


def _of_device(found: History, device: str | None) -> list[Series]:
    """Return the series of a device, all without one; raise ConfigError with what was probably meant."""
    from core.errors import ConfigError
    from core.suggestions import nearest

    everything = found.series()
    chosen = [one for one in everything if device in (None, one.device)]
    if everything and not chosen and device is not None:
        names = sorted({one.device for one in everything})
        near = nearest(device, names)
        meant = f"did you mean {near}?" if near else f"there is {', '.join(names)}"
        raise ConfigError(f"nothing was recorded of a device {device!r}; {meant}")
    return chosen


def _list(found: History, device: str | None, *, as_json: bool, as_csv: bool) -> None:
    from core.cli.tables import show_json, show_table

    with waiting(f"reading {found.path}"):
        rows = [found.recorded(one) for one in _of_device(found, device)]
    if as_json:
        listed = [
            {**_described(row.series), "first": _utc(row.first), "last": _utc(row.last), "value": row.value}
            for row in rows
        ]
        show_json({"version": 1, "file": str(found.path), "series": listed})
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("device", "property", "member", "unit", "first", "last", "value"))
        for row in rows:
            one = row.series
            times = (_utc(row.first), _utc(row.last))
            writer.writerow((one.device, one.property, one.member, one.unit, *times, row.value))
        return
    if not rows:
        click.echo(f"{found.path} is empty: nothing has been recorded yet")
        return
    show_table(
        ("recorded", "unit", "since", "until", "last value"),
        [(_full(row.series), row.series.unit, _local(row.first), _local(row.last), _text(row)) for row in rows],
    )


def _print(found: History, chosen: Sequence[Series], since: int, until: int, form: str) -> None:
    from core.cli.tables import show_json, show_table
    from core.errors import CoreError

    if form == "json":
        with waiting(f"reading {found.path}"):
            points = [[_point(point) for point in found.points(one, since, until)] for one in chosen]
        listed = [{**_described(one), "points": of_one} for one, of_one in zip(chosen, points, strict=True)]
        show_json({"version": 1, "since": _utc(since), "until": _utc(until), "series": listed})
        return
    values = [dict(found.values(one, since, until)) for one in chosen]
    times = sorted(set().union(*values))
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("time", *_short(chosen)))
        for at in times:
            writer.writerow((_utc(at), *(column.get(at, "") for column in values)))
        return
    if not times:
        raise CoreError(_nothing(found, chosen, since, until))
    headers = [f"{name} ({one.unit})" if one.unit else name for name, one in _named(chosen)]
    rows = [
        (_local(at), *(_formatted(column.get(at), one) for column, one in zip(values, chosen, strict=True)))
        for at in times
    ]
    show_table(("time", *headers), rows)


def _show(found: History, chosen: Sequence[Series], since: int, until: int) -> None:
    """Draw on the terminal, and say in a line for each series what the picture cannot."""
    from core.cli.terminal_chart import terminal_chart

    width = shutil.get_terminal_size().columns
    since, until = _narrowed(found, chosen, since, until)
    curves: list[Curve] = []
    said: list[str] = []
    for name, one in _named(chosen):
        with waiting(f"reading {found.path}"):
            points = found.outline(one, since, until, max(width * 2, 100))
        if not points:
            continue
        curves.append(Curve(name, one.unit, points))
        count = sum(point.samples or 1 for point in points)
        mean = sum(point.value * (point.samples or 1) for point in points) / count
        low = min(point.value if point.low is None else point.low for point in points)
        high = max(point.value if point.high is None else point.high for point in points)
        extremes = f"{_formatted(low, one)} to {_formatted(high, one)} {one.unit}".rstrip()
        said.append(f"{name}: {extremes}, mean {_formatted(mean, one)}, {count} values")
    click.echo(terminal_chart(curves, since, until, width))
    click.echo()
    click.echo("\n".join(said))


def _draw(found: History, chosen: Sequence[Series], since: int, until: int, path: Path, spec: str) -> None:
    from core.cli.svg_chart import svg_chart
    from core.errors import CoreError

    since, until = _narrowed(found, chosen, since, until)
    with waiting(f"reading {found.path}"):
        outlines = [(name, one, found.outline(one, since, until, SVG_POINTS)) for name, one in _named(chosen)]
    curves = [Curve(name, one.unit, points) for name, one, points in outlines if points]
    text = svg_chart(curves, since, until, f"{spec}, {_local(since)[:19]} to {_local(until)[:19]}")
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CoreError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"{path} is written")


def _narrowed(found: History, chosen: Sequence[Series], since: int, until: int) -> tuple[int, int]:
    """Return the time in which there is something to draw; raise CoreError if there is nothing."""
    from core.errors import CoreError

    extents = [extent for one in chosen if (extent := found.extent(one, since, until)) is not None]
    if not extents:
        raise CoreError(_nothing(found, chosen, since, until))
    return min(first for first, _ in extents), max(last for _, last in extents) + 1


def _nothing(found: History, chosen: Sequence[Series], since: int, until: int) -> str:
    last = max((row.last for one in chosen if (row := found.recorded(one)).last is not None), default=None)
    said = f"nothing was recorded between {_local(since)} and {_local(until)}"
    return f"{said}; the last value is of {_local(last)}" if last is not None else said


def _can_draw() -> bool:
    """Return whether stdout is a terminal that shows braille."""
    return sys.stdout.isatty() and "utf" in (sys.stdout.encoding or "").lower()


def _full(one: Series) -> str:
    return f"{one.device}.{one.property}.{one.member}"


def _short(chosen: Sequence[Series]) -> list[str]:
    """Return names that tell the series apart: the members' alone where they are of one property."""
    one_property = len({(one.device, one.property) for one in chosen}) == 1
    return [one.member if one_property else _full(one) for one in chosen]


def _named(chosen: Sequence[Series]) -> list[tuple[str, Series]]:
    return list(zip(_short(chosen), chosen, strict=True))


def _described(one: Series) -> dict[str, str]:
    return {"device": one.device, "property": one.property, "member": one.member, "label": one.label, "unit": one.unit}


def _point(point: Point) -> dict[str, object]:
    if point.samples is None:
        return {"time": _utc(point.time), "value": point.value}
    condensed = {"min": point.low, "max": point.high, "count": point.samples}
    return {"time": _utc(point.time), "value": point.value, **condensed}


def _text(row: Recorded) -> str:
    return _formatted(row.value, row.series)


def _formatted(value: float | None, one: Series) -> str:
    from core.indi import format_number

    return "" if value is None else format_number(value, one.format).strip()


def _utc(at: int | None) -> str | None:
    if at is None:
        return None
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def _local(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / SECOND).astimezone().isoformat(" ", "milliseconds")[:23]
