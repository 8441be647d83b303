"""The matrix plugin on the kernel's own chip: what it says of the LEDs is on the wires."""

from __future__ import annotations

import gpiod
import pytest
from gpiod.line import Bias, Direction, Drive

from tests.board.runs import LINES, ROWS, Start, wait_until
from tests.board.simulated_chips import SimulatedChip, made_chip


def lit(chip: SimulatedChip) -> set[int]:
    return {line for line, level in chip.levels(LINES).items() if level}


@pytest.mark.parametrize("how", ["label", "name", "path"])
def test_a_program_blinks_on_the_wires(board_chip: SimulatedChip, start: Start, how: str) -> None:
    run = start({"label": board_chip.label, "name": board_chip.name, "path": str(board_chip.path)}[how])
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit")
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert {chip.get_line_info(line).consumer for line in LINES} == {"core:panel"}
    wait_until(lambda: not lit(board_chip), "all LEDs dark")
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit again")
    assert run.end() == 0
    assert not lit(board_chip)
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert not any(chip.get_line_info(line).used for line in LINES)


def test_a_spiral_lights_one_led_after_another(board_chip: SimulatedChip, start: Start) -> None:
    start(board_chip.label, program="spiral")
    for line in (4, 5, 6, 7, 8, 13, 20):  # along the top and down the right side
        wait_until(lambda line=line: lit(board_chip) == {line}, f"line {line} alone to be lit")  # type: ignore[misc]


def test_active_low(board_chip: SimulatedChip, start: Start) -> None:
    start(board_chip.label, "active_low = true")
    wait_until(lambda: lit(board_chip) == set(LINES), "dark LEDs, their lines high")
    wait_until(lambda: not lit(board_chip), "lit LEDs, their lines low")


def test_lines_by_name(start: Start) -> None:
    with made_chip("named", 8, {2: "LED_LEFT", 5: "LED_RIGHT"}) as chip:
        start("named", lines='[["LED_RIGHT", "LED_LEFT"]]', program="spiral")
        wait_until(lambda: chip.levels((2, 5)) == {2: 0, 5: 1}, "the first LED to be lit")
        wait_until(lambda: chip.levels((2, 5)) == {2: 1, 5: 0}, "the second LED to be lit")


def test_a_line_by_number_and_by_name_is_one_line(start: Start) -> None:
    with made_chip("named", 8, {2: "LED"}):
        start("named", lines='[["LED", 2]]').says(r"line 2 of \S+ \(named\) stands more than once")


def test_drive_and_bias_reach_the_kernel(board_chip: SimulatedChip, start: Start) -> None:
    start(board_chip.label, 'drive = "open-drain"', 'bias = "pull-up"', "active_low = true", program="")
    with gpiod.Chip(str(board_chip.path)) as chip:
        wait_until(lambda: chip.get_line_info(4).used, "the lines to be taken")
        info = chip.get_line_info(4)
    assert (info.drive, info.bias, info.active_low) == (Drive.OPEN_DRAIN, Bias.PULL_UP, True)


def test_a_line_that_somebody_holds_is_named_with_its_holder(board_chip: SimulatedChip, start: Start) -> None:
    settings = gpiod.LineSettings(direction=Direction.OUTPUT)
    with gpiod.request_lines(str(board_chip.path), config={17: settings}, consumer="somebody"):
        run = start(board_chip.label)
        run.says(
            r"gpio-matrix 'panel' cannot be opened: line 17 of /dev/gpiochip\d+ \(pinctrl-bcm2711\) is held by "
            r"'somebody'; stop that, or use another line"
        )
    # It is tried again, and the line is free now.
    wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit")


def test_a_button_that_somebody_holds_gives_the_leds_back(board_chip: SimulatedChip, start: Start) -> None:
    settings = gpiod.LineSettings(direction=Direction.INPUT)
    with gpiod.request_lines(str(board_chip.path), config={3: settings}, consumer="somebody"):
        start(board_chip.label, "buttons = { left = 3 }").says(r"line 3 of \S+ \(pinctrl-bcm2711\) is held by")
        with gpiod.Chip(str(board_chip.path)) as chip:
            assert not chip.get_line_info(4).used


def test_the_chip_select_of_a_bus_has_a_cure_of_its_own(spi_chip: SimulatedChip, start: Start) -> None:
    start(spi_chip.label, lines="[[3]]").says(r"is held by 'spi0 CS0'; it selects a chip on an SPI bus: use another")


@pytest.mark.parametrize(
    ("chip", "lines", "why"),
    [
        ("no-such-chip", ROWS, "there is no GPIO chip 'no-such-chip', but .*pinctrl-bcm2711"),
        ("/dev/gpiochip99", ROWS, "/dev/gpiochip99 cannot be opened: No such file or directory; there is /dev/gpio"),
        ("/dev/null", ROWS, "/dev/null cannot be opened"),
        ("pinctrl-bcm2711", [[58]], "line 58 is beyond .*, which has lines 0 to 57"),
        ("pinctrl-bcm2711", '[["NOT_THERE"]]', "no line named 'NOT_THERE'"),
    ],
)
def test_what_cannot_be_opened_says_why(start: Start, chip: str, lines: object, why: str) -> None:
    start(chip, lines=lines).says(f"cannot be opened: .*{why}")


def test_two_chips_of_one_label_are_not_guessed_between(board_chip: SimulatedChip, start: Start) -> None:
    with made_chip("twin", 4, label=board_chip.label) as twin:
        assert twin.path != board_chip.path
        run = start(board_chip.label)
        run.says(
            r"2 GPIO chips are called 'pinctrl-bcm2711': (/dev/gpiochip\d+, )/dev/gpiochip\d+; name one by its path"
        )
    wait_until(lambda: lit(board_chip) == set(LINES), "the LEDs to be lit, when one of them has gone")


def test_a_second_node_of_the_same_chip_is_no_second_chip(board_chip: SimulatedChip, start: Start) -> None:
    # As a Raspberry Pi 5 has it, for programs that know the old number.
    link = board_chip.path.with_name("gpiochip99")
    link.symlink_to(board_chip.path.name)
    try:
        start(board_chip.label)
        wait_until(lambda: lit(board_chip) == set(LINES), "all LEDs lit")
    finally:
        link.unlink()


def test_several_matrices_on_one_chip(board_chip: SimulatedChip, start: Start) -> None:
    second = f'[device.other]\nplugin = "gpio-matrix"\nchip = "{board_chip.label}"\nlines = [[30, 31], [32]]'
    program = '[program.matrix_on_off]\ndevice = "other"'
    run = start(board_chip.label, second, program, lines=[[4, 5]])
    wait_until(lambda: board_chip.levels((30, 31, 32)) == {30: 1, 31: 1, 32: 1}, "the second matrix to be lit")
    wait_until(lambda: board_chip.levels((4, 5)) == {4: 1, 5: 1}, "the first matrix to be lit")
    with gpiod.Chip(str(board_chip.path)) as chip:
        assert [chip.get_line_info(line).consumer for line in (4, 30)] == ["core:panel", "core:other"]
    assert run.end() == 0
    assert not any(board_chip.levels((4, 5, 30, 31, 32)).values())


def test_more_lines_than_one_request_can_have(start: Start) -> None:
    with made_chip("large", 80):
        start("large", lines=[list(range(65))]).says("65 LEDs on .*: the kernel gives 64 lines with one request")


def test_who_may_not_open_a_chip_learns_how_to(board_chip: SimulatedChip, start: Start) -> None:
    mode = board_chip.path.stat().st_mode
    board_chip.path.chmod(0)
    try:
        # Root may do all, unless that is taken from it.
        run = start(str(board_chip.path), under=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
        run.says(r"cannot be opened: Permission denied; .*sudo usermod -aG gpio \$USER, then log in again")
    finally:
        board_chip.path.chmod(mode)
