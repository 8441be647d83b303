"""The log's parts: which lines are wanted, what they say, and the file that takes them."""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

from core.log.file import LogFile
from core.log.formats import JsonFormatter, PlainFormatter, PriorityFormatter
from core.log.origin import INSTANCE, Origins
from core.log.selection import Selection
from core.log.settings import LogSettings


class Told:
    """Be a log file, and what it says of itself."""

    def __init__(self, path: Path, size: int = 1000, kept: int = 3) -> None:
        self.said: list[str] = []
        self.path = path
        self.file = LogFile(path, size, kept, say=self.said.append, lost=lambda count: f"({count} lost)")

    def write(self, *lines: str) -> None:
        self.file.write_lines(list(lines))


def record(name: str, level: int = logging.INFO, text: str = "text", *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, arguments, None)


def test_a_file_is_set_aside_when_it_is_full(tmp_path: Path) -> None:
    told = Told(tmp_path / "core.log", size=100, kept=2)
    for number in range(50):
        told.write(f"line {number:02}")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["core.log", "core.log.1", "core.log.2"]
    texts = [(tmp_path / name).read_text() for name in ("core.log.2", "core.log.1", "core.log")]
    assert all(len(text) <= 100 for text in texts)
    lines = "".join(texts).splitlines()
    assert lines == [f"line {number:02}" for number in range(50 - len(lines), 50)]
    assert told.said == []


def test_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    told = Told(tmp_path / "core.log", size=100, kept=0)
    told.write(*(f"line {number:02}" for number in range(50)))
    assert [path.name for path in tmp_path.iterdir()] == ["core.log"]
    assert (tmp_path / "core.log").read_text().endswith("line 49\n")


def test_a_file_that_was_moved_or_removed_is_begun_anew(tmp_path: Path) -> None:
    told = Told(tmp_path / "core.log")
    told.write("first")
    told.path.rename(tmp_path / "moved")
    told.write("second")
    told.path.unlink()
    told.write("third")
    assert (tmp_path / "moved").read_text() == "first\n"
    assert told.path.read_text() == "third\n"


def test_two_processes_may_share_it(tmp_path: Path) -> None:
    one, other = Told(tmp_path / "core.log", size=200, kept=50), Told(tmp_path / "core.log", size=200, kept=50)
    for number in range(40):
        one.write(f"one {number}")
        other.write(f"other {number}")
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{who} {number}" for who in ("one", "other") for number in range(40))


def test_a_full_disk_is_said_once_and_costs_only_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "core.log"
    path.symlink_to("/dev/full")
    told = Told(path)
    told.write("a", "b")
    told.write("c")
    assert told.said == [
        f"the log file {path} cannot be written: No space left on device; its lines are lost until then"
    ]
    path.unlink()
    told.write("d")
    assert path.read_text() == "(3 lost)\nd\n"
    assert told.said[1:] == [f"the log file {path} can be written again; 3 lines are lost"]


TORN = """
import resource, sys
from pathlib import Path
from core.log.file import LogFile
path = Path(sys.argv[1])
log = LogFile(path, 10_000, 1, say=print, lost=lambda count: f"({count} lost)")
resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
log.write_lines(["12345678", "abcdefgh"])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write_lines(["next"])
"""


def test_what_was_torn_off_is_no_part_of_the_next_line(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / "core.log"
    done = subprocess.run([sys.executable, "-c", TORN, path], capture_output=True, text=True, timeout=60)
    assert "File too large" in done.stdout, done.stderr
    assert path.read_text() == "12345678\na\n(2 lost)\nnext\n"


def test_a_fifo_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "core.log"
    os.mkfifo(path)
    told = Told(path)
    told.write("a")
    assert "cannot be written: No such device or address" in told.said[0]


def test_a_folder_is_made_but_not_a_whole_path(tmp_path: Path) -> None:
    Told(tmp_path / "logs/core.log").write("a")
    assert (tmp_path / "logs/core.log").read_text() == "a\n"
    deep = Told(tmp_path / "a/b/core.log")
    deep.write("a")
    assert "cannot be written: No such file or directory" in deep.said[0]


def test_the_nearest_level_counts() -> None:
    origins = Origins({"panel": "gpio-matrix", "other": "gpio-matrix"}, {"plugin_gpio_matrix": "gpio-matrix"})
    settings = LogSettings("warning", {"panel": "debug", "gpio-matrix": "error", "core.router": "info"})
    selection = Selection(settings, origins)
    wanted = {
        ("core.device.panel", "debug"): True,
        ("core.device.other", "warning"): False,
        ("core.device.other", "error"): True,
        ("plugin_gpio_matrix.lines", "warning"): False,
        ("core.router", "info"): True,
        ("core.router", "debug"): False,
        ("core.app", "info"): False,
        ("core.app", "warning"): True,
        ("asyncio", "info"): False,
    }
    found = {
        (name, level): selection.filter(record(name, logging.getLevelNamesMapping()[level.upper()]))
        for name, level in wanted
    }
    assert found == wanted
    assert (selection.lowest, selection.lowest_of_others) == (logging.DEBUG, logging.DEBUG)


def test_libraries_are_heard_from_warnings_on() -> None:
    selection = Selection(LogSettings("debug"), Origins({}, {"plugin_x": "x"}))
    assert not selection.filter(record("asyncio", logging.INFO))
    assert selection.filter(record("asyncio", logging.WARNING))
    assert selection.filter(record("plugin_x.part", logging.DEBUG))


def test_what_a_task_of_an_instance_logs_is_the_instances() -> None:
    selection = Selection(LogSettings("error", {"panel": "debug"}), Origins({"panel": "gpio-matrix"}))
    token = INSTANCE.set("panel")
    try:
        told = record("some.library", logging.DEBUG)
        assert selection.filter(told)
    finally:
        INSTANCE.reset(token)
    assert json.loads(JsonFormatter("core").format(told))["plugin"] == "gpio-matrix"
    assert PlainFormatter().format(told).endswith("DEBUG panel: text")
    assert not selection.filter(record("some.library", logging.WARNING))


def test_a_line_says_its_instance_once() -> None:
    told = record("core.device.panel", logging.INFO, "program on panel has ended")
    Selection(LogSettings(), Origins()).filter(told)
    assert PlainFormatter().format(told).endswith("INFO program on panel has ended")


def test_no_text_of_others_can_look_like_a_line_of_its_own() -> None:
    told = record("core.app", logging.ERROR, "%s", "first\n12:00:00 INFO second\x1b[2J\r\ud800")
    assert PlainFormatter().format(told).splitlines()[1:] == ["  12:00:00 INFO second\\x1b[2J\\r\\ud800"]
    assert PriorityFormatter().format(told).startswith("<3>first\n<3>12:00:00")
    line = JsonFormatter("core").format(told)
    assert "\n" not in line
    assert json.loads(line)["message"].startswith("first\n12:00:00")
