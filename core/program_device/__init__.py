"""A device that runs programs: it offers them, starts and queues them on its outputs, and shows their settings."""

from core.program_device.device import NONE, IfBusyOption, ProgramDevice

__all__ = ["NONE", "IfBusyOption", "ProgramDevice"]
