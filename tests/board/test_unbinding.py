"""A chip that is unbound while it is used: an error with a name, and the way back by its label."""

from __future__ import annotations

import gpiod

from plugin_gpio_matrix.chips import used_lines
from plugin_gpio_matrix.holding import holders
from tests.board.runs import Start, wait_until
from tests.board.simulated_chips import SimulatedChip, live, made_chip


def test_a_chip_that_comes_back_under_another_number_is_found_by_its_label(start: Start) -> None:
    # Whoever still has a chip open keeps its number.
    with made_chip("coming-and-going", 8) as chip, gpiod.Chip(str(chip.path)):
        run = start(chip.label, lines="[[1, 2]]", program="spiral")
        wait_until(lambda: chip.level(1) == 1, "the first LED to be lit")
        live(chip.label, False)
        run.says(rf"gpio-matrix 'panel' has been lost: {chip.path} \({chip.label}\) has gone; it is looked for again")
        run.says(rf"cannot be opened: there is no GPIO chip '{chip.label}', but .*pinctrl-bcm2711")
        live(chip.label, True)
        back = SimulatedChip.labelled(chip.label)
        assert back.path != chip.path
        for line in (1, 2, 1):
            wait_until(lambda line=line: back.level(line) == 1, f"line {line} to be lit again")  # type: ignore[misc]
        assert run.end() == 0
        assert back.levels((1, 2)) == {1: 0, 2: 0}


def test_it_is_noticed_while_nothing_is_set(start: Start) -> None:
    with made_chip("going", 4) as chip:
        run = start(chip.label, "buttons = { left = 3 }", lines="[[1, 2]]", program="")
        # Its lines are taken before it is open, and a chip that goes in between is one that cannot be opened.
        run.is_ready("panel")
        assert used_lines(chip.path).keys() == {1, 2, 3}
        live(chip.label, False)
        run.says(rf"'panel' has been lost: .*\({chip.label}\) has gone; it is looked for again")
        assert run.end() == 0
        live(chip.label, True)


def test_a_holder_of_a_chip_that_has_gone_ends(start: Start) -> None:
    with made_chip("held", 4) as chip:
        run = start(chip.label, 'exit_state = "on"', "hold = true", lines="[[1, 2]]", program="spiral")
        wait_until(lambda: chip.level(1) == 1, "the first LED to be lit")
        live(chip.label, False)
        run.says("has been lost")
        assert run.end() == 0
        assert holders() == {}
        live(chip.label, True)
