"""How long `corectl` takes until it has said something: `python benchmarks/startup.py [--runs N]`.

Each figure is the fastest of several runs, because everything else that the machine does only adds to it; the
processor's time beside it tells whether something else did. Ten plugins are the installed ones and as many made-up
ones, each with a device of its own, as are missing to ten.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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


def fastest(command: list[str], environment: dict[str, str], runs: int) -> tuple[float, float]:
    """Return the milliseconds of the fastest run, and those of the processor in the run that took least of it."""
    taken, busy = [], []
    for _ in range(runs):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(taken) * 1000, min(busy) * 1000


def main() -> None:
    """Measure and compare with what is promised; exit status 1 where that is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": folder, "XDG_CONFIG_HOME": folder}
        listed = subprocess.run([CORECTL, "list-plugins", "--json"], env=environment, capture_output=True, check=True)
        add_plugins(Path(folder), PLUGINS - len(json.loads(listed.stdout)["plugins"]))
        commands = [["python", "-c", "pass"], ["corectl", "--version"], ["corectl", "list-plugins"]]
        programs = {"python": sys.executable, "corectl": str(CORECTL)}
        figures = [fastest([programs[name], *words], environment, runs) for name, *words in commands]
        allowed = (None, VERSION_TIMES * figures[0][0] + VERSION_MORE_MS, LIST_MS)
        kept = True
        for command, (ms, busy), most in zip(commands, figures, allowed, strict=True):
            kept = kept and (most is None or ms <= most)
            promise = f", {most:.0f} ms allowed" if most is not None else ""
            print(f"{' '.join(command):24} {ms:7.1f} ms, {busy:.0f} ms of the processor{promise}")
    sys.exit(not kept)


if __name__ == "__main__":
    main()
