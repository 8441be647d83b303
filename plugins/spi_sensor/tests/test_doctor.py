"""What is said on a machine without SPI: by instances, of which the others go on, and by `corectl doctor`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import DeviceUnavailable
from plugin_spi_sensor.bus import kernel
from plugin_spi_sensor.bus.shared import take_seat
from plugin_spi_sensor.doctor import check_packages


@pytest.mark.parametrize(
    ("number", "cause", "cure"),
    [
        (2, "there is no SPI device at all", "dtoverlay=spi1-1cs"),
        (13, "you may not", "sudo usermod -aG spi $USER"),
        (16, "the kernel has given it to a driver of its own", "dtoverlay"),
        (5, "Input/output error", "dmesg"),
    ],
)
def test_why_a_device_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, cause: str, cure: str
) -> None:
    monkeypatch.setattr(kernel, "DEVICES", tmp_path)
    error = kernel.why_not_opened(Path("/dev/spidev1.0"), OSError(number, os.strerror(number)))
    assert error.errno == number
    text = str(error.args[-1])
    assert text.startswith(f"/dev/spidev1.0: {cause}; ")
    assert cure in text


def test_packages_are_named_with_their_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("spidev", "gpiod") else object())
    found = list(check_packages())
    assert [one.outcome for one in found] == ["ok", "warning", "warning"]
    assert found[0].text == 'there is what is needed for bus = "blinka", driver = "adafruit"'
    assert [one.cure for one in found[1:]] == [f"pip install 'plugin-spi-sensor[{one}]'" for one in ("spidev", "gpio")]


@pytest.mark.skipif(any(kernel.DEVICES.glob("spidev*")), reason="this machine has SPI")
def test_blinka_on_a_machine_that_is_no_board() -> None:
    pytest.importorskip("adafruit_platformdetect", reason="Blinka could not be installed here")
    with pytest.raises(DeviceUnavailable, match=r'Blinka has no such SPI on this machine.*; set bus = "spidev0"'):
        take_seat("blinka", 0, "kitchen", baudrate=1_000_000)


@pytest.mark.skipif(any(kernel.DEVICES.glob("spidev*")), reason="this machine has SPI")
def test_instances_without_their_hardware_say_so_once_and_the_others_go_on(tmp_path: Path) -> None:
    pytest.importorskip("spidev", reason="spidev could not be compiled here")
    buses = {"one": 'bus = "spidev0"', "two": 'bus = "spidev1"', "good": 'bus = "simulated"'}
    tables = [f'[device.{name}]\nplugin = "spi-sensor"\n{bus}\n' for name, bus in buses.items()]
    (tmp_path / "core.toml").write_text("\n".join(tables))
    corectl = Path(sys.executable).parent / "corectl"
    run = subprocess.Popen(
        [corectl, "run", "--port", "0"], cwd=tmp_path, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said: list[str] = []
    assert run.stdout is not None
    try:
        for line in run.stdout:
            said.append(line)
            text = "".join(said)
            if text.count("ERROR") == 2 and "localhost:" in text:
                break
        status = subprocess.run(
            [corectl, "get", "--port", _port(said), "--timeout", "20", "good.climate._STATE"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        run.terminate()
        rest = run.communicate(timeout=30)[0]
    text = "".join(said) + rest
    for name, node, overlay in (("one", "spidev0.0", "dtparam=spi=on"), ("two", "spidev1.0", "dtoverlay=spi1-1cs")):
        lines = [line for line in text.splitlines() if node in line]
        assert len(lines) == 1
        assert f"spi-sensor {name!r} cannot be opened: /dev/{node}: there is no SPI device at all; " in lines[0]
        assert overlay in lines[0]
    assert status.stdout.strip() in ("good.climate._STATE=Ok", "good.climate._STATE=Idle"), status.stderr
    assert run.returncode == 0


def _port(said: list[str]) -> str:
    line = next(line for line in said if "localhost:" in line)
    return line.partition("localhost:")[2].split()[0]
