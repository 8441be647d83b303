"""Film: what the LEDs of a device show while a program runs on the virtual clock, in no time at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ProgramError
from core.instance import Instance
from core.loop import Loop
from core.program_device import ProgramDevice
from core.testing import VirtualClock

SHOT_NS = 20_000_000
"""How long one picture takes at least: what is switched faster than that is seen as brightness."""
LEVELS = 16
"""How many degrees of brightness there are, dark and full included."""
FULL = LEVELS - 1

Brightness = tuple[tuple[int | None, ...], ...]
"""Row by row how bright each LED is, from 0 to FULL; None where there is none."""


@dataclass(frozen=True)
class Film:
    """Be what was shown: each picture with the second from which on it was, the first at 0.0, until `seconds`."""

    title: str
    pictures: tuple[tuple[float, Brightness], ...]
    seconds: float

    @property
    def size(self) -> tuple[int, int]:
        """Return how many rows and columns there are."""
        rows = self.pictures[0][1]
        return len(rows), max(map(len, rows))

    def ends(self) -> list[float]:
        """Return until when each picture was shown."""
        return [*(start for start, _ in self.pictures[1:]), self.seconds]

    def brightest(self) -> Brightness:
        """Return the picture in which most is lit, the one for who can show one only."""
        return max((picture for _, picture in self.pictures), key=lambda picture: sum(map(_lit, picture)))


def film(device: ProgramDevice, program: str, settings: Mapping[str, Any], seconds: float, speed: float = 1.0) -> Film:
    """Run a program on a device that is not open yet, and return what it shows; one that ends sooner is shorter.

    `speed` is how many times faster than written it runs.

    Raises ProgramError if it cannot be started, fails, or the device cannot be opened or has no LEDs.
    """
    device.speed = speed
    camera = _Camera(device.picture)
    clock = _ObservedClock(camera.see)
    clock.run(_record(clock, camera, device, program, settings, seconds))
    return camera.film(program, round(seconds * 1e9))


async def _record(
    clock: VirtualClock,
    camera: _Camera,
    device: ProgramDevice,
    program: str,
    settings: Mapping[str, Any],
    seconds: float,
) -> None:
    instance = Instance(device, "the plugin")
    said: list[str] = []
    opened = asyncio.Event()

    def listen(event: Any) -> None:
        if event.message:
            said.append(event.message)
        if event.kind == "opened":
            opened.set()

    device.observe(listen)
    life = asyncio.create_task(instance.live(), name=f"device {device.name}")
    try:
        await opened.wait()
        if device.closed_because is not None:
            raise ProgramError(f"{device.name} cannot be opened: {device.closed_because}")
        if not device.picture():
            raise ProgramError(f"{device.name} has no LEDs that could be recorded")
        camera.begin(clock.now())
        run = await device.begin_program(program, settings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await run.over.wait()
                if run.state == "failed":
                    raise ProgramError(said[-1] if said else f"program {program} has failed")
                # So that its end is seen.
                await Loop.current().delay(min(0.5, seconds / 10))
        camera.end(clock.now())
    finally:
        life.cancel()
        await asyncio.wait([life])


class _ObservedClock(VirtualClock):
    """Be a virtual clock that tells from when to when time passes, while nothing changes."""

    def __init__(self, observer: Callable[[int, int], None]) -> None:
        super().__init__()
        self._observer = observer

    def skip_to(self, deadline: int) -> bool:
        """Move time to `deadline` and tell so."""
        before = self.now()
        moved = super().skip_to(deadline)
        if self.now() > before:
            self._observer(before, self.now())
        return moved


class _Camera:
    """Add up for each shot how long each LED was lit."""

    def __init__(self, look: Callable[[], Sequence[str]]) -> None:
        self._look = look
        self._began: int | None = None
        self._ended: int | None = None
        self._shots: list[list[list[int | None]]] = []

    def begin(self, now: int) -> None:
        """Look from now on."""
        self._began = now

    def end(self, now: int) -> None:
        """Look no more."""
        self._ended = now

    def see(self, start: int, end: int) -> None:
        """Take what is shown while time passes."""
        if self._began is None or self._ended is not None:
            return
        rows = tuple(self._look())
        start, end = start - self._began, end - self._began
        while start < end:
            number, offset = divmod(start, SHOT_NS)
            lasts = min(end - start, SHOT_NS - offset)
            shot = self._shot(number, rows)
            for line, row in zip(shot, rows, strict=True):
                for column, lamp in enumerate(row):
                    if lamp == "X":
                        line[column] = (line[column] or 0) + lasts
            start += lasts

    def _shot(self, number: int, rows: Sequence[str]) -> list[list[int | None]]:
        while len(self._shots) <= number:
            self._shots.append([[None if lamp == " " else 0 for lamp in row] for row in rows])
        return self._shots[number]

    def film(self, title: str, longest: int) -> Film:
        """Return what has been seen, no longer than that in ns."""
        lasted = min((self._ended or longest) - (self._began or 0), longest)
        shots = self._shots[: max(-(-lasted // SHOT_NS), 1)]
        if not shots:
            raise ProgramError(f"program {title} ended at once, and there is nothing to be seen")
        pictures: list[tuple[float, Brightness]] = []
        for number, shot in enumerate(shots):
            picture = tuple(tuple(_level(lit) for lit in line) for line in shot)
            if not pictures or pictures[-1][1] != picture:
                pictures.append((number * SHOT_NS / 1e9, picture))
        return Film(title, tuple(pictures), len(shots) * SHOT_NS / 1e9)


def _level(lit: int | None) -> int | None:
    return None if lit is None else min(round(lit * FULL / SHOT_NS), FULL)


def _lit(row: Sequence[int | None]) -> int:
    return sum(level or 0 for level in row)
