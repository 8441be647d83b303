"""The options that say what is logged and where; core.toml says it where they do not."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec

from core.log.origin import Origins
from core.log.settings import LEVELS, Level, LogSettings
from core.suggestions import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from core.config import Config
    from core.plugins import PluginSet

__all__ = ["LogOptions", "log_options", "log_origins", "log_settings", "with_log_options", "without_effect"]

F = TypeVar("F", bound=Callable[..., Any])
BYTES_PER_MEGABYTE = 1_000_000


class LevelType(click.ParamType):  # type: ignore[type-arg]  # older ones of click are not generic
    """Be LEVEL, or NAME=LEVEL."""

    name = "level"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return how it is shown in the help."""
        return f"[NAME=][{'|'.join(LEVELS)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Level]:
        """Return the name, empty for all, and the level."""
        if isinstance(value, tuple):
            return cast("tuple[str, Level]", value)
        name, _, level = str(value).rpartition("=")
        if level not in LEVELS:
            near = nearest(level, LEVELS)
            meant = f", did you mean {near}?" if near else ""
            self.fail(f"{level!r} is no level{meant}; {', '.join(LEVELS)} is allowed", param, ctx)
        return name, level

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the level, also behind a name."""
        from click.shell_completion import CompletionItem

        name, equals, begun = incomplete.rpartition("=")
        return [CompletionItem(f"{name}{equals}{level}") for level in LEVELS if level.startswith(begun)]


@dataclass(frozen=True)
class LogOptions:
    """Be what the options say; empty where they say nothing."""

    levels: tuple[tuple[str, Level], ...] = ()
    file: str | None = None
    json: bool = False


def log_options(command: F) -> F:
    """Give a command the options of logging, as its argument `log`."""

    def collect(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        given: LogOptions = ctx.params.get("log") or LogOptions()
        if param.name == "log_level":
            given = replace(given, levels=tuple(value))
        elif param.name == "log_file":
            given = replace(given, file=value)
        else:
            given = replace(given, json=bool(value))
        ctx.params["log"] = given

    level_help = "How much to log, of all or of one instance or plugin; may be given again. core.toml's otherwise."
    for option in (
        click.option(
            "--log-json", is_flag=True, expose_value=False, callback=collect, help="Log a JSON object a line."
        ),
        click.option(
            "--log-file",
            metavar="PATH",
            expose_value=False,
            callback=collect,
            help='Log to this file as well; "" to none, whatever core.toml says.',
        ),
        click.option(
            "--log-level", multiple=True, type=LevelType(), expose_value=False, callback=collect, help=level_help
        ),
    ):
        command = option(command)
    return command


def with_log_options(config: Config, options: LogOptions) -> Config:
    """Return the configuration with what the options say of the log."""
    levels = dict(options.levels)
    changes: dict[str, Any] = {"log_level": levels.pop("", config.core.log_level)}
    changes["log_levels"] = {**config.core.log_levels, **levels}
    changes["log_json"] = config.core.log_json or options.json
    if options.file is not None:
        changes["log_file"] = str(Path(options.file).expanduser().absolute()) if options.file else ""
    return replace(config, core=msgspec.structs.replace(config.core, **changes))


def log_settings(config: Config) -> LogSettings:
    """Return what a configuration says of the log."""
    core = config.core
    return LogSettings(
        core.log_level,
        core.log_levels,
        _file(core.log_file, config.path) if core.log_file else None,
        round(core.log_file_size * BYTES_PER_MEGABYTE),
        core.log_files,
        core.log_json,
        core.log_journal,
    )


def log_origins(config: Config, plugins: PluginSet) -> Origins:
    """Return which plugin each instance is of, and which package each plugin."""
    instances: dict[str, str] = {}
    for table in (*config.of("transport"), *config.of("device")):
        plugin = table.keys.get("plugin" if table.section == "device" else "type")
        if isinstance(plugin, str):
            instances[table.name] = plugin
    packages = {record.module.partition(":")[0].partition(".")[0]: record.name for record in plugins.records}
    return Origins(instances, {package: name for package, name in packages.items() if package not in ("core", "?")})


def without_effect(settings: LogSettings, config: Config, plugins: PluginSet) -> list[str]:
    """Return a sentence about each name with a level that is neither an instance nor a plugin."""
    known = [*(table.name for table in config.tables), *(record.name for record in plugins.records)]
    loggers = ("core", *logging.root.manager.loggerDict)
    sentences = []
    for name in settings.levels:
        if name in known or name in loggers or name.startswith("core."):
            continue
        near = nearest(name, known)
        meant = f"; did you mean {near!r}?" if near else ""
        sentences.append(f"a log level is given for {name!r}, which is neither an instance nor a plugin{meant}")
    return sentences


def _file(given: str, config: Path | None) -> Path:
    """Return the file that core.toml means: in the folder that systemd has made for the log, or beside core.toml."""
    path = Path(given).expanduser()
    made = os.environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    folder = Path(made) if made else (config.parent if config is not None else Path())
    return (folder / path).absolute()
