"""`corectl check-plugin`: our plugins pass all of it, and there is a plugin that fails each line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.checklist.checklist import LOOKS
from tests.plugin_site import Site

METADATA = """Summary: Lamps for the desk
Author: Ada
License-Expression: MIT
Requires-Python: >=3.11
Description-Content-Type: text/markdown
Requires-Dist: core>=0.1
"""

LAMPS = '''
"""Lamps for the desk."""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta

import core
from core import Number, NumberVector, ProgramDevice, Switch, SwitchVector
from core import programs as p
from core.sim.lines import SimulatedChip

core_api = 1


class Lamp:
    """A lamp on a line."""

    def __init__(self, device, line):
        self.device, self.line = device, line

    def set(self, value):
        """Light it or put it out."""
        self.device.light(self.line, value)


class Lamps(ProgramDevice):
    """Three lamps."""

    level = NumberVector("Level", perm="rw", members={"percent": Number(50, label="Percent", min=0, max=100)})

    class Options(core.Options):
        """The options."""

        chip: Annotated[str, Meta(description="the chip")] = "simulated"
        exit_state: Annotated[Literal["off", "on", "keep"], Meta(description="what is left")] = "off"

    def __init__(self, name, options=None):
        super().__init__(name, options)
        self.chip = SimulatedChip("simulated", 3)
        self.lines = None
        self.levels = [False] * 3
        self.lamps = [Lamp(self, line) for line in range(3)]

    def simulation(self):
        return self.chip

    def outputs(self):
        return self.lamps

    def picture(self):
        return ["".join("X" if level else "." for level in self.levels)]

    def light(self, line, value):
        if self.lines is None:
            return
        try:
            self.lines.set_values({line: value})
        except OSError as error:
            self.lose(error)
        else:
            self.levels[line] = value

    async def open(self):
        self.lines = self.chip.request_outputs(range(3), consumer="lamps")
        self.levels = [False] * 3

    async def close(self):
        lines, self.lines = self.lines, None
        if lines is not None:
            if self.options.exit_state != "keep":
                self.levels = [self.options.exit_state == "on"] * 3
            lines.close()

    @level.on_new
    async def dim(self, new):
        """Dim the lamps."""
        self.light(0, True)


@p.program
async def glow(lamps: Lamps, *, interval=0.5):
    """Glow a little."""
    await p.forever(p.walk(lamps.outputs(), interval))()


@core.hookimpl
def core_register_devices():
    """Return the lamps."""
    return [Lamps]


@core.hookimpl
def core_register_programs():
    """Return the programs."""
    return [glow]
'''

WORSE: dict[str, list[tuple[str | None, str, str, str]]] = {
    "metadata": [
        (None, "Summary: Lamps for the desk\n", "", "there is no description"),
        (None, "core>=0.1", "core", "dependencies do not name core with the version"),
        (None, "License-Expression: MIT\n", "", "there is no license"),
    ],
    "API version": [("", "core_api = 1", "core_api = True", "a plain integer is needed")],
    "no hardware import": [
        ("", "import asyncio\n", "import asyncio, gpiod\n", "listing it imports gpiod"),
        ("", "import asyncio\n", "import asyncio\ntry: open('/dev/i2c-9')\nexcept OSError: pass\n", "/dev/i2c-9"),
    ],
    "docstrings": [
        ("", '"""Three lamps."""', "pass", "the device lamps has no docstring"),
        ("", '    """Glow a little."""', "    pass", "the program glow has no docstring"),
        ("", '        """Dim the lamps."""', "        pass", "Lamps.dim has no docstring"),
        ("", '    """Return the programs."""', "    pass", "the hook core_register_programs has no docstring"),
    ],
    "options described": [
        ("", ', Meta(description="the chip")]', ', 5]', "lamps: option chip has no description"),
    ],
    "properties described": [
        ("", 'NumberVector("Level", ', "NumberVector(", "lamps.level has no label"),
        ("", ', label="Percent"', "", "lamps.level: no label of percent"),
    ],
    "exit states": [
        ("", 'self.options.exit_state == "on"', "True", "after the end with exit_state 'off', picture() shows ['XXX']"),
        ("", "        exit_state: ", "        leave: ", "there is no option exit_state"),
    ],
    "simulated backend": [
        ("", 'description="the chip")] = "simulated"', 'description="the chip")] = "real"', "proposes no lamps"),
        ("", "        return self.chip\n", "        return None\n", "simulation() returns nothing that"),
    ],
    "opens and closes 100 times": [
        ("", "async def open(self):", "async def open(self):\n        KEPT.append(self)", "103 of 103 closed"),
        ("", "async def open(self):", "async def open(self):\n        KEPT.append(open('/dev/null'))", "/dev/null"),
        (
            "",
            "async def open(self):",
            "async def open(self):\n        KEPT.append(asyncio.create_task(asyncio.sleep(1e9), name='kept'))",
            "has left tasks behind: 'kept'",
        ),
    ],
    "survives its device vanishing": [
        ("", "self.lose(error)", "pass", "it has gone, and nothing tells so: no Alert, no message"),
        ("", "self.chip.request_outputs(", "self.once(", "it is back, and the device stays failed: never again"),
    ],
}  # fmt: skip
CASES = [(title, *case) for title, cases in WORSE.items() for case in cases]

HELPERS = '''
KEPT = []


def once(self, *arguments, **named):
    """Open a first time only."""
    if hasattr(self, "opened"):
        raise OSError("never again")
    self.opened = True
    return self.chip.request_outputs(*arguments, **named)


Lamps.once = once
'''


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def checked(site: Site, name: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Return the exit status, and verdict, reason and cure of each line."""
    done = site.corectl("check-plugin", name, "--json")
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["version"] == 1
    assert document["failed"] == sum(line["verdict"] == "fail" for line in document["lines"])
    return done.returncode, {line["title"]: (line["verdict"], line["why"], line["cure"]) for line in document["lines"]}


@pytest.mark.parametrize("name", ["gpio-matrix", "plugin-spi-sensor"])
def test_our_plugins_pass_all_of_it(site: Site, name: str) -> None:
    status, lines = checked(site, name)
    assert {title: line for title, line in lines.items() if line[0] == "fail"} == {}
    assert status == 0
    assert len(lines) == len(LOOKS)


def test_a_plugin_that_passes_all_of_it(site: Site) -> None:
    site.install("plugin-lamps", "lamps", LAMPS + HELPERS, metadata=METADATA)
    _, lines = checked(site, "lamps")
    assert {title: line for title, line in lines.items() if line[0] != "pass"} == {}
    assert set(lines) == set(WORSE)


@pytest.mark.parametrize(("title", "where", "old", "new", "said"), CASES)
def test_a_plugin_that_fails_the_line(site: Site, title: str, where: str | None, old: str, new: str, said: str) -> None:
    source, metadata = LAMPS + HELPERS, METADATA
    if where is None:
        assert old in metadata
        metadata = metadata.replace(old, new)
    else:
        assert old in source
        source = source.replace(old, new, 1)
    site.install("plugin-lamps", "lamps", source, metadata=metadata)
    status, lines = checked(site, "lamps")
    verdict, why, cure = lines[title]
    assert status == 1
    assert verdict == "fail"
    assert said in why
    assert cure


def test_every_line_has_a_plugin_that_fails_it() -> None:
    assert {title.removesuffix(" 100 times") for title in WORSE} == set(LOOKS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the process was killed by SIGSEGV"),
        ("os._exit(3)", "the process ended with status 3"),
        ("await asyncio.sleep(1000)", "lamps: lamps is still opening after "),
    ],
)
def test_one_that_crashes_or_hangs_fails_lines_and_not_the_check(site: Site, body: str, said: str) -> None:
    source = LAMPS.replace("async def open(self):\n", f"async def open(self):\n        {body}\n", 1)
    site.install(
        "plugin-lamps",
        "lamps",
        source.replace("import asyncio\n", "import asyncio, os, signal\n", 1) + HELPERS,
        metadata=METADATA,
    )
    status, lines = checked(site, "lamps")
    assert status == 1
    failed = {title.removesuffix(" 100 times"): why for title, (verdict, why, _) in lines.items() if verdict == "fail"}
    # The look for exit states opens it, too.
    assert set(failed) >= {"simulated backend", "opens and closes", "survives its device vanishing"}
    assert all(said in why for why in failed.values()), failed
    assert lines["docstrings"][0] == "pass"
    assert [title.removesuffix(" 100 times") for title in lines] == list(LOOKS)


def test_one_that_blocks_is_not_waited_for(site: Site) -> None:
    source = LAMPS.replace("async def open(self):\n", "async def open(self):\n        time.sleep(1000)\n", 1)
    site.install(
        "plugin-lamps",
        "lamps",
        source.replace("import asyncio\n", "import asyncio, time\n", 1) + HELPERS,
        metadata=METADATA,
    )
    code = (
        "import core.checklist.process as process; process.IMPATIENT_SECONDS = 0.5; "
        "print([(line.title, line.why) for line in process.checked('lamps', seconds=2) if line.verdict == 'fail'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site.path, env=site.environment(), capture_output=True, text=True, timeout=90
    )
    assert "('simulated backend', 'it blocks: after " in done.stdout, done.stderr


@pytest.mark.parametrize("body", ["await asyncio.sleep(1000)", "raise OSError('stuck')"])
def test_one_that_cannot_be_closed_fails(site: Site, body: str) -> None:
    source = LAMPS.replace("async def close(self):\n", f"async def close(self):\n        {body}\n", 1)
    site.install("plugin-lamps", "lamps", source + HELPERS, metadata=METADATA)
    _, lines = checked(site, "lamps")
    verdict, why, _ = lines["opens and closes 100 times"]
    assert verdict == "fail"
    assert "lamps cannot be closed: " in why


def test_what_another_plugin_proposes_is_of_no_concern(site: Site) -> None:
    site.install("plugin-lamps", "lamps", LAMPS + HELPERS, metadata=METADATA)
    site.install("aaa", "aaa", (LAMPS + HELPERS).replace("glow", "glimmer"))
    _, lines = checked(site, "lamps")
    assert {title: line for title, line in lines.items() if line[0] != "pass"} == {}


def test_a_plugin_that_is_named_like_a_distribution(site: Site) -> None:
    site.install("plugin-core", "core", LAMPS + HELPERS, metadata=METADATA)
    assert "plugin-core" in checked(site, "core")[1]["metadata"][1]


def test_one_that_crashes_while_it_is_imported(site: Site) -> None:
    site.install("plugin-lamps", "lamps", "import os\nos._exit(5)")
    done = site.corectl("check-plugin", "lamps")
    assert done.returncode == 1
    assert "plugin 'lamps' cannot be checked: while plugins are loaded, the process ended with status 5" in done.stderr


def test_for_people_it_says_what_fails_and_the_cure(site: Site) -> None:
    site.install("plugin-lamps", "lamps", LAMPS + HELPERS, metadata=METADATA.replace("Author: Ada\n", ""))
    done = site.corectl("check-plugin", "lamps")
    assert done.returncode == 1
    assert "FAIL  metadata: there is no authors\n      cure: fill it in in [project] of pyproject.toml\n" in done.stdout
    assert done.stdout.endswith("\nlamps: 1 of 10 lines fail\n")
    assert done.stderr == ""


def test_a_name_that_is_not_there(site: Site) -> None:
    done = site.corectl("check-plugin", "gpio-matrx")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no plugin 'gpio-matrx' here; did you mean 'gpio-matrix'?" in done.stderr


def test_a_plugin_that_is_not_in_use(site: Site) -> None:
    site.install("broken", "broken", "import nothing_of_this_name")
    done = site.corectl("check-plugin", "broken")
    assert done.returncode == 2
    assert "plugin 'broken' cannot be checked: import failed: ModuleNotFoundError" in done.stderr


def test_a_look_that_itself_fails_is_a_line_that_fails(site: Site) -> None:
    odd = LAMPS.replace("        return self.chip\n", "        raise SystemExit(7)\n")
    site.install("plugin-lamps", "lamps", odd + HELPERS, metadata=METADATA)
    status, lines = checked(site, "lamps")
    assert status == 1
    assert lines["simulated backend"][:2] == ("fail", "it could not be looked at: SystemExit: 7")
    assert lines["exit states"][0] == "pass"
