"""Python, the packages that plugins need, the plugins themselves, and core.toml."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core import config as configuration
from core.assembly import assemble
from core.doctor.finding import Case, Finding, unless_needed
from core.errors import CoreError
from core.hookspecs import Check, CheckResult
from core.isolation import KEY
from core.plugin_code import isolated
from core.plugin_parts import check_results
from core.plugin_records import PluginRecord
from core.plugin_requirements import requirements
from core.plugins import PluginSet

__all__ = ["examined_config", "gpiod", "plugin_checks", "plugins", "python"]

GPIOD = "gpiod"


def python(_case: Case) -> Iterator[Finding]:
    """Look at the interpreter."""
    where = "in a virtual environment" if sys.prefix != sys.base_prefix else sys.executable
    system = f"{platform.python_version()} on {platform.system()} {platform.release()}, {where}"
    yield "Python", CheckResult("ok", system)


def gpiod(case: Case) -> Iterator[Finding]:
    """Look at the package for GPIO lines, which is spoken of more than any other."""
    wanted = [
        (record, one)
        for record in case.plugins.records
        for one in requirements(record)
        if one.needs.partition("<")[0].partition(">")[0] == GPIOD and not one.extra
    ]
    try:
        version = importlib.metadata.version(GPIOD)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    if version:
        if all(one.fulfilled for _, one in wanted):
            yield GPIOD, CheckResult("ok", f"{version}")
        return  # one of a wrong version is said with the plugin that needs another
    if importlib.util.find_spec(GPIOD) is not None:
        text = "there is a module gpiod that is not the package of PyPI, as Debian's python3-libgpiod before version 2"
        needed = any(case.needs(record.name) for record, _ in wanted)
        yield GPIOD, unless_needed(CheckResult("failed", text, "pip install 'gpiod>=2.2.2,<3'"), needed)
    elif not wanted:
        yield GPIOD, CheckResult("ok", "not installed, and no plugin needs it")


def plugins(case: Case) -> Iterator[Finding]:
    """Look at each plugin, and at what it needs."""
    for record in case.plugins.records:
        yield "plugin", _plugin(case, record)
        for warning in record.warnings:
            yield "plugin", CheckResult("warning", f"{record.name}: {warning}", f"update {record.distribution}")
    told: set[str] = set()
    for record in case.plugins.records:
        for one in requirements(record) if record.distribution not in told else ():
            if not one.fulfilled and not one.extra:
                found = f"{one.found} is here" if one.found else "it is not here"
                missing = CheckResult("failed", f"{record.distribution} needs {one.needs}: {found}", one.cure)
                yield "packages", unless_needed(missing, case.needs(record.name))
        told.add(record.distribution)


def _plugin(case: Case, record: PluginRecord) -> CheckResult:
    if record.active:
        return CheckResult("ok", f"{record.name} ({record.distribution} {record.version})")
    if record.state == "disabled":
        return CheckResult("warning", f"{record.name}: {record.cause}", record.cure)
    failed = CheckResult("failed", f"{record.name}: {record.state}: {record.cause}", record.cure)
    return unless_needed(failed, case.needs(record.name))


def examined_config(plugins: PluginSet, path: Path | None = None) -> tuple[Case, CheckResult]:
    """Return the case, and what is to be said of its core.toml: that which is named, or a run here would find."""
    try:
        path = path or configuration.find()
    except CoreError as error:
        return Case(plugins, works=False), CheckResult("failed", str(error))
    if path is None:
        sought = ", ".join(map(str, configuration.search_path()))
        text = f"none found ({sought}); a run uses simulated devices"
        return Case(plugins), CheckResult("ok", text, "corectl init writes one")
    try:
        config = configuration.load(path)
    except CoreError as error:
        return Case(plugins, works=False), CheckResult("failed", str(error), f"mend {path}")
    used = frozenset(str(table.keys.get("plugin")) for table in config.of("device"))
    case = Case(plugins, config, used=used)
    try:
        # Those that are to run in processes of their own are looked at as well.
        tables = tuple(replace(table, keys=table.without(KEY)) for table in config.tables)
        assembly = assemble(replace(config, tables=tables), plugins)
    except CoreError as error:
        return replace(case, works=False), CheckResult("failed", str(error), f"mend {path}")
    case = replace(case, devices=assembly.devices)
    if assembly.failed:
        failed = "; ".join(f"{name}: {why}" for name, why in assembly.failed.items())
        return replace(case, works=False), CheckResult(
            "failed", f"{path}: {failed}", "report it to the plugin's authors"
        )
    count = len(config.of("device"))
    return case, CheckResult("ok", f"{path}, {count} device{'s' if count != 1 else ''}")


def plugin_checks(case: Case) -> Iterator[Finding]:
    """Make the checks of plugins, which count if this core.toml needs them, and those of each of its devices."""
    for record in case.plugins.records:
        for title, check in record.parts["checks"].items():
            for result in _results(check):
                yield title, unless_needed(result, case.needs(record.name))
    for name, device in case.devices.items():
        for result in _results(device.examine):
            yield name, result


def _results(check: Check) -> list[CheckResult]:
    try:
        with isolated():
            return check_results(check())
    except CoreError as error:
        return [CheckResult("failed", f"the check itself failed: {error}", "report it to the plugin's authors")]
