"""Blink each row at its own pace: a task for each, and one loop that runs them all."""

import asyncio

from stage import ROWS, switch


async def blink(lines, interval, ntimes):
    """Switch lines on and off."""
    for _ in range(ntimes):
        switch(lines, True)
        await asyncio.sleep(interval)
        switch(lines, False)
        await asyncio.sleep(interval)


async def main():
    """Begin three blinkers, then wait for each."""
    slow = asyncio.create_task(blink(ROWS[0], 0.5, 1))
    medium = asyncio.create_task(blink(ROWS[2], 0.3, 2))
    quick = asyncio.create_task(blink(ROWS[4], 0.2, 3))
    await slow
    await medium
    await quick


if __name__ == "__main__":
    asyncio.run(main())
