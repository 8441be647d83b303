"""From a configuration and the plugins to devices, transports and programs; nothing is opened yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from core.config import Config, Table, convert, toml_key
from core.config_text import toml_value
from core.device import Device
from core.errors import ConfigError, CoreError, DefinitionError, PluginMissing
from core.hookspecs import Proposal
from core.isolation import KEY, IsolatedInstance, isolated_text
from core.observing_device import ObservingDevice
from core.plugin_code import isolated
from core.plugins import PluginSet
from core.plumbing import Transport
from core.program_device import ProgramDevice
from core.programs import Program
from core.programs.program import RESERVED
from core.programs.regions import ALL
from core.programs.runs import IF_BUSY, IfBusy
from core.programs.settings import converted
from core.suggestions import nearest

_log = logging.getLogger("core.assembly")

P = TypeVar("P", Device, Transport)


@dataclass(frozen=True)
class ProgramStart:
    """Be a program that is to run when its device is ready."""

    program: str
    settings: dict[str, Any]
    where: str = ""
    """File and table that ask for it."""
    region: str = ALL
    if_busy: IfBusy | None = None


@dataclass
class Assembly:
    """Be everything that a run consists of."""

    devices: dict[str, Device] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    transports: list[Transport] = field(default_factory=list)
    programs: dict[str, list[ProgramStart]] = field(default_factory=dict)
    """Which programs each device begins with, in the order of core.toml."""
    isolated: dict[str, type[Device]] = field(default_factory=dict)
    """The instances that run in processes of their own, and what they are; each is one of the transports too."""
    tables: dict[str, Table] = field(default_factory=dict)
    """What core.toml says of each device and transport, by the title of its table."""
    failed: dict[str, str] = field(default_factory=dict)
    """The instances that could not be made because of a mistake in a plugin, and why; the others run without them."""

    def adopt(self, other: Assembly, name: str) -> None:
        """Take a device of another assembly, with all that belongs to it."""
        self.devices[name], self.plugins[name] = other.devices[name], other.plugins[name]
        if name in other.programs:
            self.programs[name] = other.programs[name]

    def forget(self, name: str) -> None:
        """Take a device away, with all that belongs to it."""
        for named in (self.devices, self.plugins, self.programs):
            named.pop(name, None)


def usable_proposals(plugins: PluginSet) -> list[Proposal]:
    """Return those proposals of the plugins that can be run and written; the others are dropped with a warning."""
    scratch, usable = Assembly(), []
    # Devices first, because the others name them.
    for proposal in sorted(plugins.proposals(), key=lambda proposal: proposal.section != "device"):
        table = _table(proposal)
        try:
            for value in proposal.table.values():
                toml_value(value)
            _add(scratch, table, plugins)
        except CoreError as error:
            _log.warning("%s; it is left out", error)
        else:
            usable.append(proposal)
    return usable


def propose(proposals: Iterable[Proposal]) -> Config:
    """Return the configuration of a run without core.toml."""
    return Config(tables=tuple(_table(proposal) for proposal in proposals if proposal.demo))


def _table(proposal: Proposal) -> Table:
    return Table(proposal.section, proposal.name, proposal.table, "the default configuration")


def assemble(config: Config, plugins: PluginSet) -> Assembly:
    """Make what the configuration names; raise ConfigError, or PluginMissing, with file, key and what is allowed.

    An instance whose own code fails is logged and kept in `failed`.
    """
    assembly = Assembly()
    for table in (*config.of("device"), *config.of("transport"), *config.of("program")):
        _add(assembly, table, plugins)
    for device in assembly.devices.values():
        if isinstance(device, ObservingDevice):
            device.run = config.core.name
            device.folder = config.path.parent if config.path is not None else device.folder
    disabled = [record.name for record in plugins.records if record.state == "disabled"]
    for table in config.of("device"):
        if table.name in assembly.isolated:
            text = isolated_text(config.core, disabled, table, _programs_of(table.name, config, assembly))
            plugin = assembly.plugins[table.name]
            instance = IsolatedInstance(table.name, plugin, text, table.source, config.core.name)
            assembly.transports.insert(0, instance)
    return assembly


def _programs_of(device: str, config: Config, assembly: Assembly) -> list[Table]:
    begun = {start.where for start in assembly.programs.get(device, ())}
    return [table for table in config.of("program") if _where(table) in begun]


def _where(table: Table) -> str:
    return f"{table.source}: {table.title}"


def _add(assembly: Assembly, table: Table, plugins: PluginSet) -> None:
    {"device": _add_device, "transport": _add_transport, "program": _add_program}[table.section](
        assembly, table, plugins
    )
    if table.section != "program":
        assembly.tables[table.title] = table


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
    if _is_isolated(table):
        _add_isolated(assembly, table, plugin, device_class)
        return
    keys = table.without("plugin", "type", KEY)
    device = _made(assembly, device_class, table, keys, f"{plugin} {table.name!r}")
    if device is None:
        return
    try:
        with isolated():
            if isinstance(device, ProgramDevice):
                device.offer(plugins.programs)
            if not isinstance(summary := device.summary(), str):
                raise DefinitionError(f"its summary is {summary!r}; a text is needed")
    except CoreError as error:
        _fail(assembly, table, f"{plugin} {table.name!r}", error)
        return
    assembly.devices[table.name] = device
    assembly.plugins[table.name] = plugin


def _is_isolated(table: Table) -> bool:
    isolate = table.keys.get(KEY, False)
    if not isinstance(isolate, bool):
        raise table.error(f"{KEY} is {isolate!r}; true or false is needed")
    return isolate


def _add_isolated(assembly: Assembly, table: Table, plugin: str, device_class: type[Device]) -> None:
    """Check what can be checked without running the plugin's code for an instance, which is to run elsewhere."""
    if issubclass(device_class, ObservingDevice):
        raise table.error(f"{KEY} is true, but {plugin} watches the devices of this process, and can be nowhere else")
    try:
        with isolated():
            convert(device_class.Options, table.without("plugin", "type", KEY), _where(table))
    except ConfigError:
        raise
    except CoreError as error:
        _fail(assembly, table, f"{plugin} {table.name!r}", error)
        return
    assembly.isolated[table.name] = device_class
    assembly.plugins[table.name] = plugin


def _add_transport(assembly: Assembly, table: Table, plugins: PluginSet) -> None:
    kind = table.text("type") or table.name
    known = plugins.transports
    if kind not in known:
        raise table.error(_unknown("type", kind, known))
    keys = table.without("type")
    if table.name in assembly.isolated:
        raise table.error(f"the isolated instance [device.{toml_key(table.name)}] has this name; choose another one")
    if not known[kind].brings_devices:
        device = keys.get("device") or _only_device(assembly, table, known[kind])
        if device in assembly.failed:
            assembly.failed[table.title] = f"its device {device!r} has failed"
            return
        known_devices = (*assembly.devices, *assembly.isolated)
        if isinstance(device, str) and device and device not in known_devices:
            raise table.error(_unknown("device", device, known_devices))
        keys |= {"device": device} if device else {}
    transport = _made(assembly, known[kind], table, keys, f"transport {table.name!r}")
    if transport is not None:
        assembly.transports.append(transport)


def _only_device(assembly: Assembly, table: Table, transport: type[Transport]) -> str | None:
    """Return the device of a transport that needs one and names none; raise ConfigError if there is not just one."""
    if not any(one.name == "device" and one.required for one in msgspec.structs.fields(transport.Options)):
        return None
    devices = [*assembly.devices, *assembly.isolated, *(name for name in assembly.failed if not name.startswith("["))]
    if len(devices) != 1:
        raise table.error(f"device is missing; {', '.join(devices) or 'nothing'} is allowed")
    return devices[0]


def _add_program(assembly: Assembly, table: Table, plugins: PluginSet) -> None:
    name = table.text("program") or table.name
    hosts = _program_hosts(assembly, plugins)
    wanted = table.text("device")
    if wanted in assembly.failed or (wanted is None and not hosts and assembly.failed):
        return  # said already
    if wanted is None and len(hosts) == 1:
        wanted = next(iter(hosts))
    if wanted is None:
        raise table.error(f"device is missing; {', '.join(hosts) or 'no device here'} runs programs")
    if wanted not in hosts:
        raise table.error(_unknown("device", wanted, hosts))
    if name not in hosts[wanted]:
        raise table.error(_unknown("program", name, hosts[wanted]))
    region, if_busy = table.text("region") or ALL, table.text("if_busy")
    if if_busy is not None and if_busy not in IF_BUSY:
        raise table.error(_unknown("if_busy", if_busy, IF_BUSY))
    earlier = assembly.programs.setdefault(wanted, [])
    settings = table.without(*RESERVED)
    try:
        if (device := assembly.devices.get(wanted)) is not None and isinstance(device, ProgramDevice):
            with isolated():
                place, settings = device.check_program(name, settings, region)
                rivals = [one for one in earlier if device.region(one.region).meets(place)]
        else:
            # Which LEDs a region has is known where the instance runs, and checked there.
            settings, rivals = converted(hosts[wanted][name], settings), []
    except CoreError as error:
        raise table.error(str(error)) from error
    if rivals and if_busy != "wait":
        raise table.error(
            f"{wanted} begins with program {rivals[-1].program!r} on the same LEDs already; "
            'give it a region of its own, or if_busy = "wait" to come afterwards'
        )
    earlier.append(ProgramStart(name, settings, _where(table), region, if_busy))


def _program_hosts(assembly: Assembly, plugins: PluginSet) -> dict[str, dict[str, Program]]:
    """Return the programs that each device offers; those of an isolated one as far as its class tells."""
    hosts = {key: device.programs for key, device in assembly.devices.items() if isinstance(device, ProgramDevice)}
    for name, device_class in assembly.isolated.items():
        if issubclass(device_class, ProgramDevice):
            offered = {key: one for key, one in plugins.programs.items() if _may_accept(device_class, one)}
            hosts[name] = offered
    return hosts


def _may_accept(device_class: type[ProgramDevice], program: Program) -> bool:
    try:
        return program.device_type is None or issubclass(device_class, program.device_type)
    except TypeError:  # a protocol whose members only an instance has
        return True


def _made(assembly: Assembly, made: type[P], table: Table, keys: Mapping[str, Any], what: str) -> P | None:
    """Return an instance of a plugin's class, None where its own code fails; raise ConfigError for what is refused."""
    try:
        with isolated():
            options = convert(made.Options, keys, _where(table))
            try:
                instance = made(table.name, options)
            except ValueError as error:
                raise table.error(str(error)) from error
            # What the base class sets last but for its own affairs.
            if not hasattr(instance, "vectors" if table.section == "device" else "options"):
                raise DefinitionError(f"{made.__name__}.__init__ does not call super().__init__(name, options)")
            return instance
    except ConfigError:
        raise
    except CoreError as error:
        _fail(assembly, table, what, error)
        return None


def _fail(assembly: Assembly, table: Table, what: str, error: CoreError) -> None:
    _log.error("%s cannot be made: %s; report it to the plugin's authors", what, error, exc_info=error.__cause__)
    assembly.failed[table.name if table.section == "device" else table.title] = str(error)


def _unknown(key: str, value: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    near = nearest(value, names)
    meant = f", did you mean {near!r}?" if near else ""
    return f"{key} {value!r} is unknown{meant}; {', '.join(names) or 'nothing'} is allowed"


__all__ = ["Assembly", "ProgramStart", "assemble", "propose", "usable_proposals"]
