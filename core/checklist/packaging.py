"""Metadata, API version, and what happens when a plugin is only listed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core.checklist.lines import Line, of_faults
from core.checklist.subject import Subject
from core.hookspecs import API_VERSION
from core.plugins import DISABLE_VARIABLE

__all__ = ["api_version", "hardware_imports", "metadata"]

HARDWARE = (
    "adafruit_blinka", "adafruit_bus_device", "adafruit_platformdetect", "board", "busio", "digitalio", "evdev",
    "gpiod", "gpiozero", "hid", "libusb1", "lgpio", "microcontroller", "pigpio", "picamera2", "pyftdi", "pyudev",
    "rpi_ws281x", "RPi", "serial", "smbus", "smbus2", "spidev", "usb", "usb1",
)  # fmt: skip
"""Packages that reach for hardware, or need compiled libraries of the board."""

NODES = ("/dev/gpiochip", "/dev/spidev", "/dev/i2c-", "/dev/tty", "/dev/video", "/dev/hidraw", "/dev/bus/usb")

LISTING = """
import json, sys
opened = []
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])
sys.addaudithook(note)
from core.plugins import discover
records = [record for record in discover().records if record.name == sys.argv[1]]
print(json.dumps({"modules": sorted(sys.modules), "opened": opened, "states": [r.state for r in records]}))
"""
LISTING_SECONDS = 60


def metadata(subject: Subject) -> Line:
    """Look at what a package index would show."""
    cure = "fill it in in [project] of pyproject.toml"
    return of_faults("metadata", _missing(subject), f"{subject.record.distribution} {subject.record.version}", cure)


def _missing(subject: Subject) -> Iterator[str]:
    found = (one for one in importlib.metadata.distributions() if one.metadata["Name"] == subject.record.distribution)
    distribution = next(found, None)
    if distribution is None:
        yield f"there is no metadata of {subject.record.distribution}"
        return
    said = distribution.metadata
    for key, name in (
        ("Summary", "description"),
        ("Author", "authors"),
        ("License", "license"),
        ("Requires-Python", "requires-python"),
        ("Description-Content-Type", "readme"),
    ):
        others = {"Author": ("Author-email",), "License": ("License-Expression",)}.get(key, ())
        if not any(said.get_all(one) for one in (key, *others)):
            yield f"there is no {name}"
    if distribution.name != "core" and not any(_is_core(text) for text in distribution.requires or ()):
        yield 'dependencies do not name core with the version from which on it works, as in "core>=0.1"'
    folder = Path(subject.module.__file__ or "").parent
    if hasattr(subject.module, "__path__") and not (folder / "py.typed").exists():
        yield "there is no py.typed, so that nobody's type checker looks into it"


def _is_core(requirement: str) -> bool:
    return re.match(r"core\s*\(?\s*(>=|~=|==|>)", requirement) is not None


def api_version(subject: Subject) -> Line:
    """Look at the version of the plugin API that the module says."""
    said = getattr(subject.module, "core_api", None)
    faults = [] if said == API_VERSION else [f"core_api is {said!r}"]
    faults += [f"core_api is {said!r}; a plain integer is needed"] if isinstance(said, bool) else []
    faults += subject.record.warnings
    return of_faults(
        "API version", faults, f"core_api = {said}, and nothing of it is deprecated", "follow what it says"
    )


def hardware_imports(subject: Subject) -> Line:
    """List the plugin in a process of its own, and look at what that imports and opens."""
    others = {record.name for record in subject.plugins.records} - {subject.record.name, "transports"}
    done = subprocess.run(
        [sys.executable, "-c", LISTING, subject.record.name],
        env={**os.environ, DISABLE_VARIABLE: " ".join(others)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LISTING_SECONDS,
    )
    title, cure = "no hardware import", "import it in open(), where the device is opened"
    if done.returncode:
        return Line(title, "fail", f"listing it fails: {done.stderr.strip().splitlines()[-1:]}", cure)
    seen = json.loads(done.stdout.splitlines()[-1])
    tops = {name.partition(".")[0] for name in seen["modules"]}
    faults = [f"listing it imports {name}" for name in HARDWARE if name in tops]
    faults += [f"listing it opens {path}" for path in seen["opened"] if path.startswith(NODES)]
    return of_faults(title, faults, "listing it imports no hardware library and opens no device", cure)
