"""Recordings: each format is read again by a program that knows it, and shows what the LEDs showed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image

from core.assembly import assemble
from core.cli.record import gif as gif_module
from core.cli.record.cast import cast
from core.cli.record.colours import DARK, LIT, led
from core.cli.record.film import FULL, LEVELS, SHOT_NS, Brightness, Film, film
from core.cli.record.gif import gif
from core.cli.record.svg import svg
from core.config import parse
from core.plugins import discover
from core.program_device import ProgramDevice
from tests.plugin_site import CORECTL, Site
from tests.system.conftest import wait_until

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"
RAGGED = [[0, 1, 2], [3, 4]]

PROGRAMS = '''"""Programs that end, fail, or have nothing to show."""
from core import hookimpl
from core import programs as p
from core.errors import ProgramError

core_api = 1


@p.program
async def short(matrix):
    """Light everything for a moment."""
    await p.blink(matrix.all, 0.1, 1)()


@p.program
async def broken(matrix):
    """Fail after a while."""
    await p.sleep(0.1)()
    raise ProgramError("the lamp oil is used up")


@hookimpl
def core_register_programs():
    return [short, broken]
'''


def filmed(program: str, lines: list[list[int]], lasts: float, **settings: object) -> Film:
    matrix = {"plugin": "gpio-matrix", "chip": "simulated", "lines": lines}
    device = assemble(parse({"device": {"matrix": matrix}}), discover()).devices["matrix"]
    assert isinstance(device, ProgramDevice)
    return film(device, program, settings, lasts)


@pytest.fixture(scope="module")
def breathing() -> Film:
    """Return a film with every brightness, on rows of different lengths."""
    return filmed("breathe", RAGGED, 2.0, seconds=2.0)


@pytest.fixture(scope="module")
def winding() -> Film:
    return filmed("spiral", [[0, 1, 2], [3, 4, 5]], 1.0, interval=0.1)


@pytest.fixture(params=["breathing", "winding"])
def one(request: pytest.FixtureRequest) -> Film:
    found: Film = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.install("plugin-lamps", "lamps", PROGRAMS)
    return made


def test_a_film_has_each_picture_from_the_moment_on_when_it_is_shown(winding: Film) -> None:
    round_the_ring = [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]
    lit = [
        [(row, column) for row, line in enumerate(picture) for column, level in enumerate(line) if level]
        for _, picture in winding.pictures
    ]
    assert [start for start, _ in winding.pictures] == pytest.approx([number / 10 for number in range(10)])
    assert lit[:6] == [[place] for place in round_the_ring]
    assert (winding.seconds, winding.size) == (1.0, (2, 3))


def test_a_film_has_dimmed_leds_as_brightness_and_no_led_where_there_is_none(breathing: Film) -> None:
    levels = {level for _, picture in breathing.pictures for row in picture for level in row}
    assert {0, FULL} <= levels
    assert len(levels) > LEVELS / 2
    assert {tuple(map(len, picture)) for _, picture in breathing.pictures} == {(3, 2)}
    middle = next(picture for start, picture in reversed(breathing.pictures) if start <= 1.0)
    assert middle[0][0] == FULL


def shown(film: Film, moment: float) -> Brightness:
    return next(picture for start, picture in reversed(film.pictures) if start <= moment)


def moments(film: Film) -> list[float]:
    """Return the middle of each shot."""
    shot = SHOT_NS / 1e9
    return [(number + 0.5) * shot for number in range(round(film.seconds / shot))]


Reader = Callable[[float], dict[tuple[int, int], int]]


def read_svg(data: bytes) -> Reader:
    """Return what tells the brightness of each LED at a moment, as a browser animates it."""
    root = etree.fromstring(data)
    circles: dict[tuple[int, int], list[tuple[str, list[float], float]]] = {}
    pitch = 20
    for circle in root.iter(f"{SVG}circle"):
        place = (round(float(circle.get("cy", "")) - 18) // pitch, round(float(circle.get("cx", "")) - 18) // pitch)
        group = circle.getparent()
        assert group is not None
        courses = circles.setdefault(place, [])
        if group.get("opacity") is None:
            assert group.get("fill") == "#{:02x}{:02x}{:02x}".format(*DARK)
            continue
        animation = group.find(f"{SVG}animate")
        if animation is None:
            courses.append((group.get("opacity", ""), [0.0], 1.0))
            continue
        assert animation.get("calcMode") == "discrete"
        duration = float(animation.get("dur", "").removesuffix("s"))
        courses.append(
            (animation.get("values", ""), [float(t) for t in animation.get("keyTimes", "").split(";")], duration)
        )
    assert all(len(courses) <= 1 for courses in circles.values())

    def at(moment: float) -> dict[tuple[int, int], int]:
        levels = {}
        for place, courses in circles.items():
            levels[place] = 0
            for values, times, duration in courses:
                opacity = [value for value, t in zip(values.split(";"), times, strict=True) if t * duration <= moment]
                levels[place] = round(float(opacity[-1]) ** (1 / 0.6) * FULL)
        return levels

    return at


def read_gif(data: bytes) -> Reader:
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.info["loop"]) == ("GIF", 0)
    pitch, margin = gif_module.PITCH, gif_module.MARGIN
    colours = {led(level): level for level in range(LEVELS)}
    frames: list[tuple[float, dict[tuple[int, int], int]]] = []
    end = 0.0
    for number in range(image.n_frames):  # type: ignore[attr-defined]  # of the class for GIFs
        image.seek(number)
        picture = image.convert("RGB")
        levels = {}
        for row in range((image.height - 2 * margin) // pitch):
            for column in range((image.width - 2 * margin) // pitch):
                middle = margin + column * pitch + pitch // 2, margin + row * pitch + pitch // 2
                if (found := picture.getpixel(middle)) in colours:
                    levels[row, column] = colours[found]
        end += image.info["duration"] / 1000
        frames.append((end, levels))
    return lambda moment: next(levels for end, levels in frames if moment < end)


def read_cast(data: bytes) -> Reader:
    header, *events = map(json.loads, data.decode().splitlines())
    assert header["version"] == 2
    assert {kind for _, kind, _ in events} == {"o"}
    assert [when for when, _, _ in events] == sorted(when for when, _, _ in events)
    colours = {led(level): level for level in range(LEVELS)}
    pictures = []
    for when, _, text in events[:-1]:
        levels, colour = {}, None
        _, home, drawn = text.rpartition("\x1b[H")
        assert home
        for row, line in enumerate(drawn.split("\r\n")):
            column = 0
            for piece in re.findall(r"\x1b\[[\d;]*m|.", line[1:]):
                if piece.startswith("\x1b"):
                    colour = tuple(map(int, piece[2:-1].split(";")[2:]))
                elif piece == "●":
                    assert colour is not None
                    levels[row, column // 2] = colours[colour]  # type: ignore[index]  # three numbers
                column += not piece.startswith("\x1b")
            assert column < header["width"]
        assert row < header["height"]
        pictures.append((when, levels))
    assert events[-1][2].endswith("\x1b[?25h\r\n")
    return lambda moment: next(levels for when, levels in reversed(pictures) if when <= moment)


@pytest.mark.parametrize(("write", "read"), [(svg, read_svg), (gif, read_gif), (cast, read_cast)])
def test_what_was_shown_can_be_read_again(
    one: Film, write: Callable[[Film], bytes], read: Callable[[bytes], Reader]
) -> None:
    at = read(write(one))
    for moment in moments(one):
        wanted = {
            (row, column): level
            for row, line in enumerate(shown(one, moment))
            for column, level in enumerate(line)
            if level is not None
        }
        assert at(moment) == wanted, moment


def test_a_gif_lasts_as_long_as_the_film(one: Film) -> None:
    image = Image.open(io.BytesIO(gif(one)))
    lasts = 0
    for number in range(image.n_frames):  # type: ignore[attr-defined]  # of the class for GIFs
        image.seek(number)
        lasts += image.info["duration"]
    assert lasts == round(one.seconds * 1000)


def test_who_shows_no_motion_shows_the_brightest_moment(breathing: Film) -> None:
    root = etree.fromstring(svg(breathing))
    (group,) = (one for one in root.iter(f"{SVG}g") if one.get("opacity"))
    assert group.get("opacity") == "1"
    assert LIT != DARK


@pytest.mark.parametrize("name", ["out.svg", "out.SVG", "out.gif", "out.cast"])
def test_the_command_writes_each_format(site: Site, name: str) -> None:
    done = site.corectl("record", "spiral", name, "interval=0.2", "--seconds", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{name}: 1 s of spiral, 5x5, 5 pictures\n"
    begin = {".svg": b"<svg ", ".gif": b"GIF89a", ".cast": b'{"version": 2'}[Path(name).suffix.lower()]
    assert (site.path / name).read_bytes().startswith(begin)
    assert [path.name for path in site.path.iterdir() if name in path.name] == [name]


def test_settings_speed_and_the_devices_options_are_heeded(site: Site) -> None:
    command = (
        "record",
        "spiral",
        "a.cast",
        "interval=1",
        "--speed",
        "10",
        "--seconds",
        "1",
        "--option",
        "lines=[[0, 1]]",
    )
    done = site.corectl(*command, "--device", "matrix")
    assert done.stdout == "a.cast: 1 s of spiral, 1x2, 10 pictures\n", done.stderr


def test_a_program_that_ends_makes_a_shorter_film(site: Site) -> None:
    assert site.corectl("record", "short", "a.svg").stdout == "a.svg: 0.6 s of short, 5x5, 2 pictures\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("sprial", "a.svg"),
            2,
            "no simulated device has a program 'sprial'. Did you mean 'spiral'? See corectl list-",
        ),
        (("spiral", "a.png"), 2, "'a.png' says no format; its name has to end with one of .svg, .gif, .cast"),
        (("spiral", "missing/a.svg"), 2, "missing/a.svg cannot be written: No such file or directory"),
        (("spiral", "/proc/a.svg"), 2, "/proc/a.svg cannot be written: No such file or directory"),
        (
            ("spiral", "a.svg", "intervall=1"),
            1,
            "got an unexpected keyword argument 'intervall'; did you mean 'interval'?",
        ),
        (("spiral", "a.svg", "interval"), 2, "'interval' is no SETTING=VALUE"),
        (("spiral", "a.svg", "interval=soon"), 1, "interval is 'soon': expected float, got str"),
        (("spiral", "a.svg", "--seconds", "0"), 2, "0.0 is not in the range 0.1<=x<=600"),
        (("spiral", "a.svg", "--seconds", "nan"), 2, "'nan' is not a valid number"),
        (
            ("spiral", "a.svg", "--device", "panel"),
            2,
            "there is no simulated device 'panel' that runs programs; there is matrix",
        ),
        (("sprial", "a.svg", "--device", "matrix"), 2, "matrix has no program 'sprial'. Did you mean 'spiral'?"),
        (("spiral", "a.svg", "--option", "line=[[0]]"), 2, "line"),
        (("spiral", "a.svg", "--option", "lines=[]"), 2, "lines"),
        (("scroll_text", "a.svg", "--option", "lines=[[0]]"), 1, "scroll_text"),
        (("broken", "a.svg"), 1, "the lamp oil is used up"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_what_cannot_be_recorded_is_said_in_a_sentence(
    site: Site, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = site.corectl("record", *arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(site.path.glob("*a.svg*"))


def test_without_pillow_a_gif_is_refused_with_the_cure_and_an_svg_is_made(site: Site) -> None:
    (site.path / "sitecustomize.py").write_text("import sys\nsys.modules['PIL'] = None\n")
    done = site.corectl("record", "spiral", "a.gif")
    assert done.returncode == 2
    assert done.stderr.startswith("corectl: a GIF needs Pillow, which cannot be imported (")
    assert done.stderr.endswith("pip install 'core[record]', or record a .svg\n")
    assert site.corectl("record", "spiral", "a.svg").returncode == 0


def test_a_disk_that_is_full_costs_the_recording_and_not_the_one_before(site: Site) -> None:
    (site.path / "a.svg").write_text("the one before")
    # What is beyond the limit of a process fails as on a full disk does, in the same place.
    done = site.shell('ulimit -f 1; exec "$CORECTL" record spiral a.svg')
    assert done.returncode == 2
    assert done.stderr == "corectl: a.svg cannot be written: File too large\n"
    assert (site.path / "a.svg").read_text() == "the one before"
    assert not list(site.path.glob(".a.svg*"))


def test_a_link_to_a_picture_stays_one(site: Site) -> None:
    (site.path / "there.svg").write_text("the one before")
    (site.path / "a.svg").symlink_to("there.svg")
    assert site.corectl("record", "short", "a.svg").returncode == 0
    assert (site.path / "a.svg").is_symlink()
    assert (site.path / "there.svg").read_bytes().startswith(b"<svg ")


def ticks(process: int) -> int:
    """Return how much of the processor a process has used, in hundredths of a second."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def test_ctrl_c_ends_it_and_leaves_nothing_behind(site: Site) -> None:
    with subprocess.Popen(
        [CORECTL, "record", "breathe", "a.gif", "--seconds", "600"],
        cwd=site.path,
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_until(lambda: bool(list(site.path.glob(".a.gif*"))), "it has begun")
        begun = ticks(process.pid)
        wait_until(lambda: ticks(process.pid) > begun + 20, "it films")
        os.kill(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors.strip()) == (130, b"", b"")
    assert not list(site.path.glob("*a.gif*"))


def test_the_gallery_shows_every_program_as_it_is_now(tmp_path: Path) -> None:
    """It is drawn anew and compared; where this fails, run tools/draw_gallery.py and look at the pictures."""
    drawn = subprocess.run(
        [sys.executable, ROOT / "tools" / "draw_gallery.py", tmp_path],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert drawn.returncode == 0, drawn.stderr
    kept = ROOT / "docs"
    assert (kept / "gallery.md").read_text() == (tmp_path / "gallery.md").read_text()
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "gallery").iterdir()}
    assert {path.name: path.read_bytes() for path in (kept / "gallery").iterdir()} == pictures
    (gpio_matrix,) = (record for record in discover().records if record.name == "gpio-matrix")
    assert {Path(name).stem for name in pictures} == set(gpio_matrix.registers["programs"])
