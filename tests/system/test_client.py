"""The client against real servers: a run of ours, and Debian's indiserver with its simulators."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from core.client import Client, ClientError, RemoteVector, SetRefused
from tests.system.conftest import CONFIGURATION, CORECTL, SECONDS, Lines, RawClient, Start, need

pytestmark = pytest.mark.system


@pytest.fixture
def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def is_stale(vector: RemoteVector) -> bool:
    """Return what mypy takes for unchanging otherwise."""
    return vector.stale


def talk(port: int, conversation: Callable[[Client], Awaitable[None]], **options: float) -> None:
    """Run a conversation with the server on a port; everything in it comes within a fraction of the time it has."""

    async def main() -> None:
        async with asyncio.timeout(SECONDS), Client("localhost", port, **options) as client:  # type: ignore[arg-type]
            await conversation(client)

    asyncio.run(main())


def test_it_chooses_a_program_and_is_refused_with_the_reason(start: Start) -> None:
    async def conversation(client: Client) -> None:
        await client.wait_for("matrix", "program", {"heartbeat": True})
        program = await client.set("matrix", "program", {"spiral": True})
        assert (program.chosen, program.state) == ("spiral", "Ok")
        # The program updates the LEDs all the time, and none of these updates is the answer.
        for _ in range(10):
            with pytest.raises(SetRefused, match="spiral"):
                await client.set("matrix", "leds", {"r3c3": True})
        await client.set("matrix", "program", {"none": True})
        leds = await client.set("matrix", "leds", {"r3c3": True})
        assert leds["r3c3"] is True
        with pytest.raises(SetRefused, match="out of range"):
            await client.set("climate", "sampling", {"period": 1e9})
        assert (await client.set("climate", "sampling", {"period": "0:30:00"}))["period"] == 0.5
        temperature = client.devices["climate"]["climate"].members["temperature"]
        assert temperature.label.endswith("]")

    talk(start("--port", "0", configuration=CONFIGURATION).port, conversation)


def test_set_without_waiting_arrives_though_the_client_leaves_at_once(start: Start) -> None:
    port = start("--port", "0", configuration=CONFIGURATION).port

    async def conversation(client: Client) -> None:
        await client.set("matrix", "program", {"spiral": True}, wait=False)

    with RawClient(port) as watcher:
        watcher.until(rb"</defSwitchVector>")
        talk(port, conversation)
        watcher.until(rb'<oneSwitch name="spiral">On</oneSwitch>')


def test_a_server_that_is_killed_and_comes_back_is_followed(start: Start) -> None:
    first = start("--port", "0", configuration=CONFIGURATION)

    async def conversation(client: Client) -> None:
        await client.set("matrix", "program", {"spiral": True})
        events = client.events()
        program = client.devices["matrix"]["program"]
        await asyncio.to_thread(first.end, signal.SIGKILL)
        while (await anext(events)).kind != "disconnected":
            pass
        assert is_stale(program)
        second = start("--port", str(first.port))
        assert (await client.wait_for("matrix", "program", {"heartbeat": True})) is program
        assert not is_stale(program)
        await client.set("matrix", "program", {"none": True})
        assert second.process.poll() is None

    talk(first.port, conversation, first_delay=0.05, longest_delay=0.2)


def test_a_server_that_stands_still_is_noticed(start: Start) -> None:
    run = start("--port", "0", configuration=CONFIGURATION)

    async def conversation(client: Client) -> None:
        await client.wait_for("matrix", "program")
        events = client.events()
        run.process.send_signal(signal.SIGSTOP)
        try:
            while (event := await anext(events)).kind != "disconnected":
                pass
            assert "is dead: it has said nothing for 0.6 s" in (event.message or "")
        finally:
            run.process.send_signal(signal.SIGCONT)

    talk(run.port, conversation, ping_interval=0.2)


def test_nobody_listens(unused_port: int) -> None:
    async def conversation(client: Client) -> None:
        pytest.fail("it connected")

    with pytest.raises(ClientError, match=f"no INDI server listens on localhost:{unused_port}"):
        talk(unused_port, conversation)


@pytest.fixture(params=["indiserver", "corectl serve"])
def indiserver(request: pytest.FixtureRequest, unused_port: int, tmp_path: Path) -> Iterator[int]:
    """Run Debian's indiserver, or ours in its place, with a telescope and a camera and return its port."""
    drivers = [need("indi_simulator_telescope"), need("indi_simulator_ccd")]
    words = [need("indiserver")] if request.param == "indiserver" else [str(CORECTL), "serve"]
    process = subprocess.Popen(
        [*words, "-v", "-p", str(unused_port), *drivers],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        Lines(process.stderr).until(rf"listening to port {unused_port}|INDI server on \S*:{unused_port}")
        yield unused_port
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_telescope_of_indiserver(indiserver: int) -> None:
    scope = "Telescope Simulator"

    async def conversation(client: Client) -> None:
        await client.wait_for(scope, "CONNECTION")
        connection = await client.set(scope, "CONNECTION", {"CONNECT": True})
        assert (connection.state, connection.chosen, connection.rule) == ("Ok", "CONNECT", "OneOfMany")
        coordinates = await client.wait_for(scope, "EQUATORIAL_EOD_COORD")
        assert coordinates.members["RA"].max == 24
        await client.set(scope, "ON_COORD_SET", {"SYNC": True})
        coordinates = await client.set(scope, "EQUATORIAL_EOD_COORD", {"RA": "5:30:00", "DEC": "-10:30:00"})
        assert (coordinates["RA"], coordinates["DEC"]) == pytest.approx((5.5, -10.5), abs=0.01)
        # Disconnected, its state is Idle, and its properties go.
        events = client.events(scope, "EQUATORIAL_EOD_COORD")
        assert (await client.set(scope, "CONNECTION", {"DISCONNECT": True})).state == "Idle"
        while (await anext(events)).kind != "deleted":
            pass
        assert coordinates.deleted
        await client.set(scope, "CONNECTION", {"CONNECT": True})
        assert await client.wait_for(scope, "EQUATORIAL_EOD_COORD") is coordinates

    talk(indiserver, conversation)


def test_three_images_of_indiservers_camera(indiserver: int, tmp_path: Path) -> None:
    camera = "CCD Simulator"
    images = tmp_path / "images"
    images.mkdir()

    async def conversation(client: Client) -> None:
        await client.wait_for(camera, "CONNECTION")
        await client.set(camera, "CONNECTION", {"CONNECT": True})
        await client.wait_for(camera, "CCD_EXPOSURE")
        async with client.blobs(camera, "CCD1") as in_memory, client.blobs(camera, directory=images) as in_files:
            for _ in range(3):
                await client.set(camera, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.05})
                image, file = await anext(in_memory), await anext(in_files)
                assert (image.format, image.data[:6], image.size % 2880) == (".fits", b"SIMPLE", 0)
                assert file.path is not None
                assert file.path.read_bytes() == image.data
            # Compressed by the driver with fpack: what `size` says is not what comes.
            await client.set(camera, "CCD_COMPRESSION", {"INDI_ENABLED": True})
            await client.set(camera, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.05})
            image = await anext(in_memory)
            assert (image.format, image.data[:6], image.size % 2880) == (".fits.fz", b"SIMPLE", 0)
        with pytest.raises(SetRefused, match="out of bounds"):
            await client.set(camera, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 1e9})

    talk(indiserver, conversation)
    assert len(list(images.iterdir())) in (3, 4)


@pytest.mark.parametrize("program", ["indiserver", "corectl serve"])
def test_an_image_that_is_attached_on_a_unix_socket(program: str, unused_port: int, tmp_path: Path) -> None:
    camera, path = "CCD Simulator", str(tmp_path / "local")
    words = [need("indiserver")] if program == "indiserver" else [str(CORECTL), "serve"]
    server = subprocess.Popen(
        [*words, "-v", "-p", str(unused_port), "-u", path, need("indi_simulator_ccd")],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert server.stderr is not None

    async def conversation() -> None:
        async with asyncio.timeout(SECONDS), Client(path=f"@{path}") as client:
            await client.wait_for(camera, "CONNECTION")
            await client.set(camera, "CONNECTION", {"CONNECT": True})
            await client.wait_for(camera, "CCD_EXPOSURE")
            async with client.blobs(camera, "CCD1") as images:
                for _ in range(2):
                    await client.set(camera, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.05})
                    image = await anext(images)
                    assert (image.format, image.data[:6], image.size % 2880) == (".fits", b"SIMPLE", 0)
                    assert b"END     " in image.data[: 2880 * 10]

    try:
        Lines(server.stderr).until(rf"Local server: listening|INDI server on \S*:{unused_port}")
        asyncio.run(conversation())
    finally:
        server.terminate()
        server.wait(SECONDS)
        server.stderr.close()


def test_the_client_is_imported_without_the_server() -> None:
    code = "import sys, core.client; print([name for name in sys.modules if name.startswith('core.transports')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
