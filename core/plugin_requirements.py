"""What a plugin's distribution needs, and whether it is here."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from core.plugin_records import PluginRecord

__all__ = ["Requirement", "requirements"]


@dataclass(frozen=True)
class Requirement:
    """Be one thing that a distribution needs: Python or another distribution.

    `found` is the version that is here, None if there is none; `extra` names the extra that needs it, empty for what
    is needed always.
    """

    needs: str
    found: str | None
    fulfilled: bool
    extra: str = ""

    @property
    def cure(self) -> str:
        """Return the command that fulfils it; empty if it is fulfilled."""
        if self.fulfilled:
            return ""
        return "use another Python" if self.needs.startswith("Python ") else f"pip install '{self.needs}'"

    def as_json(self) -> dict[str, Any]:
        """Return its stable JSON form."""
        return {**asdict(self), "cure": self.cure}


def requirements(record: PluginRecord) -> list[Requirement]:
    """Return what the distribution of a plugin needs on this machine, what no extra asks for first.

    Empty for a distribution whose metadata cannot be read. Requirements that a marker excludes here are left out.
    """
    # Not asked for by name, by which folders are only found that are spelt as the standard has it.
    distributions = (one for one in importlib.metadata.distributions() if _name(one) == record.distribution)
    distribution = next(distributions, None)
    found = list(_requirements(distribution)) if distribution is not None else []
    return sorted(found, key=lambda one: one.extra)


def _requirements(distribution: importlib.metadata.Distribution) -> Iterator[Requirement]:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Parsed
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name

    for wanted in distribution.metadata.get_all("Requires-Python") or ():
        version = platform.python_version()
        try:
            yield Requirement(f"Python {wanted}", version, SpecifierSet(wanted).contains(version, prereleases=True))
        except InvalidSpecifier:
            yield Requirement(f"Python {wanted}", version, fulfilled=False)
    extras = [canonicalize_name(extra) for extra in distribution.metadata.get_all("Provides-Extra") or ()]
    for text in distribution.requires or ():
        try:
            parsed = Parsed(text)
        except InvalidRequirement:
            yield Requirement(text, None, fulfilled=False)
            continue
        marker, parsed.marker = parsed.marker, None
        extra = ""
        if marker is not None and not marker.evaluate({"extra": ""}):
            extra = next((one for one in extras if marker.evaluate({"extra": one})), "")
            if not extra:
                continue
        found = _version(parsed.name)
        fulfilled = found is not None and parsed.specifier.contains(found, prereleases=True)
        yield Requirement(str(parsed), found, fulfilled, extra)


def _name(distribution: importlib.metadata.Distribution) -> str | None:
    return next(iter(distribution.metadata.get_all("Name") or ()), None)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
