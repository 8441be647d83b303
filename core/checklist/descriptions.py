"""Docstrings, and the names by which people see properties and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pluggy

from core.checklist.lines import Line, of_faults
from core.checklist.subject import Subject
from core.config import described
from core.device import Device
from core.hookspecs import PROJECT
from core.plumbing import Transport
from core.properties import ON_NEW, Vector
from core.ticks import Tick

__all__ = ["docstrings", "options_described", "properties_described"]


def docstrings(subject: Subject) -> Line:
    """Look for what people read of the plugin: of its module, its hooks, and all that it registers."""
    things = list(_things(subject))
    cure = "say in one sentence what it is or does"
    faults = [f"{what} has no docstring" for what, text in things if not (text or "").strip()]
    return of_faults("docstrings", faults, f"{len(things)} of them", cure)


def _things(subject: Subject) -> Iterator[tuple[str, str | None]]:
    module = subject.module
    yield f"the module {module.__name__}", module.__doc__
    manager = pluggy.PluginManager(PROJECT)
    for name, value in vars(module).items():
        if manager.parse_hookimpl_opts(module, name) is not None:
            yield f"the hook {name}", value.__doc__
    for kind, device_class in subject.devices.items():
        yield f"the device {kind}", _own_doc(device_class)
        for method in _asked(device_class):
            yield f"{device_class.__name__}.{method.__name__}", inspect.getdoc(method)
    for kind, transport in subject.transports.items():
        yield f"the transport {kind}", _own_doc(transport)
    for name, program in subject.programs.items():
        yield f"the program {name}", program.description
    for name, command in subject.record.parts["commands"].items():
        yield f"the command {name}", command.help
    for part in ("checks", "observers"):
        for name, function in subject.record.parts[part].items():
            yield f"{part[:-1]} {name!r}", function.__doc__


def _own_doc(one: type) -> str | None:
    return one.__dict__.get("__doc__")


def _asked(device_class: type[Device]) -> Iterator[Any]:
    """Yield the plugin's methods that are called from outside: handlers of new values, and ticks."""
    for base in device_class.__mro__:
        if base.__module__.partition(".")[0] == "core":
            continue
        for value in vars(base).values():
            if isinstance(value, Tick):
                yield value.method
            elif inspect.isfunction(value) and hasattr(value, ON_NEW):
                yield value


def properties_described(subject: Subject) -> Line:
    """Look at the labels of properties and members: those are what clients show."""
    title = "properties described"
    if not subject.devices:
        return Line(title, "n/a", "it has no device")
    vectors: list[tuple[str, Vector[Any, Any]]] = []
    for one in subject.simulated:
        vectors += [(one.kind, vector) for vector in one.make().vectors.values()]
    simulated = {one.kind for one in subject.simulated}
    for kind, device_class in subject.devices.items():
        if kind not in simulated:
            vectors += [(kind, vector) for vector in device_class.templates.values()]
    faults = [fault for kind, vector in vectors for fault in _unlabelled(f"{kind}.{vector.name}", vector)]
    return of_faults(title, faults, f"{len(vectors)} properties", "give it a label, which clients show")


def _unlabelled(name: str, vector: Vector[Any, Any]) -> Iterator[str]:
    if not vector.label:
        yield f"{name} has no label"
    bare = [member for member, one in vector.members.items() if not one.label]
    if bare:
        yield f"{name}: no label of {', '.join(bare[:3])}{f' and {len(bare) - 3} more' if len(bare) > 3 else ''}"


def options_described(subject: Subject) -> Line:
    """Look at the descriptions of options, which core.toml, error messages and the reference show."""
    options: dict[str, type[Device | Transport]] = {**subject.devices, **subject.transports}
    texts = [(kind, key, text) for kind, one in options.items() for key, text, _ in described(one.Options)]
    if not texts:
        return Line("options described", "n/a", "it has no options")
    faults = [f"{kind}: option {key} has no description" for kind, key, text in texts if not text]
    cure = "annotate it: Annotated[type, Meta(description=...)]"
    return of_faults("options described", faults, f"{len(texts)} options", cure)
