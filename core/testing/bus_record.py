"""BusRecord: what goes over a simulated SPI bus to one chip, with assertions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.sim.spi import SimulatedSpiBus, SimulatedSpiChip

__all__ = ["BusRecord", "Transaction", "assert_bus_at_rest"]


@dataclass(frozen=True)
class Transaction:
    """Be what went over the bus while the chip was selected, byte by byte in both directions."""

    sent: bytes
    answered: bytes


class BusRecord:
    """Stand between a bus and a chip and keep every transaction: `bus.attach(0, BusRecord(chip))`."""

    def __init__(self, chip: SimulatedSpiChip) -> None:
        self.chip = chip
        self.transactions: list[Transaction] = []
        self._sent, self._answered = bytearray(), bytearray()

    def select(self) -> None:
        """Begin a transaction."""
        self._sent, self._answered = bytearray(), bytearray()
        self.chip.select()

    def deselect(self) -> None:
        """End it and keep it."""
        self.chip.deselect()
        self.transactions.append(Transaction(bytes(self._sent), bytes(self._answered)))

    def transfer(self, byte: int) -> int:
        """Pass a byte on, and the chip's answer back."""
        answer = self.chip.transfer(byte)
        self._sent.append(byte)
        self._answered.append(answer)
        return answer

    def assert_sent(self, *transactions: bytes) -> None:
        """Raise AssertionError unless these transactions were sent, in this order, one right after the other."""
        sent = [one.sent for one in self.transactions]
        wanted = list(transactions)
        if not any(sent[at : at + len(wanted)] == wanted for at in range(len(sent) - len(wanted) + 1)):
            raise AssertionError(f"{_hex(wanted)} was never sent; sent was {_hex(sent[-50:])}")


def assert_bus_at_rest(bus: SimulatedSpiBus) -> None:
    """Raise AssertionError if somebody has the bus or a chip is selected, or two chips have ever been at once."""
    if not bus.try_lock():
        raise AssertionError("the bus is locked")
    bus.unlock()
    if bus.collisions:
        raise AssertionError(f"{bus.collisions} bytes went over the bus while more than one chip was selected")


def _hex(transactions: Sequence[bytes]) -> str:
    return ", ".join(one.hex(" ") for one in transactions) or "nothing"
