"""`corectl run` in trouble: nobody reads, plugins misbehave, signals come by the dozen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.system.conftest import CORECTL, SECONDS, RawClient, Start, wait_until

pytestmark = pytest.mark.system

TROUBLE = '''
import asyncio, os, sys
import core
from core import Device, Switch, SwitchVector, hookimpl

core_api = 1

async def stay():
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

class Stubborn(Device):
    """Swallow every cancellation."""
    go = SwitchVector("Go", members={"on": Switch(False)}, perm="rw", rule="AnyOfMany")
    async def open(self):
        self.spawn(stay(), name="the stubborn one")
        asyncio.create_task(stay(), name="the free one")
    @go.on_new
    async def handle(self, new):
        await stay()
    async def close(self):
        await stay()

class Quitter(Device):
    """Call sys.exit."""
    async def open(self):
        sys.exit(7)
    async def close(self):
        sys.exit(8)

class Careless(Device):
    """Start tasks of the loop that raise."""
    async def open(self):
        async def fail():
            raise RuntimeError("nobody handles this")
        async def report():
            self.log.info("still here")
        core.add_task(fail())
        core.run_later(0.01, fail())
        core.schedule(100, fail)
        core.run_later(0.1, report())

class Slow(Device):
    """Clean up slowly."""
    async def open(self):
        self.spawn(self.work(), name="slow work")
    async def work(self):
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.8)
    async def close(self):
        open("closed", "w").close()

class Noisy(Device):
    """Log and print without end."""
    @core.every(100)
    async def talk(self):
        for number in range(30):
            self.log.info("%d %s", number, "x" * 200)
            print("printed", "y" * 100)

class Waiter(Device):
    """Hang in a thread."""
    async def open(self):
        import threading, time
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 100)
        threading.Thread(target=time.sleep, args=(100,)).start()

@hookimpl
def core_register_devices():
    return [Stubborn, Quitter, Careless, Slow, Noisy, Waiter]
'''

END = 2.0
"""The second that an end may take, and the machine's noise."""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the plugin `trouble` for the runs of this test."""
    metadata = tmp_path / "plugin_trouble-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-trouble\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[core.plugins]\ntrouble = trouble\n")
    (tmp_path / "trouble.py").write_text(TROUBLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def devices(*kinds: str) -> str:
    return "".join(f'[device.{kind}]\nplugin = "trouble"\ntype = "{kind}"\n' for kind in kinds) + (
        '[device.matrix]\nplugin = "gpio-matrix"\n[program.spiral]\ndevice = "matrix"\n'
    )


def ends_in_time(run: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    began = time.monotonic()
    run.send_signal(number)
    status = run.wait(SECONDS)
    assert time.monotonic() - began < END
    return status


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_swallows_its_cancellation_is_named_and_left_behind(start: Start, number: int) -> None:
    run = start("--port", "0", configuration=devices("stubborn"))
    with RawClient(run.port) as client:
        client.until(rb'<oneSwitch name="r5c5">On</oneSwitch>')
        client.send(
            b'<newSwitchVector device="stubborn" name="go"><oneSwitch name="on">On</oneSwitch></newSwitchVector>'
        )
        client.until(rb'name="go" state="Busy"')
        assert ends_in_time(run.process, number) == 0
        while data := client.socket.recv(65536):
            client.seen += data
    told = re.findall(rb'<oneSwitch name="(r\dc\d)">(On|Off)</oneSwitch>', client.seen)
    assert {state for _, state in told[-25:]} <= {b"Off"}
    run.log.until("left behind, since it does not end: .*stubborn: close.*the free one.*the stubborn one")


@pytest.mark.usefixtures("plugin")
def test_threads_that_hang_do_not_keep_the_process(start: Start) -> None:
    run = start("--port", "0", configuration=devices("waiter"))
    assert run.port
    run.log.until("program spiral")
    assert ends_in_time(run.process) == 0


@pytest.mark.usefixtures("plugin")
def test_sys_exit_in_a_plugin_is_a_failure_like_any_other(start: Start) -> None:
    run = start("--port", "0", configuration=devices("quitter"))
    run.log.until(r"trouble 'quitter' cannot be opened: it called sys.exit\(7\)")
    run.log.until("trouble 'quitter' failed while closing")
    with RawClient(run.port) as client:
        client.until(rb'device="matrix" name="leds" state="Ok"')
    assert ends_in_time(run.process) == 0


@pytest.mark.usefixtures("plugin")
def test_tasks_of_the_loop_that_raise_end_nothing_but_themselves(start: Start) -> None:
    run = start("--port", "0", configuration=devices("careless"))
    run.log.until(r"the task \S*fail has failed and ends: nobody handles this")
    run.log.until("still here")
    assert ends_in_time(run.process) == 0


@pytest.mark.usefixtures("plugin")
def test_a_slow_clean_up_does_not_cost_the_close(start: Start, tmp_path: Path) -> None:
    run = start("--port", "0", configuration=devices("slow"))
    assert run.port
    run.log.until("program spiral")
    assert ends_in_time(run.process) == 0
    assert (tmp_path / "closed").exists()


@pytest.mark.usefixtures("plugin")
def test_a_flood_that_nobody_reads_holds_up_nobody(start: Start) -> None:
    run = start("--port", "0", "--plain", configuration=devices("noisy"))
    with RawClient(run.port) as client:
        # A megabyte of LEDs that change, while neither stdout nor stderr is read.
        for _ in range(100):
            client.until(rb'device="matrix" name="leds"')
    assert ends_in_time(run.process) == 0


def test_signals_by_the_dozen_are_one(start: Start) -> None:
    run = start("--port", "0")
    assert run.port
    deadline = time.monotonic() + SECONDS
    while run.process.poll() is None and time.monotonic() < deadline:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            run.process.send_signal(number)
        select.select([], [], [], 0.004)
    assert run.process.returncode == 0


@pytest.mark.parametrize("stdout", ["/dev/full", None])
def test_an_output_that_takes_nothing_ends_nothing(tmp_path: Path, stdout: str | None) -> None:
    command = f'exec "{CORECTL}" run --port 0 ' + (f"> {stdout}" if stdout else ">&-")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    with subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        said = b""
        while b"program heartbeat on matrix" not in said:
            data = os.read(run.stderr.fileno(), 65536)
            assert data, said
            said += data
        assert ends_in_time(run) == 0
        assert b"Traceback" not in said + run.stderr.read()


def test_what_the_encoding_cannot_say_is_escaped(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    run = start("--port", "0", configuration='[device."Gerät"]\nplugin = "gpio-matrix"\n')
    run.output.until(r"Ger\\xe4t: simulated")
    assert ends_in_time(run.process) == 0
    assert run.process.stderr is not None
    assert b"Traceback" not in run.process.stderr.read()


def test_options_without_effect_are_told(start: Start) -> None:
    run = start(
        "--port",
        "0",
        configuration='[device.matrix]\nplugin = "gpio-matrix"\n[transport.one]\ntype = "port"\nport = 0\n'
        'device = "matrix"\n',
    )
    run.output.until("^--port has no effect: .*core.toml has no transport of type server$")
    assert run.port > 0
    assert ends_in_time(run.process) == 0


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.3])
def test_ctrl_c_before_it_has_begun_prints_no_trace_of_ours(start: Start, delay: float) -> None:
    run = start("--port", "0")
    select.select([], [], [], delay)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(SECONDS) in (0, 130, -signal.SIGINT)


INTERRUPTED = """
import os, signal
core_api = 1

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Dropped:
    def __del__(self):
        interrupt()

class Renamed:
    def __set_name__(self, owner, name):
        interrupt()

class Swallowed:
    def __init__(self):
        try:
            interrupt()
        except BaseException:
            raise ValueError("of its own")

"""


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("strict", [(), ("--strict",)])
@pytest.mark.parametrize("lost", ["Dropped()", "class Owner:\n    renamed = Renamed()", "Swallowed()"])
def test_a_ctrl_c_that_python_loses_is_heard_all_the_same(tmp_path: Path, lost: str, strict: tuple[str, ...]) -> None:
    # What comes within a __del__ or a callback of a weak reference is dropped, and importing is full of these.
    (tmp_path / "trouble.py").write_text(INTERRUPTED + lost)
    ended = subprocess.run(
        [CORECTL, "run", "--port", "0", *strict],
        cwd=tmp_path,
        capture_output=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 130
    assert b"core/start.py" not in ended.stderr


class Terminal:
    """A run on a terminal of a size."""

    def __init__(self, directory: Path, *, term: str = "xterm-256color", size: tuple[int, int] = (24, 80)) -> None:
        self.process_id, self.terminal = pty.fork()
        if self.process_id == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.chdir(directory)
            # The sizes that readline has put into the environment of pytest would hold instead of the terminal's.
            environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
            environment |= {"TERM": term, "XDG_CONFIG_HOME": str(directory), "LANG": "C.UTF-8"}
            os.execve(CORECTL, ["corectl", "run", "--port", "0"], environment)  # noqa: S606 - no shell is wanted
        self.seen = b""
        self.status: int | None = None

    def read(self) -> bytes:
        if select.select([self.terminal], [], [], 0.02)[0]:
            with contextlib.suppress(OSError):  # the terminal's end
                self.seen += os.read(self.terminal, 65536)
        return self.seen

    def ended(self) -> bool:
        found, status = os.waitpid(self.process_id, os.WNOHANG)
        if found:
            self.status = os.waitstatus_to_exitcode(status)
        return bool(found)

    def read_until_ended(self) -> bool:
        self.read()
        return self.ended()


def test_a_stopped_terminal_stops_nothing_else(tmp_path: Path) -> None:
    run = Terminal(tmp_path)
    wait_until(lambda: b"program heartbeat" in run.read(), "the view")
    port = int(re.search(rb"on localhost:(\d+)", run.seen)[1])  # type: ignore[index]
    os.write(run.terminal, b"\x13")  # Ctrl-S
    with RawClient(port) as client:
        for _ in range(20):
            client.until(rb'device="matrix" name="leds"')
    began = time.monotonic()
    os.kill(run.process_id, signal.SIGTERM)
    wait_until(run.read_until_ended, "the end")
    assert time.monotonic() - began < END
    assert run.status == 0
    run.read()
    assert run.seen.rfind(b"\x1b[?25h") > run.seen.rfind(b"\x1b[?25l")
    os.close(run.terminal)


def test_a_terminal_that_nobody_reads_does_not_keep_the_process(tmp_path: Path) -> None:
    run = Terminal(tmp_path)
    wait_until(lambda: b"program heartbeat" in run.read(), "the view")
    port = int(re.search(rb"on localhost:(\d+)", run.seen)[1])  # type: ignore[index]
    with RawClient(port) as client:
        for _ in range(60):
            client.until(rb'device="matrix" name="leds"')
    began = time.monotonic()
    os.kill(run.process_id, signal.SIGTERM)
    wait_until(run.ended, "the end")
    assert time.monotonic() - began < END
    assert run.status == 0
    os.close(run.terminal)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    run = Terminal(tmp_path, term="dumb")
    wait_until(lambda: b"program heartbeat on matrix" in run.read(), "the program")
    os.write(run.terminal, b"\x03")
    wait_until(run.read_until_ended, "the end")
    assert run.status == 0
    assert b"\x1b" not in run.seen
    os.close(run.terminal)


def test_a_tiny_terminal_shows_all_rows(tmp_path: Path) -> None:
    run = Terminal(tmp_path, size=(7, 20))
    wait_until(lambda: "●".encode() in run.read(), "a lit LED")
    os.write(run.terminal, b"\x03")
    wait_until(run.read_until_ended, "the end")
    assert run.status == 0
    assert b"Ctrl-C ends" not in run.seen
    os.close(run.terminal)
