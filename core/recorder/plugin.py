"""The plugin by which the recorder registers itself, through the hooks as anybody's."""

from __future__ import annotations

from core.hookspecs import Proposal, hookimpl
from core.late_class import LateClass

core_api = 1


@hookimpl
def core_register_devices() -> list[LateClass]:
    """Return the recorder."""
    return [LateClass("recorder", "core.recorder.recorder", "Recorder")]


@hookimpl
def core_default_config() -> list[Proposal]:
    """Propose a history for core.toml; a run that only shows what there is writes nothing to the disk."""
    comment = "The numbers of all devices are kept in a database: see corectl history."
    return [Proposal("device", "history", {"plugin": "recorder"}, comment=comment, demo=False)]
