"""What a run tells of itself: its parts, their states, and how exact its tasks are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from core.duration import Duration
from core.loop import Loop
from core.plugin_code import said
from core.program_device import ProgramDevice
from core.version import __version__

if TYPE_CHECKING:
    from core.app import App
    from core.isolation import IsolatedInstance
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
                "retry_seconds": instance.retry_seconds,
                "summary": said(instance.device.summary),
                "unsaved": instance.unsaved,
                "program": instance.device.running_program if isinstance(instance.device, ProgramDevice) else None,
                "programs": runs_status(instance.device) if isinstance(instance.device, ProgramDevice) else [],
                "process": os.getpid(),
            }
            for instance in app.instances
        ],
        "failed": [{"instance": instance, "cause": cause} for instance, cause in app.assembly.failed.items()],
        "transports": [
            {"name": key, "kind": transport.kind, "summary": said(transport.summary)}
            for key, transport in app.transports.items()
            if transport not in app.isolated
        ],
        "peers": [
            {
                "peer": peer.peer,
                "role": peer.role,
                "pending": peer.outbox.pending,
                "collapsed": peer.outbox.collapsed,
                "dropped": peer.outbox.dropped,
                "pauses": peer.pauses,
            }
            for peer in app.router.peers
        ],
        "loop": {
            "ticks": loop.ticks,
            "misses": loop.misses,
            "errors": loop.errors,
            "blocked": loop.blocked,
            "blocked_longest": loop.blocked_longest.as_seconds(),
            "tasks": [task_status(task) for task in loop.tasks],
        },
    }


def with_isolated(
    found: dict[str, Any], isolated: Iterable[IsolatedInstance], answers: Mapping[str, dict[str, Any] | None]
) -> dict[str, Any]:
    """Return a run's state with what the processes of its isolated instances answer about themselves."""
    for instance in isolated:
        state, cause = instance.state
        entry: dict[str, Any] = {
            "name": instance.name,
            "plugin": instance.plugin,
            "state": state,
            "cause": cause,
            "retry_seconds": None,
            "summary": instance.summary().partition(": ")[2],
            "program": None,
            "unsaved": "",
            "programs": [],
            "process": instance.process,
        }
        there = (answers.get(instance.name) or {}).get("status")
        if there is not None:
            entry |= {key: value for one in there["devices"] for key, value in one.items()}
            found["loop"]["tasks"] += there["loop"]["tasks"]
        found["devices"].append(entry)
    return found


def runs_status(device: ProgramDevice) -> list[dict[str, Any]]:
    """Return the programs that run and wait on a device, the next first."""
    return [
        {
            "number": run.number,
            "program": run.program,
            "region": run.region.name,
            "state": run.state,
            "settings": run.settings,
        }
        for run in (*device.running, *device.waiting)
    ]


def task_status(task: TaskStatistics) -> dict[str, Any]:
    """Return the statistics of one scheduled task; durations in seconds."""
    values = {one.name: getattr(task, one.name) for one in fields(task)}
    return {key: value.as_seconds() if isinstance(value, Duration) else value for key, value in values.items()}
