"""Discovery of plugins: each entry point is loaded, checked and registered by itself.

pluggy's own `load_setuptools_entrypoints` aborts at the first import that fails and drops a second plugin of the same
name without a word; here every one that was found is listed with its state, the cause and the cure.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from core import hookspecs
from core.deprecation import deprecations_told
from core.entry_points import Found, builtin, installed
from core.errors import CoreError, DefinitionError, PluginMissing
from core.hookspecs import API_VERSION, OLDEST_API_VERSION, PROJECT, Check, Observer, Proposal
from core.late_class import loaded
from core.plugin_code import isolated
from core.plugin_hooks import implemented, refuse_hooks, specified
from core.plugin_parts import named_parts, proposed
from core.plugin_records import PARTS, Parts, PluginRecord, Refused
from core.program_device import NONE
from core.suggestions import nearest

if TYPE_CHECKING:
    import click

    from core.device import Device
    from core.plumbing import Transport
    from core.programs import Program

__all__ = ["DISABLE_VARIABLE", "PluginRecord", "PluginSet", "discover"]

_log = logging.getLogger("core.plugins")

DISABLE_VARIABLE = "CORE_DISABLE_PLUGINS"


class PluginSet:
    """Hold every plugin that was found, and what the active ones have registered.

    Plugins whose names are `disabled` are not imported; `own_commands` are names that no plugin's command may have.
    """

    def __init__(
        self,
        found: Iterable[Found],
        disabled: Iterable[str] = (),
        own_commands: Collection[str] = (),
        specifications: ModuleType = hookspecs,
    ) -> None:
        self.records: list[PluginRecord] = []
        self._disabled = set(disabled)
        self._reserved: Mapping[Parts, Collection[str]] = {"commands": own_commands, "programs": (NONE,)}
        self._hooks = pluggy.PluginManager(PROJECT)
        self._hooks.add_hookspecs(specifications)
        self.hooks = specified(specifications)
        """The hooks by name, each with its arguments."""
        for one in sorted(found, key=lambda one: (one.distribution != "core", one.name, one.distribution)):
            record = PluginRecord(one.name, one.distribution, one.version, one.module)
            self.records.append(record)
            self._take(record, one)
        self._warn_of_unknown()

    @property
    def failed(self) -> list[PluginRecord]:
        """Return those that were to be used and cannot be."""
        return [record for record in self.records if record.state not in ("active", "disabled")]

    # What is registered, of all plugins

    @property
    def devices(self) -> dict[str, dict[str, type[Device]]]:
        """Return the device classes by plugin and kind."""
        return {
            record.name: {kind: loaded(one) for kind, one in record.parts["devices"].items()}
            for record in self.records
            if record.active
        }

    @property
    def transports(self) -> dict[str, type[Transport]]:
        """Return the transport classes by kind."""
        return {kind: loaded(one) for kind, one in self._all("transports").items()}

    @property
    def programs(self) -> dict[str, Program]:
        """Return the programs by name."""
        return self._all("programs")

    @property
    def commands(self) -> dict[str, click.Command]:
        """Return the sub-commands of `corectl` by name."""
        return self._all("commands")

    @property
    def checks(self) -> dict[str, Check]:
        """Return the checks of `corectl doctor` by title."""
        return self._all("checks")

    @property
    def observers(self) -> dict[str, Observer]:
        """Return the observers of events by plugin and name."""
        return {
            f"{record.name}: {name}": observer
            for record in self.records
            for name, observer in record.parts["observers"].items()
        }

    def proposals(self, alone: PluginRecord | None = None) -> list[Proposal]:
        """Return what the plugins, or one `alone`, propose for this machine; one that fails costs only its own."""
        proposals: dict[tuple[str, str], Proposal] = {}
        for record in self.records if alone is None else [alone]:
            if not record.active:
                continue
            try:
                with isolated():
                    own = list(proposed(self._call(record, "core_default_config")))
            except CoreError as error:
                _log.warning("plugin %s proposes nothing: %s", record.name, error)
                continue
            for one in own:
                if proposals.setdefault((one.section, one.name), one) is not one:
                    _log.warning("plugin %s: its [%s.%s] is proposed already", record.name, one.section, one.name)
        return list(proposals.values())

    def device_class(self, plugin: str, kind: str | None) -> type[Device]:
        """Return the device class that core.toml means; raise PluginMissing or DefinitionError with the cure."""
        record = self._named(plugin)
        classes = record.parts["devices"]
        if not classes:
            raise DefinitionError(f"plugin {plugin!r} registers no device")
        if kind is None:
            known = [loaded(one) for one in classes.values()]
            if len(defaults := [one for one in known if one.__dict__.get("is_default")]) == 1:
                return cast("type[Device]", defaults[0])
            if len(known) > 1:
                raise DefinitionError(f"plugin {plugin!r} has several devices; choose with type = {_or(classes)}")
            return cast("type[Device]", known[0])
        if kind not in classes:
            raise DefinitionError(f"plugin {plugin!r} has no type {kind!r}; type = {_or(classes)} is allowed")
        return cast("type[Device]", loaded(classes[kind]))

    def _named(self, name: str) -> PluginRecord:
        matching = [record for record in self.records if record.name == name]
        for record in matching:
            if record.active:
                return record
        if matching:
            record = matching[0]
            raise PluginMissing(
                f"plugin {name!r} of {record.distribution} cannot be used: {record.state}: "
                f"{record.cause}; {record.cure}"
            )
        names = [record.name for record in self.records if record.active and record.registers["devices"]]
        near = nearest(name, names)
        # What is probably misspelt is not to be installed: anybody may own that name in a package index.
        cure = f"did you mean {near!r}?" if near else f"install it with: pip install plugin-{name}"
        raise PluginMissing(f"plugin {name!r} is not installed; {cure} (installed: {', '.join(names) or 'none'})")

    # Taking plugins in, one by one

    def _take(self, record: PluginRecord, found: Found) -> None:
        try:
            with isolated(), deprecations_told(record.note_deprecation):
                self._refuse_name(record)
                module = self._load(record, found)
                self._refuse_version(record, module)
                self._refuse_module(record, module)
                self._register(record, module)
        except Refused as refusal:
            record.refuse(refusal)
        except CoreError as error:
            cure = f"report it to the authors of {record.distribution}"
            record.refuse(Refused("registration failed", str(error), cure))

    def _refuse_name(self, record: PluginRecord) -> None:
        if record.name in self._disabled:
            cure = f"take it off [core] disable or {DISABLE_VARIABLE}"
            raise Refused("disabled", "it is disabled by configuration", cure)
        owner = next((o for o in self.records if o is not record and o.name == record.name and o.active), None)
        if owner is not None:
            cause = f"the name {record.name!r} belongs to {owner.distribution} {owner.version}"
            raise Refused("name taken", cause, f"uninstall one of them: pip uninstall {record.distribution}")

    def _load(self, record: PluginRecord, found: Found) -> Any:
        try:
            with isolated():
                return found.load()
        except CoreError as error:
            cure = f"pip install --upgrade --force-reinstall {record.distribution}"
            raise Refused("import failed", str(error), cure) from error

    def _refuse_version(self, record: PluginRecord, module: Any) -> None:
        version = getattr(module, "core_api", None)
        if isinstance(version, int) and OLDEST_API_VERSION <= version <= API_VERSION:
            return
        if version is None:
            said, cure = "does not say for which plugin API it is made (core_api)", f"core_api = {API_VERSION}"
            cure = f"its authors add {cure} to the module"
        elif not isinstance(version, int):
            said, cure = f"says core_api = {version!r}, which is no integer", f"its authors write {API_VERSION}"
        else:
            newer = version > API_VERSION
            said, cure = f"is for {version!r}", f"pip install --upgrade {'core' if newer else record.distribution}"
        raise Refused("wrong API version", f"{record.module} {said}; this is plugin API {API_VERSION}", cure)

    def _refuse_module(self, record: PluginRecord, module: Any) -> None:
        other = self._hooks.get_name(module)
        if other is not None:
            cause = f"its module {record.module} is registered already, as plugin {other!r}"
            raise Refused("registration failed", cause, f"the authors of {record.distribution} name each module once")

    def _register(self, record: PluginRecord, module: Any) -> None:
        try:
            refuse_hooks(module, self.hooks)
            self._hooks.register(module, name=record.name)
            record.hooks = implemented(module, self.hooks)
            for part in PARTS:
                named = named_parts(part, self._call(record, f"core_register_{part}"))
                self._refuse_taken(record, part, named)
                record.parts[part] = named
                record.registers[part] = list(named)
        except BaseException:  # whatever it was, a plugin that is not in use has no hooks
            if self._hooks.has_plugin(record.name):
                self._hooks.unregister(name=record.name)
            raise

    def _refuse_taken(self, record: PluginRecord, part: Parts, names: Iterable[str]) -> None:
        if part in ("devices", "observers"):  # known by their plugin's name
            return
        for name in names:
            if name in self._reserved.get(part, ()):
                cause = f"its {part[:-1]} {name!r} has a name that belongs to core itself"
                raise Refused("name taken", cause, f"the authors of {record.distribution} choose another name")
            for other in self.records:
                if other is not record and name in other.parts[part]:
                    cause = f"its {part[:-1]} {name!r} is registered by {other.distribution} already"
                    raise Refused("name taken", cause, f"uninstall one of them: pip uninstall {record.distribution}")

    def _warn_of_unknown(self) -> None:
        names = [record.name for record in self.records]
        for name in sorted(self._disabled.difference(names)):
            near = nearest(name, names)
            meant = f"; did you mean {near!r}?" if near else ""
            _log.warning("there is no plugin %r that could be disabled%s", name, meant)

    def _call(self, record: PluginRecord, hook: str) -> Any:
        """Call one hook of one plugin, so that one that raises costs only its own results."""
        others = [plugin for name, plugin in self._hooks.list_name_plugin() if name != record.name]
        results = self._hooks.subset_hook_caller(hook, [plugin for plugin in others if plugin is not None])()
        if not results:
            return {} if hook == "core_register_checks" else []
        return results[0]

    def _all(self, part: Parts) -> dict[str, Any]:
        return {name: one for record in self.records for name, one in record.parts[part].items()}


def discover(disabled: Iterable[str] = (), own_commands: Collection[str] = ()) -> PluginSet:
    """Find and register all plugins; those that `disabled` or the environment variable names are not imported."""
    named = os.environ.get(DISABLE_VARIABLE, "").replace(",", " ").split()
    return PluginSet([*builtin(), *installed()], [*disabled, *named], own_commands)


def _or(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
