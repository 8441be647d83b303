"""Settings that survive a restart: saved when clients set them, given back, and never half written."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core import BlobValue, BlobVector, Device, Number, NumberVector, SwitchVector, TextVector
from core.errors import DefinitionError
from core.instance import Instance
from core.run_folders import state_folder
from core.saved_settings import SavedSettings
from core.testing import VirtualClock


class Heater(Device):
    """A device with settings."""

    target = NumberVector("Target", perm="rw", persist=True, members={"degrees": Number(20.0, min=0, max=90)})
    mode = SwitchVector("Mode", persist=True, members={"eco": True, "boost": False})
    label = TextVector("Label", perm="rw", members={"text": ""})

    def __init__(self, degrees: float = 20.0) -> None:
        super().__init__("heater")
        self.target.replace_members({"degrees": Number(degrees, min=0, max=90)})
        self.heard: list[float] = []

    @target.on_new
    async def take_target(self, new: dict[str, float]) -> None:
        self.heard.append(new["degrees"])


@contextlib.asynccontextmanager
async def running(folder: Path, device: Heater) -> AsyncIterator[Heater]:
    life = asyncio.create_task(Instance(device, "test", settings=SavedSettings(device, folder)).live())
    opened = asyncio.Event()
    device.observe(lambda event: opened.set() if event.kind == "opened" else None)
    await opened.wait()
    try:
        yield device
    finally:
        life.cancel()
        await asyncio.wait([life])


async def process(device: Device, switch: str) -> None:
    await device.take_new(device.vectors["CONFIG_PROCESS"], {switch: True})


def test_what_clients_set_survives_and_reaches_the_hardware(clock: VirtualClock, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, Heater()) as heater:
            await heater.take_new(heater.target, {"degrees": 55.5})
            await heater.take_new(heater.mode, {"boost": True})
            await heater.take_new(heater.label, {"text": "not to be kept"})
        async with running(tmp_path, Heater()) as heater:
            assert heater.heard == [55.5]
            assert (heater.target["degrees"], heater.mode.chosen, heater.label["text"]) == (55.5, "boost", "")

    clock.run(main())


def test_changes_are_collected_and_written_while_it_runs(clock: VirtualClock, tmp_path: Path) -> None:
    path = tmp_path / "heater.json"

    async def main() -> None:
        async with running(tmp_path, Heater()) as heater:
            for degrees in range(30, 60):
                await heater.take_new(heater.target, {"degrees": degrees})
            assert not path.exists()
            await asyncio.sleep(1.1)
            saved = json.loads(path.read_text())
            assert saved["properties"]["target"]["values"] == {"degrees": 59.0}

    clock.run(main())


def test_core_toml_wins_when_its_value_changes(clock: VirtualClock, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, Heater(degrees=30)) as heater:
            await heater.take_new(heater.target, {"degrees": 55})
            await heater.take_new(heater.mode, {"boost": True})
        async with running(tmp_path, Heater(degrees=31)) as heater:
            assert (heater.target["degrees"], heater.mode.chosen) == (31, "boost")
        async with running(tmp_path, Heater(degrees=30)) as heater:
            assert heater.target["degrees"] == 55  # nothing else was set meanwhile

    clock.run(main())


def test_a_damaged_file_is_set_aside(clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept: dict[Path, str] = {}
    for damage in ("{", "[]", '{"properties": {"target": {}}}', '{"properties": {"target": 3}}', "\udcff", "[" * 10**5):
        (tmp_path / "heater.json").write_text(damage, errors="surrogateescape")
        caplog.clear()

        async def main() -> None:
            async with running(tmp_path, Heater()) as heater:
                assert heater.target["degrees"] == 20

        clock.run(main())
        assert "its saved settings are damaged" in caplog.text, damage
        aside = re.search(r"kept as (\S+)", caplog.text)
        assert aside is not None
        kept[Path(aside[1])] = damage
    # A second one does not take the place of the first.
    assert len(kept) == 6
    assert {path: path.read_text(errors="surrogateescape") for path in tmp_path.iterdir()} == kept


def test_values_that_do_not_fit_any_more_are_said_and_left_out(
    clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def entry(declared: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        return {"declared": declared, "values": values}

    properties = {
        "target": entry({"degrees": 20.0}, {"degrees": 1000}),
        "mode": entry({"eco": True, "boost": False}, {"eco": False, "boost": True, "turbo": False}),
        "gone": entry({}, {"x": 1}),
    }
    (tmp_path / "heater.json").write_text(json.dumps({"version": 1, "properties": properties}))

    async def main() -> None:
        async with running(tmp_path, Heater()) as heater:
            assert (heater.target["degrees"], heater.mode.chosen) == (20, "boost")

    clock.run(main())
    assert "heater: target is not restored: target.degrees: 1000 is out of range" in caplog.text


def test_clients_process_the_configuration(clock: VirtualClock, tmp_path: Path) -> None:
    path = tmp_path / "heater.json"

    async def main() -> None:
        async with running(tmp_path, Heater()) as heater:
            switches = heater.vectors["CONFIG_PROCESS"]
            assert list(switches.members) == ["CONFIG_LOAD", "CONFIG_SAVE", "CONFIG_DEFAULT", "CONFIG_PURGE"]
            await heater.take_new(heater.target, {"degrees": 40})
            await process(heater, "CONFIG_SAVE")
            assert json.loads(path.read_text())["properties"]["target"]["values"] == {"degrees": 40.0}
            path.write_text(path.read_text().replace("40.0", "41.0"))
            await process(heater, "CONFIG_LOAD")
            assert heater.target["degrees"] == 41
            await process(heater, "CONFIG_DEFAULT")
            assert heater.target["degrees"] == 20
            assert (switches.state, any(switches.values.values())) == ("Ok", False)
            await heater.take_new(heater.target, {"degrees": 42})
            await process(heater, "CONFIG_SAVE")
            await process(heater, "CONFIG_PURGE")
            assert not path.exists()
            assert heater.target["degrees"] == 42
        assert not path.exists()

    clock.run(main())


def test_a_device_without_settings_has_no_configuration_to_process(tmp_path: Path) -> None:
    class Plain(Device):
        """A device that remembers nothing."""

        level = NumberVector("Level", perm="rw", members={"x": 0.0})

    device = Plain("plain")
    SavedSettings(device, tmp_path)
    assert list(device.vectors) == ["level"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: NumberVector("x", persist=True, members={"y": 0.0}),
        lambda: BlobVector("x", perm="rw", persist=True, members={"y": BlobValue()}),
    ],
)
def test_only_what_clients_may_set_can_persist(make: Any) -> None:
    with pytest.raises(DefinitionError, match="persist is for what clients may set"):
        make()


def test_a_file_that_cannot_be_written_is_one_warning_and_an_alert(
    clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder").write_text("a file in the place of the folder")

    async def main() -> None:
        async with running(tmp_path / "folder", Heater()) as heater:
            for degrees in (30, 31):
                await heater.take_new(heater.target, {"degrees": degrees})
                await process(heater, "CONFIG_SAVE")
            assert heater.vectors["CONFIG_PROCESS"].state == "Alert"

    clock.run(main())
    assert caplog.text.count("its settings cannot be saved") == 1


def test_what_could_not_be_saved_is_saved_as_soon_as_it_can(
    clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "folder"
    folder.write_text("a file in the place of the folder")

    async def main() -> None:
        async with running(folder, Heater()) as heater:
            switches = heater.vectors["CONFIG_PROCESS"]
            told: list[str] = []
            heater.observe(lambda event: told.append(event.message) if event.message else None)
            await heater.take_new(heater.target, {"degrees": 30})
            await asyncio.sleep(60)
            assert switches.state == "Alert"
            assert len(told) == 1
            assert "its settings cannot be saved" in told[0]
            folder.unlink()
            await asyncio.sleep(60)
            assert json.loads((folder / "heater.json").read_text())["properties"]["target"]["values"]["degrees"] == 30
            assert (switches.state, told[1:]) == ("Ok", ["heater: its settings are saved again"])

    clock.run(main())
    assert caplog.text.count("its settings cannot be saved") == 1


ANOTHER_RUN = """
import asyncio, pathlib, sys
sys.path.insert(0, sys.argv[2])
from tests.test_saved_settings import Heater, process, running
async def main():
    async with running(pathlib.Path(sys.argv[1]), Heater()) as heater:
        await heater.take_new(heater.target, {"degrees": 33})
        await process(heater, "CONFIG_SAVE")
        print("saved", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def test_two_runs_of_one_name_do_not_overwrite_what_the_other_saves(clock: VirtualClock, tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", ANOTHER_RUN, str(tmp_path), str(root)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told: list[str] = []

    async def main() -> None:
        async with running(tmp_path, Heater()) as heater:
            heater.observe(lambda event: told.append(event.message) if event.message else None)
            await heater.take_new(heater.target, {"degrees": 44})
            await process(heater, "CONFIG_SAVE")
            assert heater.vectors["CONFIG_PROCESS"].state == "Alert"
            assert json.loads((tmp_path / "heater.json").read_text())["properties"]["target"]["values"]["degrees"] == 33
            await asyncio.to_thread(other.communicate)  # it ends
            await process(heater, "CONFIG_SAVE")
            assert json.loads((tmp_path / "heater.json").read_text())["properties"]["target"]["values"]["degrees"] == 44

    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "saved\n"
        clock.run(main())
    finally:
        other.kill()
        other.communicate()
    assert (
        f"another run of this name saves them, process {other.pid}; give one a name of its own: [core] name" in told[0]
    )


FULL_DISK = """
import asyncio, pathlib, resource, signal, sys
sys.path.insert(0, sys.argv[2])
from tests.test_saved_settings import Heater, process, running
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    folder = pathlib.Path(sys.argv[1])
    async with running(folder, Heater()) as heater:
        await heater.take_new(heater.target, {"degrees": 33})
        await process(heater, "CONFIG_SAVE")
        before = (folder / "heater.json").read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        await heater.take_new(heater.target, {"degrees": 44})
        await process(heater, "CONFIG_SAVE")
        print(heater.vectors["CONFIG_PROCESS"].state, (folder / "heater.json").read_bytes() == before)
        print(sorted(path.name for path in folder.iterdir()))
asyncio.run(main())
"""


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """The kernel refuses to let any file grow, as on a full disk."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), str(root)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["Alert True", "['.heater.lock', 'heater.json']"], done.stderr
    assert "File too large" in done.stderr


def test_different_names_are_different_files(tmp_path: Path) -> None:
    names = ["a/b", "a b", "../up", ".hidden", "a%2fb", "a_b", "ä"]
    paths = {SavedSettings(Device(name), tmp_path).path for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {tmp_path}


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder("core") == tmp_path / "core" / "core"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder("x") == tmp_path / ".local/state/core/x"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/core/x:/var/lib/other")
    assert state_folder("x") == Path("/var/lib/core/x")
