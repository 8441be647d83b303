"""The statistics of a device's ticks as properties, so that every client can see how exact they are."""

from __future__ import annotations

from core.device import Device
from core.loop import Loop
from core.properties import Number, NumberVector

PERIOD = 2.0
"""Seconds between two updates."""

GROUP = "Statistics"


def vector_name(tick: str) -> str:
    """Return the name of the vector that tells of a tick."""
    return f"{tick}_statistics"


def tick_vector(tick: str) -> NumberVector:
    """Return the vector that tells of a tick; times are in milliseconds."""
    counts = {name: Number(format="%.0f") for name in ("ticks", "misses", "errors")}
    times = {name: Number(unit="ms", format="%.3f") for name in ("late_p50", "late_p99", "late_max", "takes")}
    return NumberVector(f"Task {tick}", name=vector_name(tick), group=GROUP, members={**counts, **times})


def define(device: Device) -> None:
    """Define a vector for each tick of the device."""
    for name in device.tick_templates:
        if vector_name(name) not in device.vectors:
            device.define(tick_vector(name))


async def keep_up(device: Device) -> None:
    """Update the vectors for as long as the device is open."""
    loop = Loop.current()
    while True:
        await loop.delay(PERIOD)
        for name in device.tick_templates:
            tick = device.tick(name)
            scheduled = tick.scheduled
            vector = device.vectors.get(vector_name(name))
            if scheduled is not None and vector is not None:
                found = scheduled.statistics
                vector.update(
                    ticks=found.ticks,
                    misses=found.misses,
                    errors=tick.failures,
                    late_p50=found.lateness_p50.as_milliseconds(),
                    late_p99=found.lateness_p99.as_milliseconds(),
                    late_max=found.lateness_max.as_milliseconds(),
                    takes=found.duration_mean.as_milliseconds(),
                )
