"""The device of the load driver as a plugin of core: what `update()` and `on_new` do in the process of the server."""

from __future__ import annotations

from core import Device, Number, NumberVector, hookimpl

core_api = 1


def whole(*names: str) -> dict[str, Number]:
    """Return members that are whole numbers."""
    return {name: Number(0, format="%.0f") for name in names}


class Load(Device):
    """Send sets as often as it is told, and count commands."""

    sets = NumberVector(name="SETS", perm="rw", members=whole("COUNT", "START"))
    blobs = NumberVector(name="BLOBS", perm="rw", members=whole("COUNT", "SIZE"))
    num = NumberVector(name="NUM", perm="rw", members={**whole("SEQ"), "VAL": Number(-123.456789, format="%.6f")})
    rx = NumberVector(name="RX", perm="rw", members=whole("SEQ", "LAST", "COUNT"))

    counted = 0

    @sets.on_new
    async def send(self, new: dict[str, float]) -> None:
        """Update a vector of two numbers, COUNT times."""
        start = int(new["START"])
        for number in range(start, start + int(new["COUNT"])):
            self.num.update(SEQ=number, VAL=number + 0.5)

    @rx.on_new
    async def count(self, new: dict[str, float]) -> None:
        """Count, and answer the last one."""
        self.counted += 1
        if new["SEQ"] == new["LAST"]:
            self.rx.update(COUNT=self.counted)
            self.counted = 0


@hookimpl
def core_register_devices() -> list[type[Device]]:
    """Give core the device."""
    return [Load]
