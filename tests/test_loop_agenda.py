"""The agenda: the order of deadlines, wake-ups that are shared, and turns that are not hogged."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.duration import Duration
from core.loop import Loop, Timing
from core.loop.agenda import BURST, SPACING, Agenda, Entry
from core.testing import VirtualClock

MS = 1_000_000


class Note:
    """Note when it is due, and come again a number of times."""

    def __init__(self, log: list[tuple[int, int]], number: int, again: int = 0, period: int = 1) -> None:
        self.entry: Entry | None = None
        self.log = log
        self.number = number
        self.again = again
        self.period = period

    def due(self, deadline: int, now: int) -> int:
        self.log.append((deadline, self.number))
        self.again -= 1
        return deadline + self.period if self.again >= 0 else 0


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5), st.integers(1, 20), st.booleans())))
def test_items_run_in_the_order_of_their_deadlines(items: list[tuple[int, int, int, bool]]) -> None:
    clock = VirtualClock()
    agenda = Agenda(clock)
    log: list[tuple[int, int]] = []
    expected = []
    for number, (deadline, again, period, forgotten) in enumerate(items):
        item = Note(log, number, again, period)
        agenda.enter(deadline, item)
        if forgotten:
            agenda.forget(item)
            agenda.forget(item)
        else:
            expected += [(deadline + turn * period, number) for turn in range(again + 1)]
    for moment in range(1, 200):
        clock.skip_to(moment)
        agenda.run_due()
    assert log == sorted(log, key=lambda entry: entry[0])
    assert sorted(log) == sorted(expected)
    assert agenda.first() is None


def test_wake_ups_are_exact_until_there_are_very_many(clock: VirtualClock) -> None:
    agenda = Agenda(clock)
    agenda.count_slack(MS // 2, 1)
    note = Note([], 0)
    woken = []
    for number in range(200):
        # A deadline each tenth of a millisecond: ten thousand a second.
        agenda.enter(clock.now() + MS // 10, note)
        woken.append(agenda.wake_at(clock.now()))
        clock.skip_to(woken[-1] or 0)
        assert woken[-1] is not None, number
    gaps = [later - earlier for earlier, later in itertools.pairwise(woken) if earlier and later]
    exact = BURST // SPACING
    assert gaps[: exact - 1] == [MS // 10] * (exact - 1)
    # From then on by as much as the tasks allow, to the quarter of an octave, and no more than that.
    assert set(gaps[exact + 2 :]) == {MS // 10 + (7 << (MS // 2).bit_length() - 3)}


def test_one_exact_task_keeps_all_wake_ups_exact(clock: VirtualClock) -> None:
    agenda = Agenda(clock)
    agenda.count_slack(MS, 1)
    agenda.count_slack(0, 1)
    note = Note([], 0)
    for _ in range(100):
        deadline = clock.now() + MS // 10
        agenda.enter(deadline, note)
        assert agenda.wake_at(clock.now()) == deadline
        clock.skip_to(deadline)
    agenda.count_slack(0, -1)
    agenda.enter(clock.now() + MS // 10, note)
    woken = agenda.wake_at(clock.now())
    assert woken is not None
    assert woken > clock.now() + MS // 10


def test_tasks_of_one_turn_begin_at_one_time() -> None:
    async def tick() -> None:
        """Do nothing."""

    async def main() -> set[int]:
        loop = Loop.current()
        # Real time passes between these calls.
        tasks = [loop.schedule_later(Duration.of_hours(1), tick) for _ in range(100)]
        return {task.deadline for task in tasks}

    assert len(Loop().run(main())) == 1


def test_ticks_do_not_keep_sockets_from_their_turn() -> None:
    async def busy() -> None:
        end = time.perf_counter() + 0.0005
        while time.perf_counter() < end:
            pass

    async def main() -> int:
        loop = Loop.current()
        for _ in range(200):
            loop.schedule(Timing(0.1), busy)
        turns = 0
        while loop.statistics().ticks < 200:
            await asyncio.sleep(0)
            turns += 1
        return turns

    # 100 ms of ticks at one instant: at least every few of them something else had a turn.
    assert Loop().run(main()) > 50


@pytest.mark.parametrize("precise", [False, True])
def test_stopped_tasks_no_longer_decide_about_wake_ups(clock: VirtualClock, precise: bool) -> None:
    async def tick() -> None:
        """Do nothing."""

    loop = Loop()
    exact = loop.schedule(Timing(1000, precise=precise), tick)
    coarse = loop.schedule(1, tick)
    assert exact.slack == (0 if precise else 20_000)
    assert coarse.slack == 20 * MS
    exact.change_rate(Timing(2, precise=False))
    assert exact.slack == 10 * MS
    exact.stop()
    coarse.stop()
    assert loop.agenda.wake_at(0) is None
