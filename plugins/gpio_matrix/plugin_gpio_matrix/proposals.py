"""What the plugin proposes for this machine."""

from __future__ import annotations

from core.errors import CoreError
from core.hookspecs import Proposal
from plugin_gpio_matrix.chips import SIMULATED, chip_paths, find_chip

HEADER_CHIPS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""The labels of the chips behind the 40-pin headers of Raspberry Pis."""

HEADER_LINES = [[4, 5, 6, 7, 8], [9, 10, 11, 12, 13], [16, 17, 18, 19, 20], [21, 22, 23, 24, 25], [26, 27, 15, 0, 1]]


def proposals() -> list[Proposal]:
    """Return the simulated matrix for a run without configuration, and where there is a header a real one for `init`.

    Lines of a real chip are never driven unasked: what hangs on them is not known.
    """
    chips = chip_paths()
    header = next((label for label in HEADER_CHIPS if _exists(label)), None)
    if not chips:
        notice = "no GPIO chip here: using the simulated 5x5 matrix"
    elif header is None:
        notice = f"no GPIO header known here ({len(chips)} other GPIO chips): using the simulated 5x5 matrix"
    else:
        notice = f"GPIO chip {header} is here, but no core.toml says what is on it: using the simulated 5x5 matrix"
    simulated = Proposal(
        "device",
        "matrix",
        {"plugin": "gpio-matrix", "chip": SIMULATED},
        comment="A matrix of LEDs, simulated.",
        notice=notice,
    )
    program = Proposal(
        "program",
        "heartbeat",
        {"device": "matrix"},
        comment="The program that the matrix begins with; see `corectl list-programs`.",
    )
    if header is None:
        return [simulated, program]
    real = Proposal(
        "device",
        "panel",
        {"plugin": "gpio-matrix", "chip": header, "lines": HEADER_LINES},
        comment="The same on the header of this board. Look through the lines before you run this.",
        demo=False,
    )
    return [simulated, program, real]


def _exists(label: str) -> bool:
    try:
        find_chip(label)
    except CoreError:
        return False
    return True
