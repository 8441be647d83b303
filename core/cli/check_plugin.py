"""`corectl check-plugin`: a checklist for authors, with pass or fail and why."""

from __future__ import annotations

import click

from core.checklist.lines import Line
from core.cli.plugin_options import plugin_options
from core.cli.tables import show_json
from core.cli.waiting import waiting

JSON_VERSION = 1
MARKS = {"pass": "pass", "fail": "FAIL", "n/a": "  - "}


@click.command("check-plugin")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print stable JSON.")
@plugin_options
def check_plugin(name: str, as_json: bool) -> None:
    """Check the plugin NAME before strangers use it; exit status 1 if any line fails.

    NAME is the plugin's name or that of its distribution. Devices are opened simulated, never on real hardware, in a
    process of their own: one that blocks or crashes fails a line.
    """
    from core.checklist.process import checked
    from core.cli.choices import disabled

    lines: list[Line] = []
    checking = checked(name, disabled())
    while True:
        with waiting(f"checking {name}, line {len(lines) + 1}"):
            line = next(checking, None)
        if line is None:
            break
        lines.append(line)
        if not as_json:
            click.echo(f"{MARKS[line.verdict]}  {line.title}: {line.why}")
            if line.cure:
                click.echo(f"      cure: {line.cure}")
    failed = sum(line.verdict == "fail" for line in lines)
    if as_json:
        rows = [{"title": line.title, "verdict": line.verdict, "why": line.why, "cure": line.cure} for line in lines]
        show_json({"version": JSON_VERSION, "plugin": name, "failed": failed, "lines": rows})
    else:
        click.echo(f"\n{name}: {f'{failed} of {len(lines)} lines fail' if failed else 'ready for strangers'}")
    if failed:
        raise SystemExit(1)
