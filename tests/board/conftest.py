import os
import platform
from pathlib import Path

import pytest

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
def board_chip() -> SimulatedChip:
    """The chip that a Raspberry Pi 4 has: 58 free lines."""
    return SimulatedChip.labelled("pinctrl-bcm2711")


@pytest.fixture
def spi_chip() -> SimulatedChip:
    """The chip whose lines are the SPI buses; its line MISO decides what is read from /dev/spidev0.*."""
    return SimulatedChip.labelled("sim-spi")
