"""Completion by the Tab key, in the shells themselves."""

from __future__ import annotations

import shutil

import pytest

from tests.system.terminal import Terminal, terminal

__all__ = ["terminal"]

pytestmark = pytest.mark.system

SHELLS = {
    "bash": ("bash --norc --noprofile", 'eval "$(corectl completion bash)"'),
    "zsh": ("zsh -f", 'autoload -U compinit; compinit -D; eval "$(corectl completion zsh)"'),
    "fish": ("fish --no-config", "corectl completion fish | source"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_tab_key_completes_commands_options_and_values(terminal: Terminal, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed (Debian: apt-get install {shell})")
    command, begin = SHELLS[shell]
    terminal.type(f"exec {command}")
    terminal.wait_for(r"[#$%>]\s*$")
    # What is to be seen is not what was typed, so that the answer and no echo is waited for.
    terminal.type(f"{begin}; echo rea''dy")
    terminal.wait_for("^ready$")
    terminal.write("corectl list-prog\t")
    terminal.wait_for("corectl list-programs")
    terminal.write("--js\t")
    terminal.wait_for("corectl list-programs +--json")
    terminal.press("C-c")
    terminal.write("corectl run --log-level deb\t")
    terminal.wait_for("--log-level debug")
    terminal.press("C-c")
    terminal.write("corectl record game\t")
    terminal.wait_for("corectl record game_of_life")
