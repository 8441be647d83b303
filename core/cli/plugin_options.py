"""The options about plugins, which every command that loads them has, and `corectl` itself for those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["disabled_plugins", "is_strict", "plugin_options"]

F = TypeVar("F", bound=Callable[..., Any])
DISABLED, STRICT = "core.no_plugin", "core.strict"
"""Where click's context keeps what was given, to `corectl` itself or to the command."""


def plugin_options(command: F) -> F:
    """Give a command `--no-plugin` and `--strict`; `core.cli.choices.discovered` heeds them."""

    # Eager, so that `corectl --no-plugin NAME --help` lists commands without that plugin.
    def disable(ctx: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> None:
        ctx.meta[DISABLED] = (*ctx.meta.get(DISABLED, ()), *names)

    def be_strict(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        ctx.meta[STRICT] = ctx.meta.get(STRICT, False) or wanted

    for option in (
        click.option(
            "--strict",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=be_strict,
            help="Let a plugin that fails be fatal: exit status 1.",
        ),
        click.option(
            "--no-plugin",
            multiple=True,
            metavar="NAME",
            is_eager=True,
            expose_value=False,
            callback=disable,
            help="Do not load this plugin; may be given again.",
        ),
    ):
        command = option(command)
    return command


def disabled_plugins() -> tuple[str, ...]:
    """Return the plugins that the options disable; none outside of a command."""
    context = click.get_current_context(silent=True)
    return context.meta.get(DISABLED, ()) if context is not None else ()


def is_strict() -> bool:
    """Return whether a plugin that fails is fatal."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(STRICT, False))
