"""Every program frame by frame on the virtual clock: which pictures it shows, and when."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from core.errors import ProgramError
from core.instance import Instance
from core.testing import VirtualClock
from plugin_gpio_matrix.font import drawn_text
from plugin_gpio_matrix.layout import Matrix, rows_of_leds
from plugin_gpio_matrix.matrix import GpioMatrix
from plugin_gpio_matrix.programs import PROGRAMS
from plugin_gpio_matrix.programs.life import following

Wiring = list[list[int | str]]
Shown = list[tuple[int, str]]
"""What is shown from which millisecond on, rows between blanks."""

RAGGED: Wiring = [[0, 1, 2, 3, 4], [5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15, 16], [17, 18]]


def lines(rows: int, columns: int) -> Wiring:
    return [[row * columns + column for column in range(columns)] for row in range(rows)]


Work = Callable[[GpioMatrix, Shown], Awaitable[None]]


def on_matrix(clock: VirtualClock, wiring: Wiring, work: Work) -> Shown:
    """Return every picture that was shown while `work` was done, with the milliseconds since its begin."""

    async def main() -> Shown:
        matrix = GpioMatrix("matrix", GpioMatrix.Options(lines=wiring))
        matrix.offer({program.name: program for program in PROGRAMS})
        living = asyncio.create_task(Instance(matrix, "gpio-matrix").live())
        await asyncio.sleep(0.001)
        began, shown = clock.now(), Shown()

        def note() -> None:
            shown.append((round((clock.now() - began) / 1e6), " ".join(matrix.picture())))

        matrix.on_frame(note)
        try:
            await work(matrix, shown)
        finally:
            living.cancel()
            await asyncio.wait([living])
        return shown

    return clock.run(main())


def frames(clock: VirtualClock, name: str, seconds: float, wiring: Wiring | None = None, /, **settings: Any) -> Shown:
    """Return what a program shows in its first seconds; after its end everything is dark."""

    async def work(matrix: GpioMatrix, shown: Shown) -> None:
        await matrix.begin_program(name, settings)
        await asyncio.sleep(seconds)
        assert matrix.running_program == name
        before = len(shown)
        await matrix.end_program()
        assert set("".join(matrix.picture())) == {"."}
        del shown[before:]

    return on_matrix(clock, wiring or lines(3, 3), work)


def pictures(shown: Shown) -> list[str]:
    return [picture for _, picture in shown]


def paced(every: int, *shown: str) -> Shown:
    """Return pictures that follow each other after so many milliseconds."""
    return [(every * number, picture) for number, picture in enumerate(shown)]


def test_heartbeat(clock: VirtualClock) -> None:
    full, dark = "XXX XXX XXX", "... ... ..."
    assert frames(clock, "heartbeat", 1.25) == [
        (0, full), (100, dark), (200, full), (300, dark), (1200, full),
    ]  # fmt: skip


def test_blink_rows(clock: VirtualClock) -> None:
    assert frames(clock, "blink_rows", 1.25, interval=0.6) == [
        (0, "XXX XXX XXX"), (200, "XXX XXX ..."), (300, "XXX ... ..."), (400, "XXX ... XXX"),
        (600, "... XXX ..."), (800, "... XXX XXX"), (900, "... ... XXX"), (1000, "... ... ..."),
        (1200, "XXX XXX XXX"),
    ]  # fmt: skip


def test_blink_cols(clock: VirtualClock) -> None:
    assert frames(clock, "blink_cols", 1.25, interval=0.6) == [
        (0, "XXX XXX XXX"), (200, "XX. XX. XX."), (300, "X.. X.. X.."), (400, "X.X X.X X.X"),
        (600, ".X. .X. .X."), (800, ".XX .XX .XX"), (900, "..X ..X ..X"), (1000, "... ... ..."),
        (1200, "XXX XXX XXX"),
    ]  # fmt: skip


def test_cross(clock: VirtualClock) -> None:
    assert frames(clock, "cross", 0.9, lines(5, 5)) == paced(
        300, "..... ..... XXXXX ..... .....", "..X.. ..X.. ..X.. ..X.. ..X..", "..... ..... XXXXX ..... .....",
    )  # fmt: skip


def test_matrix_on_off(clock: VirtualClock) -> None:
    assert frames(clock, "matrix_on_off", 1.4) == paced(500, "XXX XXX XXX", "... ... ...", "XXX XXX XXX")


def test_breathe_shines_longer_in_each_hundredth_up_to_the_middle(clock: VirtualClock) -> None:
    shown = frames(clock, "breathe", 0.095, seconds=0.1)
    assert [time for time, picture in shown if "X" in picture] == list(range(0, 100, 10))
    assert {picture for _, picture in shown} == {"XXX XXX XXX", "... ... ..."}
    ends = [time % 10 for time, picture in shown if "X" not in picture]
    assert ends == [0, 1, 2, 5, 8, 8, 5, 2, 1, 0]


def test_spiral(clock: VirtualClock) -> None:
    way = ["X.. ... ...", ".X. ... ...", "..X ... ...", "... ..X ...", "... ... ..X", "... ... .X.", "... ... X..",
           "... X.. ...", "... .X. ..."]  # fmt: skip
    assert frames(clock, "spiral", 1.4) == paced(80, *way, *way[-2:0:-1], *way[:2])


def test_spiral_of_a_ragged_matrix_visits_every_led(clock: VirtualClock) -> None:
    shown = frames(clock, "spiral", 0.05 * 18.5, RAGGED, interval=0.05)
    assert len(set(pictures(shown))) == 19
    assert all(picture.count("X") == 1 for picture in pictures(shown))
    assert shown[0] == (0, "X.... ... .... ..... ..")


def test_mad_spiral_turns_neighbours_against_each_other(clock: VirtualClock) -> None:
    shown = frames(clock, "mad_spiral", 0.35, lines(4, 4), interval=0.1)
    assert shown == paced(
        100, "X... .... .X.. ....", ".X.. .... ..X. ....", "..X. ..X. .... ....", "...X .X.. .... ....",
    )  # fmt: skip


def test_mad_spiral_until_left_button(clock: VirtualClock) -> None:
    async def work(matrix: GpioMatrix, shown: Shown) -> None:
        run = await matrix.begin_program("mad_spiral_until_left_button", {"interval": 0.1})
        await asyncio.sleep(0.25)
        matrix.buttons["right"].press()
        await asyncio.sleep(0.1)
        assert matrix.running == (run,)
        matrix.buttons["left"].press()
        await run.over.wait()
        assert run.state == "ended"
        del shown[:3]

    assert on_matrix(clock, lines(3, 3), work) == [
        (300, "... .XX ..."),
        (360, "XXX XXX XXX"), (460, "... ... ..."), (560, "XXX XXX XXX"), (660, "... ... ..."),
    ]  # fmt: skip


def test_kaa_spiral_creeps_in_and_out(clock: VirtualClock) -> None:
    shown = frames(clock, "kaa_spiral", 0.105 * 11, interval=0.1, length=2)
    assert shown[:4] == paced(100, "X.. ... ...", "XX. ... ...", ".XX ... ...", "..X ..X ...")
    assert shown[7:12] == [
        (700, "... X.. X.."), (800, "... XX. ..."), (900, "... .X. ..."), (1100, "... XX. ..."),
    ]  # fmt: skip


def test_squares(clock: VirtualClock) -> None:
    outer = "XXXXX X...X X...X X...X XXXXX"
    inner = "..... .XXX. .X.X. .XXX. ....."
    middle = "..... ..... ..X.. ..... ....."
    assert frames(clock, "squares", 0.9, lines(5, 5)) == paced(200, outer, inner, middle, inner, outer)


def test_kaa_swells(clock: VirtualClock) -> None:
    middle = "..... ..... ..X.. ..... ....."
    inner = "..... .XXX. .XXX. .XXX. ....."
    thick = "XXXXX XXXXX XX.XX XXXXX XXXXX"
    outer = "XXXXX X...X X...X X...X XXXXX"
    assert frames(clock, "kaa", 0.7, lines(5, 5)) == paced(150, middle, inner, thick, outer, middle)


def test_all_directions(clock: VirtualClock) -> None:
    down = ["XXX ... ...", "... XXX ...", "... ... XXX"]
    right = ["X.. X.. X..", ".X. .X. .X.", "..X ..X ..X"]
    up_right = ["... ... X..", "... X.. .X.", "X.. .X. ..X", ".X. ..X ...", "..X ... ..."]
    down_right = ["X.. ... ...", ".X. X.. ...", "..X .X. X..", "... ..X .X.", "... ... ..X"]
    steps = [step for way in (down, right, up_right, down_right) for step in (*way, *way[::-1])]
    expected = [
        (100 * number, step) for number, step in enumerate(steps) if number == 0 or steps[number - 1] != step
    ]  # fmt: skip
    assert frames(clock, "all_directions", 3.15) == expected


def test_raindrops_fall_straight_and_side_by_side(clock: VirtualClock) -> None:
    shown = frames(clock, "raindrops", 20, lines(4, 5), drops=2, seed=3)
    assert all(time % 120 == 0 for time, _ in shown)
    assert max(picture.count("X") for picture in pictures(shown)) == 2
    columns = [[picture.split()[row][column] for row in range(4)] for picture in pictures(shown) for column in range(5)]
    assert all(column.count("X") <= 1 for column in columns)
    for (time, before), (later, after) in itertools.pairwise(shown):
        for column in range(5):
            falling = [picture.split()[row][column] == "X" for picture in (before, after) for row in range(4)]
            if later - time == 120 and True in falling[:3]:
                assert falling[4:].index(True) == falling[:4].index(True) + 1
    assert frames(clock, "raindrops", 20, lines(4, 5), drops=2, seed=3) == shown
    assert frames(clock, "raindrops", 20, lines(4, 5), drops=2, seed=4) != shown


def test_more_drops_than_columns_are_as_many_as_columns(clock: VirtualClock) -> None:
    shown = frames(clock, "raindrops", 30, drops=50, seed=1)
    assert max(picture.count("X") for picture in pictures(shown)) <= 3
    assert len(set(pictures(shown))) > 10


def test_smiley_on_the_smallest_matrix(clock: VirtualClock) -> None:
    assert frames(clock, "smiley", 4.05) == [
        (0, "X.X X.X .X."), (900, "... X.X .X."), (1000, "X.X ... XXX"), (1900, "... ... XXX"),
        (2000, "X.X .X. X.X"), (2900, "... .X. X.X"), (3000, "X.X ... XXX"), (3900, "... ... XXX"),
        (4000, "X.X X.X .X."),
    ]  # fmt: skip


def test_smiley_on_a_larger_one(clock: VirtualClock) -> None:
    assert pictures(frames(clock, "smiley", 2.05, lines(5, 5)))[::2] == [
        "..... .X.X. ..... X...X .XXX.",
        "..... .X.X. ..... ..... XXXXX",
        "..... .X.X. ..... .XXX. X...X",
    ]


def test_mickey(clock: VirtualClock) -> None:
    face = "... .X. .X."
    assert frames(clock, "mickey", 2.05) == paced(
        400, "X.. .X. .X.", "..X .X. .X.", "X.. .X. .X.", "..X .X. .X.", "X.X .X. .X.", face,
    )  # fmt: skip
    assert pictures(frames(clock, "mickey", 0.1, lines(5, 5))) == ["XX... XX... .XXX. .XXX. .XXX."]


def test_the_nice_pattern_is_held_and_goes_on(clock: VirtualClock) -> None:
    first, second = "... .X. ...", ".X. X.X .X."
    third, even = "X.X .X. X.X", "X.X .X. X.X"

    async def work(matrix: GpioMatrix, shown: Shown) -> None:
        await matrix.begin_program("the_nice_pattern")
        await asyncio.sleep(0.25)
        matrix.buttons["left"].press()
        await asyncio.sleep(10)
        matrix.buttons["left"].release()
        await asyncio.sleep(1)
        assert pictures(shown) == [first, second]
        matrix.buttons["right"].press()
        await asyncio.sleep(0.85)
        await matrix.end_program()

    shown = on_matrix(clock, lines(3, 3), work)
    assert third == even
    resumed = shown[2][0]
    assert 11_250 <= resumed <= 11_300
    assert [(time - resumed if time > 300 else time, picture) for time, picture in shown] == [
        (0, first), (200, second), (0, third), (200, second), (400, even), (600, first), (800, second),
        (shown[-1][0] - resumed, "... ... ..."),
    ]  # fmt: skip


def test_game_of_life_keeps_its_rules(clock: VirtualClock) -> None:
    shown = frames(clock, "game_of_life", 0.4 * 21, lines(8, 8), start=".X./..X/XXX")
    assert pictures(shown)[0].split()[:3] == [".X......", "..X.....", "XXX....."]
    for (_, before), (_, after) in itertools.pairwise(shown):
        assert after.split() == generation_after(before.split())
    # A glider moves by one row and one column in four generations, over the edge too.
    assert [time for time, _ in shown] == [400 * number for number in range(21)]
    moved = ["".join(row[-1:] + row[:-1]) for row in shown[0][1].split()]
    assert shown[4][1].split() == [moved[-1], *moved[:-1]]


def generation_after(rows: list[str]) -> list[str]:
    """Return the next generation, counted cell by cell."""
    height, width = len(rows), len(rows[0])
    result = []
    for row in range(height):
        line = ""
        for column in range(width):
            around = [
                rows[(row + down) % height][(column + right) % width]
                for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)
            ].count("X")  # fmt: skip
            line += "X" if around == 3 or (around == 2 and rows[row][column] == "X") else "."
        result.append(line)
    return result


def test_game_of_life_begins_anew_when_a_generation_comes_again(clock: VirtualClock) -> None:
    blinker = "...../..X../..X../..X../....."
    shown = frames(clock, "game_of_life", 2.2, lines(5, 5), start=blinker)
    across, along = "..... ..... .XXX. ..... .....", blinker.replace("/", " ")
    assert shown == paced(400, along, across, along, across, along, across)
    by_chance = frames(clock, "game_of_life", 40, lines(5, 5), seed=5)
    assert len(set(pictures(by_chance))) > 20
    assert by_chance == frames(clock, "game_of_life", 40, lines(5, 5), seed=5)


def test_nothing_lives_where_there_is_no_led() -> None:
    ragged = Matrix(rows_of_leds([3, 1, 3], lambda _number, _value: None))
    everywhere = frozenset((led.row, led.column) for led in ragged.all)
    assert following(everywhere, ragged) <= everywhere
    assert following(frozenset(), ragged) == frozenset()


def test_scroll_text(clock: VirtualClock) -> None:
    shown = frames(clock, "scroll_text", 0.95, lines(5, 4), text="hi", interval=0.1)
    strip = ["...." + line + "...." for line in drawn_text("HI")]
    assert drawn_text("HI") == ["X.X.XXX", "X.X..X.", "XXX..X.", "X.X..X.", "X.X.XXX"]
    windows = [" ".join(line[at : at + 4] for line in strip) for at in range(1, 11)]
    assert shown == paced(100, *windows[:10])[:10]


def test_scroll_text_stands_in_the_middle_of_a_higher_matrix(clock: VirtualClock) -> None:
    (first, *_) = frames(clock, "scroll_text", 0.05, lines(8, 1), text="I")
    assert first == (0, ". X . . . X . .")


def right_aligned(shown: Shown, texts: Iterable[str]) -> list[tuple[float, str]]:
    """Return the seconds at which one of the texts stood at the right edge, and which."""
    drawn = {tuple(drawn_text(text)): text for text in texts}
    found = []
    for time, picture in shown:
        rows = picture.split()
        for rows_of_text, text in drawn.items():
            if all(row.endswith("." + part) for row, part in zip(rows, rows_of_text, strict=True)):
                found.append((time / 1000, text))
    return found


def test_clock_shows_the_minute_at_which_it_begins_to_run_through(clock: VirtualClock) -> None:
    # 60 columns and 17 of the text make a run of 38.5 s.
    shown = frames(clock, "clock", 165, lines(5, 60), interval=0.5, start="23:59")
    assert right_aligned(shown, ["23:58", "23:59", "00:00", "00:01", "00:02"]) == [
        (8.0, "23:59"), (46.5, "23:59"), (85.0, "00:00"), (123.5, "00:00"), (162.0, "00:01"),
    ]  # fmt: skip


def test_clock_of_the_machine(clock: VirtualClock) -> None:
    before = dt.datetime.now().astimezone().strftime("%H:%M")
    shown = frames(clock, "clock", 9, lines(5, 60), interval=0.5)
    after = dt.datetime.now().astimezone().strftime("%H:%M")
    assert [time for time, _ in right_aligned(shown, {before, after})] == [8.0]


LETTERS = ("scroll_text", "clock")
FITTING = [
    (program, wiring)
    for program in PROGRAMS
    for wiring in (lines(3, 3), lines(8, 8), RAGGED, lines(16, 5))
    if len(wiring) >= 5 or program.name not in LETTERS
]


@pytest.mark.parametrize(("program", "wiring"), FITTING, ids=lambda one: str(getattr(one, "name", one)))
def test_each_runs_on_any_matrix(clock: VirtualClock, program: Any, wiring: Wiring) -> None:
    shown = frames(clock, program.name, 9, wiring)
    assert len(set(pictures(shown))) >= 2


@pytest.mark.parametrize("name", [*LETTERS, "smiley", "mickey", "game_of_life"])
def test_one_that_needs_more_leds_says_so(clock: VirtualClock, name: str) -> None:
    wanted = "5x1" if name in LETTERS else "3x3"

    async def work(matrix: GpioMatrix, _: Shown) -> None:
        with pytest.raises(ProgramError, match=f"program {name} needs {wanted} LEDs or more, and there are 2x4"):
            await matrix.begin_program(name)
        with pytest.raises(ProgramError, match="and there are 2x2"):
            await matrix.begin_program(name, region="columns 1-2")

    assert on_matrix(clock, lines(2, 4), work) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_keeps_to_its_region(clock: VirtualClock, program: Any) -> None:
    async def work(matrix: GpioMatrix, shown: Shown) -> None:
        await matrix.begin_program(program.name, region="r2c2-r6c7")
        await matrix.begin_program("matrix_on_off", {"interval": 0.25}, region="row 1 + r7c1-r8c8")
        await asyncio.sleep(5)
        assert len(matrix.running) == 2
        rows = [picture.split() for picture in pictures(shown)]
        assert all(row[0] == "." for picture in rows for row in picture[1:6])
        assert any("X" in row[1:7] for picture in rows for row in picture[1:6])
        assert {picture[0] for picture in rows} == {"X" * 8, "." * 8}

    on_matrix(clock, lines(8, 8), work)


def test_each_says_what_it_does() -> None:
    for program in PROGRAMS:
        assert program.description.endswith("."), program.name
        assert len(program.description) > 20, program.name


@pytest.mark.parametrize("name", ["mad_spiral_until_left_button", "the_nice_pattern"])
def test_a_button_that_is_missing_is_named(clock: VirtualClock, name: str) -> None:
    async def main() -> None:
        matrix = GpioMatrix("matrix", GpioMatrix.Options(buttons={"up": 30}))
        matrix.offer({program.name: program for program in PROGRAMS})
        with pytest.raises(ProgramError, match=f"program {name} needs the button 'left'.*, and there is up; core.toml"):
            matrix.check_program(name)

    clock.run(main())


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("spiral", {"interval": 0}, "interval is 0: expected float >= 0.005"),
        ("raindrops", {"drops": 1.5}, "drops is 1.5: expected int"),
        ("clock", {"start": "25:00"}, "start is '25:00': expected str matching regex"),
        ("scroll_text", {"text": 5}, "text is 5: expected str, got int"),
        ("kaa", {"speed": 5}, "unexpected keyword argument 'speed'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(
    clock: VirtualClock, name: str, settings: dict[str, Any], says: str
) -> None:
    async def work(matrix: GpioMatrix, shown: Shown) -> None:
        with pytest.raises(ProgramError, match=says):
            await matrix.begin_program(name, settings)
        assert (matrix.running, shown) == ((), [])

    on_matrix(clock, lines(5, 5), work)
