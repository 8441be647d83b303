"""More real programs: indi_eval, libindi's simulated focuser and guider, and the clients indipyterm and indipyweb."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import html
import http.cookiejar
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.client import Client
from tests.system.conftest import CONFIGURATION, SECONDS, Process, RawClient, Serve, Start, free_port, need, wait_until

pytestmark = pytest.mark.system

PEERS = Path(__file__).parents[2] / "build" / "peers" / "bin"
"""Where `make peers` installs programs of others."""


def peer(name: str) -> Path:
    """Return the path of a program of others, or skip the test with the reason."""
    if not (PEERS / name).exists():
        pytest.skip(f"{name} is not installed (make peers)")
    return PEERS / name


def talk(port: int, conversation: Callable[[Client], Awaitable[None]]) -> None:
    """Have a conversation with the server on a port."""

    async def main() -> None:
        async with asyncio.timeout(3 * SECONDS), Client(port=port) as client:
            await conversation(client)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ('"climate.climate.temperature" > -60', 0),
        ('"climate.climate.temperature" > 500', 1),
        ('"matrix.program.heartbeat" == 1', 0),
        ('"matrix.program.heartbeat" == 0', 1),
        ('"climate.climate._STATE" == 1', 0),  # 1 is Ok
    ],
)
def test_indi_eval(start: Start, expression: str, status: int) -> None:
    port = start("--port", "0", configuration=CONFIGURATION).port
    command = [need("indi_eval"), "-p", str(port), "-t", "5"]

    def evaluates() -> bool:
        # It may take the values of the first moment, before the device has been opened.
        done = subprocess.run([*command, expression], capture_output=True, timeout=SECONDS, check=False)
        return done.returncode == status

    wait_until(evaluates, f"{expression} to be {status == 0}")


def test_indi_eval_waits_for_a_change(start: Start) -> None:
    port = start("--port", "0", configuration=CONFIGURATION).port
    command = [need("indi_eval"), "-p", str(port), "-t", "20", "-w", '"matrix.program.spiral" == 1']
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as waiting:

        async def conversation(client: Client) -> None:
            await client.wait_for("matrix", "program", lambda program: program.chosen == "heartbeat")
            await client.set("matrix", "program", {"spiral": True})

        talk(port, conversation)
        assert waiting.wait(SECONDS) == 0


def test_the_focuser(serve: Serve) -> None:
    async def conversation(client: Client) -> None:
        focuser = "Focuser Simulator"
        await client.wait_for(focuser, "CONNECTION")
        await client.set(focuser, "CONNECTION", {"CONNECT": True})
        position = await client.wait_for(focuser, "ABS_FOCUS_POSITION")
        await client.set(focuser, "ABS_FOCUS_POSITION", {"FOCUS_ABSOLUTE_POSITION": 51000}, timeout=SECONDS)
        assert (position["FOCUS_ABSOLUTE_POSITION"], position.state) == (51000, "Ok")
        await client.set(focuser, "FOCUS_MOTION", {"FOCUS_INWARD": True})
        await client.set(focuser, "REL_FOCUS_POSITION", {"FOCUS_RELATIVE_POSITION": 500}, timeout=SECONDS)
        await client.wait_for(focuser, "ABS_FOCUS_POSITION", lambda now: now["FOCUS_ABSOLUTE_POSITION"] == 50500)

    talk(serve("-v", "-p", "0", "indi_simulator_focus").port, conversation)


def test_the_guider_with_the_telescope_that_it_snoops(serve: Serve) -> None:
    async def conversation(client: Client) -> None:
        scope, guider = "Telescope Simulator", "Guide Simulator"
        for device in (scope, guider):
            await client.wait_for(device, "CONNECTION")
            await client.set(device, "CONNECTION", {"CONNECT": True})
        await client.wait_for(guider, "CCD_EXPOSURE")
        async with client.blobs(guider) as images:
            for _ in range(2):
                await client.set(guider, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.05})
                image = await anext(images)
                assert (image.format, image.data[:6], len(image.data) % 2880) == (".fits", b"SIMPLE", 0)
        # A pulse to the mount: Busy while it lasts, then Ok.
        await client.wait_for(guider, "TELESCOPE_TIMED_GUIDE_NS")
        await client.set(guider, "TELESCOPE_TIMED_GUIDE_NS", {"TIMED_GUIDE_N": 100}, timeout=SECONDS)

    talk(serve("-v", "-p", "0", "indi_simulator_guide", "indi_simulator_telescope").port, conversation)


class Terminal:
    """Be a program on a terminal."""

    def __init__(self, *command: str | Path) -> None:
        self.seen = ""
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(command[0], [str(word) for word in command])  # noqa: S606 - no shell wanted
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 140, 0, 0))

    def until(self, pattern: str) -> None:
        """Read until what has been drawn since the last time fits."""
        deadline = time.monotonic() + 2 * SECONDS
        while not re.search(pattern, self.seen):
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern!r} was not drawn"
            self.seen += os.read(self._terminal, 65536).decode(errors="replace")
        self.seen = ""

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, 9)
        os.waitpid(self.process, 0)
        os.close(self._terminal)


def test_indipyterm_shows_the_devices_and_their_properties(start: Start) -> None:
    program = peer("indipyterm")
    configuration = '[device.climate]\nplugin = "spi-sensor"\n'
    terminal = Terminal(program, "--port", str(start("--port", "0", configuration=configuration).port))
    try:
        terminal.until("Connected to localhost")
        terminal.until("climate")
        terminal.press("\t\r")
        terminal.until("Device discovered: climate")
    finally:
        terminal.close()


class Browser:
    """Be a browser without a screen, logged in at indipyweb."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}/"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def get(self, path: str, form: dict[str, str] | None = None) -> str:
        """Return a page, for a form if one is given."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        headers = {"HX-Request": "true"}
        request = urllib.request.Request(self._root + path, data, headers)  # noqa: S310 - always http
        with self._opener.open(request, timeout=SECONDS) as answer:
            page: str = answer.read().decode()
        return page

    def shows(self, path: str, text: str) -> bool:
        """Return whether a page can be had and has a text."""
        try:
            return text in self.get(path)
        except (urllib.error.URLError, ConnectionError):
            return False


@pytest.fixture
def port(start: Start) -> int:
    """Return the port of a run."""
    return start("--port", "0", configuration=CONFIGURATION).port


@pytest.fixture
def browser(port: int, serve: Serve, home: Path) -> Browser:
    """Start indipyweb before a run of ours and log in."""
    program = peer("indipyweb")

    def started() -> tuple[Browser, Process]:
        own = free_port()
        web = serve("--port", str(own), "--host", "127.0.0.1", "--dbfolder", str(home), program=program, command="")
        browser = Browser(own)
        wait_until(lambda: browser.shows("login", "password"), "indipyweb to answer")
        browser.get("login", {"username": "admin", "password": "password!"})
        return browser, web

    browser, web = started()
    # It takes the address of the INDI server from its database when it begins.
    browser.get("setup/indiport", {"indiportinput": str(port)})
    web.process.terminate()
    web.process.wait(SECONDS)
    return started()[0]


def test_indipyweb_shows_and_sets(browser: Browser, port: int) -> None:
    with RawClient(port) as client:
        head = client.until(rb'<defSwitchVector device="matrix" name="program"[^>]* group="([^"]*)"')
        group = html.unescape(head[1].decode())
        labels = {}
        for program in ("heartbeat", "spiral"):
            client.seen = b""
            client.send(b'<getProperties version="1.7" device="matrix" name="program"/>')
            found = client.until(f'<defSwitch name="{program}" label="([^"]*)"'.encode())
            labels[program] = html.unescape(found[1].decode())
    wait_until(lambda: browser.shows("updateinstruments", "matrix"), "the devices")
    device = re.search(r'choosedevice/(\d+)"[^>]*>matrix<', browser.get("updateinstruments"))
    assert device is not None
    browser.get(f"device/choosedevice/{device[1]}")
    vectors = browser.get(f"device/getgroup/{device[1]}/{urllib.parse.quote(group)}")
    vector = next(
        one
        for one in re.findall(r'id="vector_(\d+)"', vectors)
        if labels["spiral"] in browser.get(f"vector/update/{one}")
    )

    def shown(program: str) -> tuple[str, bool]:
        """Return the form's field of a program, and whether it is On."""
        for row in browser.get(f"vector/update/{vector}").split('class="w3-content"'):
            if labels[program] in row:
                field = re.search(r'name="(member_\d+)"', row)
                assert field is not None
                return field[1], ">On<" in row
        raise AssertionError(f"{program} is not shown")

    wait_until(lambda: shown("heartbeat")[1], "the program that runs")
    browser.get(f"vector/submit/{vector}", {shown("spiral")[0]: "On"})
    wait_until(lambda: shown("spiral")[1] and not shown("heartbeat")[1], "the program that was chosen")
