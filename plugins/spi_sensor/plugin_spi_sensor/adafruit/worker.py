"""A thread for a driver that blocks, and the bus that it sees.

The driver locks its bus as CircuitPython's do. Here that waits until the task which runs the driver has the managed
handle: the chip is selected then and the clock set, so that the driver's own select and clock need do nothing. The task
keeps the handle until the driver unlocks, whatever happens to the task meanwhile.

Writes wait for the read that follows, or for the unlock: the kernel's selects rise between two transfers, and these
drivers send a register's address in one and read it in another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from core import DeviceUnavailable
from plugin_spi_sensor.bus.protocol import SpiBus

__all__ = ["LIMIT", "StandInBus", "StandInSelect", "Worker"]

LIMIT = 5.0
"""Seconds after which a driver that still runs is stopped: some wait for a chip without end."""

Handle = AbstractAsyncContextManager[SpiBus]
R = TypeVar("R")


class Turn:
    """Be one transaction of the driver: the bus that it gets, and the end that the task waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.granted: Future[SpiBus] = Future()
        self.over: asyncio.Future[None] = loop.create_future()

    def end(self) -> None:
        """Let the task go on; called on its loop."""
        if not self.over.done():
            self.over.set_result(None)


class StandInSelect:
    """Be a select pin that does nothing: whoever has the managed handle has selected the chip already."""

    value = True

    def switch_to_output(self, value: bool = True) -> None:
        """Do nothing."""


class StandInBus:
    """Be the bus that a driver in a thread sees, with the duck type of `busio.SPI`; `ask` waits for a turn."""

    def __init__(self, ask: Callable[[], SpiBus], leave: Callable[[], None]) -> None:
        self._ask = ask
        self._leave = leave
        self._bus: SpiBus | None = None
        self._unsent = bytearray()

    def try_lock(self) -> bool:
        """Wait for the managed handle, and return True; raise what ended the waiting."""
        self._unsent.clear()
        self._bus = self._ask()
        return True

    def unlock(self) -> None:
        """Send what has not been sent yet, and give the handle back."""
        try:
            if self._bus is not None and self._unsent:
                self._bus.write(bytes(self._unsent))
        finally:
            self._bus = None
            self._leave()

    def configure(self, baudrate: int = 100_000, polarity: int = 0, phase: int = 0, bits: int = 8) -> None:
        """Do nothing: the handle has set the clock as the sensor's options say."""

    def write(self, buffer: bytes | bytearray | memoryview, start: int = 0, end: int | None = None) -> None:
        """Send `buffer[start:end]`, before the next bytes that are read or at the end."""
        self._unsent += memoryview(buffer)[start:end]

    def readinto(
        self, buffer: bytearray | memoryview, start: int = 0, end: int | None = None, write_value: int = 0
    ) -> None:
        """Fill `buffer[start:end]`, while `write_value` is sent for each byte."""
        window = memoryview(buffer)[start:end]
        window[:] = self._exchange(bytes((write_value,)) * len(window))

    def write_readinto(
        self,
        buffer_out: bytes | bytearray | memoryview,
        buffer_in: bytearray | memoryview,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Send one slice and fill another of its length at the same time."""
        received = memoryview(buffer_in)[in_start:in_end]
        received[:] = self._exchange(bytes(memoryview(buffer_out)[out_start:out_end]))

    def _exchange(self, sent: bytes) -> bytes:
        if self._bus is None:
            raise RuntimeError("the bus is used without its lock; call try_lock() first")
        before = len(self._unsent)
        whole = bytes(self._unsent) + sent
        self._unsent.clear()
        answer = bytearray(len(whole))
        self._bus.write_readinto(whole, answer)
        return bytes(answer[before:])


class Worker:
    """Run functions of a blocking driver in a thread of its own, on the chip that `handle` selects."""

    def __init__(self, handle: Handle, name: str) -> None:
        self._handle = handle
        self._name = name
        # Not asyncio's own threads, of which there are few: they would all wait for a bus whose holder needs one.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._turns: asyncio.Queue[Turn | None] = asyncio.Queue()
        self._turn: Turn | None = None
        self._stopped = False
        self._job: asyncio.Future[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self.bus = StandInBus(self._wait_for_turn, self._end_turn)
        """What the driver takes for a `busio.SPI`."""
        self.select = StandInSelect()
        """What the driver takes for a `DigitalInOut`."""

    async def run(self, function: Callable[[], R]) -> R:
        """Return what the function returns, and raise what it raises.

        Raises DeviceUnavailable for one that takes longer than LIMIT. Cancelled, it comes back when the thread has:
        the driver's next use of the bus fails then.
        """
        self._stopped = False
        turns: asyncio.Queue[Turn | None] = asyncio.Queue()
        self._turns = turns
        job = self._loop.run_in_executor(self._thread, function)
        self._job = job
        job.add_done_callback(lambda _: turns.put_nowait(None))
        try:
            async with asyncio.timeout(LIMIT) as limit:
                await self._serve(turns, job)
        except BaseException as error:
            await self._stop()
            if isinstance(error, TimeoutError) and limit.expired():
                raise DeviceUnavailable(
                    f"Adafruit's driver still waits for the chip after {LIMIT:g} s; check its power and its wiring"
                ) from error
            raise
        return job.result()

    async def close(self) -> None:
        """End the thread."""
        await self._stop()
        self._thread.shutdown()

    async def _serve(self, turns: asyncio.Queue[Turn | None], job: asyncio.Future[R]) -> None:
        """Give the bus to the driver as often as it wants it, until the driver is done."""
        while (turn := await turns.get()) is not None:
            try:
                async with self._handle as bus:
                    turn.granted.set_result(bus)
                    await _kept({turn.over, job})
            except BaseException as error:
                if not turn.granted.done():
                    turn.granted.set_exception(error if isinstance(error, Exception) else self._refusal())
                raise

    async def _stop(self) -> None:
        """Let the driver fail where it uses the bus the next time, and wait for the thread."""
        self._stopped = True
        while not self._turns.empty():
            if (turn := self._turns.get_nowait()) is not None:
                turn.granted.set_exception(self._refusal())
        if self._job is not None:
            await _kept({self._job})
            # It is known why it failed, if it did.
            self._job.exception()
            self._job = None

    def _refusal(self) -> DeviceUnavailable:
        return DeviceUnavailable(f"the driver of {self._name} has been stopped")

    # What follows is called in the thread, or on the loop on its behalf.

    def _wait_for_turn(self) -> SpiBus:
        turn = Turn(self._loop)
        self._loop.call_soon_threadsafe(self._enqueue, turn)
        bus = turn.granted.result()
        self._turn = turn
        return bus

    def _enqueue(self, turn: Turn) -> None:
        if self._stopped:
            turn.granted.set_exception(self._refusal())
        else:
            self._turns.put_nowait(turn)

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._loop.call_soon_threadsafe(turn.end)


async def _kept(futures: set[asyncio.Future[Any]]) -> None:
    """Wait for the first of them even when cancelled, and raise the cancellation then."""
    cancelled: asyncio.CancelledError | None = None
    while not any(future.done() for future in futures):
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
