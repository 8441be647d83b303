"""plugin-gpio-matrix: a matrix of LEDs on GPIO lines, real or simulated, with programs that make it blink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core.device import Device
    from core.hookspecs import Check, Proposal
    from core.programs import Program

core_api = 1


@hookimpl
def core_register_devices() -> list[type[Device]]:
    """Return the matrix."""
    from plugin_gpio_matrix.matrix import GpioMatrix

    return [GpioMatrix]


@hookimpl
def core_register_programs() -> list[Program]:
    """Return the blink programs."""
    from plugin_gpio_matrix.programs import PROGRAMS

    return list(PROGRAMS)


@hookimpl
def core_register_checks() -> dict[str, Check]:
    """Return what `corectl doctor` looks at: the chips and who may open them."""
    from plugin_gpio_matrix.doctor import check_chips

    return {"GPIO chips": check_chips}


@hookimpl
def core_default_config() -> list[Proposal]:
    """Return a simulated 5x5 matrix, and for a board with a header a real one to be looked through first."""
    from plugin_gpio_matrix.proposals import proposals

    return proposals()
