"""Debian's own INDI programs control a run."""

from __future__ import annotations

import pytest

from tests.system.conftest import CONFIGURATION, RawClient, Start, getprop, need, setprop, wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def port(start: Start) -> int:
    need("indi_getprop")
    return start("--port", "0", configuration=CONFIGURATION).port


def new(kind: str, place: str, value: str) -> bytes:
    """Return what a client sends to set one member."""
    device, vector, member = place.split(".")
    one = f'<one{kind} name="{member}">{value}</one{kind}>'
    return f'<new{kind}Vector device="{device}" name="{vector}">{one}</new{kind}Vector>'.encode()


def running(port: int) -> str:
    """Return the program that runs, as indi_getprop shows it."""
    switches = getprop(port, "matrix.program.*")
    on = [name for name, value in switches.items() if value == "On"]
    assert len(on) == 1, switches
    return on[0].rpartition(".")[2]


def wait_for_program(port: int, name: str) -> None:
    # A full name is answered at once, a pattern only after a second of silence.
    wait_until(lambda: getprop(port, f"matrix.program.{name}") == {f"matrix.program.{name}": "On"}, f"{name} to run")


def test_getprop_lists_the_properties(port: int) -> None:
    wait_for_program(port, "heartbeat")
    properties = getprop(port)
    assert {name.split(".")[0] for name in properties} == {"matrix", "climate"}
    assert {"matrix.program.heartbeat", "matrix.leds.r1c1", "matrix.leds.r5c5"} <= properties.keys()


def test_setprop_chooses_another_program_and_the_blinking_changes(port: int) -> None:
    with RawClient(port) as watcher:
        watcher.until(rb"</defSwitchVector>")
        assert setprop(port, "matrix.program.spiral=On").returncode == 0
        wait_for_program(port, "spiral")
        assert running(port) == "spiral"
        # The spiral walks along the top row with one LED at a time.
        watcher.until(rb'<oneSwitch name="r1c1">Off</oneSwitch>\s*<oneSwitch name="r1c2">On</oneSwitch>\s*</setSwitch')
        watcher.until(rb'<oneSwitch name="r1c2">Off</oneSwitch>\s*<oneSwitch name="r1c3">On</oneSwitch>\s*</setSwitch')


def test_a_single_led_while_no_program_runs(port: int) -> None:
    setprop(port, "matrix.program.none=On")
    wait_for_program(port, "none")
    setprop(port, "matrix.leds.r2c3=On")
    wait_until(lambda: getprop(port, "matrix.leds.r2c3") == {"matrix.leds.r2c3": "On"}, "the LED to be lit")
    lit = [name for name, value in getprop(port, "matrix.leds.*").items() if value == "On"]
    assert lit == ["matrix.leds.r2c3"]


def test_an_led_while_a_program_runs_is_refused(port: int) -> None:
    wait_for_program(port, "heartbeat")
    with RawClient(port) as client:
        client.until(rb"</defSwitchVector>")
        client.send(
            b'<newSwitchVector device="matrix" name="leds"><oneSwitch name="r1c1">On</oneSwitch></newSwitchVector>'
        )
        client.until(rb'<setSwitchVector device="matrix" name="leds" state="Alert"[^>]* message="[^"]*heartbeat[^"]*"')


LIVE = (".leds.", ".frame.", ".statistics.", ".climate.")
"""What changes by itself."""


def settled(port: int) -> dict[str, str]:
    return {key: value for key, value in getprop(port).items() if not any(one in key for one in LIVE)}


@pytest.mark.parametrize(
    ("sent", "name", "why"),
    [
        (
            new("Switch", "matrix.program.nonsense", "On"),
            b"program",
            b"no member &apos;nonsense&apos;|no member 'nonsense'",
        ),
        (
            new("Number", "climate.sampling.period", "1e9"),
            b"sampling",
            b"out of range",
        ),
        (
            new("Number", "climate.climate.temperature", "1"),
            b"climate",
            b"read-only",
        ),
    ],
    ids=["unknown program", "out of range", "read-only"],
)
def test_what_is_refused_tells_the_sender_alone(port: int, sent: bytes, name: bytes, why: bytes) -> None:
    wait_for_program(port, "heartbeat")
    before = settled(port)
    with RawClient(port) as sender, RawClient(port) as other:
        sender.until(rb"</defSwitchVector>")
        other.until(rb"</defSwitchVector>")
        sender.send(sent)
        sender.until(b'name="' + name + b'" state="Alert"[^>]* message="[^"]*(?:' + why + b")")
        # What the other is sent next is not the refusal: a ping is answered behind what was queued before.
        other.send(b'<pingRequest uid="after"/>')
        while b"pingReply" not in other.seen:
            other.seen += other.socket.recv(65536)
        assert b"Alert" not in other.seen
    assert settled(port) == before


def test_setprop_with_an_unknown_program_changes_nothing(port: int) -> None:
    wait_for_program(port, "heartbeat")
    setprop(port, "-s", "matrix.program.nonsense=On")
    setprop(port, "-n", "climate.sampling.period=1e9")
    setprop(port, "-n", "climate.climate.temperature=99")
    assert running(port) == "heartbeat"
    assert float(getprop(port, "climate.sampling.period")["climate.sampling.period"]) == 1
    assert float(getprop(port, "climate.climate.temperature")["climate.climate.temperature"]) != 99


def test_a_client_that_closes_its_half_is_served(port: int) -> None:
    import socket

    with RawClient(port, b'<getProperties version="1.7" device="matrix" name="program"/>') as client:
        client.socket.shutdown(socket.SHUT_WR)
        client.until(rb'<defSwitchVector device="matrix" name="program".*</defSwitchVector>')


def test_rubbish_costs_the_sender_its_connection_and_nobody_else(port: int) -> None:
    with RawClient(port) as bystander, RawClient(port, b"GET / HTTP/1.0\r\n\r\n") as attacker:
        attacker.until(rb"<message [^>]*disconnected: text between messages")
        assert attacker.socket.recv(10) == b""
        bystander.send(b'<pingRequest uid="1"/>')
        bystander.until(b'<pingReply uid="1"/>')


def test_what_only_drivers_may_say_is_refused(port: int) -> None:
    with RawClient(port) as bystander, RawClient(port) as forger:
        forger.send(b'<setSwitchVector device="matrix" name="program" state="Ok"/><delProperty device="matrix"/>')
        forger.send(b'<pingRequest uid="done"/>')
        forger.until(b'<pingReply uid="done"/>')
        bystander.send(b'<pingRequest uid="1"/>')
        bystander.until(b'<pingReply uid="1"/>')
        assert b"delProperty" not in bystander.seen
    assert running(port) in ("heartbeat", "none")


def test_a_ping_is_answered_behind_what_was_queued_before_it(port: int) -> None:
    questions = b'<getProperties version="1.7"/>' * 100
    with RawClient(port, questions + b'<pingRequest uid="behind"/>') as client:
        seen = client.until(rb'^.*<pingReply uid="behind"/>').group()
    assert seen.count(b'<defSwitchVector device="matrix" name="leds"') == 100
    assert b"<def" not in seen.rpartition(b"</def")[2]
