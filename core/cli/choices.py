"""Which configuration and which plugins a command works with."""

from __future__ import annotations

import contextlib
from pathlib import Path

from core import config as configuration
from core.cli.plugin_options import disabled_plugins, is_strict
from core.config import Config
from core.errors import ConfigError, PluginError
from core.plugins import PluginSet, discover


def chosen_config(path: Path | None) -> Config | None:
    """Return the configuration that is named, or else found; None if there is none."""
    found = path or configuration.find()
    return configuration.load(found) if found is not None else None


def discovered(config: Config | None = None, *, failing_allowed: bool = False) -> PluginSet:
    """Return the plugins, those left out that core.toml or an option disables.

    Raises PluginError with `--strict` if a plugin has failed, unless `failing_allowed`.
    """
    from core.cli import OWN_COMMANDS
    from core.cli.waiting import waiting

    with waiting("importing plugins"):
        plugins = discover(disabled(config), OWN_COMMANDS)
    if not failing_allowed:
        refuse_failed(plugins)
    return plugins


def disabled(config: Config | None = None) -> list[str]:
    """Return the plugins that core.toml, that which is found if none is given, or an option disables.

    One that cannot be read disables nothing: who lists plugins looks for what is wrong.
    """
    if config is None:
        with contextlib.suppress(ConfigError):
            config = chosen_config(None)
    return [*(config.core.disable if config is not None else ()), *disabled_plugins()]


def refuse_failed(plugins: PluginSet) -> None:
    """Raise PluginError with `--strict` if a plugin has failed, with the cause and the cure of each."""
    failed = [
        f"plugin {record.name} ({record.distribution}): {record.state}: {record.cause}; {record.cure}"
        for record in plugins.failed
    ]
    if failed and is_strict():
        raise PluginError("\n".join(["--strict: a plugin has failed", *failed]))


def with_default(config: Config | None, plugins: PluginSet) -> tuple[Config, list[str]]:
    """Return the configuration to run, and what is to be said of it where it had to be proposed."""
    if config is not None:
        return config, []
    from core.assembly import propose, usable_proposals

    proposals = [proposal for proposal in usable_proposals(plugins) if proposal.demo]
    return propose(proposals), [proposal.notice for proposal in proposals if proposal.notice]
