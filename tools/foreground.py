"""Run a program as the terminal's foreground job, as a shell does; exit with its status.

Usage: foreground.py PROGRAM [ARGUMENT]...

make dies of a Ctrl-C that reaches it, whatever its recipe makes of the signal. So that a program which
ends well on Ctrl-C lets make end well too, the terminal's signals go to the program alone.
"""

import contextlib
import os
import signal
import sys
from types import FrameType

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def give_terminal(group: int) -> None:
    """Make a process group the one that the keyboard's signals go to, unless the terminal is gone."""
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, group)


def become_job(arguments: list[str], ready: int) -> None:
    """In the child: wait until the terminal is ours, then become the program."""
    os.read(ready, 1)
    os.close(ready)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"{arguments[0]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


def wait(child: int, own_group: int) -> int:
    """Wait for the program's end; when it is stopped (Ctrl-Z), stop with it."""
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        give_terminal(own_group)
        os.killpg(own_group, signal.SIGTSTP)
        # Here the shell has continued us.
        give_terminal(child)
        os.killpg(child, signal.SIGCONT)


def run(arguments: list[str]) -> int:
    """Run the program in a process group of its own, in the foreground."""
    own_group = os.getpgrp()
    # Else to give the terminal away, and to take it back from the background, would stop us.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        become_job(arguments, ready)

    def forward(number: int, _: FrameType | None) -> None:
        os.killpg(child, number)

    os.close(ready)
    os.setpgid(child, child)
    for number in FORWARDED:
        signal.signal(number, forward)
    give_terminal(child)
    os.close(go)
    try:
        return wait(child, own_group)
    finally:
        give_terminal(own_group)


def main() -> None:
    """Run the program given on the command line."""
    arguments = sys.argv[1:]
    if not (os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()):
        os.execvp(arguments[0], arguments)  # noqa: S606 - no shell is wanted
    status = run(arguments)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
