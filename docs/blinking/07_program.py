"""A program: a recipe that has its ingredients. Four lines make one of any async function."""

import asyncio
import functools

from stage import COLUMNS, ROWS, switch


def program(function):
    """Let calls of an async function return a recipe."""

    @functools.wraps(function)
    def prepare(*arguments):
        return lambda: function(*arguments)

    return prepare


@program
async def blink(lines, interval, ntimes):
    """Switch lines on and off."""
    for _ in range(ntimes):
        switch(lines, True)
        await asyncio.sleep(interval)
        switch(lines, False)
        await asyncio.sleep(interval)


@program
async def sequence(*programs):
    """Run programs one after the other."""
    for one in programs:
        await one()


@program
async def all(*programs):
    """Run programs together, until every one has ended."""
    async with asyncio.TaskGroup() as group:
        for one in programs:
            group.create_task(one())


@program
async def repeat(one, ntimes):
    """Run a program again and again."""
    for _ in range(ntimes):
        await one()


async def main():
    """Put a programme together from programs; nothing runs before it is called."""
    corners = blink((ROWS[0][0], ROWS[0][4], ROWS[4][0], ROWS[4][4]), 0.1, 3)
    wave = sequence(*(blink(column[1:4], 0.1, 1) for column in COLUMNS[1:4]))
    await repeat(all(corners, wave), 2)()


if __name__ == "__main__":
    asyncio.run(main())
