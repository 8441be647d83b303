"""How long `corectl` takes until it has said something: `python benchmarks/startup.py [--runs N]`.

Each figure is the fastest of several runs, because everything else that the machine does only adds to it. Ten plugins
are the installed ones and as many made-up ones, each with a device of its own, as are missing to ten.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORECTL = Path(sys.executable).parent / "corectl"
PLUGINS = 10
VERSION_MORE_MS, VERSION_TIMES, LIST_MS = 60.0, 1.5, 250.0
"""What is promised: --version at most 60 ms more than 1.5 times Python's own start, list-plugins below 250 ms."""

PLUGIN = '''"""A made-up plugin."""
from core import Device, Number, NumberVector, Options, hookimpl

core_api = 1


class Gauge{number}(Device):
    """A gauge."""

    value = NumberVector("Value", members={{"value": Number(unit="V", format="%.2f")}})

    class Options(Options):
        """What core.toml may say."""

        channel: int = 0


@hookimpl
def core_register_devices():
    return [Gauge{number}]
'''


def add_plugins(site: Path, missing: int) -> None:
    """Install made-up plugins into a folder."""
    for number in range(missing):
        name = f"gauge{number}"
        (site / f"{name}.py").write_text(PLUGIN.format(number=number))
        information = site / f"plugin_{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[core.plugins]\n{name} = {name}\n")


def fastest_ms(command: list[str], environment: dict[str, str], runs: int) -> float:
    """Return the milliseconds of the fastest run."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return min(taken) * 1000


def main() -> None:
    """Measure and compare with what is promised; exit status 1 where that is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": folder, "XDG_CONFIG_HOME": folder}
        listed = subprocess.run([CORECTL, "list-plugins", "--json"], env=environment, capture_output=True, check=True)
        add_plugins(Path(folder), PLUGINS - len(json.loads(listed.stdout)["plugins"]))
        bare = fastest_ms([sys.executable, "-c", "pass"], environment, runs)
        rows = [
            ("python -c pass", bare, None),
            ("corectl --version", None, VERSION_TIMES * bare + VERSION_MORE_MS),
            ("corectl list-plugins", None, LIST_MS),
        ]
        kept = True
        for title, taken, allowed in rows:
            ms = taken if taken is not None else fastest_ms([str(CORECTL), *title.split()[1:]], environment, runs)
            kept = kept and (allowed is None or ms <= allowed)
            print(f"{title:24} {ms:7.1f} ms" + (f"   {allowed:.0f} ms allowed" if allowed is not None else ""))
    sys.exit(not kept)


if __name__ == "__main__":
    main()
