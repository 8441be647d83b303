"""What INDI servers of others suffer from, tried on ours; docs/indi.md names these tests and all others."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from core.testing import VirtualClock
from core.transports.ends import SocketEnd
from tests.system.conftest import CORECTL, SECONDS, Process, RawClient, Serve, Start
from tests.test_router import DEFINE, Hub, with_hub

pytestmark = pytest.mark.system

SENSOR = '[device.climate]\nplugin = "spi-sensor"\n[transport.server]\nport = 0\n'
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """Return how many seconds a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def answered(client: RawClient, uid: str) -> None:
    client.send(f'<pingRequest uid="{uid}"/>'.encode())
    client.until(f'<pingReply uid="{uid}"/>'.encode())


@pytest.mark.parametrize("how", ["closes", "closes its half"])
def test_a_client_that_leaves_costs_nothing(serve: Serve, how: str) -> None:
    server = serve("-v", "-p", "0", "indi_simulator_telescope")
    port = server.port
    with RawClient(port) as other:
        other.until(rb"<defSwitchVector[^>]*CONNECTION")
        answered(other, "before")
        leaving = RawClient(port)
        leaving.until(rb"<defSwitchVector[^>]*CONNECTION")
        before = cpu_seconds(server.process.pid)
        if how == "closes":
            leaving.close()
        else:
            leaving.socket.shutdown(socket.SHUT_WR)
        # Two seconds later: it is still served if it has closed its half only.
        server.log.until("has gone")
        assert cpu_seconds(server.process.pid) - before < 0.5
        answered(other, "after")
        leaving.close()


def test_idle_connections_lock_nobody_out(start: Start) -> None:
    run = start("--plain", configuration=SENSOR)
    idle = [socket.create_connection(("localhost", run.port), SECONDS) for _ in range(200)]
    try:
        with RawClient(run.port) as client:
            client.until(rb"<defNumberVector")
    finally:
        for one in idle:
            one.close()


def test_a_message_without_end_is_cut_off_soon(start: Start) -> None:
    run = start("--plain", configuration=SENSOR)
    with RawClient(run.port) as other, RawClient(run.port) as client:
        answered(other, "before")
        before = cpu_seconds(run.process.pid)
        with contextlib.suppress(ConnectionError):  # cut off while we still send
            client.send(b'<newTextVector device="' + b"x" * 50_000_000)
        run.log.until(r"client \S+ port \d+ is disconnected: .*16777216")
        assert cpu_seconds(run.process.pid) - before < 5  # the largest that is taken is 16 MiB
        answered(other, "after")


def test_an_old_message_is_not_said_again(start: Start) -> None:
    run = start("--plain", configuration=SENSOR)
    with RawClient(run.port) as client:
        client.until(rb'<defNumberVector device="climate" name="sampling"')
        new = (
            '<newNumberVector device="climate" name="sampling">'
            '<oneNumber name="period">{}</oneNumber></newNumberVector>'
        )
        client.send(new.format(-1).encode())
        refused = client.until(rb'<setNumberVector device="climate" name="sampling"[^>]*>').group()
        assert b'state="Alert"' in refused
        assert b" message=" in refused
        client.send(new.format(0.5).encode())
        taken = client.until(rb'<setNumberVector device="climate" name="sampling"[^>]*state="Ok"[^>]*>').group()
        assert b" message=" not in taken


def test_a_log_that_nobody_reads_holds_up_nobody(serve: Serve) -> None:
    """Stderr is a pipe that is not read; what would be logged is many times what it holds."""
    server = serve("-vvv", "-p", "0", "indi_simulator_telescope")
    port = server.port
    with RawClient(port) as client:
        for number in range(100):
            client.send(b'<getProperties version="1.7"/>')
            answered(client, str(number))


def test_descriptors_that_are_used_up_end_nothing(home: Path) -> None:
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
    (home / "core.toml").write_text(SENSOR)
    many: list[socket.socket] = []
    words = f"ulimit -n 40; exec {CORECTL} run --plain {home}/core.toml 1>&2"
    with subprocess.Popen(["sh", "-c", words], cwd=home, env=environment, stderr=subprocess.PIPE) as process:
        try:
            server = Process(process)
            port = server.port
            many += [socket.create_connection(("localhost", port), SECONDS) for _ in range(60)]
            server.log.until("a client cannot be accepted.*Too many open files")
            for one in many:
                one.close()
            with RawClient(port) as client:
                client.until(rb"<defNumberVector")
        finally:
            for one in many:
                one.close()
            process.terminate()
        assert process.wait(SECONDS) == 0


def test_many_bytes_are_read_by_one_call() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        theirs.send(b"x" * 50_000)
        end = SocketEnd(ours)
        assert len(end.read()) == 50_000
        end.close()


def test_who_snoops_a_property_hears_of_its_devices_end(clock: VirtualClock) -> None:
    async def work(hub: Hub) -> None:
        driver, _ = hub.peer("driver")
        external, told = hub.peer("driver")
        driver.feed(DEFINE)
        external.feed(b'<getProperties version="1.7" device="scope" name="where"/>')
        hub.own.snoop("scope", "where")
        told.taken()
        driver.feed(b'<message device="scope" message="going"/>')
        assert 'message="going"' in told.taken()
        driver.close()
        assert re.search(r'<delProperty device="scope"/>', told.taken())
        assert [news.kind for news in hub.own.news][-2:] == ["message", "deleted"]

    with_hub(clock, work)


def test_a_remote_server_that_refuses_ends_nothing(serve: Serve) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = serve("-v", "-p", "0", f"@127.0.0.1:{nobody.getsockname()[1]}", "indi_simulator_telescope")
        server.log.until("cannot be reached: ")
        with RawClient(server.port) as client:
            client.until(rb"<defSwitchVector[^>]*CONNECTION")
        assert server.process.poll() is None


def test_the_rights_of_a_device_are_its_own(serve: Serve) -> None:
    """To enable BLOBs of one device enables none of another: indiserver takes it for the whole connection."""
    server = serve("-v", "-p", "0", "indi_simulator_ccd", "indi_simulator_telescope")
    with RawClient(server.port) as client:
        defined = rb"(?=.*device=.%s Simulator.\s+name=.CONNECTION['\"])"
        client.until(defined % b"CCD" + defined % b"Telescope")  # whichever is there first
        client.send(b'<enableBLOB device="Telescope Simulator">Only</enableBLOB>')
        client.send(
            b'<newSwitchVector device="CCD Simulator" name="CONNECTION"><oneSwitch name="CONNECT">On</oneSwitch>'
            b"</newSwitchVector>"
        )
        # Only BLOBs of the telescope; of the camera everything but BLOBs, as before.
        client.until(rb"<setSwitchVector[^>]*device=.CCD Simulator.[^>]*CONNECTION")
