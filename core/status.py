"""What a run tells of itself: its parts, their states, and how exact its tasks are."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from core.duration import Duration
from core.loop import Loop
from core.plugin_code import said
from core.program_device import ProgramDevice
from core.version import __version__

if TYPE_CHECKING:
    from core.app import App
    from core.loop import TaskStatistics


def status(name: str, app: App) -> dict[str, Any]:
    """Return the state of a run in its stable JSON form; times are in seconds."""
    loop = Loop.current().statistics()
    return {
        "version": 1,
        "name": name,
        "core": __version__,
        "process": os.getpid(),
        "devices": [
            {
                "name": instance.device.name,
                "plugin": instance.plugin,
                "state": instance.state,
                "cause": instance.cause,
                "summary": said(instance.device.summary),
                "program": instance.device.running_program if isinstance(instance.device, ProgramDevice) else None,
            }
            for instance in app.instances
        ],
        "failed": [{"instance": instance, "cause": cause} for instance, cause in app.assembly.failed.items()],
        "transports": [
            {"name": key, "kind": transport.kind, "summary": said(transport.summary)}
            for key, transport in app.transports.items()
        ],
        "peers": [{"peer": peer.peer, "role": peer.role, "pending": peer.channel.pending} for peer in app.router.peers],
        "loop": {
            "ticks": loop.ticks,
            "misses": loop.misses,
            "errors": loop.errors,
            "blocked": loop.blocked,
            "blocked_longest": loop.blocked_longest.as_seconds(),
            "tasks": [task_status(task) for task in loop.tasks],
        },
    }


def task_status(task: TaskStatistics) -> dict[str, Any]:
    """Return the statistics of one scheduled task; durations in seconds."""
    values = {one.name: getattr(task, one.name) for one in fields(task)}
    return {key: value.as_seconds() if isinstance(value, Duration) else value for key, value in values.items()}
