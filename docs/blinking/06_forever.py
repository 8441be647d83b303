"""Again and again: why a coroutine will not do, and what will."""

import asyncio

from stage import ROWS, blink


async def forever_once(coroutine):
    """Try to run a coroutine for ever."""
    while True:
        await coroutine


async def forever(recipe):
    """Make a coroutine and run it, again and again."""
    while True:
        await recipe()


async def main():
    """Fail, then blink for a second."""
    try:
        await forever_once(blink(ROWS[0], 0.1, 1))
    except RuntimeError as error:
        print(f"a coroutine runs once: {error}")

    try:
        async with asyncio.timeout(1):
            await forever(lambda: blink(ROWS[0], 0.1, 1))
    except TimeoutError:
        print("a recipe runs as often as you like")


if __name__ == "__main__":
    asyncio.run(main())
