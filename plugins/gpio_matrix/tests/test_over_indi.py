"""The matrix over INDI: a real client on a real port follows it and sets what can be set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core import Client, SetRefused
from core import programs as p
from core.testing import VirtualClock, serving
from plugin_gpio_matrix.matrix import GpioMatrix
from plugin_gpio_matrix.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("no_leaks")

DARK = "/".join(["....."] * 5)

Work = Callable[[GpioMatrix, Client], Awaitable[None]]


@p.program
async def flicker(matrix: GpioMatrix) -> None:
    """Switch all LEDs 250 times a second."""
    await p.blink(matrix.all, 0.004)()


@p.program
async def slow_to_end(matrix: GpioMatrix) -> None:
    """Take half a second to end."""
    try:
        await p.on(matrix.all)()
    finally:
        await p.sleep(0.5)()


def over_indi(clock: VirtualClock, work: Work, **options: Any) -> None:
    """Run `work` with a matrix behind a server and a client that has seen its properties."""

    async def main() -> None:
        matrix = GpioMatrix("matrix", GpioMatrix.Options(**options))
        async with asyncio.timeout(60), serving(matrix, programs=[*PROGRAMS, flicker, slow_to_end]) as served:
            await served.client.wait_for("matrix", "statistics")
            await work(matrix, served.client)

    clock.run(main())


def lit(client: Client) -> list[str]:
    return [name for name, on in client.devices["matrix"]["leds"].values.items() if on]


def test_leds_are_set_and_followed(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        leds = await client.set("matrix", "leds", {"r1c2": True, "r5c5": True})
        assert (leds.state, lit(client)) == ("Ok", ["r1c2", "r5c5"])
        assert leds.members["r1c2"].label == "row 1, column 2"
        await client.wait_for("matrix", "frame", {"picture": ".X.../...../...../...../....X"})
        await client.set("matrix", "leds", {"r1c2": False})
        matrix.get(2, 2).set(True)
        await client.wait_for("matrix", "leds", {"r3c3": True})
        assert lit(client) == ["r3c3", "r5c5"]

    over_indi(clock, work)


def test_a_frame_is_a_picture_as_text(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        assert client.devices["matrix"]["frame"]["picture"] == DARK
        picture = "X...X/.X.X./..X../.X.X./X...X"
        frame = await client.set("matrix", "frame", {"picture": picture})
        assert (frame.state, frame["picture"], list(matrix.picture())) == ("Ok", picture, picture.split("/"))
        await client.wait_for("matrix", "leds", {"r1c1": True, "r1c2": False})
        assert len(lit(client)) == 9
        for wrong in ("X...X", DARK + "/.....", DARK.replace(".", "o"), "", "XXXXXX" + DARK[6:]):
            with pytest.raises(SetRefused, match=r"is no picture of this matrix; one is \.\.\.\.\./"):
                await client.set("matrix", "frame", {"picture": wrong})
        # As it comes from a file.
        await client.set("matrix", "frame", {"picture": picture.replace("/", "\n") + "\n"})
        assert matrix.frame["picture"] == picture

    over_indi(clock, work)


def test_a_frame_of_a_ragged_matrix(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        await client.set("matrix", "frame", {"picture": "X/X.X/.X"})
        await client.wait_for("matrix", "leds", {"r1c1": True, "r2c1": True, "r2c3": True, "r3c2": True})
        with pytest.raises(SetRefused, match=r"one is \./\.\.\./\.\. with X for lit"):
            await client.set("matrix", "frame", {"picture": DARK})

    over_indi(clock, work, lines=[[1], [2, 3, 4], [5, 6]])


def test_while_a_program_runs_leds_and_frame_are_refused(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        await client.set("matrix", "program_region", {"region": "row 1"})
        await client.set("matrix", "program", {"heartbeat": True})
        for name, values in (("leds", {"r1c1": True}), ("frame", {"picture": DARK})):
            with pytest.raises(SetRefused, match="while program 'heartbeat' runs; choose 'none' first"):
                await client.set("matrix", name, values)
        # The other rows are nobody's.
        await client.set("matrix", "leds", {"r3c3": True})
        await client.wait_for("matrix", "leds", {"r3c3": True})

    over_indi(clock, work)


def test_buttons_are_pressed_and_seen_as_lights(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        lights = client.devices["matrix"]["buttons"]
        assert (lights.kind, lights.perm, lights.values) == ("Light", "ro", {"left": "Idle", "right": "Idle"})
        edges = matrix.buttons["left"].edges()
        await client.set("matrix", "press", {"left": True})
        await client.wait_for("matrix", "buttons", {"left": "Ok", "right": "Idle"})
        await client.set("matrix", "press", {"left": False})
        await client.wait_for("matrix", "buttons", {"left": "Idle"})
        assert [(await anext(edges)).pressed for _ in range(2)] == [True, False]
        await client.wait_for("matrix", "statistics", {"presses": 1})
        # A finger on it shows in both.
        matrix.buttons["right"].press()
        await client.wait_for("matrix", "buttons", {"right": "Ok"})
        await client.wait_for("matrix", "press", {"right": True})

    over_indi(clock, work)


def test_a_program_that_waits_for_a_button_is_told_by_a_client(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        await client.set("matrix", "program", {"mad_spiral_until_left_button": True})
        await client.set("matrix", "press", {"left": True})
        await client.wait_for("matrix", "program", {"none": True})

    over_indi(clock, work)


def test_real_buttons_are_lights_only(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        assert "buttons" not in client.devices["matrix"]
        assert "press" not in client.devices["matrix"]

    over_indi(clock, work, buttons={})


def test_statistics_count_frames_changes_and_programs(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        statistics = client.devices["matrix"]["statistics"]
        assert set(statistics.values.values()) == {0}
        await client.set("matrix", "program_if_busy", {"wait": True})
        await client.set("matrix", "program_region", {"region": "rows 1-2"})
        await client.set("matrix", "program", {"matrix_on_off": True})
        await client.set("matrix", "program", {"blink_rows": True})
        await client.wait_for("matrix", "statistics", {"running": 1, "waiting": 1})
        await p.sleep(10)()
        await client.set("matrix", "program", {"none": True})
        await client.wait_for("matrix", "statistics", {"running": 0, "waiting": 0, "frames": matrix.frames.calls})
        assert statistics["changes"] == 10 * statistics["frames"] > 0

    over_indi(clock, work)


def test_nothing_is_told_more_than_20_times_a_second(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        told: dict[str | None, list[float]] = {}
        client.observe(lambda event: told.setdefault(event.name, []).append(clock.seconds), "matrix")
        await client.set("matrix", "program", {"flicker": True})
        for _ in range(500):  # a button of a game
            matrix.buttons["left"].press()
            await p.sleep(0.003)()
            matrix.buttons["left"].release()
            await p.sleep(0.007)()
        await client.set("matrix", "program", {"none": True})
        assert matrix.frames.calls >= 1200
        assert matrix.buttons["left"].presses == 500
        for name, least in (("leds", 40), ("frame", 40), ("buttons", 20), ("press", 20), ("statistics", 5)):
            times = told[name]
            assert least <= len(times)
            for first, last in zip(times, times[20:], strict=False):
                assert last - first >= 0.999, name
        # The last state is told, however soon it came.
        await p.sleep(0.2)()
        assert lit(client) == []
        assert client.devices["matrix"]["buttons"]["left"] == "Idle"

    over_indi(clock, work, debounce=0)


def test_a_program_its_speed_and_parameters(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        program = await client.set("matrix", "program", {"heartbeat": True})
        assert (program.chosen, program.state) == ("heartbeat", "Ok")
        assert "Flash all LEDs" in client.devices["matrix"]["program_descriptions"]["heartbeat"]
        await client.wait_for("matrix", "program_numbers", {"interval": 0.1})
        await client.set("matrix", "program_numbers", {"interval": 0.3})
        assert matrix.running[0].settings["interval"] == 0.3
        await client.set("matrix", "program_speed", {"factor": 2})
        assert matrix.speed == 2
        with pytest.raises(SetRefused, match="out of range"):
            await client.set("matrix", "program_speed", {"factor": 11})
        await client.set("matrix", "program", {"scroll_text": True})
        await client.wait_for("matrix", "program_texts", lambda texts: "text" in texts.values)
        await client.set("matrix", "program_texts", {"text": "HELLO"})
        assert matrix.running[0].settings["text"] == "HELLO"

    over_indi(clock, work)


AT_ONCE = (
    '<newSwitchVector device="matrix" name="program"><oneSwitch name="none">On</oneSwitch></newSwitchVector>',
    '<newSwitchVector device="matrix" name="leds"><oneSwitch name="r1c1">On</oneSwitch></newSwitchVector>',
    '<newTextVector device="matrix" name="frame"><oneText name="picture">{}</oneText></newTextVector>',
)


@pytest.mark.parametrize("running", ["heartbeat", "flicker", "slow_to_end"])
@pytest.mark.parametrize("what", ["leds", "frame"])
def test_what_a_client_sends_at_once_is_done_in_order(clock: VirtualClock, running: str, what: str) -> None:
    ends, leds, frame = AT_ONCE
    sent = ends + (leds if what == "leds" else frame.format(DARK.replace(".", "X", 1)))

    async def main() -> None:
        matrix = GpioMatrix("matrix")
        async with asyncio.timeout(60), serving(matrix, programs=[*PROGRAMS, flicker, slow_to_end]) as served:
            client = served.client
            await client.set("matrix", "program", {running: True})
            reader, writer = await asyncio.open_connection("localhost", served.port)
            with contextlib.closing(writer):
                writer.write(sent.encode())
                await client.wait_for("matrix", "leds", lambda _: lit(client) == ["r1c1"])
                await client.wait_for("matrix", what, "Ok")
                assert client.devices["matrix"]["program"].chosen == "none"
                writer.write_eof()
                assert b"Alert" not in await reader.read()

    clock.run(main())


def test_the_settings_that_follow_a_program_are_those_of_this_program(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, client: Client) -> None:
        await client.set("matrix", "program", {"heartbeat": True})
        await client.set("matrix", "program", {"slow_to_end": True})
        await client.set("matrix", "program", {"spiral": True}, wait=False)
        await client.set("matrix", "program_speed", {"factor": 2}, wait=False)
        await client.wait_for("matrix", "program_numbers", {"interval": 0.08}, timeout=5)
        # It is about to take over from the one whose settings are shown.
        await client.set("matrix", "program", {"heartbeat": True}, wait=False)
        await client.set("matrix", "program_numbers", {"interval": 0.25}, wait=False)
        await client.wait_for("matrix", "program_numbers", {"interval": 0.25}, timeout=5)
        assert [(run.program, run.settings["interval"]) for run in matrix.running] == [("heartbeat", 0.25)]

    over_indi(clock, work)
