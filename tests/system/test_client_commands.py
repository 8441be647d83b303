"""`corectl get`, `set` and `watch` as a user meets them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from tests.system.conftest import CORECTL, SECONDS, Lines, Start, getprop

pytestmark = pytest.mark.system

CONFIGURATION = """
[device.matrix]
plugin = "gpio-matrix"
[device.climate]
plugin = "spi-sensor"
"""
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def port(start: Start) -> int:
    return start("--port", "0", configuration=CONFIGURATION).port


def corectl(command: str, port: int, *arguments: str) -> Done:
    """Run one of the client's commands to its end."""
    return subprocess.run(
        [CORECTL, command, "--port", str(port), *arguments], capture_output=True, text=True, timeout=SECONDS
    )


def test_get_prints_what_indi_getprop_prints(port: int) -> None:
    assert corectl("set", port, "climate.sampling.period=3600").returncode == 0
    ours = dict(line.split("=", 1) for line in corectl("get", port).stdout.splitlines())
    theirs = getprop(port)
    assert ours.keys() == theirs.keys()
    assert {key: value for key, value in ours.items() if ".climate." not in key} == {
        key: value for key, value in theirs.items() if ".climate." not in key
    }


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ("climate.sampling.period", ["climate.sampling.period=1"]),
        ("*.sampling", ["climate.sampling.period=1", "climate.sampling.averaging=1"]),
        ("matrix.leds.r1c[12]", ["matrix.leds.r1c1=Off", "matrix.leds.r1c2=Off"]),
        ("climate.sampling._PERM", ["climate.sampling._PERM=rw"]),
        ("cl*.sampl*g._LABEL", ["climate.sampling._LABEL=Sampling"]),
    ],
)
def test_get_takes_patterns_and_attributes(port: int, spec: str, lines: list[str]) -> None:
    done = corectl("get", port, spec)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (lines, "", 0)


def test_an_exact_spec_is_answered_without_a_pause(port: int) -> None:
    began = time.monotonic()
    assert corectl("get", port, "--timeout", "15", "climate.sampling.period").returncode == 0
    assert time.monotonic() - began < 5


def test_get_in_json_has_everything(port: int) -> None:
    done = corectl("get", port, "--json", "climate.sampling.period", "matrix.program.none")
    document = json.loads(done.stdout)
    sampling, program = sorted(document["properties"], key=lambda one: str(one["device"]))
    assert document["version"] == 1
    assert sampling["members"][0] | {"label": ""} == {
        "name": "period",
        "label": "",
        "value": 1,
        "text": "1",
        "format": "%g",
        "min": 0.001,
        "max": 3600,
        "step": 0.1,
    }
    assert (sampling["kind"], sampling["perm"], sampling["rule"]) == ("Number", "rw", None)
    assert (program["rule"], program["members"]) == (
        "OneOfMany",
        [{"name": "none", "label": program["members"][0]["label"], "value": True}],
    )


def test_what_is_not_there_is_said(port: int) -> None:
    done = corectl("get", port, "--timeout", "1", "climate.sampling.period", "matrx.*")
    assert (done.stdout, done.returncode) == ("climate.sampling.period=1\n", 1)
    assert done.stderr.startswith(
        f"corectl: nothing on localhost:{port} matches matrx.*.*; did you mean matrix? there is "
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("climat", "did you mean climate? there is "),
        ("climate.samplin", "did you mean sampling? climate has CONNECTION, "),
        ("climate.sampling.perid", "did you mean period? climate.sampling has period, averaging"),
        ("zzz.*", "there is "),
    ],
)
def test_what_was_probably_meant_is_said(port: int, spec: str, why: str) -> None:
    done = corectl("get", port, "-t", "1", spec)
    assert (done.stdout, done.returncode) == ("", 1)
    assert f"; {why}" in done.stderr


def test_set_waits_until_it_is_done(port: int) -> None:
    done = corectl("set", port, "matrix.leds.r1c1=On", "climate.sampling.period=0:30:00", "matrix.leds.r1c2=On")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    shown = corectl("get", port, "matrix.leds.r1c[123]", "climate.sampling.period").stdout.splitlines()
    assert sorted(shown) == [
        "climate.sampling.period=0.5",
        "matrix.leds.r1c1=On",
        "matrix.leds.r1c2=On",
        "matrix.leds.r1c3=Off",
    ]
    assert corectl("set", port, "matrix.leds.r1c1;r1c3=Off;On").returncode == 0
    assert corectl("get", port, "matrix.leds.r1c3").stdout == "matrix.leds.r1c3=On\n"


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("climate.sampling.period=1e9", "climate.sampling was refused: .*out of range"),
        ("climate.sampling.period=soon", "'soon' is not a number"),
        ("climate.climate.temperature=1", "climate.climate is read-only"),
        ("matrix.program.spirel=On", "did you mean spiral"),
        ("matrx.program.spiral=On", "no device 'matrx'; there is .*did you mean matrix"),
    ],
)
def test_what_is_refused_is_one_sentence_and_status_1(port: int, assignment: str, why: str) -> None:
    done = corectl("set", port, assignment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.search(why, done.stderr), done.stderr


@pytest.mark.parametrize("wrong", ["matrix.leds=On", "matrix.leds.r1c1", "a.b.c;d=1"])
def test_what_is_no_assignment_is_misuse(port: int, wrong: str) -> None:
    assert corectl("set", port, wrong).returncode == 2


@pytest.mark.parametrize("arguments", [("get",), ("set", "a.b.c=1"), ("watch",)])
def test_no_server_is_one_sentence_with_the_cure(arguments: tuple[str, ...], unused_port: int) -> None:
    done = corectl(arguments[0], unused_port, *arguments[1:])
    cure = f"start one there: corectl run --port {unused_port}"
    assert done.stderr == f"corectl: no INDI server listens on localhost:{unused_port}; {cure}\n"
    assert done.returncode == 1


def test_a_server_that_does_not_answer_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        done = corectl("set", port, "--timeout", "0.5", "a.b.c=1")
        assert (done.returncode, done.stderr) == (
            1,
            "corectl: a.b was not set within 0.5 s; there is no device 'a'; there is none\n",
        )
        done = corectl("get", port, "--timeout", "0.3")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)


class Watch:
    """Be a `corectl watch` in a pipe."""

    def __init__(self, port: int, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [CORECTL, "watch", "--port", str(port), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.output, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_prints_what_changes_until_ctrl_c(port: int, number: int) -> None:
    with Watch(port, "matrix.leds", "matrix.program") as watch:
        watch.output.until(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z matrix\.leds\.r2c2=Off$")
        watch.output.until(r"Z matrix\.program\.none=On$")
        watch.output.all.clear()
        assert corectl("set", port, "matrix.leds.r2c2=On", "climate.sampling.period=3").returncode == 0
        watch.output.until(r"Z matrix\.leds\.r2c2=On$")
        assert corectl("set", port, "matrix.leds.r2c2=Off").returncode == 0
        watch.output.until(r"Z matrix\.leds\.r2c2=Off$")
        changed = [line.split(" ", 1)[1] for line in watch.output.all if ".r2c2=" in line]
        assert changed == ["matrix.leds.r2c2=On", "matrix.leds.r2c2=Off"]
        watch.process.send_signal(number)
        assert watch.process.wait(SECONDS) == 0
        assert watch.process.stderr is not None
        assert b"Traceback" not in watch.process.stderr.read()


def test_watch_in_json_is_a_line_for_each_change(port: int) -> None:
    with Watch(port, "--json", "climate.sampling.period") as watch:
        first = json.loads(watch.output.until(r'^\{.*"event": "defined".*\}$').group())
        assert (first["device"], first["name"], first["values"]) == ("climate", "sampling", {"period": 1})
        assert corectl("set", port, "climate.sampling.period=2").returncode == 0
        line = json.loads(watch.output.until(r'^\{.*"event": "changed".*"period": 2.*\}$').group())
        assert line["state"] == "Ok"
        assert {json.loads(one).get("name") for one in watch.output.all} <= {None, "sampling"}


def test_watch_waits_for_a_server_that_goes_away(start: Start) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)
    with Watch(run.port, "matrix.program") as watch:
        watch.output.until(r"matrix\.program\.none=On$")
        watch.output.all.clear()
        run.end(signal.SIGKILL)
        watch.errors.until(r"Z disconnected: ")
        again = start("--port", str(run.port), configuration=CONFIGURATION + '[program.spiral]\ndevice = "matrix"\n')
        assert again.port == run.port
        watch.output.until(r"matrix\.program\.spiral=On$")
        watch.errors.until(r"Z connected$")


def test_the_end_of_the_reader_is_quiet(port: int) -> None:
    for command in (f"{CORECTL} watch --port {port} | head -n 1", f"{CORECTL} get --port {port} | head -n 1"):
        with Watch(port, "matrix.leds.r5c5") as other:
            other.output.until("r5c5=Off")
            piped = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S602
            assert piped.stdout is not None
            Lines(piped.stdout).until("=")
            assert corectl("set", port, "matrix.leds.r5c5=On").returncode == 0
            _, errors = piped.communicate(timeout=SECONDS)
            assert errors == b""
            assert corectl("set", port, "matrix.leds.r5c5=Off").returncode == 0


def test_on_a_terminal_it_is_a_table(port: int) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [CORECTL, "watch", "--port", str(port), "climate.sampling", "matrix.program"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    seen = b""

    def until(part: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + SECONDS
        while part not in seen:
            ready, _, _ = select.select([leader], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, seen
            seen += os.read(leader, 65536)

    try:
        until(b"climate.sampling")
        until(b"period=1")
        assert corectl("set", port, "climate.sampling.period=7").returncode == 0
        until(b"period=7")
        process.send_signal(signal.SIGINT)
        until(b"\x1b[?25h")  # the cursor is there again
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def test_control_characters_of_a_server_do_not_reach_the_terminal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        reading = subprocess.Popen(
            [CORECTL, "get", "--port", str(listening.getsockname()[1])], stdout=subprocess.PIPE, text=True
        )
        listening.settimeout(SECONDS)
        with listening.accept()[0] as peer:
            peer.sendall(
                b'<defTextVector device="d" name="t" state="Ok" perm="ro">'
                b'<defText name="x">a&#xa;\xc2\x9b31mb</defText></defTextVector>'
            )
            assert reading.communicate(timeout=SECONDS)[0] == "d.t.x=a\\n\\x9b31mb\n"
