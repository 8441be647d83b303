"""The serial port. Its calls wait, so they are made in threads."""

from __future__ import annotations

import errno
import termios

from core import DeviceUnavailable

from plugin_scale.protocol import END, LONGEST_ANSWER

BAUD = 9600
PATIENCE = 1.0
"""For how many seconds an answer is waited for."""


class Port:
    """Be an open serial port, 9600 baud, 8 bits, no parity."""

    def __init__(self, path: str) -> None:
        import serial  # here, because nobody should need it to look at the list of plugins

        self.path = path
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, termios.error)
        try:
            self._serial = serial.Serial(path, BAUD, timeout=PATIENCE, write_timeout=PATIENCE, exclusive=True)
        except (serial.SerialException, OSError) as error:
            number = error.errno or errno.EIO
            cure = {
                errno.ENOENT: "plug it in; ls -l /dev/serial/by-id shows what is there",
                errno.EACCES: "sudo usermod -aG dialout $USER, and log in anew",
                errno.EBUSY: "end the other program that has it open",
            }.get(number, "see whether another program has it open")
            raise DeviceUnavailable(number, f"{path} cannot be opened: {_reason(error)}; {cure}") from error

    def ask(self, command: str) -> str:
        """Return the line that answers a command, empty for none; raise DeviceUnavailable if the port has gone."""
        try:
            self._serial.reset_input_buffer()  # what an earlier command was answered too late
            self._serial.write(command.encode("ascii") + END)
            answer: bytes = self._serial.read_until(END, LONGEST_ANSWER)
        except self._errors as error:
            why = f"{self.path} has gone: {_reason(error)}; plug it in again"
            raise DeviceUnavailable(errno.ENODEV, why) from error
        return answer.decode("ascii", errors="replace").strip()

    def close(self) -> None:
        """Close it."""
        self._serial.close()


def _reason(error: BaseException) -> str:
    # Those of termios are no OSErrors and have no strerror.
    return getattr(error, "strerror", None) or str(error.args[-1] if error.args else error)
