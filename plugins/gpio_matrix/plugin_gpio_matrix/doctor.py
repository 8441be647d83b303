"""What `corectl doctor` looks at: which chips there are and whether they can be opened."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import CoreError
from core.hookspecs import CheckResult
from plugin_gpio_matrix.chips import SIMULATED, chip_paths, chip_title, find_chip


def check_chips() -> Iterator[CheckResult]:
    """Yield a result for each chip."""
    paths = chip_paths()
    if not paths:
        yield CheckResult("warning", "there is no GPIO chip", "none is needed for the simulated matrix")
    for path in paths:
        try:
            yield CheckResult("ok", chip_title(path))
        except CoreError as error:
            text, _, cure = str(error.args[-1]).partition("; ")
            yield CheckResult("failed", text, cure)


def check_chip(chip: str) -> Iterator[CheckResult]:
    """Yield a result if the chip that an instance names cannot be found or opened; the simulated one always can."""
    if chip == SIMULATED:
        return
    try:
        chip_title(find_chip(chip))
    except CoreError as error:
        text, _, cure = str(error.args[-1]).rpartition("; ")
        yield CheckResult("failed", text, cure)
