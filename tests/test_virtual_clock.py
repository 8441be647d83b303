"""The virtual clock: time passes by itself, the same way every time, and stands still for what is real."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time

import pytest

from core.duration import Duration
from core.errors import LoopError
from core.loop import Loop, delay
from core.testing import VirtualClock


def test_an_hour_of_a_task_takes_no_time(clock: VirtualClock) -> None:
    ticks: list[int] = []

    async def tick() -> None:
        ticks.append(clock.now())

    async def main() -> None:
        Loop.current().schedule(1, tick)
        await delay(Duration.of_hours(1))

    began = time.perf_counter()
    clock.run(main())
    assert ticks == [second * 1_000_000_000 for second in range(3601)]
    assert time.perf_counter() - began < 5


def test_two_runs_are_the_same_to_the_nanosecond() -> None:
    def run() -> list[tuple[str, int]]:
        clock = VirtualClock()
        log: list[tuple[str, int]] = []

        async def tick(name: str, takes: float) -> None:
            log.append((name, clock.now()))
            await asyncio.sleep(takes)
            await delay(takes / 3)
            log.append((name, clock.now()))

        async def main() -> None:
            for number in range(10):
                Loop.current().schedule(3 + number / 7, tick, f"tick {number}", number / 97)
            await delay(10)

        clock.run(main())
        return log

    first = run()
    assert len(first) > 300
    assert first == run() == run()


def test_asyncio_timers_live_on_virtual_time(clock: VirtualClock) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await asyncio.sleep(0.123456789)
        times.append(loop.time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1000):
                await loop.create_future()
        times.append(loop.time())
        return times

    assert clock.run(main()) == [0, pytest.approx(0.123456789, abs=1e-9), pytest.approx(1000.123456789, abs=2e-9)]


def test_sockets_are_served_before_time_passes(clock: VirtualClock) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def main() -> list[bytes]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        answers = []
        async with asyncio.timeout(1):
            for number in range(20):
                writer.write(b"line %d\n" % number)
                answers.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answers

    assert clock.run(main()) == [b"LINE %d\n" % number for number in range(20)]
    assert clock.seconds < 1


def test_a_descriptor_that_never_speaks_does_not_keep_time_from_passing(clock: VirtualClock) -> None:
    async def main() -> float:
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.get_running_loop().sock_recv(one, 1)
        return clock.seconds

    assert clock.run(main()) == 5


def test_time_stands_still_while_an_executor_job_runs(clock: VirtualClock) -> None:
    release = threading.Event()
    seen: list[float] = []

    def job() -> str:
        release.wait(10)
        return "done"

    async def tick() -> None:
        seen.append(clock.seconds)

    async def main() -> tuple[str, float]:
        Loop.current().schedule(1, tick)
        await delay(2.5)
        work = asyncio.get_running_loop().run_in_executor(None, job)
        # Real time: the job is let go only when the loop has long had nothing to do but to wait.
        timer = threading.Timer(0.05, release.set)
        timer.start()
        result = await work
        timer.join()
        return result, clock.seconds

    assert clock.run(main()) == ("done", 2.5)
    assert seen == [0, 1, 2]


def test_time_stands_still_while_a_child_process_runs(clock: VirtualClock) -> None:
    async def main() -> tuple[bytes, float]:
        await delay(1)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(input()[::-1])", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(0.001):
            output, _ = await child.communicate(b"abc\n")
        return output, clock.seconds

    output, seconds = clock.run(main())
    assert (output, seconds) == (b"cba\n", 1)
    assert clock.seconds == 1


def test_time_passes_again_after_the_child(clock: VirtualClock) -> None:
    async def main() -> float:
        child = await asyncio.create_subprocess_shell("exit 3")
        assert await child.wait() == 3
        await delay(10)
        return clock.seconds

    assert clock.run(main()) == 10


def test_held_time_stands_still_until_a_thread_lets_it_go(clock: VirtualClock) -> None:
    answers: list[bytes] = []

    def talk(address: tuple[str, int]) -> None:
        with clock.held(), socket.create_connection(address, 5) as client:
            begun.set()
            client.sendall(b"abc")
            answers.append(client.recv(3))

    begun = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(3))[::-1])
        await writer.drain()
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        thread = threading.Thread(target=talk, args=(server.sockets[0].getsockname()[:2],))
        with clock.held():
            thread.start()
            while not begun.is_set():  # noqa: ASYNC110 - real time must pass
                await asyncio.sleep(0)
        await delay(1)
        server.close()
        await server.wait_closed()
        thread.join()
        return clock.seconds

    assert clock.run(main()) == 1
    assert answers == [b"cba"]


def test_held_on_the_real_clock_is_harmless() -> None:
    async def main() -> bool:
        loop = Loop.current()
        with loop.held():
            before = loop.now()
            await delay(0.001)
            return loop.now() > before

    assert Loop().run(main())


def test_waiting_for_what_can_never_happen_is_an_error(clock: VirtualClock) -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await asyncio.get_running_loop().create_task(stuck(), name="the culprit")

    with pytest.raises(LoopError, match=r"the culprit at test_virtual_clock.py:\d+"):
        clock.run(main())


def test_each_run_is_a_fresh_loop_and_time_goes_on(clock: VirtualClock) -> None:
    loops = []

    async def main() -> None:
        loops.append(Loop.current())
        await delay(1)

    prepared = clock.loop
    clock.run(main())
    clock.run(main())
    assert loops[0] is prepared
    assert loops[1] is not prepared
    assert clock.loop is loops[1]
    assert clock.seconds == 2


def test_pipes_work(clock: VirtualClock) -> None:
    async def main() -> bytes:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.add_reader(reading, lambda: future.set_result(os.read(reading, 100)))
        loop.call_later(3, os.write, writing, b"late")
        try:
            return bytes(await future)
        finally:
            loop.remove_reader(reading)
            os.close(reading)
            os.close(writing)

    assert clock.run(main()) == b"late"
    assert clock.seconds == 3


def test_a_cancelled_executor_job_still_holds_time_until_its_thread_returns(clock: VirtualClock) -> None:
    ended = threading.Event()
    release = threading.Event()

    def job() -> None:
        release.wait(10)
        ended.set()

    async def main() -> bool:
        work = asyncio.get_running_loop().run_in_executor(None, job)
        work.cancel()
        timer = threading.Timer(0.05, release.set)
        timer.start()
        await delay(1)
        timer.join()
        return ended.is_set()

    assert clock.run(main()) is True
