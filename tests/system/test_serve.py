"""`corectl serve` in indiserver's place: real drivers behind it, its options, chains with Debian's indiserver."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.conftest import (
    CORECTL,
    SECONDS,
    Lines,
    RawClient,
    Serve,
    connect,
    free_port,
    indiserver,
    need,
    setprop,
    wait_until,
)

pytestmark = pytest.mark.system

CCD, TELESCOPE = "indi_simulator_ccd", "indi_simulator_telescope"


def test_three_exposures_in_a_row_arrive_whole(serve: Serve) -> None:
    port = serve("-v", "-p", "0", CCD).port
    connect(port, "CCD Simulator")
    with RawClient(port) as client:
        client.send(b'<enableBLOB device="CCD Simulator">Also</enableBLOB>')
        for _ in range(3):
            client.send(
                b'<newNumberVector device="CCD Simulator" name="CCD_EXPOSURE">'
                b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'
            )
            found = client.until(rb"<setBLOBVector .*?<oneBLOB([^>]*)>([^<]*)</oneBLOB>")
            import base64

            attributes = dict(re.findall(rb"(\w+)=['\"]([^'\"]*)['\"]", found.group(1)))
            image = base64.b64decode(found.group(2))
            assert len(image) == int(attributes[b"size"])
            assert attributes[b"format"] == b".fits"
            # FITS: blocks of 2880 bytes, the first card says that it is simple, the header ends with END.
            assert len(image) % 2880 == 0
            assert image.startswith(b"SIMPLE  =                    T")
            assert b"END     " in image[: 2880 * 10]
            assert attributes.get(b"attached") is None


def test_a_client_on_a_unix_socket_gets_blobs_as_descriptors(serve: Serve, home: Path) -> None:
    server = serve("-v", "-p", "0", "-u", str(home / "local"), CCD)
    port = server.port
    connect(port, "CCD Simulator")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local:
        local.settimeout(SECONDS)
        local.connect("\0" + str(home / "local"))
        local.sendall(b'<getProperties version="1.7"/><enableBLOB device="CCD Simulator">Only</enableBLOB>')
        local.sendall(
            b'<newNumberVector device="CCD Simulator" name="CCD_EXPOSURE">'
            b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'
        )
        seen, descriptors = b"", []
        while not re.search(rb"<setBLOBVector.*</setBLOBVector>", seen, re.DOTALL):
            data, numbers, _, _ = socket.recv_fds(local, 65536, 16)
            assert data
            seen += data
            descriptors += numbers
    assert b"attached='true'" in seen or b'attached="true"' in seen
    assert len(descriptors) == 1
    size = int(re.search(rb"size=['\"](\d+)", seen[seen.index(b"<oneBLOB") :]).group(1))  # type: ignore[union-attr]
    image = os.pread(descriptors[0], size, 0)
    os.close(descriptors[0])
    assert (len(image), image[:6]) == (size, b"SIMPLE")


def test_drivers_snoop_each_other(serve: Serve) -> None:
    port = serve("-v", "-p", "0", CCD, TELESCOPE).port
    connect(port, "Telescope Simulator")
    connect(port, "CCD Simulator")
    # The camera writes where the telescope points into its images, which it knows by snooping.
    setprop(port, "Telescope Simulator.ON_COORD_SET.SYNC=On")
    setprop(port, "Telescope Simulator.EQUATORIAL_EOD_COORD.RA=6;DEC=45")
    with RawClient(port) as client:
        client.send(b'<enableBLOB device="CCD Simulator">Also</enableBLOB>')

        def header() -> bytes:
            client.send(
                b'<newNumberVector device="CCD Simulator" name="CCD_EXPOSURE">'
                b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'
            )
            import base64

            return base64.b64decode(client.until(rb"<oneBLOB[^>]*>([^<]*)</oneBLOB>").group(1))[:28800]

        wait_until(lambda: b"OBJCTDEC" in header(), "the telescope's position in an image")


def test_a_driver_that_dies_is_started_again_and_its_properties_are_deleted(serve: Serve) -> None:
    server = serve("-v", "-p", "0", TELESCOPE)
    with RawClient(server.port) as client:
        client.until(rb"<defSwitchVector[^>]*name=.CONNECTION.")
        os.kill(server.driver_process(TELESCOPE), signal.SIGKILL)
        client.until(rb'<delProperty device="Telescope Simulator"/>')
        client.until(rb"<defSwitchVector[^>]*name=.CONNECTION.")


def test_the_end_of_the_last_driver_is_the_end_with_status_1(serve: Serve) -> None:
    server = serve("-v", "-p", "0", "-r", "0", TELESCOPE)
    os.kill(server.driver_process(TELESCOPE), signal.SIGKILL)
    assert server.process.wait(SECONDS) == 1
    server.log.until("the last driver has ended")


def test_a_driver_that_does_not_exist_ends_it_with_status_1(serve: Serve) -> None:
    server = serve("-v", "-p", "0", "-r", "10", "no_such_driver")
    began = time.monotonic()
    assert server.process.wait(SECONDS) == 1
    assert time.monotonic() - began < 10  # not the minutes of ten restarts with growing delay
    server.log.until("no_such_driver: cannot be started: .*no such program on PATH; nothing of that changes by trying")
    server.log.until("Driver no_such_driver: Terminated after #0 restarts")


def test_a_driver_that_does_not_exist_stops_nobody_else(serve: Serve) -> None:
    server = serve("-v", "-p", "0", "no_such_driver", TELESCOPE)
    server.log.until("Driver no_such_driver: Terminated after")
    with RawClient(server.port) as client:
        client.until(rb"<defSwitchVector[^>]*name=.CONNECTION.")


def test_no_driver_is_a_usage_error(serve: Serve) -> None:
    server = serve()
    assert server.process.wait(SECONDS) == 2
    server.log.until("no driver is named")


def test_no_process_is_left_behind(serve: Serve) -> None:
    server = serve("-v", "-p", "0", CCD, TELESCOPE)
    processes = [server.driver_process(name) for name in (CCD, TELESCOPE)]
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not any(Path(f"/proc/{number}").exists() for number in processes), "the drivers to end")


def test_a_fifo_starts_and_stops_drivers(serve: Serve, home: Path) -> None:
    fifo = home / "fifo"
    os.mkfifo(fifo)
    server = serve("-v", "-p", "0", "-f", str(fifo))
    with RawClient(server.port) as client:
        with fifo.open("w") as control:
            control.write(f'start {need(TELESCOPE)} -n "Another Telescope"\n')
        client.until(rb"<def\w+Vector\s+device=.Another Telescope")
        with fifo.open("w") as control:
            control.write(f'stop {need(TELESCOPE)} -n "Another Telescope"\n')
        client.until(rb'<delProperty device="Another Telescope"/>')


def test_corectl_driver_starts_and_stops_drivers(serve: Serve, home: Path) -> None:
    server = serve("-v", "-p", "0", TELESCOPE)

    def corectl(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(home / "run")}
        return subprocess.run(
            [CORECTL, *words], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    with RawClient(server.port) as client:
        client.until(rb"<defSwitchVector[^>]*name=.CONNECTION.")
        assert corectl("driver", "restart", TELESCOPE).returncode == 0
        client.until(rb'<delProperty device="Telescope Simulator"/>')
        client.until(rb"<defSwitchVector[^>]*name=.CONNECTION.")
        assert TELESCOPE in corectl("status").stdout
        assert corectl("driver", "stop", TELESCOPE).returncode == 0
        client.until(rb'<delProperty device="Telescope Simulator"/>')
    refused = corectl("driver", "stop", "nonsense")
    assert (refused.returncode, refused.stdout) == (2, "") or refused.returncode == 1
    assert "there is no driver 'nonsense'" in refused.stderr


def test_the_descriptor_limit_is_raised_for_us_and_not_for_drivers(serve: Serve) -> None:
    limits = ("-c", 'ulimit -Sn 300; ulimit -Hn 2000; exec "$@"', "sh", CORECTL, "serve")
    server = serve(*limits, "-v", "-p", "0", TELESCOPE, program=Path("/bin/sh"), command="")

    def soft_and_hard(process: int) -> tuple[str, ...]:
        text = Path(f"/proc/{process}/limits").read_text()
        return re.search(r"Max open files +(\d+) +(\d+)", text).groups()  # type: ignore[union-attr]

    driver = server.driver_process(TELESCOPE)
    assert (soft_and_hard(server.process.pid), soft_and_hard(driver)) == (("2000", "2000"), ("300", "2000"))


def test_behind_debians_indiserver(serve: Serve, home: Path) -> None:
    inner = serve("-v", "-p", "0", TELESCOPE).port
    outer = indiserver(serve, home, f"Telescope Simulator@localhost:{inner}")
    connect(outer, "Telescope Simulator")


def test_before_debians_indiserver_with_blobs(serve: Serve, home: Path) -> None:
    need(CCD)
    inner = indiserver(serve, home, CCD)
    outer = serve("-v", "-p", "0", f"@localhost:{inner}").port
    connect(outer, "CCD Simulator")
    with RawClient(outer) as client:
        client.send(b'<enableBLOB device="CCD Simulator">Also</enableBLOB>')
        client.send(
            b'<newNumberVector device="CCD Simulator" name="CCD_EXPOSURE">'
            b'<oneNumber name="CCD_EXPOSURE_VALUE">0.1</oneNumber></newNumberVector>'
        )
        client.until(rb"<oneBLOB[^>]*>[^<]*</oneBLOB>")


def test_a_remote_server_that_is_absent_harms_nobody_and_is_found_later(serve: Serve, home: Path) -> None:
    port = free_port()
    outer = serve("-v", "-p", "0", f"@localhost:{port}", TELESCOPE)
    connect(outer.port, "Telescope Simulator")
    outer.log.until("cannot be reached")
    serve("-v", "-p", str(port), CCD)
    with RawClient(outer.port) as client:
        client.until(rb"<def\w+Vector\s+device=.CCD Simulator")


def test_a_driver_whose_name_the_server_has_for_itself_is_not_taken_for_it(serve: Serve, home: Path) -> None:
    program = home / "server"
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    fifo = home / "fifo"
    os.mkfifo(fifo)
    server = serve("-v", "-p", "0", "-f", str(fifo), str(program))
    server.log.until("server 2: started")
    with fifo.open("w") as control:
        control.write(f"start {program}\nstop {program}\nstop {program}\nstop {program}\n")
    server.log.until(f"no driver '{program}' runs")
    with RawClient(server.port) as client:
        client.send(b'<pingRequest uid="1"/>')
        client.until(b'<pingReply uid="1"/>')


def test_it_goes_on_when_the_reader_of_its_log_has_gone(serve: Serve) -> None:
    server = serve("-v", "-p", "0", TELESCOPE)
    port = server.port
    assert server.process.stderr is not None
    server.process.stderr.close()
    for _ in range(20):  # each comes and goes with a line that cannot be written
        with RawClient(port) as client:
            client.send(b'<pingRequest uid="1"/>')
            client.until(b'<pingReply uid="1"/>')
    connect(port, "Telescope Simulator")
    server.process.terminate()
    assert server.process.wait(SECONDS) == 0


def test_a_remote_server_whose_name_is_none_is_told_of(serve: Serve) -> None:
    server = serve("-v", "-p", "0", "scope@local..host")
    server.log.until("scope@local..host:7624 cannot be reached: 'local..host' is not the name of a host")
    assert not any("Traceback" in line for line in server.log.all)


def test_messages_are_logged_in_a_file_a_day(serve: Serve, home: Path) -> None:
    server = serve("-v", "-p", "0", "-l", str(home), TELESCOPE)
    connect(server.port, "Telescope Simulator")

    def logged() -> bool:
        # Out of range: the driver says so, each time.
        setprop(server.port, "-n", "Telescope Simulator.EQUATORIAL_EOD_COORD.RA=99;DEC=99")
        return any("Telescope Simulator: " in file.read_text() for file in home.glob("*.islog"))

    wait_until(logged, "a logged message")


@pytest.mark.parametrize(
    ("verbose", "lines"),
    [
        ("-v", [r"client \S+ port \d+ has connected", r"client \S+ port \d+ has gone"]),
        ("-vv", [r"to driver \w+: getProperties version='1.7'", r"from client .*: getProperties version='1.7'"]),
        ("-vvv", [r"from driver \w+: <defSwitchVector .*<defSwitch .*</defSwitchVector>", r"to client .*: <def"]),
    ],
)
def test_what_is_shown_of_the_traffic(serve: Serve, verbose: str, lines: list[str]) -> None:
    server = serve(verbose, "-p", "0", TELESCOPE)
    with RawClient(server.port) as client:
        client.until(rb"<defSwitchVector[^>]*CONNECTION")
    for line in lines:
        server.log.until(line)
    server.log.until("has gone")
    # None of it is told as a word of the driver.
    assert not any(re.match(r"\S+ INFO \w+: (?:to|from|client) ", line) for line in server.log.all)
    assert (verbose == "-v") == (not any("getProperties" in line for line in server.log.all))


def test_images_are_saved_as_the_camera_has_compressed_them(serve: Serve, home: Path) -> None:
    port = serve("-v", "-p", "0", CCD).port
    connect(port, "CCD Simulator")
    (home / "images").mkdir()

    def corectl(*words: str) -> list[str]:
        return [str(CORECTL), words[0], "-p", str(port), *words[1:]]

    compression = "CCD Simulator.CCD_COMPRESSION.INDI_ENABLED=On"
    assert subprocess.run(corectl("set", compression), timeout=SECONDS).returncode == 0
    words = corectl("watch", "--json", "--blobs", str(home / "images"), "CCD Simulator.CCD1")
    with subprocess.Popen(words, stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        lines = Lines(watch.stdout)
        lines.until('"event": "defined"')
        exposure = corectl("set", "CCD Simulator.CCD_EXPOSURE.CCD_EXPOSURE_VALUE=0.1")
        assert subprocess.run(exposure, timeout=SECONDS).returncode == 0
        told = json.loads(lines.until('.*"event": "blob".*').group())
        watch.send_signal(signal.SIGINT)
        assert watch.wait(SECONDS) == 0
    assert (told["device"], told["name"], told["format"]) == ("CCD Simulator", "CCD1", ".fits.fz")
    image = Path(told["path"]).read_bytes()
    # FITS with the picture compressed in a table behind an empty first part, as funpack reads it.
    assert image.startswith(b"SIMPLE  =                    T")
    assert len(image) % 2880 == 0
    assert b"XTENSION= 'BINTABLE'" in image
    assert re.search(rb"ZIMAGE  = +T", image)
    assert [path.name for path in (home / "images").iterdir()] == [Path(told["path"]).name]
