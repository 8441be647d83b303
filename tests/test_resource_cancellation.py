"""No hand-over is lost, whoever is cancelled at whatever moment: found out by a state machine."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.resource import ManagedResource


class User:
    """A task that holds the resource until it is told to go on."""

    def __init__(self, resource: ManagedResource[str], order: list[int], number: int, waits: tuple[bool, bool]) -> None:
        self.number = number
        self.release = asyncio.Event()
        self.inside = False
        self.task = asyncio.get_running_loop().create_task(self.work(resource, order, waits))

    async def work(self, resource: ManagedResource[str], order: list[int], waits: tuple[bool, bool]) -> None:
        async with resource.handle(*waits):
            order.append(self.number)
            self.inside = True
            try:
                await self.release.wait()
            finally:
                self.inside = False


class Sharing(RuleBasedStateMachine):
    """Start, finish and cancel users in any order, with any number of the loop's turns in between."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.prepared = 0
        self.resource = ManagedResource("bus", self.acquire, self.put_back)
        self.users: list[User] = []
        self.order: list[int] = []
        self.count = 0

    async def acquire(self, slow_acquire: bool, slow_release: bool) -> None:
        if slow_acquire:
            await asyncio.sleep(0)
        self.prepared += 1

    async def put_back(self, slow_acquire: bool, slow_release: bool) -> None:
        if slow_release:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self.prepared -= 1

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    @rule(waits=st.tuples(st.booleans(), st.booleans()), turns=st.integers(0, 3))
    def start(self, waits: tuple[bool, bool], turns: int) -> None:
        async def begin() -> None:
            self.users.append(User(self.resource, self.order, self.count, waits))
            await self.turns(turns)

        self.count += 1
        self.runner.run(begin())

    @precondition(lambda self: self.users)
    @rule(data=st.data(), turns=st.integers(0, 3))
    def cancel(self, data: st.DataObject, turns: int) -> None:
        async def act() -> None:
            data.draw(st.sampled_from(self.users)).task.cancel()
            await self.turns(turns)

        self.runner.run(act())

    @precondition(lambda self: self.users)
    @rule(data=st.data(), turns=st.integers(0, 3))
    def finish(self, data: st.DataObject, turns: int) -> None:
        async def act() -> None:
            data.draw(st.sampled_from(self.users)).release.set()
            await self.turns(turns)

        self.runner.run(act())

    @rule(turns=st.integers(1, 8))
    def let_run(self, turns: int) -> None:
        self.runner.run(self.turns(turns))

    @invariant()
    def at_most_one_has_it(self) -> None:
        assert sum(user.inside for user in self.users) <= 1
        assert self.prepared in (0, 1)
        # First come, first served.
        assert self.order == sorted(self.order)

    def teardown(self) -> None:
        async def end() -> None:
            for user in self.users:
                user.release.set()
            # No hand-over was lost: everyone who was not cancelled gets it in the end.
            async with asyncio.timeout(5):
                await asyncio.gather(*(user.task for user in self.users), return_exceptions=True)

        self.runner.run(end())
        assert self.prepared == 0
        assert self.resource.statistics().holder is None
        assert self.resource.statistics().waiting == 0
        for user in self.users:
            assert user.task.cancelled() or user.number in self.order
        self.runner.close()


Sharing.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestSharing = Sharing.TestCase
