"""What `corectl doctor` looks at beside the kernel's devices: the packages by which buses and drivers are had."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from core.hookspecs import CheckResult

__all__ = ["check_packages"]

PACKAGES = {
    "spidev": ("spidev", 'bus = "spidev<number>"'),
    "board": ("blinka", 'bus = "blinka"'),
    "gpiod": ("gpio", "GPIO lines as chip selects"),
    "adafruit_bus_device": ("adafruit", 'driver = "adafruit"'),
}
"""By the module that is imported: the extra that brings it, and what needs it."""


def check_packages() -> Iterator[CheckResult]:
    """Yield a result for what is installed, and one for each package that is missing; none is imported."""
    missing = {module for module in PACKAGES if importlib.util.find_spec(module) is None}
    if ready := [need for module, (_, need) in PACKAGES.items() if module not in missing]:
        yield CheckResult("ok", f"there is what is needed for {', '.join(ready)}")
    for module, (extra, need) in PACKAGES.items():
        if module in missing:
            cure = f"pip install 'plugin-spi-sensor[{extra}]'"
            yield CheckResult("warning", f"{module} is not installed, which {need} needs", cure)
