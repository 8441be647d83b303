"""What a plugin registers, part by part: its names, and that it is what the hook says."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.errors import DefinitionError
from core.hookspecs import CheckResult, Outcome, Proposal
from core.late_class import LateClass
from core.options import Options
from core.plugin_records import Parts

__all__ = ["check_results", "named_parts", "proposed"]


def named_parts(part: Parts, registered: Any) -> dict[str, Any]:
    """Return what a hook has returned by name; raise DefinitionError for what does not belong there."""
    if part == "checks":
        return _checks(registered)
    named: dict[str, Any] = {}
    for one in _listed(f"core_register_{part}", registered):
        name = _name_of(part, one)
        if not isinstance(name, str) or not name or not name.isprintable():
            raise DefinitionError(f"core_register_{part} returns {one!r} with the name {name!r}; a text is needed")
        if part == "observers":  # nobody calls them by name
            name = _free(name, named)
        if name in named:
            raise DefinitionError(f"core_register_{part} returns two of the name {name!r}")
        named[name] = one
    return named


def check_results(returned: Any) -> list[CheckResult]:
    """Return the results of a check of `corectl doctor`; raise DefinitionError for anything else."""
    results = [returned] if isinstance(returned, CheckResult) else returned
    if not isinstance(results, Iterable):
        raise DefinitionError(f"a check returns a core.CheckResult or several, not {returned!r}")
    listed = list(results)
    for one in listed:
        if not isinstance(one, CheckResult):
            raise DefinitionError(f"a check returns a core.CheckResult or several, not {one!r}")
        if one.outcome not in Outcome.__args__:  # type: ignore[attr-defined]  # of a Literal
            raise DefinitionError(f"the outcome of a check is ok, warning or failed, not {one.outcome!r}")
    return listed


def proposed(returned: Any) -> Iterator[Proposal]:
    """Yield the proposals of a plugin; raise DefinitionError for anything else."""
    for one in _listed("core_default_config", returned):
        if not isinstance(one, Proposal) or not isinstance(one.table, Mapping):
            raise DefinitionError(f"core_default_config returns instances of core.Proposal, not {one!r}")
        if one.section not in ("device", "transport", "program"):
            raise DefinitionError(f"a proposal is for a device, transport or program, not for {one.section!r}")
        if not all(isinstance(text, str) for text in (one.name, one.comment, one.notice, *one.table)):
            raise DefinitionError(f"name, comment, notice and keys of a proposal are texts, not as in {one!r}")
        yield one


def _listed(hook: str, returned: Any) -> Iterable[Any]:
    if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes)):
        raise DefinitionError(f"{hook} returns a list, not {returned!r}")
    return returned


def _checks(registered: Any) -> dict[str, Any]:
    if not isinstance(registered, Mapping):
        raise DefinitionError("core_register_checks returns a dict of functions by title")
    for title, check in registered.items():
        if not isinstance(title, str) or not title.isprintable() or not callable(check):
            raise DefinitionError(f"core_register_checks returns functions by title, not {title!r}: {check!r}")
    return dict(registered)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free


def _name_of(part: Parts, one: Any) -> Any:
    if isinstance(one, LateClass):
        return one.kind
    if part == "devices":
        from core.device import Device

        return _kind_of(part, one, Device)
    if part == "transports":
        from core.plumbing.transport import Transport

        return _kind_of(part, one, Transport)
    if part == "programs":
        from core.programs import Program

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


def _kind_of(part: Parts, one: Any, base: type) -> Any:
    """Return the kind of a class that can be made from core.toml; raise DefinitionError for another."""
    if not (isinstance(one, type) and issubclass(one, base)):
        raise DefinitionError(f"core_register_{part} returns subclasses of core.{base.__name__}, not {one!r}")
    if inspect.isabstract(one):
        raise DefinitionError(f"{one.__name__} is abstract: it does not define all that it has to")
    _check_options(one)
    try:
        inspect.signature(one).bind("name", None)
    except TypeError as error:
        raise DefinitionError(f"{one.__name__}.__init__ takes a name and options: {error}") from error
    return getattr(one, "kind", "")


def _check_options(one: Any) -> None:
    import msgspec

    if not (isinstance(one.Options, type) and issubclass(one.Options, Options)):
        raise DefinitionError(f"{one.__name__}.Options is a subclass of core.Options, not {one.Options!r}")
    try:
        msgspec.inspect.type_info(one.Options)
    except Exception as error:  # it evaluates annotations, which may raise anything
        raise DefinitionError(f"{one.__name__}.Options cannot be read: {error}") from error
