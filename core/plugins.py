"""Discovery of plugins: each entry point is loaded, checked and registered by itself.

pluggy's own `load_setuptools_entrypoints` aborts at the first import that fails and drops a second plugin of the same
name without a word; here every one that was found is listed with its state, the cause and the cure.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import pluggy

from core import hookspecs
from core.errors import ApiMismatch, DefinitionError, PluginConflict, PluginMissing
from core.hookspecs import API_VERSION, PROJECT, Check, Observer, Proposal
from core.suggestions import nearest

if TYPE_CHECKING:
    import click

    from core.device import Device
    from core.plumbing import Transport
    from core.programs import Program

_log = logging.getLogger("core.plugins")

ENTRY_POINTS = "core.plugins"
DISABLE_VARIABLE = "CORE_DISABLE_PLUGINS"

PluginState = Literal["active", "disabled", "import failed", "registration failed", "wrong API version", "name taken"]
Parts = Literal["devices", "transports", "programs", "commands", "checks", "observers"]
PARTS: tuple[Parts, ...] = ("devices", "transports", "programs", "commands", "checks", "observers")


@dataclass
class PluginRecord:
    """Be what is known of one plugin that was found, whatever became of it."""

    name: str
    distribution: str
    version: str
    module: str
    state: PluginState = "active"
    cause: str = ""
    cure: str = ""
    registers: dict[Parts, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    parts: dict[Parts, dict[str, Any]] = field(default_factory=lambda: {part: {} for part in PARTS})

    @property
    def active(self) -> bool:
        """Return whether the plugin is in use."""
        return self.state == "active"

    def fail(self, state: PluginState, cause: str, cure: str) -> None:
        """Put the plugin out of use."""
        self.state, self.cause, self.cure = state, cause, cure
        self.registers = {part: [] for part in PARTS}
        self.parts = {part: {} for part in PARTS}

    def as_json(self) -> dict[str, Any]:
        """Return the record in its stable JSON form."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "module": self.module,
            "state": self.state,
            "cause": self.cause,
            "cure": self.cure,
            "registers": self.registers,
        }


@dataclass(frozen=True)
class Found:
    """Be an entry point that was found, before anything of it is imported."""

    name: str
    distribution: str
    version: str
    module: str
    load: Any


def installed() -> Iterator[Found]:
    """Yield the entry points of the group `core.plugins` of all installed distributions, the first of a path only."""
    seen: set[tuple[str, str]] = set()
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or "unknown"
        for point in distribution.entry_points.select(group=ENTRY_POINTS):
            # One distribution may be on the path twice; Python takes the first.
            if (name, point.name) not in seen:
                seen.add((name, point.name))
                yield Found(point.name, name, distribution.version, point.value, point.load)


def builtin() -> Iterator[Found]:
    """Yield the plugins that come with `core`."""
    version = importlib.metadata.version("core")

    def load() -> Any:
        import core.transports.builtin

        return core.transports.builtin

    yield Found("transports", "core", version, "core.transports.builtin", load)


class PluginSet:
    """Hold every plugin that was found, and what the active ones have registered."""

    def __init__(self, found: Iterable[Found], disabled: Iterable[str] = ()) -> None:
        self.records: list[PluginRecord] = []
        self._disabled = set(disabled)
        self._hooks = pluggy.PluginManager(PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        for one in sorted(found, key=lambda one: (one.distribution != "core", one.name, one.distribution)):
            record = PluginRecord(one.name, one.distribution, one.version, one.module)
            self.records.append(record)
            self._take(record, one)

    # What is registered, of all plugins

    @property
    def devices(self) -> dict[str, dict[str, type[Device]]]:
        """Return the device classes by plugin and kind."""
        return {record.name: record.parts["devices"] for record in self.records if record.active}

    @property
    def transports(self) -> dict[str, type[Transport]]:
        """Return the transport classes by kind."""
        return self._all("transports")

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
        """Return the observers of events."""
        return self._all("observers")

    def proposals(self) -> list[Proposal]:
        """Return what the plugins propose for this machine; one that fails costs only its own."""
        proposals: list[Proposal] = []
        for record in self.records:
            if record.active:
                try:
                    proposals += self._call(record, "core_default_config")
                except Exception as error:
                    _log.warning("plugin %s proposes nothing: %s", record.name, error)
        return proposals

    def device_class(self, plugin: str, kind: str | None) -> type[Device]:
        """Return the device class that core.toml means; raise PluginMissing or DefinitionError with the cure."""
        record = self._named(plugin)
        classes = record.parts["devices"]
        if not classes:
            raise DefinitionError(f"plugin {plugin!r} registers no device")
        if kind is None:
            if len(classes) > 1:
                raise DefinitionError(f"plugin {plugin!r} has several devices; choose with type = {_or(classes)}")
            return cast("type[Device]", next(iter(classes.values())))
        if kind not in classes:
            raise DefinitionError(f"plugin {plugin!r} has no type {kind!r}; type = {_or(classes)} is allowed")
        return cast("type[Device]", classes[kind])

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
        meant = f"did you mean {near!r}? " if near else ""
        raise PluginMissing(
            f"plugin {name!r} is not installed; {meant}Install it with: pip install plugin-{name} "
            f"(installed: {', '.join(names) or 'none'})"
        )

    # Taking plugins in, one by one

    def _take(self, record: PluginRecord, found: Found) -> None:
        if record.name in self._disabled:
            record.fail(
                "disabled", "it is disabled by configuration", f"take it off [core] disable or {DISABLE_VARIABLE}"
            )
            return
        owner = next((o for o in self.records if o is not record and o.name == record.name and o.active), None)
        if owner is not None:
            record.fail(
                "name taken",
                f"the name {record.name!r} belongs to {owner.distribution} {owner.version}",
                f"uninstall one of them: pip uninstall {record.distribution}",
            )
            return
        try:
            module = found.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            record.fail(
                "import failed", _describe(error), f"pip install --upgrade --force-reinstall {record.distribution}"
            )
            return
        try:
            self._register(record, module)
        except ApiMismatch as error:
            record.fail("wrong API version", str(error), _api_cure(module, record.distribution))
        except PluginConflict as error:
            self._hooks.unregister(module)
            record.fail("name taken", str(error), f"uninstall one of them: pip uninstall {record.distribution}")
        except Exception as error:
            if self._hooks.is_registered(module):
                self._hooks.unregister(module)
            record.fail("registration failed", _describe(error), f"report it to the authors of {record.distribution}")

    def _register(self, record: PluginRecord, module: Any) -> None:
        version = getattr(module, "core_api", None)
        if version != API_VERSION:
            said = (
                "does not say for which plugin API it is made (core_api)" if version is None else f"is for {version!r}"
            )
            raise ApiMismatch(f"{record.module} {said}; this is plugin API {API_VERSION}")
        self._hooks.register(module, name=f"{record.distribution}:{record.name}")
        self._refuse_unknown_hooks(module)
        for part in PARTS:
            named = dict(_named_parts(part, self._call(record, f"core_register_{part}")))
            for name in named:
                self._refuse_taken(record, part, name)
            record.parts[part] = named
            record.registers[part] = list(named)

    def _refuse_unknown_hooks(self, module: Any) -> None:
        known = [name for name in vars(hookspecs) if name.startswith("core_")]
        for name in vars(module):
            if name.startswith("core_") and name not in known and hasattr(getattr(module, name), f"{PROJECT}_impl"):
                near = nearest(name, known)
                raise DefinitionError(f"there is no hook {name}" + (f"; did you mean {near}?" if near else ""))

    def _refuse_taken(self, record: PluginRecord, part: Parts, name: str) -> None:
        if part in ("devices", "observers"):  # known by their plugin's name
            return
        for other in self.records:
            if other is not record and other.active and name in other.parts[part]:
                raise PluginConflict(f"its {part[:-1]} {name!r} is registered by {other.distribution} already")

    def _call(self, record: PluginRecord, hook: str) -> Any:
        """Call one hook of one plugin, so that one that raises costs only its own results."""
        name = f"{record.distribution}:{record.name}"
        others = [plugin for other, plugin in self._hooks.list_name_plugin() if other != name and plugin is not None]
        results = self._hooks.subset_hook_caller(hook, others)()
        if not results:
            return {} if hook == "core_register_checks" else []
        return results[0]

    def _all(self, part: Parts) -> dict[str, Any]:
        return {name: one for record in self.records if record.active for name, one in record.parts[part].items()}


def discover(disabled: Iterable[str] = ()) -> PluginSet:
    """Find and register all plugins; those that `disabled` or the environment variable names are not imported."""
    named = os.environ.get(DISABLE_VARIABLE, "").replace(",", " ").split()
    return PluginSet([*builtin(), *installed()], [*disabled, *named])


def _named_parts(part: Parts, registered: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a hook has returned by name; raise DefinitionError for what does not belong there."""
    if part == "checks":
        if not isinstance(registered, Mapping):
            raise DefinitionError("core_register_checks returns a dict of functions by title")
        yield from registered.items()
        return
    if not isinstance(registered, Iterable) or isinstance(registered, (str, bytes)):
        raise DefinitionError(f"core_register_{part} returns a list, not {registered!r}")
    seen: set[str] = set()
    for one in registered:
        name = _name_of(part, one)
        if name in seen:
            raise DefinitionError(f"core_register_{part} returns two of the name {name!r}")
        seen.add(name)
        yield name, one


def _name_of(part: Parts, one: Any) -> str:
    from core.programs import Program

    if part in ("devices", "transports"):
        from core.device import Device
        from core.plumbing import Transport

        base: type = Device if part == "devices" else Transport
        if not (isinstance(one, type) and issubclass(one, base)):
            raise DefinitionError(f"core_register_{part} returns subclasses of core.{base.__name__}, not {one!r}")
        return str(getattr(one, "kind", ""))
    if part == "programs":
        if not isinstance(one, Program):
            raise DefinitionError(f"core_register_programs returns what @program has made, not {one!r}")
        return one.name
    if part == "commands":
        import click

        if not isinstance(one, click.Command) or not one.name:
            raise DefinitionError(f"core_register_commands returns click commands with a name, not {one!r}")
        return one.name
    if not callable(one):
        raise DefinitionError(f"core_register_{part} returns functions, not {one!r}")
    return str(getattr(one, "__qualname__", one))


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _api_cure(module: Any, distribution: str) -> str:
    version = getattr(module, "core_api", None)
    if version is None:
        return f"its authors add core_api = {API_VERSION} to the module"
    if isinstance(version, int) and version > API_VERSION:
        return "pip install --upgrade core"
    return f"pip install --upgrade {distribution}"


def _or(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
