"""What a run answers about the programs on its devices: started, queued, ended, changed, listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from core.device import Device
from core.errors import ConfigError
from core.program_device import ProgramDevice
from core.programs.settings import from_texts
from core.status import runs_status

__all__ = ["PROGRAM_ANSWERS", "ProgramAnswer"]

Devices = Mapping[str, Device]
Question = Mapping[str, Any]
ProgramAnswer = Callable[[Devices, Question], Awaitable[dict[str, Any]]]


async def _start(devices: Devices, question: Question) -> dict[str, Any]:
    device = _host(devices, question)
    run = await device.begin_program(
        question["program"],
        _settings(device, question["program"], question),
        region=question.get("region") or "all",
        if_busy=question.get("if_busy"),
    )
    return {"run": {"number": run.number, "program": run.program, "region": run.region.name, "state": run.state}}


async def _stop(devices: Devices, question: Question) -> dict[str, Any]:
    await _host(devices, question).end_program(question.get("which"))
    return {}


async def _set(devices: Devices, question: Question) -> dict[str, Any]:
    device = _host(devices, question)
    run = device.find_run(question["which"])
    await device.change_program(run.number, _settings(device, run.program, question))
    return {}


async def _speed(devices: Devices, question: Question) -> dict[str, Any]:
    device = _host(devices, question)
    if question.get("speed") is not None:
        device.speed = question["speed"]
    return {"speed": device.speed}


async def _list(devices: Devices, question: Question) -> dict[str, Any]:
    hosts = {question["device"]: _host(devices, question)} if question.get("device") else _hosts(devices)
    return {"programs": [{"device": name, **run} for name, device in hosts.items() for run in runs_status(device)]}


PROGRAM_ANSWERS: Mapping[str, ProgramAnswer] = {
    "start": _start,
    "stop": _stop,
    "set": _set,
    "speed": _speed,
    "list": _list,
}


def _settings(device: ProgramDevice, program: str, question: Question) -> dict[str, Any]:
    """Return the settings of a question, which are values, or `texts` as they were typed."""
    known = device.programs.get(program)
    texts = question.get("texts") or {}
    return {**(question.get("settings") or {}), **(from_texts(known, texts) if known is not None else texts)}


def _hosts(devices: Devices) -> dict[str, ProgramDevice]:
    return {key: one for key, one in devices.items() if isinstance(one, ProgramDevice)}


def _host(devices: Devices, question: Question) -> ProgramDevice:
    hosts = _hosts(devices)
    device = hosts.get(question["device"])
    if device is None:
        raise ConfigError(f"{question['device']!r} runs no programs; {', '.join(hosts) or 'no device here'} does")
    if device.closed_because is not None:
        raise ConfigError(f"{device.name}: {device.closed_because}")
    return device
