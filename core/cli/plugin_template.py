"""A plugin from a template: the files of a distribution of its own, with its names filled in."""

from __future__ import annotations

import builtins
import contextlib
import datetime as dt
import keyword
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from core.config import toml_text
from core.errors import ConfigError
from core.hookspecs import API_VERSION
from core.version import __version__

__all__ = ["KINDS", "Kind", "distribution_of", "write_plugin"]

Kind = Literal["device", "transport", "program"]
KINDS: tuple[Kind, ...] = ("device", "transport", "program")

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 24
SUFFIX = ".template"
"""Ends every file there, so that no tool takes it for what it is to become."""
HIDDEN = {"gitignore": ".gitignore"}
"""Files whose names begin with a dot are easily lost when a wheel is built."""

USED = {
    "Annotated", "Any", "CoreError", "Client", "Connection", "Device", "DeviceUnavailable", "Duration", "DriverHarness",
    "FaultyLink", "KernelFile", "Lamp", "Leds", "Loop", "Meta", "Number", "NumberVector", "Options", "Output", "Path",
    "Peer", "Protocol", "Router", "Sequence", "SetRefused", "SimulatedLeds", "SimulatedSource", "Source", "Switch",
    "SwitchVector", "Transport", "VirtualClock",
}  # fmt: skip
"""Classes that the templates use under these names."""
USED_FUNCTIONS = {"core", "none", "p", "leds", "interval", "pytest", "runtime_checkable", "hookimpl"}

SUMMARIES = {
    "device": "The device {name}, a plugin for core",
    "transport": "The transport {name}, a plugin for core",
    "program": "Programs for LEDs: {name}, a plugin for core",
}


def distribution_of(name: str) -> str:
    """Return the name of the distribution of a plugin; raise ConfigError for a name that cannot be one."""
    plain = name.removeprefix("plugin-")
    if not NAME.fullmatch(plain) or len(plain) > LONGEST_NAME:
        near = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-0123456789")[:LONGEST_NAME].strip("-")
        meant = f"; {near!r} would be one" if NAME.fullmatch(near) else ""
        raise ConfigError(
            f"{name!r} is no name for a plugin: lower-case letters and digits, in words with a hyphen between them, "
            f"at most {LONGEST_NAME} characters{meant}"
        )
    return f"plugin-{plain}"


def write_plugin(name: str, kind: Kind, parent: Path) -> Path:
    """Write a plugin into a folder of its own below `parent` and return that; all of it, or nothing.

    Raises ConfigError for a name that cannot be one, a folder that exists, or one that cannot be written.
    """
    distribution = distribution_of(name)
    target = parent / distribution
    values = _values(distribution.removeprefix("plugin-"), kind)
    if target.exists():
        raise ConfigError(f"{target} exists; choose another name, or another place with --dir")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{distribution}-", dir=parent))
    except OSError as error:
        raise ConfigError(f"{parent} cannot be written: {error.strerror}") from error
    try:
        for source, relative in _sources(kind):
            path = scratch / _filled(str(relative), values)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise ConfigError(f"{name!r} is the name of a file that every plugin has; choose another name")
            path.write_text(_filled(source.read_text(encoding="utf-8"), values), encoding="utf-8")
        scratch.chmod(0o777 & ~_umask())
        scratch.rename(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        # Where all went well there is nothing left of that name.
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _sources(kind: Kind) -> Iterator[tuple[Path, Path]]:
    for folder in (TEMPLATES / "common", TEMPLATES / kind):
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            relative = path.relative_to(folder)
            name = relative.name.removesuffix(SUFFIX)
            yield path, relative.with_name(HIDDEN.get(name, name))


def _values(name: str, kind: Kind) -> dict[str, str]:
    words = name.split("-")
    snake = "_".join(words)
    class_name = "".join(word.capitalize() for word in words)
    if class_name in USED or keyword.iskeyword(class_name) or hasattr(builtins, class_name):
        class_name += "Plugin"
    function = f"{snake}_program" if keyword.iskeyword(snake) or snake in USED_FUNCTIONS else snake
    author, address = _git("user.name") or f"the authors of plugin-{name}", _git("user.email")
    entry = [f"name = {toml_text(author)}"] + ([f"email = {toml_text(address)}"] if address else [])
    driver = f'[project.scripts]\nindi_{snake} = "plugin_{snake}.driver:main"\n\n'
    return {
        "API": str(API_VERSION),
        "AUTHORS": f"authors = [{{ {', '.join(entry)} }}]",
        "CLASS": class_name,
        "DISTRIBUTION": f"plugin-{name}",
        "FUNCTION": function,
        "HOLDER": author,
        "MODULE": f"plugin_{snake}",
        "NAME": name,
        "PART": f"{kind}s",
        "REGISTERED": function if kind == "program" else name,
        "SCRIPTS": driver if kind == "device" else "",
        "SNAKE": snake,
        "SUMMARY": SUMMARIES[kind].format(name=name),
        "VERSION": __version__,
        "YEAR": str(dt.datetime.now(tz=dt.UTC).year),
    }


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub("@([A-Z]+)@", lambda match: values[match[1]], text)


def _git(key: str) -> str:
    """Return what Git knows of the author, nothing where it knows nothing."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = ["git", "config", "--get", key]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=10)
        value = done.stdout.strip()
        return value if value.isprintable() else ""
    return ""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
