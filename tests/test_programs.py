"""Programs and their combinators: the meanings, and the defects of the originals that must not return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core import programs as p
from core.duration import Duration
from core.errors import ProgramError
from core.loop import delay
from core.testing import VirtualClock


class Lamp:
    """An output that notes when it was switched."""

    def __init__(self, clock: VirtualClock, name: str, log: list[tuple[float, str, bool]]) -> None:
        self.clock = clock
        self.name = name
        self.log = log
        self.lit = False

    def set(self, value: bool) -> None:
        self.lit = value
        self.log.append((self.clock.seconds, self.name, value))


class Board:
    """Three lamps and their common log."""

    def __init__(self, clock: VirtualClock) -> None:
        self.log: list[tuple[float, str, bool]] = []
        self.a, self.b, self.c = self.lamps = [Lamp(clock, name, self.log) for name in "abc"]
        self.clock = clock

    def run(self, run: Callable[[], Coroutine[Any, Any, Any]]) -> list[tuple[float, str, bool]]:
        self.clock.run(run())
        return self.log

    @property
    def lit(self) -> str:
        return "".join(lamp.name for lamp in self.lamps if lamp.lit)


@pytest.fixture
def board(clock: VirtualClock) -> Board:
    return Board(clock)


@p.program
async def crash(lamp: Any = None, *, after: float = 0) -> None:
    """Fail."""
    if after:
        await delay(after)
    raise ValueError("crashed")


@p.program
async def instant() -> None:
    """End at once."""


def test_on_lights_until_cancelled(board: Board) -> None:
    board.run(p.any(p.on(board.a), p.sleep(0.5)))
    assert board.log == [(0, "a", True), (0.5, "a", False)]


def test_on_takes_several_outputs_also_from_a_one_shot_iterator(board: Board) -> None:
    run = p.any(p.on(reversed([board.a, board.b])), p.sleep(1))
    board.run(p.repeat(run, 2))
    assert board.log == [
        (0, "b", True), (0, "a", True), (1, "b", False), (1, "a", False),
        (1, "b", True), (1, "a", True), (2, "b", False), (2, "a", False),
    ]  # fmt: skip


def test_blink(board: Board) -> None:
    board.run(p.blink(board.a, 0.1, 2))
    assert board.log == [(0, "a", True), (0.1, "a", False), (0.2, "a", True), (pytest.approx(0.3), "a", False)]
    assert board.clock.now() == 400_000_000


def test_blink_for_ever_ends_dark(board: Board) -> None:
    board.run(p.any(p.blink([board.a, board.b], Duration.of_seconds(1)), p.sleep(2.5)))
    assert board.lit == ""
    assert board.log[-2:] == [(2.5, "a", False), (2.5, "b", False)]


def test_walk_goes_once_through_and_takes_rows(board: Board) -> None:
    board.run(p.walk([board.a, [board.b, board.c]], 1))
    assert board.log == [
        (0, "a", True), (1, "a", False), (1, "b", True), (1, "c", True), (2, "b", False), (2, "c", False),
    ]  # fmt: skip


def test_cycle_of_reversed_goes_round_and_round(board: Board) -> None:
    board.run(p.any(p.cycle(reversed(board.lamps), 1), p.sleep(6.5)))
    assert [name for _, name, value in board.log if value] == list("cbacbac")
    # Every lamp that was lit is darkened once.
    assert [name for _, name, value in board.log if not value] == list("cbacbac")


def test_forever_walk_of_reversed_runs_more_than_once(board: Board) -> None:
    board.run(p.any(p.forever(p.walk(reversed(board.lamps), 1)), p.sleep(4.5)))
    assert [name for _, name, value in board.log if value] == list("cbacb")


def test_sequence_repeat_and_sleep(board: Board) -> None:
    board.run(p.repeat(p.sequence(p.blink(board.a, 1, 1), p.sleep(Duration.of_seconds(3))), 2))
    assert board.log == [(0, "a", True), (1, "a", False), (5, "a", True), (6, "a", False)]
    assert board.clock.seconds == 10


def test_empty_all_sequence_and_repeat_end_at_once(board: Board) -> None:
    board.run(p.sequence(p.all(), p.sequence(), p.repeat(p.sleep(1), 0), p.walk([], 1), p.all([])))
    assert board.clock.seconds == 0


def test_combinators_take_one_list_as_in_2023(board: Board) -> None:
    board.run(p.sequence([p.sleep(1), p.all([p.sleep(1), p.sleep(2)]), p.any(iter([p.sleep(1), p.sleep(9)]))]))
    assert board.clock.seconds == 4


def test_all_waits_for_all(board: Board) -> None:
    board.run(p.all(p.blink(board.a, 1, 1), p.sleep(7)))
    assert board.clock.seconds == 7


def test_any_ends_with_the_first_and_its_losers_have_cleaned_up(board: Board) -> None:
    log: list[str] = []

    async def loser() -> None:
        try:
            await delay(100)
        finally:
            await delay(1)
            log.append("clean")

    async def after() -> None:
        log.append("after")

    board.run(p.sequence(p.any(p.sleep(1), loser), after))
    assert log == ["clean", "after"]
    assert board.clock.seconds == 2


def test_what_follows_any_keeps_its_lamp_lit(board: Board) -> None:
    # 2024: the loser darkened the lamp that its successor had lit.
    lit: list[str] = []

    async def light_inline() -> None:
        board.a.set(True)
        await delay(0.1)
        lit.append(board.lit)

    board.run(p.sequence(p.any(p.on(board.a), p.sleep(0.1)), light_inline))
    assert lit == ["a"]


def test_all_cancels_and_awaits_the_siblings_of_a_failure(board: Board) -> None:
    # 2024: the lamp stayed lit and its task alive.
    async def main() -> None:
        with pytest.raises(ValueError, match="crashed"):
            await p.all(crash(), p.on(board.a))()
        assert board.lit == ""
        assert len(asyncio.all_tasks()) == 2  # main, and the run that waits for it

    board.clock.run(main())


def test_an_empty_any_is_an_error_at_construction() -> None:
    with pytest.raises(ProgramError, match="at least one"):
        p.any()
    with pytest.raises(ProgramError, match="at least one"):
        p.any([])


@pytest.mark.parametrize("body", [p.sequence(), p.all(), instant(), p.repeat(instant(), 3)])
def test_forever_of_something_instant_neither_starves_nor_lasts(board: Board, body: p.Startable) -> None:
    async def main() -> int:
        turns = 0
        task = asyncio.create_task(p.forever(body)())
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(ProgramError, match="never waits"):
            await task
        return turns

    turns = board.clock.run(main())
    assert turns is not None
    assert turns >= 1000


def test_forever_forgives_instant_turns_between_waits(board: Board) -> None:
    turns: list[int] = []

    async def sometimes() -> None:
        turns.append(1)
        if len(turns) % 900 == 0:
            await delay(1)

    board.run(p.any(p.forever(sometimes), p.sleep(3.5)))
    assert len(turns) > 2700


def test_repeat_of_something_instant_lets_others_run(board: Board) -> None:
    log: list[str] = []

    async def other() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        log.append("other")

    async def after() -> None:
        log.append("repeat")

    board.run(p.all(p.sequence(p.repeat(instant(), 10_000), after), other))
    assert log == ["other", "repeat"]


def test_an_error_of_the_first_fails_any(board: Board) -> None:
    # 2023: the program ended normally.
    with pytest.raises(ValueError, match="crashed"):
        board.run(p.any(crash(), p.sleep(1)))


def test_an_error_in_a_losers_cleanup_comes_out_of_any(board: Board) -> None:
    # 2024: it killed the whole program from outside.
    async def loser() -> None:
        try:
            await delay(100)
        finally:
            raise KeyError("cleanup")

    caught: list[Exception] = []

    async def main() -> None:
        try:
            await p.any(loser, p.sleep(1))()
        except KeyError as error:
            caught.append(error)
        await delay(1)

    board.clock.run(main())
    assert str(caught[0]) == "'cleanup'"
    assert board.clock.seconds == 2


@pytest.mark.parametrize("combinator", [p.all, p.any])
def test_several_errors_come_out_as_a_group(board: Board, combinator: Callable[..., p.PreparedRun]) -> None:
    async def sibling() -> None:
        try:
            await delay(100)
        finally:
            raise KeyError("cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        board.run(combinator(crash(after=1), sibling))
    assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]


@pytest.mark.parametrize("combinator", [p.all, p.any])
def test_cancelling_from_outside_awaits_every_part(board: Board, combinator: Callable[..., p.PreparedRun]) -> None:
    log: list[str] = []

    async def slow_cleanup() -> None:
        try:
            await delay(100)
        finally:
            await delay(2)
            log.append("clean")

    async def main() -> None:
        task = asyncio.create_task(combinator(slow_cleanup, p.on(board.a))())
        await delay(1)
        assert board.lit == "a"
        task.cancel()
        await delay(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    board.clock.run(main())
    assert log == ["clean"]
    assert board.lit == ""
    assert board.clock.seconds == 3


def test_a_lamp_that_fails_does_not_keep_others_lit(board: Board) -> None:
    class Broken:
        def set(self, value: bool) -> None:
            if not value:
                raise OSError("line lost")

    with pytest.raises(OSError, match="line lost"):
        board.run(p.any(p.on([board.a, Broken(), board.b]), p.sleep(1)))
    assert board.lit == ""

    class Dead:
        def set(self, value: bool) -> None:
            raise OSError(f"dead at {value}")

    with pytest.raises(OSError, match="dead"):
        board.run(p.on([board.a, Dead(), board.b]))
    assert board.lit == ""


def test_a_prepared_run_starts_any_number_of_times(board: Board) -> None:
    run = p.blink(board.a, 1, 1)

    async def main() -> None:
        await run()
        await asyncio.gather(run(), run())

    board.clock.run(main())
    assert [value for _, _, value in board.log].count(True) == 3


class Matrix:
    """A kind of device."""


@p.program
async def heartbeat(matrix: Matrix, *, interval: float = 0.2, times: int | None = None) -> None:
    """Flash twice,
    then pause.

    More about it.
    """
    log.append((matrix, interval, times))


log: list[Any] = []


def test_a_program_keeps_what_it_is(clock: VirtualClock) -> None:
    assert heartbeat.name == "heartbeat"
    assert heartbeat.__name__ == "heartbeat"  # type: ignore[attr-defined]  # set by functools.update_wrapper
    assert heartbeat.__doc__ is not None
    assert heartbeat.__doc__.startswith("Flash twice")
    assert heartbeat.description == "Flash twice, then pause."
    assert heartbeat.device_type is Matrix
    assert [(one.name, one.default, one.annotation) for one in heartbeat.parameters] == [
        ("interval", 0.2, float),
        ("times", None, int | None),
    ]
    log.clear()
    device = Matrix()
    run = heartbeat(device, interval=1)
    assert run.name == "heartbeat"
    clock.run(run())
    clock.run(run())
    assert log == [(device, 1, None)] * 2


def test_a_program_can_have_a_name_of_its_own() -> None:
    @p.program(name="kaa-spiral")
    async def kaa(matrix: Any) -> None:
        """Hypnotise."""

    assert kaa.name == "kaa-spiral"
    assert kaa.device_type is None
    assert kaa.parameters == ()


def test_annotations_that_cannot_be_resolved_cost_nothing_else() -> None:
    @p.program
    async def odd(matrix: NotThere, *, interval: float = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Be annotated with what does not exist."""

    assert odd.device_type is None
    assert [one.name for one in odd.parameters] == ["interval"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: heartbeat(),
        lambda: heartbeat(1, 2),
        lambda: heartbeat(1, speed=3),
    ],
)
def test_wrong_arguments_are_an_error_at_construction(call: Callable[[], Any]) -> None:
    with pytest.raises(ProgramError, match="heartbeat"):
        call()


anything: Any = p


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: anything.forever(heartbeat), r"heartbeat\(\.\.\.\)"),
        (lambda: anything.sequence(p.sleep(1)()), "leave the last"),
        (lambda: anything.all(5), "not 5"),
        (lambda: anything.on(5), "set"),
        (lambda: anything.on([5]), "set"),
        (lambda: anything.walk(5, 1), "not iterable"),
        (lambda: anything.cycle([], 1), "at least one"),
        (lambda: anything.sleep(-1), "negative"),
        (lambda: anything.sleep(float("nan")), "finite"),
        (lambda: anything.sleep("1"), "seconds"),
        (lambda: anything.blink([], 0), "above zero"),
        (lambda: anything.walk([], 0), "above zero"),
        (lambda: anything.blink([], 1, -1), "whole number"),
        (lambda: anything.repeat(instant(), 1.5), "whole number"),
        (lambda: anything.program(lambda: None), "async def"),
    ],
)
def test_wrong_composition_is_an_error_at_construction(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ProgramError, match=says):
        call()


def test_star_import_hides_nothing_of_python() -> None:
    namespace: dict[str, Any] = {}
    exec("from core.programs import *", namespace)  # noqa: S102 - this is what users may write
    assert namespace["blink"] is p.blink
    assert "all" not in namespace
    assert "any" not in namespace


def test_any_output_protocol_will_do(board: Board) -> None:
    assert isinstance(board.a, p.Output)
    assert not isinstance(5, p.Output)
