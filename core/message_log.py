"""A file a day with what drivers say to people, as indiserver's option -l writes it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

_log = logging.getLogger("core.message_log")


def _open_without_waiting(path: str, flags: int) -> int:
    # A FIFO without a reader would be waited for.
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


class MessageLog:
    """Append messages to FOLDER/YYYY-MM-DD.islog; a folder that cannot be written is said once and stops nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failed = False

    def write(self, device: str | None, text: str) -> None:
        """Append one message with the time of now in UTC."""
        now = time.gmtime()
        path = self._folder / time.strftime("%Y-%m-%d.islog", now)
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S', now)}: {device or ''}: {' '.join(text.split())}\n"
        try:
            with open(path, "a", encoding="utf-8", opener=_open_without_waiting) as file:
                file.write(line)
        except OSError as error:
            if not self._failed:
                _log.error("messages are not logged: %s: %s", path, error.strerror)
            self._failed = True
        else:
            self._failed = False
