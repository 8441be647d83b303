"""What is known of a plugin that was found: its state, and what it has registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import PluginError

__all__ = ["PARTS", "Parts", "PluginRecord", "PluginState", "Refused"]

PluginState = Literal["active", "disabled", "import failed", "registration failed", "wrong API version", "name taken"]
Parts = Literal["devices", "transports", "programs", "commands", "checks", "observers"]
PARTS: tuple[Parts, ...] = ("devices", "transports", "programs", "commands", "checks", "observers")


class Refused(PluginError):  # noqa: N818 - reads as what happened
    """Report why a plugin is not in use: the state that it gets, the cause and the cure."""

    def __init__(self, state: PluginState, cause: str, cure: str) -> None:
        super().__init__(cause)
        self.state: PluginState = state
        self.cause = cause
        self.cure = cure


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
    warnings: list[str] = field(default_factory=list)
    """What of `core` the plugin uses that is deprecated."""
    hooks: list[str] = field(default_factory=list)
    """Which hooks it implements."""
    registers: dict[Parts, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    parts: dict[Parts, dict[str, Any]] = field(default_factory=lambda: {part: {} for part in PARTS})

    @property
    def active(self) -> bool:
        """Return whether the plugin is in use."""
        return self.state == "active"

    def note_deprecation(self, text: str) -> None:
        """Take note of something deprecated that the plugin uses, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def refuse(self, refusal: Refused) -> None:
        """Put the plugin out of use."""
        self.state, self.cause, self.cure = refusal.state, refusal.cause, refusal.cure
        self.hooks = []
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
            "warnings": self.warnings,
            "hooks": self.hooks,
            "registers": self.registers,
        }
