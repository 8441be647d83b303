"""What a plugin may implement: each hook, typed and documented where it is specified.

Hooks are synchronous, take no time, touch no hardware, and return classes or functions; what is asynchronous lives in
what they return. A plugin is a module that the entry-point group `core.plugins` names; it says `core_api = 1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pluggy

if TYPE_CHECKING:
    import click

    from core.device import Device
    from core.plumbing import Transport
    from core.programs import Program
    from core.properties import Event

PROJECT = "core"
API_VERSION = 1
"""The version of the plugin API, which grows when a plugin that was right before would be wrong."""
OLDEST_API_VERSION = 1
"""The oldest version for which plugins are taken; one whose `core_api` lies outside is not registered."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Outcome = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class CheckResult:
    """Be what one check of `corectl doctor` has found, with the cure where something is missing."""

    outcome: Outcome
    text: str
    cure: str = ""


Check = Callable[[], CheckResult | Iterable[CheckResult]]
Observer = Callable[["Device", "Event"], None]


@dataclass(frozen=True)
class Proposal:
    """Be an instance that a plugin proposes for this machine: a table of core.toml.

    `section` is "device", "transport" or "program"; `comment` is written above it by `corectl init`, `notice` is said
    by a run without configuration. A table with `demo` is used by that run, one without only by `corectl init`.
    """

    section: Literal["device", "transport", "program"]
    name: str
    table: Mapping[str, Any]
    comment: str = ""
    notice: str = ""
    demo: bool = True


@hookspec
def core_register_devices() -> list[type[Device]]:  # type: ignore[empty-body]
    """Return the device classes of the plugin.

    `plugin = "<entry point>"` in a `[device.<name>]` of core.toml makes an instance of one, chosen by `type` where the
    plugin has several.
    """


@hookspec
def core_register_transports() -> list[type[Transport]]:  # type: ignore[empty-body]
    """Return transport classes: ways by which clients reach the devices."""


@hookspec
def core_register_programs() -> list[Program]:  # type: ignore[empty-body]
    """Return programs, made with `core.programs.program`; devices that they fit offer them by name."""


@hookspec
def core_register_commands() -> list[click.Command]:  # type: ignore[empty-body]
    """Return click commands; each becomes a sub-command of `corectl` under its own name."""


@hookspec
def core_register_checks() -> Mapping[str, Check]:  # type: ignore[empty-body]
    """Return what `corectl doctor` shall check, by title: functions that look and change nothing."""


@hookspec
def core_register_observers() -> list[Observer]:  # type: ignore[empty-body]
    """Return functions that are called with every event of every device while a run lasts; they never wait."""


@hookspec
def core_default_config() -> list[Proposal]:  # type: ignore[empty-body]
    """Return what a run without core.toml, and `corectl init`, shall use on this machine; may look for hardware."""
