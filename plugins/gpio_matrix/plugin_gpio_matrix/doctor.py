"""What `corectl doctor` looks at: which chips there are and whether they can be opened."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import CoreError
from core.hookspecs import CheckResult
from plugin_gpio_matrix.chips import chip_paths, chip_title


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
