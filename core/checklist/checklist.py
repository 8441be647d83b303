"""The checklist in its order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from core.checklist.behaviour import exit_states, opens_and_closes, simulated_backend, survives_vanishing
from core.checklist.descriptions import docstrings, options_described, properties_described
from core.checklist.lines import Line
from core.checklist.packaging import api_version, hardware_imports, metadata
from core.checklist.subject import Subject, find_subject
from core.errors import CoreError
from core.plugin_code import isolated
from core.plugins import PluginSet

__all__ = ["LOOKS", "check_plugin"]

LOOKS: dict[str, Callable[[Subject], Line]] = {
    "metadata": metadata,
    "API version": api_version,
    "no hardware import": hardware_imports,
    "docstrings": docstrings,
    "options described": options_described,
    "properties described": properties_described,
    "exit states": exit_states,
    "simulated backend": simulated_backend,
    "opens and closes": opens_and_closes,
    "survives its device vanishing": survives_vanishing,
}


def check_plugin(
    name: str,
    plugins: PluginSet,
    titles: Collection[str] = tuple(LOOKS),
    begins: Callable[[str], None] = lambda _: None,
) -> Iterator[Line]:
    """Yield a line after the other, each when it has been looked at; `begins` is told the title before.

    Raises PluginMissing, with the nearest name, for a plugin that is not there or not in use.
    """
    subject = find_subject(name, plugins)
    for title in titles:
        begins(title)
        look = LOOKS[title]
        try:
            with isolated():
                line = look(subject)
        except CoreError as error:
            line = Line(title, "fail", f"it could not be looked at: {error}")
        yield line
