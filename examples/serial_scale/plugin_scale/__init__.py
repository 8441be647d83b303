"""plugin-scale: a laboratory balance on a serial port, for `core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core import hookimpl

if TYPE_CHECKING:
    from core import Device, Proposal

core_api = 1


@hookimpl
def core_register_devices() -> list[type[Device]]:
    """Return the device classes of this plugin."""
    from plugin_scale.device import Scale

    return [Scale]


@hookimpl
def core_default_config() -> list[Proposal]:
    """Return what a run without core.toml, and `corectl init`, use: a simulated balance."""
    from core import Proposal

    table = {"plugin": "scale", "port": "simulated"}
    return [
        Proposal("device", "scale", table, comment="A laboratory balance, simulated; port says where a real one is.")
    ]
