"""Files whose readers the loop calls by itself, before asyncio comes to them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from core.loop import Loop
from core.loop.event_loop import CoreEventLoop

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("PLACE", default="nowhere")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        yield one, other


def run(work: Callable[[CoreEventLoop], Awaitable[None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CoreEventLoop)
        async with asyncio.timeout(20):
            await work(loop)

    Loop().run(main())


def test_a_reader_is_called_in_its_context_and_tasks_and_timers_have_their_turn(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    seen: list[tuple[bytes, str]] = []

    async def work(loop: CoreEventLoop) -> None:
        timers: asyncio.Queue[int] = asyncio.Queue()

        def read() -> None:
            seen.append((one.recv(100), PLACE.get()))
            if len(seen) < 3:
                loop.call_later(0.001, timers.put_nowait, len(seen))
                other.send(b"more")

        PLACE.set("here")
        loop.add_quick_reader(one.fileno(), read)
        PLACE.set("there")
        other.send(b"first")
        assert sorted([await timers.get(), await timers.get()]) == [1, 2]
        assert loop.remove_reader(one)

    run(work)
    assert seen == [(b"first", "here"), (b"more", "here"), (b"more", "here")]


def test_a_reader_that_fails_is_reported_and_called_again(
    pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = pair

    async def work(loop: CoreEventLoop) -> None:
        ended = asyncio.Event()

        def read() -> None:
            if one.recv(1) == b"1":
                raise ValueError("a broken reader")
            ended.set()

        loop.add_quick_reader(one.fileno(), read)
        other.send(b"12")
        await ended.wait()
        loop.remove_reader(one.fileno())

    with caplog.at_level(logging.ERROR):
        run(work)
    assert "a broken reader" in caplog.text


def test_a_reader_that_is_taken_away_is_not_called_any_more(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    calls: list[bytes] = []

    async def work(loop: CoreEventLoop) -> None:
        third, fourth = socket.socketpair()
        with third, fourth:

            def read(which: socket.socket) -> None:
                calls.append(which.recv(10))
                for sock in (one, third):
                    loop.remove_reader(sock.fileno())

            # Both can be read in the same turn; who comes first takes the other away.
            loop.add_quick_reader(one.fileno(), lambda: read(one))
            loop.add_quick_reader(third.fileno(), lambda: read(third))
            other.send(b"x")
            fourth.send(b"x")
            await Loop.current().delay(0.005)

    run(work)
    assert calls == [b"x"]


def test_while_a_reader_is_always_busy_the_loop_can_be_ended(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    turns = 0

    async def work(loop: CoreEventLoop) -> None:
        def read() -> None:
            nonlocal turns
            turns += 1
            other.send(one.recv(10))

        def back() -> None:
            one.send(other.recv(10))

        other.setblocking(False)
        loop.add_quick_reader(one.fileno(), read)
        loop.add_quick_reader(other.fileno(), back)
        other.send(b"x")
        await Loop.current().delay(0.05)
        loop.remove_reader(one.fileno())
        loop.remove_reader(other.fileno())

    run(work)
    assert turns > 10
