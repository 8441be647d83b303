"""core.drivers.fifo: the lines that indiserver's FIFO takes, and the reader of one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from core.drivers import CommandRefused, FifoReader, RestartDriver, StartDriver, StopDriver, parse_command
from core.drivers.fifo import LONGEST, MANY_COMMANDS, READ_SIZE, FifoCommand, FifoCommands
from core.errors import ConfigError
from core.loop import Loop

SECONDS = 20.0


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("start indi_simulator_ccd", StartDriver("indi_simulator_ccd")),
        ("  start\tindi_simulator_ccd  \r", StartDriver("indi_simulator_ccd")),
        (
            'start indi_lx200 -n "LX 200" -c "a b.xml" -s "/s k.xml" -p "/opt/indi"',
            StartDriver("indi_lx200", "LX 200", "a b.xml", "/s k.xml", "/opt/indi"),
        ),
        ('start -p /opt -s "s" indi_lx200 -c c -n n', StartDriver("indi_lx200", "n", "c", "s", "/opt")),
        ('start indi_lx200 -n "a@b"', StartDriver("indi_lx200", "a@b")),
        ('start indi_lx200 -n ""', StartDriver("indi_lx200")),
        ('start "/opt/my drivers/indi_x"', StartDriver("/opt/my drivers/indi_x")),
        ('start "Telescope Simulator"@far:7624', StartDriver("Telescope Simulator@far:7624")),
        ('start "Telescope Simulator@far"', StartDriver("Telescope Simulator@far")),
        ("start Telescope Simulator@far", StartDriver("Telescope Simulator@far")),
        ("start @far", StartDriver("@far")),
        ("stop indi_lx200", StopDriver("indi_lx200")),
        ('stop indi_lx200 -n "LX 200"', StopDriver("indi_lx200", "LX 200")),
        ("stop @far:7624", StopDriver("@far:7624")),
        ('restart indi_lx200 -n "LX 200"', RestartDriver("indi_lx200", "LX 200")),
    ],
)
def test_commands(line: str, command: FifoCommand) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no command"),
        ("   ", "no command"),
        ("halt indi_x", "no command"),
        ("START indi_x", "no command"),
        ("start", "which driver"),
        ('start ""', "which driver"),
        ("start -n name", "which driver"),
        ("start indi_x -n", "lacks its value"),
        ("start indi_x -n a -n b", "twice"),
        ("start indi_x -z a", "no option -z"),
        ("start indi_x --help", "no option --help"),
        ("start indi_x indi_y", "one driver at a time"),
        ("start indi_x -n LX 200", "one driver at a time"),
        ('start indi_x -n "LX 200', "not closed"),
        ('start dev@host -n "x"', "takes no options"),
        ("stop indi_x -c file", "takes no -c"),
        ("restart indi_x -p /opt", "takes no -p"),
    ],
)
def test_refusals(line: str, why: str) -> None:
    with pytest.raises(CommandRefused, match=why):
        parse_command(line)


def test_environment_is_what_indiserver_makes_of_it() -> None:
    ours = {"HOME": "/h", "INDIDEV": "old", "INDICONFIG": "old", "INDISKEL": "old", "INDIPREFIX": "old"}
    assert StartDriver("x").environment(ours) == {"HOME": "/h", "INDIPREFIX": "old"}
    assert StartDriver("x", "n", "c", "s", "/p").environment(ours) == {
        "HOME": "/h",
        "INDIDEV": "n",
        "INDICONFIG": "c",
        "INDISKEL": "s",
        "INDIPREFIX": "/p",
    }


def test_program_is_sought_where_indiserver_seeks_it_and_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "indi_mine").touch()
    assert StartDriver("./indi_mine").command(Path("/own")) == [f"{tmp_path}/indi_mine"]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "indi_mine").touch()
    assert StartDriver("./indi_mine").command(tmp_path / "own") == [f"{tmp_path}/own/indi_mine"]
    assert StartDriver("indi_x").command() == ["indi_x"]
    assert StartDriver("/a/indi_x").command() == ["/a/indi_x"]
    assert StartDriver("indi_x", prefix="/opt/indi").command() == ["/opt/indi/bin/indi_x"]
    assert StartDriver("./indi_x").command(Path("/own")) == ["/own/indi_x"]
    assert StartDriver("a@b").remote
    assert not StartDriver("a", device="x@y").remote


@pytest.fixture
def path(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


@contextlib.asynccontextmanager
async def reading(path: Path, on_command: Callable[[FifoCommand], object] | None = None) -> AsyncIterator[list[Any]]:
    commands: list[FifoCommand] = []

    def take(command: FifoCommand) -> None:
        commands.append(command)
        if on_command is not None:
            on_command(command)

    task = asyncio.create_task(FifoReader(path, take).run())
    await asyncio.sleep(0)
    try:
        yield commands
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.002)


class Writer:
    """Be one who writes to the FIFO."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)

    def write(self, data: bytes) -> None:
        assert os.write(self._descriptor, data) == len(data)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def write(path: Path, data: bytes) -> None:
    with Writer(path) as writer:
        writer.write(data)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    Loop().run(main())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_writers_come_and_go(path: Path) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            for number in range(50):
                write(path, f"start d{number}\n".encode())
                # Sometimes the next one comes before this one has been read, sometimes after its writer has gone.
                for _ in range(number % 5):
                    await asyncio.sleep(0)
            await until(lambda: len(commands) == 50, "all arrive")
            assert commands == [StartDriver(f"d{number}") for number in range(50)]

    run(main)


def test_partial_lines_wait_for_their_rest(path: Path) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            with Writer(path) as writer:
                for piece in (b"sta", b"rt on", b"e\nstop o", b"ne\n", b"start two\nstart th", b"ree\n"):
                    writer.write(piece)
                    await asyncio.sleep(0.005)
                await until(lambda: len(commands) == 4, "all arrive")
            assert commands == [StartDriver("one"), StopDriver("one"), StartDriver("two"), StartDriver("three")]

    run(main)


def test_a_last_line_without_its_end_counts_when_the_writer_has_gone(path: Path) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            with Writer(path) as writer:
                writer.write(b"start one")
                await asyncio.sleep(0.02)
                assert commands == []
            await until(lambda: commands, "it arrives")
            write(path, b"start two")
            await until(lambda: len(commands) == 2, "the next one arrives")
            assert commands == [StartDriver("one"), StartDriver("two")]

    run(main)


def test_it_does_not_spin_while_nobody_writes(path: Path) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            write(path, b"start one\n")
            await until(lambda: commands, "it arrives")
            used = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - used < 0.1

    run(main)


def test_rubbish_stops_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            write(path, b"\xff\xfe\0\n\n\r\nstart\n" + b"x" * 20_000 + b"\nstart one\n")
            await until(lambda: commands, "the good one arrives")
            assert commands == [StartDriver("one")]

    run(main)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert "\\xff" in messages[0]
    assert "which driver" in messages[1]
    assert f"more than {LONGEST} bytes" in messages[2]


def test_a_flood_of_rubbish_is_bounded_in_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            with Writer(path) as writer:
                for _ in range(200):
                    writer.write(b"x\n" * 500)
                    await asyncio.sleep(0.005)
                writer.write(b"start one\n")
                await until(lambda: commands, "the good one arrives")

    run(main)
    assert len(caplog.records) < 60


def test_the_longest_line_is_taken(path: Path) -> None:
    name = "x" * (LONGEST - len("start "))

    async def main() -> None:
        async with reading(path) as commands:
            write(path, f"start {name}\nstart {name}y\nstart one\n".encode())
            await until(lambda: len(commands) == 2, "they arrive")
            assert commands == [StartDriver(name), StartDriver("one")]

    run(main)


def test_an_error_of_the_receiver_stops_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(command: FifoCommand) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        async with reading(path, fail) as commands:
            write(path, b"start one\nstart two\n")
            await until(lambda: len(commands) == 2, "both arrive")

    run(main)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_a_storm_of_commands_waits_in_the_fifo_and_none_is_lost(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        obeyed: list[FifoCommand] = []
        waiting: list[int] = []
        may_go_on = asyncio.Event()

        async def obey(command: FifoCommand) -> None:
            await may_go_on.wait()
            waiting.append(commands.waiting)
            obeyed.append(command)

        commands = FifoCommands(path, obey)
        task = asyncio.create_task(commands.run())
        await asyncio.sleep(0)
        names = [f"n{number}" for number in range(3000)]
        with Writer(path) as writer:
            writer.write("".join(f"start {name}\n" for name in names).encode())
        await until(lambda: commands.waiting >= MANY_COMMANDS, "many wait")
        may_go_on.set()
        await until(lambda: len(obeyed) == len(names), "all are obeyed")
        assert obeyed == [StartDriver(name) for name in names]
        assert max(waiting) < MANY_COMMANDS + READ_SIZE // len("start n\n")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(main)
    assert not caplog.records


def test_a_fifo_that_was_removed_is_waited_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with reading(path) as commands:
            with Writer(path) as writer:
                writer.write(b"start one\n")
                os.unlink(path)  # noqa: PTH108 - as mkfifo
            await until(lambda: caplog.records, "it is said")
            os.mkfifo(path)
            await until(lambda: _can_write(path), "it is read again")
            write(path, b"start two\n")
            await until(lambda: len(commands) == 2, "both arrive")

    run(main)
    assert len(caplog.records) == 1
    assert f"mkfifo {path}" in caplog.records[0].getMessage()


def _can_write(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def test_a_fifo_has_to_exist_and_to_be_one(tmp_path: Path) -> None:
    missing, file = tmp_path / "missing", tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=f"mkfifo {missing}"):
        FifoReader(missing, print)
    assert not missing.exists()
    with pytest.raises(ConfigError, match="no FIFO"):
        FifoReader(file, print)
    os.mkfifo(tmp_path / "fifo")
    FifoReader(tmp_path / "fifo", print).close()
