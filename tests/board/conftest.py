import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.board.runs import Run, Start, configuration
from tests.board.simulated_chips import SimulatedChip

HERE = Path(__file__).parent
IN_GUEST = platform.release().endswith("-gpiosim")  # CONFIG_LOCALVERSION in kernel.config


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the chips of the test kernel."""
    reason = os.environ.get("NO_BOARD") or "runs on the test kernel only: make test-board"
    for item in items:
        if not IN_GUEST and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def board_chip() -> Iterator[SimulatedChip]:
    """The chip that a Raspberry Pi 4 has: 58 free lines, all of them pulled down."""
    chip = SimulatedChip.labelled("pinctrl-bcm2711")
    yield chip
    # A bias that a program has asked for stays.
    for line in range(chip.lines):
        chip.pull(line, "down")


@pytest.fixture
def spi_chip() -> SimulatedChip:
    """The chip whose lines are the SPI buses; its line MISO decides what is read from /dev/spidev0.*."""
    return SimulatedChip.labelled("sim-spi")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs a matrix on a chip, with a program; its arguments are those of `configuration`."""
    runs: list[Run] = []

    def started(chip: str, *options: str, under: tuple[str, ...] = (), **more: object) -> Run:
        runs.append(Run(tmp_path, configuration(chip, *options, **more), under=under))  # type: ignore[arg-type]
        return runs[-1]

    yield started
    for run in runs:
        run.stop()
