"""`corectl run` as a user meets it: signals, pipes, terminals, a port in use."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from tests.system.conftest import CORECTL, SECONDS, RawClient, Start, wait_until

pytestmark = pytest.mark.system


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_well_and_leaves_the_leds_off(start: Start, number: int) -> None:
    run = start("--port", "0")
    with RawClient(run.port) as client:
        client.until(rb'<oneSwitch name="r5c5">On</oneSwitch>')
        began = time.monotonic()
        assert run.end(number) == 0
        assert time.monotonic() - began < 2  # a second, and the machine's noise
        while data := client.socket.recv(65536):
            client.seen += data
    told = re.findall(rb'<oneSwitch name="(r\dc\d)">(On|Off)</oneSwitch>', client.seen)
    assert {state for _, state in told[-25:]} <= {b"Off"}


def test_a_pipe_gets_plain_lines(start: Start) -> None:
    run = start("--port", "0")
    assert run.port > 0
    run.output.until("^matrix: simulated 5x5 matrix$")
    run.log.until("program heartbeat on matrix")
    assert run.end() == 0
    assert any("simulated 5x5 matrix" in line for line in run.output.all)
    assert not any("\x1b" in line for line in [*run.output.all, *run.log.all])


def test_the_end_of_the_reader_is_the_end_of_the_run(start: Start) -> None:
    run = start("--port", "0")
    assert run.port > 0
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.end() == 0
    assert run.process.stderr is not None
    assert b"Traceback" not in run.process.stderr.read()


def test_a_port_in_use_is_one_sentence_that_names_the_holder(start: Start) -> None:
    first = start("--port", "0")
    second = start("--port", str(first.port))
    assert second.process.wait(SECONDS) == 1
    assert second.process.stderr is not None
    said = second.process.stderr.read().decode().strip()
    assert said.count("\n") == 0
    assert f"port {first.port} on localhost is in use by corectl (pid {first.process.pid})" in said
    assert "--port" in said


def test_a_host_that_does_not_exist_is_one_sentence(start: Start) -> None:
    run = start("--port", "0", "--host", "no-such-host.invalid")
    assert run.process.wait(SECONDS) == 1
    assert run.process.stderr is not None
    assert b"cannot listen on 'no-such-host.invalid'" in run.process.stderr.read()


def test_it_listens_on_localhost_only_in_both_families(start: Start) -> None:
    port = start("--port", "0").port
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.settimeout(SECONDS)
                probe.connect((address, port))
        except OSError as error:
            if family is socket.AF_INET:
                raise
            pytest.skip(f"no IPv6 here: {error}")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.2", port))


def test_a_terminal_shows_the_leds_live(tmp_path: os.PathLike[str]) -> None:
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.chdir(tmp_path)
        os.environ.update(TERM="xterm-256color", XDG_CONFIG_HOME=str(tmp_path), LANG="C.UTF-8", COLUMNS="100")
        os.execv(CORECTL, ["corectl", "run", "--port", "0"])  # noqa: S606 - no shell is wanted
    seen = b""

    def read() -> bytes:
        nonlocal seen
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # the terminal's end
                return seen
        return seen

    lit_row = "●\\W*".encode().replace(b"\\W", rb"[\s\x1b\[\]0-9;mK]") * 1
    wait_until(lambda: bool(re.search(rb"program heartbeat", read())), "the program's name")
    wait_until(lambda: bool(re.search(lit_row, read())), "a lit LED")
    os.write(terminal, b"\x03")  # Ctrl-C, as the keyboard sends it
    ended: list[int] = []

    def has_ended() -> bool:
        read()
        found, status = os.waitpid(process_id, os.WNOHANG)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(found)

    wait_until(has_ended, "the end after Ctrl-C")
    os.close(terminal)
    assert ended == [0]
    assert b"\x1b[?25h" in seen  # the cursor is back


def corectl(*arguments: str, cwd: os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(cwd)}
    return subprocess.run(
        [CORECTL, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=SECONDS
    )


def test_init_writes_what_run_runs(tmp_path: os.PathLike[str], start: Start) -> None:
    written = corectl("init", cwd=tmp_path)
    assert (written.returncode, written.stderr) == (0, "")
    again = corectl("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "core.toml exists" in again.stderr
    run = start("core.toml", "--port", "0")
    with RawClient(run.port) as client:
        client.until(rb"<defSwitchVector [^>]*name=\"program\"")
    assert run.end() == 0


def test_a_mistake_in_core_toml_is_one_sentence_and_exit_status_2(start: Start) -> None:
    run = start(configuration='[device.panel]\nplugin = "gpio-matrix"\nchipp = "simulated"\n')
    assert run.process.wait(SECONDS) == 2
    assert run.process.stderr is not None
    said = run.process.stderr.read().decode()
    assert said.count("\n") == 1
    assert "core.toml: [device.panel]: chipp is unknown, did you mean chip?" in said


def test_a_plugin_that_is_not_installed_is_named_with_its_cure(start: Start) -> None:
    run = start(configuration='[device.x]\nplugin = "telescope"\n')
    assert run.process.wait(SECONDS) == 2
    assert run.process.stderr is not None
    assert "pip install plugin-telescope" in run.process.stderr.read().decode()


def test_a_plugin_that_is_misspelt_is_not_to_be_installed(start: Start) -> None:
    run = start(configuration='[device.x]\nplugin = "gpio-matrx"\n')
    assert run.process.wait(SECONDS) == 2
    assert run.process.stderr is not None
    said = run.process.stderr.read().decode()
    assert "did you mean 'gpio-matrix'" in said
    assert "pip install" not in said


def test_nothing_to_run_says_what_to_install(start: Start) -> None:
    run = start("--no-plugin", "gpio-matrix", "--no-plugin", "spi-sensor")
    assert run.process.wait(SECONDS) == 2
    assert run.process.stderr is not None
    assert b"there is no device to run" in run.process.stderr.read()


def test_a_device_that_cannot_be_opened_stops_nobody_else(start: Start) -> None:
    run = start(
        "--port",
        "0",
        configuration='[device.panel]\nplugin = "gpio-matrix"\nchip = "no-such-chip"\nlines = [[1]]\n'
        '[device.matrix]\nplugin = "gpio-matrix"\n[program.spiral]\ndevice = "matrix"\n',
    )
    run.log.until("gpio-matrix 'panel' cannot be opened: .*no GPIO chip 'no-such-chip'.*simulated")
    with RawClient(run.port) as client:
        client.until(rb'device="matrix" name="leds" state="Ok"')
    assert run.end() == 0
