"""The file a day with what drivers say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.message_log import MessageLog


def test_a_fifo_that_nobody_reads_in_place_of_the_file_is_said_once_and_delays_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (time.time() - 86400, time.time(), time.time() + 86400):
        os.mkfifo(tmp_path / time.strftime("%Y-%m-%d.islog", time.gmtime(day)))
    log = MessageLog(tmp_path)
    log.write("scope", "one")
    log.write("scope", "two")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["messages are not logged"]
