"""Where the command `corectl` begins: nothing is imported here that is not needed to say its version.

Everything else comes later, within reach of what Ctrl-C has to do.
"""

INTERRUPTED = 130


def main() -> None:
    """Run `corectl` with the arguments of the process."""
    try:
        import sys

        if sys.argv[1:] == ["--version"] and sys.stdout is not None:
            from core.version import __version__

            text = f"corectl {__version__}\n"
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except OSError:  # said as for every command, below
                pass
            else:
                return
        import signal

        from core.interrupt import keep_interrupts

        kept = keep_interrupts()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    try:
        from core.cli import main as run

        run()
    except BaseException as error:  # Python makes a RuntimeError of a Ctrl-C within __set_name__, others what they like
        failed = not isinstance(error, SystemExit) or bool(error.code)
        if isinstance(error, KeyboardInterrupt) or (kept.came and failed):
            raise SystemExit(INTERRUPTED) from None
        raise
    finally:
        # All is done: one that comes while Python takes itself apart would make a failure of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


__all__ = ["main"]
