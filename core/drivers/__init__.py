"""External drivers: any INDI executable as a child process, and the FIFO by which drivers are started and stopped.

`child.py` runs a driver again and again; `guardianship.py` has it started by a process of its own, `ward.py` hears what
that reports, `guardian.py` is what runs there; `stderr_log.py` takes what a driver writes to stderr; `fifo.py` reads
the commands that indiserver's FIFO takes; `descriptor_limit.py` keeps the limit that drivers are to have.
"""

from core.drivers.child import ChildDriver, ChildStatistics
from core.drivers.descriptor_limit import original_descriptor_limit, raise_descriptor_limit
from core.drivers.fifo import (
    CommandRefused,
    FifoCommands,
    FifoReader,
    RestartDriver,
    StartDriver,
    StopDriver,
    parse_command,
)

__all__ = [
    "ChildDriver",
    "ChildStatistics",
    "CommandRefused",
    "FifoCommands",
    "FifoReader",
    "RestartDriver",
    "StartDriver",
    "StopDriver",
    "original_descriptor_limit",
    "parse_command",
    "raise_descriptor_limit",
]
