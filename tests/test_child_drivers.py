"""core.drivers.child with real processes: what they get, how they end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import re
import resource
import signal
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from core.drivers import ChildDriver, original_descriptor_limit
from core.drivers.guardian import descendants
from core.drivers.stderr_log import LONGEST, LineLog
from core.drivers.stdio import Stdio
from core.errors import ConfigError, LoopError
from core.loop import Loop
from core.testing import VirtualClock

SECONDS = 20.0
"""How long anything is waited for; what is waited for comes within a fraction of it."""

MARK = "CORE_TEST_MARK"
PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]

DEAF = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
DEAF_DRIVER = DEAF + "print('ready'); time.sleep(600)"
GRANDCHILD_IN_A_SESSION = DEAF + "os.fork() or os.setsid(); print('ready'); time.sleep(600)"
DAEMON = DEAF + "os.fork() and time.sleep(600); os.setsid(); os.fork() and os._exit(0); print('ready'); time.sleep(600)"
LEAVING_A_DAEMON = DEAF + "os.fork() and os._exit(7); os.setsid(); os.fork() and os._exit(0); time.sleep(600)"
CHAIN = DEAF + "print('ready')\nif os.fork(): time.sleep(600)\nwhile True: os.fork() and os._exit(0)"
TREE = DEAF + "os.fork(); os.fork(); os.fork(); print('ready'); time.sleep(600)"
POLITE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready")
while True: signal.pause()
"""


class Child:
    """A ChildDriver, all that it has told, and all processes that come from it."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.mark = uuid.uuid4().hex
        self.sockets: list[Stdio] = []
        self.ends: list[str] = []
        self.times: list[float] = []
        environment = {**options.pop("environment", os.environ), MARK: self.mark}
        given: dict[str, Any] = {"name": "test", "on_start": self._on_start, "on_end": self.ends.append, **options}
        self.driver = ChildDriver(command, environment=environment, **given)
        self.task: asyncio.Task[None]

    def _on_start(self, stdio: Stdio) -> None:
        self.sockets.append(stdio)
        self.times.append(Loop.current().now() / 1e9)
        stdio.stdout.setblocking(False)

    @property
    def stdin(self) -> socket.socket:
        return self.sockets[-1].stdin

    @property
    def stdout(self) -> socket.socket:
        return self.sockets[-1].stdout

    @property
    def processes(self) -> set[int]:
        """Return the ids of all living processes that have inherited the driver's environment."""
        found = set()
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and f"{MARK}={self.mark}".encode() in (process / "environ").read_bytes():
                    found.add(int(process.name))
        return found

    async def read_until(self, pattern: bytes) -> re.Match[bytes]:
        seen = b""
        async with asyncio.timeout(SECONDS):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self.stdout, 65536)
                assert data, f"the end came before {pattern!r}: {seen!r}"
                seen += data
                if found := re.search(pattern, seen):
                    return found

    async def end(self) -> float:
        """Cancel it and return how many seconds that took."""
        began = time.monotonic()
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        return time.monotonic() - began


async def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(*command: str, starts: int = 1, **options: Any) -> AsyncIterator[Child]:
    child = Child(*command, **options)
    child.task = asyncio.create_task(child.driver.run())
    try:
        await until(lambda: len(child.sockets) >= starts or child.task.done(), "the driver starts")
        yield child
    finally:
        await child.end()
        for each in child.sockets:
            each.close()
        assert child.processes == set()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on a loop of ours, and see that no process and no descriptor of this process is left."""
    before = descriptors_of_ours()
    Loop().run(main())
    assert descriptors_of_ours() == before
    assert children_of_ours() == []


def descriptors_of_ours() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def children_of_ours() -> list[str]:
    """Return the guardians that are our children, zombies too."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit():
                stat = (process / "stat").read_text()
                if "guardian" in stat and int(stat.rpartition(")")[2].split()[1]) == os.getpid():
                    found.append(stat)
    return found


def proc(process: int, name: str) -> str:
    return Path(f"/proc/{process}/{name}").read_text()


def links_of(process: int) -> dict[str, str]:
    """Return what each open descriptor of a process is."""
    return {end.name: str(end.readlink()) for end in Path(f"/proc/{process}/fd").iterdir()}


def status_of(process: int, field: str) -> str:
    found = re.search(rf"^{field}:\s*(.*)$", proc(process, "status"), re.MULTILINE)
    assert found
    return found[1]


def guardian_of(process: int) -> int:
    return int(status_of(process, "PPid"))


# What a driver gets.


def test_stdin_and_stdout_are_sockets_and_nothing_else_is_inherited() -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        async with running("cat") as child:
            process = child.driver.statistics.process
            assert process is not None
            child.stdin.send(b"to and fro\n")
            await child.read_until(b"to and fro\n")
            ends = links_of(process)
            assert set(ends) == {"0", "1", "2"}
            assert ends["0"] != ends["1"]
            assert ends["0"].startswith("socket:")
            assert ends["1"].startswith("socket:")
            assert ends["2"].startswith("pipe:")
            for end in child.stdin, child.stdout:
                assert end.family is socket.AF_UNIX
                assert end.type is socket.SOCK_STREAM
        os.close(reader)
        os.close(writer)

    run(main)


def test_descriptors_pass_with_the_bytes() -> None:
    script = (
        "import os, socket; s = socket.socket(fileno=0); d = socket.recv_fds(s, 9, 1)[1];"
        "os.write(1, open(d[0], 'rb').read())"
    )

    async def main() -> None:
        reader, writer = os.pipe()
        os.write(writer, b"through the pipe")
        os.close(writer)
        async with running(*PYTHON, script) as child:
            socket.send_fds(child.stdin, [b"x"], [reader])
            os.close(reader)
            await child.read_until(b"through the pipe")

    run(main)


def test_session_signals_and_limits_are_those_of_a_fresh_program() -> None:
    async def main() -> None:
        async with running("cat") as child:
            process = child.driver.statistics.process
            assert process is not None
            assert os.getsid(process) == os.getpgid(process) == process
            for mask in ("SigBlk", "SigIgn", "SigCgt"):
                # Signals 32 and above: the first of them are the C library's own, and no program can reset them.
                assert int(status_of(process, mask), 16) & 0x7FFFFFFF == 0, mask
            limits = proc(process, "limits")
            assert re.search(rf"Max open files\s+{original_descriptor_limit()}\s+{hard}\s", limits)
            assert proc(process, "oom_score_adj") == proc(os.getpid(), "oom_score_adj")

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert original_descriptor_limit() == soft
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 10, hard))
    try:
        run(main)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGUSR1, ignored)


def test_environment_and_arguments_arrive_whole(tmp_path: Path) -> None:
    program = tmp_path / "a driver"
    program.write_text('#!/bin/sh\necho "$#:$1:$2:${#LONG}:$HOME:"\nexec cat\n')
    program.chmod(0o755)

    async def main() -> None:
        environment = {"PATH": f"/nowhere:{tmp_path}:/bin:/usr/bin", "LONG": "x" * 100_000, "EVEN": "y" * 100_000}
        async with running("a driver", "ä b", "\udcff", environment=environment) as child:
            await child.read_until("^2:ä b:\udcff:100000::\n".encode(errors="surrogateescape"))

    run(main)


@pytest.mark.parametrize(
    "command",
    [[], "cat", [""], ["cat", "a\0b"]],
)
def test_no_command(command: Any) -> None:
    with pytest.raises(ConfigError, match="'test'"):
        ChildDriver(command, name="test", on_start=lambda _: None, on_end=lambda _: None)


def test_no_environment() -> None:
    with pytest.raises(ConfigError, match="A=B"):
        ChildDriver(["cat"], name="test", on_start=print, on_end=print, environment={"A=B": "c"})


# How it ends by itself.


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "exit status 3"),
        ("exit 0", "exit status 0"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("kill -40 $$", "killed by signal 40"),
    ],
)
def test_why_it_ended_is_told(script: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running("sh", "-c", f"echo last words >&2; {script}", restarts=0) as child:
            async with asyncio.timeout(SECONDS):
                await child.task
            assert child.ends == [why]
            assert child.driver.statistics.last_end == why
            assert child.driver.statistics.process is None

    caplog.set_level(logging.INFO, "core.driver")
    run(main)
    messages = [record.getMessage() for record in caplog.records]
    assert messages.index("test: last words") < messages.index(f"test: {why}; it is not started again")


def test_its_end_is_noticed_while_others_hold_its_socket() -> None:
    script = DEAF + "os.fork() and os._exit(9); os.setsid(); time.sleep(600)"

    async def main() -> None:
        async with running(*PYTHON, script, restarts=0) as child:
            await until(lambda: child.ends, "its end is told")
            assert child.ends == ["exit status 9"]
            # The grandchild ignores SIGTERM and lives for half a second more: so it was the process that was noticed.
            assert len(child.processes) == 1
            await child.task
            assert child.processes == set()

    run(main)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "there is no such program"),
        (lambda path: path.write_text("#!/bin/sh\n"), "not permitted to execute it"),
        (lambda path: path.mkdir(), "a directory"),
        (lambda path: (path.write_text("#!/no/such/interpreter -x\n"), path.chmod(0o755)), "/no/such/interpreter"),
        (lambda path: (path.write_text("echo\n"), path.chmod(0o755)), "begins with #!"),
        (lambda path: path.symlink_to("nowhere"), "a link to something"),
    ],
)
@pytest.mark.parametrize("on_path", [False, True])
def test_why_it_cannot_be_started_is_told(
    tmp_path: Path, make: Callable[[Path], object], why: str, on_path: bool, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "driver"
    make(program)

    async def main() -> None:
        environment = {"PATH": f"{tmp_path}:/nowhere"}
        command = program.name if on_path else str(program)
        async with running(command, restarts=2, first_delay=0.001, environment=environment) as child:
            await child.task
            assert child.sockets == []
            assert child.ends == []
            # To try it again would be of no use.
            assert child.driver.statistics.failures == 1
            assert child.driver.statistics.starts == 0
            assert why in child.driver.statistics.last_end

    run(main)
    assert sum(why in record.getMessage() for record in caplog.records) == 1


def test_a_reason_that_is_too_long_to_be_told_whole_is_told_all_the_same() -> None:
    async def main() -> None:
        async with running("a" + "é" * 3000, restarts=2, first_delay=0.001) as child:
            await child.task
            assert child.driver.statistics.failures >= 1
            assert child.driver.statistics.last_end.startswith("cannot be started: aéé")

    run(main)


def test_a_program_that_is_installed_later_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "driver"

    async def main() -> None:
        async with running(str(program), starts=0, first_delay=0.01, longest_delay=0.01) as child:
            await until(lambda: child.driver.statistics.failures >= 3, "it to be tried again")
            program.write_text("#!/bin/sh\nexec cat\n")
            program.chmod(0o755)
            await until(lambda: child.sockets, "it to be started")

    run(main)


def test_restarts_leave_nothing_behind() -> None:
    async def main() -> None:
        async with running("true", restarts=200, first_delay=0.0005, longest_delay=0.0005) as child:
            descriptors = set()
            while not child.task.done():
                await asyncio.sleep(0.02)
                while child.sockets:
                    child.sockets.pop().close()
                descriptors.add(descriptors_of_ours())
            assert len(child.ends) == child.driver.statistics.starts == 201
            assert max(descriptors) - min(descriptors) < 10

    run(main)


def test_delay_grows_and_is_capped() -> None:
    clock = VirtualClock()
    child = Child("false", restarts=12)

    async def main() -> None:
        await child.driver.run()

    clock.run(main())
    for each in child.sockets:
        each.close()
    delays = [round(later - earlier, 6) for earlier, later in zip(child.times, child.times[1:], strict=False)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]


# How it is ended.


def test_a_polite_one_ends_at_once() -> None:
    async def main() -> None:
        async with running(*PYTHON, POLITE) as child:
            await child.read_until(b"ready")
            assert await child.end() < 0.5
            assert child.ends == ["exit status 5"]
            assert child.task.cancelled()

    run(main)


def test_one_that_is_stopped_ends_politely_too() -> None:
    async def main() -> None:
        async with running(*PYTHON, POLITE) as child:
            await child.read_until(b"ready")
            process = child.driver.statistics.process
            assert process is not None
            os.kill(process, signal.SIGSTOP)
            await until(lambda: status_of(process, "State").startswith("T"), "it is stopped")
            await child.end()
            assert child.ends == ["exit status 5"]

    run(main)


@pytest.mark.parametrize(
    ("script", "count"),
    [(DEAF_DRIVER, 1), (GRANDCHILD_IN_A_SESSION, 2), (DAEMON, 2), (TREE, 8), (CHAIN, 2)],
    ids=["deaf", "session", "daemon", "tree", "chain"],
)
def test_what_ignores_sigterm_is_killed_with_all_its_descendants(script: str, count: int) -> None:
    async def main() -> None:
        async with running(*PYTHON, script) as child:
            await child.read_until(b"ready")
            await until(lambda: len(child.processes) >= count, "all are there")
            took = await child.end()
            assert child.processes == set()
            assert child.ends == ["killed by SIGKILL"]
            # Not before it had its time, and without any need to kill the guardian.
            assert 0.45 < took < 1.4

    run(main)


def test_a_daemon_does_not_outlive_its_driver() -> None:
    async def main() -> None:
        async with running(*PYTHON, LEAVING_A_DAEMON, restarts=1, first_delay=0.001) as child:
            await child.task
            assert child.ends == ["exit status 7"] * 2
            assert child.processes == set()

    run(main)


def test_one_that_closes_its_socket_lives_on_until_it_is_given_up() -> None:
    script = DEAF + "os.close(0); os.close(1); time.sleep(600)"

    async def main() -> None:
        async with running(*PYTHON, script, restarts=1, first_delay=0.001) as child:
            async with asyncio.timeout(SECONDS):
                assert await asyncio.get_running_loop().sock_recv(child.stdout, 1) == b""
            assert len(child.processes) == 1
            assert child.ends == []
            child.driver.fail("its stdout is closed")
            await until(lambda: len(child.sockets) == 2, "it is started again")
            assert child.ends == ["its stdout is closed; killed by SIGKILL"]
            child.driver.fail("again")
            await child.task
            assert child.driver.statistics.starts == 2

    run(main)


def test_restart_is_at_once_and_not_counted() -> None:
    async def main() -> None:
        async with running("cat", restarts=0) as child:
            first = child.driver.statistics.process
            child.driver.restart()
            await until(lambda: len(child.sockets) == 2, "it is started again")
            assert child.ends == ["killed by SIGTERM"]
            assert child.driver.statistics.process not in {first, None}
            child.stdin.send(b"still\n")
            await child.read_until(b"still")

    run(main)


def test_restart_ends_the_delay() -> None:
    async def main() -> None:
        async with running("sh", "-c", "exit 1", first_delay=600) as child:
            await until(lambda: child.driver.statistics.next_start is not None, "the delay begins")
            child.driver.restart()
            await until(lambda: len(child.sockets) == 2, "it is started again")

    run(main)


def test_cancelled_at_any_step_of_its_start_leaves_nothing() -> None:
    async def main() -> None:
        for steps in range(40):
            child = Child("cat")
            child.task = asyncio.create_task(child.driver.run())
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            await child.end()
            assert child.task.cancelled()
            for each in child.sockets:
                each.close()
            assert len(child.ends) == len(child.sockets)
            assert child.processes == set()

    run(main)


def test_cancelled_again_and_again_while_it_ends() -> None:
    async def main() -> None:
        async with running(*PYTHON, DEAF_DRIVER) as child:
            await child.read_until(b"ready")
            while not child.task.done():
                child.task.cancel()
                await asyncio.sleep(0.01)
            assert child.task.cancelled()
            assert child.processes == set()
            assert child.ends == ["killed by SIGKILL"]

    run(main)


def test_without_a_descriptor_for_its_connection_it_is_tried_again() -> None:
    tried: list[Stdio] = []

    async def work() -> None:
        def on_start(stdio: Stdio) -> None:
            tried.append(stdio)
            if len(tried) == 1:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        async with running("cat", on_start=on_start, first_delay=0.01, starts=0) as child:
            await until(lambda: len(tried) == 2, "a second start")
            # It may see the end of its stdin first.
            assert child.ends[0].startswith("cannot be connected: [Errno 24] Too many open files; ")
            assert tried[0].stdin.fileno() < 0
            tried[1].close()

    run(work)


def test_an_error_of_the_caller_comes_out_when_all_is_ended() -> None:
    def on_start(stdio: Stdio) -> None:
        stdio.close()
        raise ZeroDivisionError

    async def main() -> None:
        child = Child("cat", on_start=on_start)
        with pytest.raises(ZeroDivisionError):
            await child.driver.run()
        # It may see the end of its stdin first.
        assert child.ends in (["killed by SIGTERM"], ["exit status 0"])
        assert child.processes == set()

    run(main)


def test_two_runs_at_a_time_are_refused() -> None:
    async def main() -> None:
        async with running("cat") as child:
            with pytest.raises(LoopError, match="'test'"):
                await child.driver.run()

    run(main)


# The guardians.


def test_fifty_start_together_under_one_chief() -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            began = time.monotonic()
            children = [await stack.enter_async_context(running("cat", starts=0)) for _ in range(50)]
            await until(lambda: all(child.sockets for child in children), "all start")
            assert time.monotonic() - began < 5
            chiefs = {guardian_of(guardian_of(child.driver.statistics.process or 0)) for child in children}
            assert len(chiefs) == 1
            assert len(children_of_ours()) == 1

    run(main)


def test_a_guardian_that_is_killed_leaves_nobody() -> None:
    async def main() -> None:
        async with running(*PYTHON, DAEMON, first_delay=0.001) as child, running("cat") as other:
            await child.read_until(b"ready")
            before = child.processes
            assert len(before) == 2
            os.kill(guardian_of(child.driver.statistics.process or 0), signal.SIGKILL)
            await until(lambda: not before & child.processes, "driver and daemon are gone")
            await until(lambda: len(child.sockets) == 2, "it is started again")
            assert child.ends == ["killed, because its guardian process was"]
            assert other.ends == []

    run(main)


def test_a_chief_that_is_killed_leaves_nobody_and_is_replaced() -> None:
    async def main() -> None:
        async with running(*PYTHON, DAEMON, first_delay=0.001) as child:
            await child.read_until(b"ready")
            before = child.processes
            os.kill(guardian_of(guardian_of(child.driver.statistics.process or 0)), signal.SIGKILL)
            await until(lambda: not before & child.processes, "driver and daemon are gone")
            await until(lambda: len(child.sockets) == 2, "it is started again")
            assert child.ends == ["killed by SIGKILL"]
            await child.read_until(b"ready")

    run(main)


def test_a_guardian_that_was_stopped_ends_its_driver_all_the_same() -> None:
    async def main() -> None:
        async with running(*PYTHON, DAEMON) as child:
            await child.read_until(b"ready")
            before = child.processes
            os.kill(guardian_of(child.driver.statistics.process or 0), signal.SIGSTOP)
            await child.end()
            assert not before & child.processes
            assert child.ends == ["killed by SIGKILL"]

    run(main)


def test_a_guardian_that_hangs_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGCONT", 0)  # so that it is not woken, as one is not that hangs in the kernel

    async def main() -> None:
        async with running(*PYTHON, DAEMON) as child:
            await child.read_until(b"ready")
            before = child.processes
            os.kill(guardian_of(child.driver.statistics.process or 0), signal.SIGSTOP)
            assert await child.end() < 5
            await until(lambda: not before & child.processes, "driver and daemon are gone")
            assert child.ends == ["killed, because its guardian process was"]

    run(main)


@pytest.mark.parametrize("is_listed", [True, False])
def test_descendants_are_found_and_spared(monkeypatch: pytest.MonkeyPatch, is_listed: bool) -> None:
    if not is_listed:  # as by a kernel without lists of children
        monkeypatch.setattr("core.drivers.guardian.os.path.exists", lambda _: False)

    async def main() -> None:
        async with running(*PYTHON, TREE) as child:
            await child.read_until(b"ready")
            await until(lambda: len(child.processes) == 8, "all are there")
            process = child.driver.statistics.process or 0
            assert set(descendants(guardian_of(process))) == child.processes
            assert descendants(guardian_of(process), frozenset({process})) == []

    run(main)


# What it writes.


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "core.driver.lines"]


def fed(*pieces: bytes) -> LineLog:
    async def main() -> LineLog:
        log = LineLog("lines")
        for piece in pieces:
            log.feed(piece)
        log.flush()
        return log

    return VirtualClock().run(main())


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"n", b"e\nt", b"wo"], ["one", "two"]),
        ([b"win\r\n\nx\n"], ["win", "", "x"]),
        ([b"gr\xc3", b"\xbc\xc3\x9fe \xff\xfe\n"], ["grüße \\xff\\xfe"]),
        ([b"\x1b[2J\x00\x07\rtab\there\xe2\x80\xa8\n"], ["\\x1b[2J\\x00\\x07\\rtab\there\\u2028"]),
        ([b"x" * 1_000_000, b"y" * 70_000, b"\nz\n"], ["x" * LONGEST + " ...", "z"]),
        ([b"x" * LONGEST + b"\n"], ["x" * LONGEST]),
        ([b""], []),
    ],
)
def test_lines_of_any_bytes_in_any_pieces(
    pieces: list[bytes], lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert fed(*pieces).lines == len(lines)
    assert logged(caplog) == [f"lines: {line}" for line in lines]


def test_too_many_lines_are_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = fed(b"first\n", b"again\n" * 10_000, b"cut off")
    assert log.lines == 200
    assert log.dropped == 10_002 - 200
    assert logged(caplog)[0] == "lines: first"
    assert logged(caplog)[-1].startswith(f"lines: {log.dropped} lines")
    assert len(logged(caplog)) == 201


def test_lines_flow_again_after_a_flood(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        log = LineLog("lines")
        log.feed(b"flood\n" * 1000)
        await Loop.current().delay(60)
        assert logged(caplog)[-1].startswith("lines: 800 lines")
        log.feed(b"calm\n")
        assert logged(caplog)[-1] == "lines: calm"

    caplog.set_level(logging.INFO)
    VirtualClock().run(main())


FLOOD_OF_STDERR = "import os\nwhile True: os.write(2, b'a line of rubbish\\n' * 4000)"
FLOOD_OF_ONE_LINE = "import os\nwhile True: os.write(2, b'x' * 65536)"
FLOOD_OF_STDOUT = "import os\nwhile True: os.write(1, b'x' * 65536)"


@pytest.mark.parametrize("script", [FLOOD_OF_STDERR, FLOOD_OF_ONE_LINE, FLOOD_OF_STDOUT])
def test_a_flood_costs_nobody_anything(script: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        memory = int(status_of(os.getpid(), "VmRSS").split()[0])
        async with running(*PYTHON, script) as child:
            used, worst = time.process_time(), 0.0
            for _ in range(100):
                began = time.monotonic()
                await asyncio.sleep(0.01)
                worst = max(worst, time.monotonic() - began)
            # Generous, for a machine with other work; reading on and on would take all of it.
            assert worst < 0.4
            assert time.process_time() - used < 0.5
            assert int(status_of(os.getpid(), "VmRSS").split()[0]) - memory < 16_000
            statistics = child.driver.statistics
            assert statistics.log_lines < 300
            if script == FLOOD_OF_STDERR:
                assert statistics.log_lines_dropped > 10_000
            assert await child.end() < 1.4
        assert len(caplog.records) < 320

    caplog.set_level(logging.INFO)
    run(main)
