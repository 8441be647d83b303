"""The same words from core.programs, which have been tried on everything that went wrong."""

from stage import COLUMNS, LEDS, ROWS, switch

from core import programs as p
from core import run


class Group:
    """Be LEDs that are switched together: whatever has set(bool) can blink."""

    def __init__(self, lines):
        """Take the lines."""
        self.lines = lines

    def set(self, value):
        """Switch them."""
        switch(self.lines, value)


rows = [Group(row) for row in ROWS]
columns = [Group(column) for column in COLUMNS]

show = p.sequence(
    p.walk(rows, 0.1),
    p.walk(reversed(columns), 0.1),
    p.blink(Group(LEDS), 0.1, 2),
)


async def main():
    """Show it."""
    await show()


if __name__ == "__main__":
    run(main())
