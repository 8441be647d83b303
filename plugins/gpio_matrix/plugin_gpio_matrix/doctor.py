"""What `corectl doctor` looks at: which chips there are, whether they can be opened, and who holds their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from core.errors import CoreError
from core.hookspecs import CheckResult
from plugin_gpio_matrix.chips import SIMULATED, chip_paths, chip_title, find_chip, used_lines
from plugin_gpio_matrix.holding import holders

__all__ = ["check_chip", "check_chips", "told_lines"]


def check_chips() -> Iterator[CheckResult]:
    """Yield a result for each chip, with its lines that are in use, and for each process that keeps lines."""
    paths = chip_paths()
    if not paths:
        yield CheckResult("warning", "there is no GPIO chip", "none is needed for the simulated matrix")
    for path in paths:
        try:
            used = used_lines(path)
            yield CheckResult("ok", f"{chip_title(path)}, {told_lines(used)}")
        except CoreError as error:
            text, _, cure = str(error.args[-1]).partition("; ")
            yield CheckResult("failed", text, cure)
    for process, consumer in holders().items():
        yield CheckResult(
            "ok", f"process {process} keeps the lines of {consumer!r} after its run", f"kill {process} gives them back"
        )


def check_chip(chip: str) -> Iterator[CheckResult]:
    """Yield a result if the chip that an instance names cannot be found or opened; the simulated one always can."""
    if chip == SIMULATED:
        return
    try:
        chip_title(find_chip(chip))
    except CoreError as error:
        text, _, cure = str(error.args[-1]).rpartition("; ")
        yield CheckResult("failed", text, cure)


def told_lines(used: Mapping[int, str]) -> str:
    """Return which lines are held by whom, such as "4 to 8 and 13 held by 'core:panel'"."""
    if not used:
        return "all of them free"
    offsets: dict[str, list[int]] = {}
    for offset, consumer in sorted(used.items()):
        offsets.setdefault(consumer, []).append(offset)
    return ", ".join(f"{_ranges(lines)} held by {consumer!r}" for consumer, lines in offsets.items())


def _ranges(offsets: Iterable[int]) -> str:
    """Return ascending numbers with neighbours as ranges."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and runs[-1][-1] == offset - 1:
            runs[-1].append(offset)
        else:
            runs.append([offset])
    parts = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else parts[0]
