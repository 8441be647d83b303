"""The view by Textual's own pilot, against a real server; and how LEDs are drawn."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import OptionList, RichLog, Static

from core import (
    Light,
    LightVector,
    Number,
    NumberVector,
    ProgramDevice,
    Switch,
    SwitchVector,
    Text,
    TextVector,
    ValueRefused,
)
from core import programs as p
from core.cli.view.command import parsed
from core.cli.view.instance import RunningInstance
from core.cli.view.lamps import drawn, fitting
from core.cli.view.looks import Look, Speed, look_of
from core.cli.view.screen import DARK, LIGHT, ViewApp, theme_of
from core.device import Device
from core.testing import Served, serving

SECONDS = 10.0


class Lamp:
    """Be one LED of the panel."""

    def __init__(self, panel: Panel, name: str) -> None:
        self.panel = panel
        self.name = name

    def set(self, value: bool) -> None:
        self.panel.leds.update({self.name: value})


class Panel(ProgramDevice):
    """Four LEDs in two rows and two buttons, one of them simulated."""

    leds = SwitchVector(
        "LEDs", rule="AnyOfMany", members={f"r{row}c{column}": Switch() for row in (1, 2) for column in (1, 2)}
    )
    buttons = LightVector("Buttons", members={"left": Light(label="the left one"), "right": Light()})
    press = SwitchVector("Press", rule="AnyOfMany", members={"left": Switch()})

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lamps = [Lamp(self, name) for name in self.leds.members]

    def outputs(self) -> Iterable[Lamp]:
        return self.lamps

    @press.on_new
    async def push(self, new: dict[str, bool]) -> None:
        self.buttons.update({name: "Ok" if down else "Idle" for name, down in new.items()})


class Meter(Device):
    """A device without LEDs."""

    reading = NumberVector("Reading", members={"volt": Number(3.25, label="Voltage", unit="V", format="%.2f")})


@p.program
async def glow(panel: Panel) -> None:
    """Keep [the LEDs] lit, which is a text with brackets and of more than one line in a narrow list."""
    await p.on(panel.outputs())()


@p.program
async def corner(panel: Panel) -> None:
    """Light one LED."""
    await p.on(next(iter(panel.outputs())))()


@p.program
async def refuse(panel: Panel, *, interval: float = 0.5) -> None:
    """Never begin."""
    raise ValueRefused("it is too dark")


Shown = tuple[ViewApp, Pilot[str], Served]


@contextlib.asynccontextmanager
async def shown(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Shown]:
    async with serving(Panel("panel"), Meter("meter"), programs=(glow, corner, refuse)) as served:
        await served.client.wait_for("panel", "program")
        view = ViewApp(RunningInstance(served.client, "localhost"), stays=True)
        async with view.run_test(size=size, notifications=True) as pilot:
            yield view, pilot, served


async def until(pilot: Pilot[str], holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}\n{texts(pilot.app)}"
        await pilot.pause()
        await asyncio.sleep(0)


def texts(view: App[str]) -> str:
    """Return what a reader of the screen sees, line by line."""
    lines = view.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines).replace("\xa0", " ")


def test_every_program_is_listed_with_its_docstring_and_a_key() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, _):
            await until(pilot, lambda: "glow" in texts(view), "the programs")
            seen = texts(view)
            for line in (
                "a glow",
                "Keep [the LEDs] lit",
                "list.",
                "b corner",
                "Light one LED.",
                "c refuse",
                "no program runs",
            ):
                assert line in seen
            assert seen.count(" ██████ ") == 8  # four LEDs, two of such lines each

    asyncio.run(look())


def test_a_letter_runs_a_program_and_x_stops_it() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, served):
            await until(pilot, lambda: "b corner" in texts(view), "the programs")
            await pilot.press("b")
            await served.client.wait_for("panel", "leds", {"r1c1": True}, timeout=SECONDS)
            await until(pilot, lambda: "▶ b corner" in texts(view), "the mark of what runs")
            await pilot.press("x")
            await served.client.wait_for("panel", "program", {"none": True}, timeout=SECONDS)
            await until(pilot, lambda: "no program runs" in texts(view), "that it has stopped")

    asyncio.run(look())


def test_enter_runs_the_program_under_the_cursor() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, served):
            await until(pilot, lambda: view.query_one(OptionList).option_count == 3, "the programs")
            await pilot.press("down", "enter")
            await served.client.wait_for("panel", "program", {"corner": True}, timeout=SECONDS)

    asyncio.run(look())


def test_a_digit_presses_a_simulated_button_and_lets_it_go() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, served):
            await until(pilot, lambda: "the left one" in texts(view), "the buttons")
            events = served.client.events("panel", "buttons")
            await pilot.press("1")
            states = []
            async with asyncio.timeout(SECONDS):
                async for event in events:
                    states.append(event.values["left"])
                    if len(states) == 2:
                        break
            assert states == ["Ok", "Idle"]
            await pilot.press("2")  # a real one
            await until(pilot, lambda: "button right" in texts(view), "the notice")

    asyncio.run(look())


def test_plus_and_minus_change_the_speed_of_a_device() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, served):
            await pilot.press("a", "plus")
            await served.client.wait_for("panel", "program_speed", {"factor": 1.5}, timeout=SECONDS)
            await until(pilot, lambda: "▶ glow 1.5x" in texts(view), "the speed")
            await pilot.press("minus")
            await served.client.wait_for("panel", "program_speed", {"factor": 1.0}, timeout=SECONDS)
            await until(pilot, lambda: "1.5x" not in texts(view), "the speed as written")
            await pilot.press("minus")
            await served.client.wait_for("panel", "program_speed", {"factor": 0.7}, timeout=SECONDS)

    asyncio.run(look())


@pytest.mark.parametrize(
    ("factor", "faster", "slower"),
    [(1.0, 1.5, 0.7), (1.1, 1.5, 1.0), (0.33, 0.5, 0.3), (10.0, 10.0, 7.0), (0.1, 0.15, 0.1), (8.0, 10.0, 7.0)],
)
def test_the_next_speed_is_a_round_one_within_the_limits(factor: float, faster: float, slower: float) -> None:
    speed = Speed(factor, 0.1, 10.0)
    assert [speed.next(1), speed.next(-1)] == pytest.approx([faster, slower])


def test_a_program_far_down_the_list_is_seen_when_its_letter_is_pressed() -> None:
    async def program(panel: Panel) -> None:
        await p.on(panel.outputs())()

    async def look() -> None:
        many = [p.Program(program, name=f"program_{number:02}") for number in range(20)]
        async with serving(Panel("panel"), programs=many) as served:
            await served.client.wait_for("panel", "program")
            view = ViewApp(RunningInstance(served.client, "localhost"), stays=True)
            async with view.run_test(size=(80, 24)) as pilot:
                await until(pilot, lambda: "program_00" in texts(view), "the list")
                assert "program_19" not in texts(view)
                await pilot.press("u")
                await until(pilot, lambda: "▶ u program_19" in texts(view), "the program that runs")

    asyncio.run(look())


def test_the_way_out_is_seen_on_the_smallest_terminal() -> None:
    async def look() -> None:
        async with shown((20, 5)) as (view, pilot, _):
            await until(pilot, lambda: "panel" in texts(view), "the device")
            assert "Ctrl-C end" in texts(view)

    asyncio.run(look())


def test_tab_shows_the_next_device_and_its_values() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, _):
            await until(pilot, lambda: "meter" in texts(view), "the second device")
            await pilot.press("tab")
            await until(pilot, lambda: "Voltage [V]: 3.25" in texts(view), "its value")
            assert "glow" not in texts(view)
            await pilot.press("tab")
            await until(pilot, lambda: "a glow" in texts(view), "the first device again")

    asyncio.run(look())


def test_a_refusal_and_what_the_server_says_are_shown() -> None:
    async def look() -> None:
        async with shown((100, 30)) as (view, pilot, served):
            await until(pilot, lambda: "c refuse" in texts(view), "the programs")
            await pilot.press("c")
            await until(pilot, lambda: "too dark" in texts(view), "the reason")
            await until(
                pilot, lambda: any("too dark" in line.text for line in view.query_one(RichLog).lines), "the log"
            )
            served.instances["meter"].device.message("a word with \x1b[2J in it")
            await until(pilot, lambda: "meter: a word with \ufffd[2J in it" in texts(view), "the message")

    asyncio.run(look())


@pytest.mark.parametrize("key", ["ctrl+c", "q", "ctrl+q"])
def test_it_ends_by_a_key(key: str) -> None:
    async def look() -> None:
        async with shown() as (view, pilot, _):
            await pilot.press(key)
            await until(pilot, lambda: not view.is_running, "the end")
            assert view.return_code == 0

    asyncio.run(look())


def test_light_and_dark_change_the_colours_of_the_leds() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, _):
            assert view.theme == DARK
            before = view.query_one("#lamps").get_component_rich_style("lamps--dark")
            await pilot.press("f2")
            await until(pilot, lambda: view.theme == LIGHT, "the other theme")
            await until(
                pilot,
                lambda: view.query_one("#lamps").get_component_rich_style("lamps--dark").color != before.color,
                "other colours",
            )

    asyncio.run(look())


def test_the_log_gets_all_the_room_and_gives_it_back() -> None:
    async def look() -> None:
        async with shown() as (view, pilot, _):
            await pilot.press("f3")
            await until(pilot, lambda: not view.query_one("#main").display, "the log alone")
            await pilot.press("f3")
            await until(pilot, lambda: view.query_one("#main").display, "everything")

    asyncio.run(look())


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (80, 24), (200, 60)])
def test_it_fits_every_size(size: tuple[int, int]) -> None:
    async def look() -> None:
        async with shown(size) as (view, pilot, _):
            await until(pilot, lambda: "panel" in texts(view), "the device")
            assert all(len(line) <= size[0] for line in texts(view).splitlines())
            assert view.query_one("#keys", Static).region.bottom == size[1]

    asyncio.run(look())


@pytest.mark.parametrize(
    ("width", "height", "first"),
    [
        (16, 8, "  ▄▄▄▄    ▄▄▄▄  "),
        (12, 6, " ▗▄▄▖  ▗▄▄▖ "),
        (8, 4, "▗▄▄▖▗▄▄▖"),
        (4, 2, "● ● "),
    ],
)
def test_leds_are_as_large_as_they_fit(width: int, height: int, first: str) -> None:
    lines = drawn(["X.", ".X"], fitting(["X.", ".X"], width, height))
    assert "".join(text for text, _ in lines[0]) == first
    assert [shade for _, shade in lines[0]] == ["lit", "dark"]
    assert all(sum(len(text) for text, _ in line) <= width for line in lines)
    assert len(lines) <= height


def test_half_a_character_is_one_led_where_there_is_no_room() -> None:
    rows = ["XX..", "X.X.", " XX"]
    assert fitting(rows, 6, 3) is None
    assert drawn(rows, None) == [
        [("█", "lit"), ("▀", "lit on dark"), ("▀", "dark on lit"), ("█", "dark")],
        [(" ", "none"), ("▀", "lit on none"), ("▀", "lit on none")],
    ]


def test_without_colours_a_dark_led_has_another_form() -> None:
    ((lit, _), (dark, _)), *_ = drawn(["X."], fitting(["X."], 8, 2), colours=False)
    assert lit != dark


def test_rows_of_different_lengths_keep_their_places() -> None:
    async def look() -> Look:
        class Ragged(Device):
            leds = SwitchVector(
                "LEDs", rule="AnyOfMany", members={"r1c2": Switch(True), "r2c1": Switch(), "r2c3": Switch(True)}
            )

        async with serving(Ragged("ragged")) as served:
            await served.client.wait_for("ragged", "leds")
            return look_of(served.client.devices["ragged"])

    assert asyncio.run(look()).rows == (" X", ". X")


@pytest.mark.parametrize("written", ["X../.X./  X", "X..\n.X.\n  X", "X..\r\n.X.\r\n  X\r\n"])
def test_a_frame_is_rows_with_slashes_or_line_ends_between_them(written: str) -> None:
    async def look() -> Look:
        class Framed(Device):
            frame = TextVector("Frame", members={"rows": Text(written)})

        async with serving(Framed("framed")) as served:
            await served.client.wait_for("framed", "frame")
            return look_of(served.client.devices["framed"])

    assert asyncio.run(look()).rows == ("X..", ".X.", "  X")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("localhost", ("localhost", 7624, None)),
        ("board:7000", ("board", 7000, None)),
        (":7000", ("localhost", 7000, None)),
        ("[::1]:7000", ("::1", 7000, None)),
        ("fe80::1", ("fe80::1", 7624, None)),
        ("/run/indi", ("", 7624, "/run/indi")),
        ("@indi", ("", 7624, "@indi")),
    ],
)
def test_an_address_is_a_host_a_port_both_or_a_path(address: str, found: tuple[str, int, str | None]) -> None:
    assert parsed(address) == found


def test_a_terminal_that_says_it_is_light_gets_the_light_theme() -> None:
    assert [theme_of(colours) for colours in ("0;15", "15;0", "0;default;7", "", "x")] == [
        LIGHT,
        DARK,
        LIGHT,
        DARK,
        DARK,
    ]
