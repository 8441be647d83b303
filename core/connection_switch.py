"""CONNECTION: the switch by which INDI's clients see whether a device is open, close it and open it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.device import Device
from core.properties import State, Switch, SwitchVector

__all__ = ["ConnectionSwitch"]

NAME, CONNECT, DISCONNECT = "CONNECTION", "CONNECT", "DISCONNECT"


class ConnectionSwitch:
    """Define CONNECTION before a device's other properties, and call `wish` with what a client chooses.

    The switches say what is: CONNECT is On while the device is open. The state says what comes of it: Busy while it is
    being opened or closed, Ok while it is open, Alert where it cannot be opened, Idle where nobody wants it to be. A
    device that has a CONNECTION of its own keeps that.
    """

    def __init__(self, device: Device, wish: Callable[[bool], None]) -> None:
        self._device = device
        self._wish = wish
        self.is_ours = NAME not in device.vectors
        if self.is_ours:
            members = {CONNECT: Switch(False, label="Connect"), DISCONNECT: Switch(True, label="Disconnect")}
            device.serve_always(SwitchVector("Connection", name=NAME, members=members), self._choose, first=True)

    def show(self, connected: bool, state: State) -> None:
        """Tell everybody, if it is news."""
        if not self.is_ours:
            return
        vector = self._device.vectors[NAME]
        if vector.values[CONNECT] is not connected or vector.state != state:
            vector.update({CONNECT: connected, DISCONNECT: not connected}, state=state)

    async def _choose(self, new: Mapping[str, Any]) -> None:
        vector = self._device.vectors[NAME]
        before = vector.state
        self._wish(bool(new[CONNECT]))
        if vector.state == before:  # nothing has come of it, which the client shall hear as well
            vector.update(state=before)
