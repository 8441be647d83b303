"""The first that is done ends the others, and they clean up before it goes on."""

from stage import ROWS, Group

from core import programs as p
from core import run

rows = [Group(row) for row in ROWS]

# Light them, and wait for ever; a sleep that is done first ends that.
flash = p.any(p.on(rows[2]), p.sleep(0.3))

# All that blinks can be made of on, any and sleep.
my_blink = p.forever(p.sequence(flash, p.sleep(0.2)))


@p.program
async def careful(outputs):
    """Light LEDs, and say so when it is told to stop."""
    outputs.set(True)
    try:
        await p.sleep(60)()
    finally:
        outputs.set(False)
        print("dark again")


@p.program
async def broken():
    """Fail after a while."""
    await p.sleep(0.2)()
    raise OSError("a wire is loose")


async def main():
    """Cancel what would go on for ever, in three ways."""
    await p.any(my_blink, p.sleep(1))()
    await p.sequence(p.timeout(careful(rows[0]), 0.3), p.blink(rows[0], 0.1, 1))()
    try:
        await p.all(careful(rows[4]), broken())()
    except OSError as error:
        print(f"one has failed, the other has ended: {error}")


if __name__ == "__main__":
    run(main())
