"""The plugin that is checked: its record, its classes, and simulated devices that can be made again and again."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import msgspec

from core.assembly import assemble, propose
from core.device import Device
from core.errors import CoreError, PluginMissing
from core.hookspecs import Proposal
from core.late_class import loaded
from core.plugin_records import PluginRecord
from core.plugins import PluginSet
from core.plumbing import Transport
from core.program_device import ProgramDevice
from core.programs import Program
from core.suggestions import nearest

__all__ = ["SimulatedDevice", "Subject", "find_subject"]

SIMULATED = "simulated"


@dataclass
class SimulatedDevice:
    """Be a device of the plugin that needs no hardware; `make` makes another instance, with other options if given."""

    kind: str
    device_class: type[Device]
    make: Callable[..., Device]


@dataclass
class Subject:
    """Be the plugin with what it registers."""

    record: PluginRecord
    plugins: PluginSet
    module: ModuleType
    simulated: list[SimulatedDevice] = field(default_factory=list)
    not_simulated: dict[str, str] = field(default_factory=dict)
    """The kinds of devices that cannot be had without hardware, and why."""

    @property
    def devices(self) -> dict[str, type[Device]]:
        """Return the device classes by kind."""
        return {kind: loaded(one) for kind, one in self.record.parts["devices"].items()}

    @property
    def transports(self) -> dict[str, type[Transport]]:
        """Return the transport classes by kind."""
        return {kind: loaded(one) for kind, one in self.record.parts["transports"].items()}

    @property
    def programs(self) -> dict[str, Program]:
        """Return the programs by name."""
        return dict(self.record.parts["programs"])


def find_subject(name: str, plugins: PluginSet) -> Subject:
    """Return a plugin by its name, or that of its distribution; raise PluginMissing with the nearest right name."""
    names = [record.name for record in plugins.records]
    named = [one for one in plugins.records if one.name == name]
    record = next((one for one in named if one.active), None) or next(
        (one for one in (*named, *plugins.records) if name in (one.name, one.distribution)), None
    )
    if record is None:
        near = nearest(name, [*names, *(one.distribution for one in plugins.records)])
        meant = f"; did you mean {near!r}?" if near else ""
        raise PluginMissing(f"there is no plugin {name!r} here{meant} (installed: {', '.join(names)})")
    if not record.active:
        raise PluginMissing(f"plugin {name!r} cannot be checked: {record.state}: {record.cause}; {record.cure}")
    subject = Subject(record, plugins, importlib.import_module(record.module))
    for kind, device_class in subject.devices.items():
        try:
            subject.simulated.append(_simulated(subject, kind, device_class))
        except CoreError as error:
            subject.not_simulated[kind] = str(error)
    return subject


def _simulated(subject: Subject, kind: str, device_class: type[Device]) -> SimulatedDevice:
    proposal = next(_proposals(subject, kind, device_class), None)
    if proposal is None:
        raise CoreError(f"core_default_config proposes no {kind}, and its options are not simulated by themselves")

    def make(**options: Any) -> Device:
        table = {**proposal.table, **options}
        changed = Proposal(proposal.section, proposal.name, table)
        assembly = assemble(propose([changed]), subject.plugins)
        if proposal.name not in assembly.devices:
            raise CoreError(f"{kind} cannot be made: {assembly.failed[proposal.name]}")
        device = assembly.devices[proposal.name]
        if isinstance(device, ProgramDevice):
            device.offer(subject.programs)
        return device

    make()
    return SimulatedDevice(kind, device_class, make)


def _proposals(subject: Subject, kind: str, device_class: type[Device]) -> Iterator[Proposal]:
    """Yield what would make a device of the kind without hardware, what the plugin proposes first."""
    only = len(subject.devices) == 1
    for proposal in subject.plugins.proposals(subject.record):  # of others, one may have the same name
        table = proposal.table
        own = proposal.section == "device" and table.get("plugin") == subject.record.name and proposal.demo
        if own and table.get("type", kind if only else None) == kind:
            yield proposal
    if any(one.default == SIMULATED for one in msgspec.structs.fields(device_class.Options)):
        yield Proposal("device", kind, {"plugin": subject.record.name, "type": kind})
