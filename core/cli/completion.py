"""`corectl completion`: completion of commands and options by the Tab key."""

from __future__ import annotations

import os
from pathlib import Path

import click

from core.errors import CoreError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, and say what is left to do.")
def completion(shell: str, install: bool) -> None:
    """Print what makes SHELL complete commands and options of corectl.

    For this shell alone: eval "$(corectl completion bash)".
    """
    script = _script(shell)
    if not install:
        click.echo(script)
        return
    path, left = _place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script + "\n", encoding="utf-8")
    except OSError as error:
        raise CoreError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"{path} is written; {left}")


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    from core.cli import cli

    made = get_completion_class(shell)
    if made is None:
        raise CoreError(f"click has no completion for {shell}")
    # Not source(), which runs bash to find out its version.
    return (made.source_template % made(cli, {}, "corectl", "_CORECTL_COMPLETE").source_vars()).strip()


def _place(shell: str) -> tuple[Path, str]:
    """Return where a shell looks for a completion, and what its user has to do."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if shell == "bash":
        path = data / "bash-completion/completions/corectl"
        return path, f"a new bash takes it with Debian's package bash-completion, without it: . {path}"
    if shell == "zsh":
        path = data / "zsh/site-functions/_corectl"
        return path, f"put fpath=({path.parent} $fpath) before compinit in .zshrc"
    return config / "fish/completions/corectl.fish", "a new fish takes it"
