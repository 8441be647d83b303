"""From a configuration and the plugins to devices, transports and programs; nothing is opened yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.config import Config, Table, convert
from core.device import Device
from core.errors import CoreError, PluginMissing
from core.hookspecs import Proposal
from core.plugins import PluginSet
from core.plumbing import Transport
from core.program_device import ProgramDevice
from core.suggestions import nearest


@dataclass(frozen=True)
class ProgramStart:
    """Be a program that is to run when its device is ready."""

    program: str
    settings: dict[str, Any]


@dataclass
class Assembly:
    """Be everything that a run consists of."""

    devices: dict[str, Device] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    transports: list[Transport] = field(default_factory=list)
    programs: dict[str, ProgramStart] = field(default_factory=dict)
    """Which program each device begins with."""


def propose(proposals: Iterable[Proposal]) -> Config:
    """Return the configuration of a run without core.toml."""
    return Config(
        tables=tuple(
            Table(proposal.section, proposal.name, proposal.table, "the default configuration")
            for proposal in proposals
            if proposal.demo
        )
    )


def assemble(config: Config, plugins: PluginSet) -> Assembly:
    """Make what the configuration names; raise ConfigError, or PluginMissing, with file, key and what is allowed."""
    assembly = Assembly()
    for table in config.of("device"):
        _add_device(assembly, table, plugins)
    for table in config.of("transport"):
        _add_transport(assembly, table, plugins)
    programs = plugins.programs
    for device in assembly.devices.values():
        if isinstance(device, ProgramDevice):
            device.offer(programs)
    for table in config.of("program"):
        _add_program(assembly, table)
    return assembly


def _add_device(assembly: Assembly, table: Table, plugins: PluginSet) -> None:
    plugin = table.text("plugin")
    if plugin is None:
        names = ", ".join(name for name, kinds in plugins.devices.items() if kinds) or "no plugin has devices"
        raise table.error(f"plugin is missing; installed: {names}")
    try:
        device_class = plugins.device_class(plugin, table.text("type"))
    except PluginMissing as error:
        raise PluginMissing(f"{table.source}: {table.title}: {error}") from error
    except CoreError as error:
        raise table.error(str(error)) from error
    options = convert(device_class.Options, table.without("plugin", "type"), f"{table.source}: {table.title}")
    try:
        assembly.devices[table.name] = device_class(table.name, options)
    except ValueError as error:
        raise table.error(str(error)) from error
    assembly.plugins[table.name] = plugin


def _add_transport(assembly: Assembly, table: Table, plugins: PluginSet) -> None:
    kind = table.text("type") or table.name
    known = plugins.transports
    if kind not in known:
        raise table.error(_unknown("type", kind, known))
    keys = table.without("type")
    options = convert(known[kind].Options, keys, f"{table.source}: {table.title}")
    transport = known[kind](table.name, options)
    device = getattr(options, "device", None)
    if device and device not in assembly.devices:
        raise table.error(_unknown("device", device, assembly.devices))
    assembly.transports.append(transport)


def _add_program(assembly: Assembly, table: Table) -> None:
    name = table.text("program") or table.name
    hosts = {key: device for key, device in assembly.devices.items() if isinstance(device, ProgramDevice)}
    wanted = table.text("device")
    if wanted is None and len(hosts) == 1:
        wanted = next(iter(hosts))
    if wanted is None:
        raise table.error(f"device is missing; {', '.join(hosts) or 'no device here'} runs programs")
    if wanted not in hosts:
        raise table.error(_unknown("device", wanted, hosts))
    device = hosts[wanted]
    program = device.programs.get(name)
    if program is None:
        raise table.error(_unknown("program", name, device.programs))
    if wanted in assembly.programs:
        raise table.error(f"{wanted} begins with program {assembly.programs[wanted].program!r} already")
    settings = table.without("program", "device")
    try:
        program(device, **settings)
    except (TypeError, ValueError) as error:
        raise table.error(str(error)) from error
    assembly.programs[wanted] = ProgramStart(name, settings)


def _unknown(key: str, value: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    near = nearest(value, names)
    meant = f", did you mean {near!r}?" if near else ""
    return f"{key} {value!r} is unknown{meant}; {', '.join(names) or 'nothing'} is allowed"


__all__ = ["Assembly", "ProgramStart", "assemble", "propose"]
