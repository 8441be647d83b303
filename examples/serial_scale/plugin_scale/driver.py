"""The command `indi_scale`: the device as a driver that indiserver starts."""

from __future__ import annotations


def main() -> None:
    """Speak INDI on stdin and stdout for the device of core.toml, or for the simulated one."""
    from core.cli.driver import run_driver

    run_driver("scale")
