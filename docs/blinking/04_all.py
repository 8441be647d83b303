"""Say it in one word: all of these together."""

import asyncio

from stage import COLUMNS, blink


async def all(*coroutines):
    """Run coroutines together, until every one has ended."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)


async def main():
    """Blink the columns, each a little slower than its neighbour."""
    await all(*(blink(column, 0.1 * number, 1) for number, column in enumerate(COLUMNS, 1)))


if __name__ == "__main__":
    asyncio.run(main())
