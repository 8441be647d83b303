"""News of another driver's device, as a device that snoops it gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

SnoopedKind = Literal["defined", "changed", "deleted", "message"]


@dataclass(frozen=True)
class Snooped:
    """Be one piece of news: a property defined, changed or deleted, or a message.

    `name` is None where the whole device is deleted or speaks. `values` are floats, texts, bools (On is True), states
    or BlobValues, by member; a changed property may bring some members only.
    """

    kind: SnoopedKind
    device: str
    name: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    message: str | None = None

    def followed_by(self, later: Snooped) -> Snooped:
        """Return what both changes together come to."""
        return replace(later, values={**self.values, **later.values})
