"""One after the other; and since both words make a coroutine, they can be put into each other."""

import asyncio

from stage import COLUMNS, ROWS, all, blink


async def sequence(*coroutines):
    """Run coroutines one after the other."""
    for coroutine in coroutines:
        await coroutine


async def main():
    """Go down the rows, then blink the outer columns together."""
    down = [blink(row, 0.1, 1) for row in ROWS]
    await sequence(*down, all(blink(COLUMNS[0], 0.2, 2), blink(COLUMNS[4], 0.2, 2)))


if __name__ == "__main__":
    asyncio.run(main())
