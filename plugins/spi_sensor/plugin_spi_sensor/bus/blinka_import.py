"""Importing what belongs to Blinka, which otherwise asks on a terminal whether to run pip, and prints on stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["quietly"]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Import without questions, and with stdout, where INDI may be spoken, kept clean."""
    os.environ["BLINKA_SKIP_DEPENDENCY_CHECK"] = "1"
    with contextlib.redirect_stdout(sys.stderr):
        yield
