"""Lines of a real chip through gpiod 2.x: one request for the outputs, one for the inputs, errors with their cure."""

from __future__ import annotations

import asyncio
import errno
import re
import select
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from core.errors import DeviceUnavailable
from core.sim.inputs import InputWiring, LineEdge
from core.sim.lines import Bias, Drive
from plugin_gpio_matrix.chips import bindings, find_chip, open_chip
from plugin_gpio_matrix.lines import LineBusy, OpenLines, checked_wiring, chip_gone
from plugin_gpio_matrix.wiring import OutputWiring, Wiring

if TYPE_CHECKING:
    import gpiod

    Settings = dict[Iterable[int | str] | int, gpiod.LineSettings | None]

__all__ = ["GpiodInputs", "GpiodLines", "open_gpiod"]

MOST_LINES = 64
"""How many lines the kernel gives with one request (GPIO_V2_LINES_MAX)."""

LOOK_SECONDS = 1.0
"""How often it is looked whether the chip is still there, while nothing is set."""

_AT_ONCE = timedelta(0)


class _Watched:
    """Be a request whose descriptor the loop looks at: there are edges to read, or the chip has gone."""

    def __init__(self, request: gpiod.LineRequest, title: str) -> None:
        self.request = request
        self.title = title
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, told: Callable[[], None]) -> None:
        """Have `told` called in the loop when there is something to read, or the chip is taken away."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.request.fd, told)

    def close(self) -> None:
        """Give the lines back to the kernel."""
        if self._loop is not None:
            self._loop.remove_reader(self.request.fd)
            self._loop = None
        self.request.release()

    def failed(self, doing: str, error: OSError) -> DeviceUnavailable:
        if error.errno == errno.ENODEV:
            return chip_gone(self.title)
        return DeviceUnavailable(error.errno or errno.EIO, f"{doing} of {self.title}: {error.strerror or error}")


class GpiodLines(_Watched):
    """Be output lines of a real chip, taken with one request."""

    def __init__(self, request: gpiod.LineRequest, title: str) -> None:
        from gpiod.line import Value

        super().__init__(request, title)
        self._values = (Value.INACTIVE, Value.ACTIVE)
        self._poll = select.poll()
        self._looking: asyncio.TimerHandle | None = None

    def watch(self, told: Callable[[], None]) -> None:
        """Have `told` called in the loop when the chip is taken away."""
        super().watch(told)
        # Kernels before 6.7 wake nobody then.
        self._poll.register(self.request.fd, 0)
        self._look_again(told)

    def close(self) -> None:
        """Give the lines back to the kernel."""
        if self._looking is not None:
            self._looking.cancel()
        super().close()

    def _look_again(self, told: Callable[[], None]) -> None:
        self._looking = None
        if self._poll.poll(0):
            told()
        else:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_again, told)

    def set_values(self, values: Mapping[int, bool]) -> None:
        """Set lines active or inactive in one system call; raise DeviceUnavailable if the chip has gone."""
        on = self._values
        try:
            self.request.set_values({offset: on[active] for offset, active in values.items()})
        except OSError as error:
            raise self.failed("setting lines", error) from error


class GpiodInputs(_Watched):
    """Be input lines of a real chip, taken with one request; the kernel debounces and stamps their edges."""

    def __init__(self, request: gpiod.LineRequest, title: str) -> None:
        from gpiod import EdgeEvent
        from gpiod.line import Value

        super().__init__(request, title)
        self._active, self._rising = Value.ACTIVE, EdgeEvent.Type.RISING_EDGE

    def get_values(self) -> dict[int, bool]:
        """Return which lines are active, by offset."""
        offsets = self.request.offsets
        try:
            values = self.request.get_values(offsets)
        except OSError as error:
            raise self.failed("reading lines", error) from error
        return {offset: value is self._active for offset, value in zip(offsets, values, strict=True)}

    def read_edges(self) -> list[LineEdge]:
        """Return the edges that have come, without waiting; raise DeviceUnavailable if the chip has gone."""
        try:
            # Reading waits for an edge, and the loop may have woken for nothing.
            if not self.request.wait_edge_events(_AT_ONCE):
                return []
            events = self.request.read_edge_events()
        except OSError as error:
            raise self.failed("reading edges", error) from error
        return [
            LineEdge(event.line_offset, event.event_type is self._rising, event.timestamp_ns, event.line_seqno)
            for event in events
        ]


def open_gpiod(chip: str, wiring: Wiring, *, consumer: str) -> OpenLines:
    """Take lines of a real chip, LEDs inactive at first; `chip` is a label, a name or a path, never a guess.

    Raises DeviceUnavailable with chip, line, holder and cure.
    """
    bindings()
    path = find_chip(chip)
    with open_chip(path) as opened:
        label, count = opened.get_info().label, opened.get_info().num_lines
        title = f"{path} ({label})"
        leds = [[_offset(opened, line, title, count) for line in row] for row in wiring.leds]
        buttons = {name: (_offset(opened, line, title, count), wired) for name, (line, wired) in wiring.buttons.items()}
        inputs = checked_wiring(leds, buttons, title)
        flat = tuple(offset for row in leds for offset in row)
        if len(flat) > MOST_LINES:
            raise DeviceUnavailable(
                errno.EINVAL,
                f"{len(flat)} LEDs on {title}: the kernel gives {MOST_LINES} lines with one request at most; "
                "make two matrices of it",
            )
        outputs = GpiodLines(_request(opened, {flat: _output_settings(wiring.output)}, flat, consumer, title), title)
        held = outputs.request.fd, outputs.request.offsets
        if not inputs:
            return OpenLines(outputs, leds, None, {}, title, held)
        try:
            settings: Settings = {offset: _input_settings(wired) for offset, wired in inputs.items()}
            request = _request(opened, settings, tuple(inputs), consumer, title)
        except BaseException:
            outputs.close()
            raise
        offsets = {name: offset for name, (offset, _) in buttons.items()}
        return OpenLines(outputs, leds, GpiodInputs(request, title), offsets, title, held)


def _output_settings(wiring: OutputWiring) -> gpiod.LineSettings:
    from gpiod import LineSettings
    from gpiod.line import Direction, Value

    return LineSettings(
        direction=Direction.OUTPUT,
        active_low=wiring.active_low,
        output_value=Value.INACTIVE,
        drive=_drive(wiring.drive),
        bias=_bias(wiring.bias),
    )


def _input_settings(wiring: InputWiring) -> gpiod.LineSettings:
    from gpiod import LineSettings
    from gpiod.line import Clock, Direction, Edge

    return LineSettings(
        direction=Direction.INPUT,
        active_low=wiring.active_low,
        bias=_bias(wiring.bias),
        edge_detection=Edge.BOTH,
        debounce_period=timedelta(seconds=wiring.debounce),
        event_clock=Clock.MONOTONIC,
    )


def _drive(drive: Drive) -> gpiod.line.Drive:
    from gpiod.line import Drive as Drives

    names = {"push-pull": Drives.PUSH_PULL, "open-drain": Drives.OPEN_DRAIN, "open-source": Drives.OPEN_SOURCE}
    return names[drive]


def _bias(bias: Bias) -> gpiod.line.Bias:
    from gpiod.line import Bias as Biases

    names = {
        "as-is": Biases.AS_IS,
        "disabled": Biases.DISABLED,
        "pull-up": Biases.PULL_UP,
        "pull-down": Biases.PULL_DOWN,
    }
    return names[bias]


def _offset(chip: gpiod.Chip, line: int | str, title: str, count: int) -> int:
    if isinstance(line, str):
        try:
            return chip.line_offset_from_id(line)
        except OSError as error:
            raise DeviceUnavailable(
                errno.ENOENT, f"{title} has no line named {line!r}; see gpioinfo for its names"
            ) from error
    if not 0 <= line < count:
        raise DeviceUnavailable(errno.EINVAL, f"line {line} is beyond {title}, which has lines 0 to {count - 1}")
    return line


def _request(
    chip: gpiod.Chip,
    settings: Settings,
    offsets: Sequence[int],
    consumer: str,
    title: str,
) -> gpiod.LineRequest:
    try:
        return chip.request_lines(config=settings, consumer=consumer)
    except OSError as error:
        raise _refused(error, chip, offsets, title) from error


def _refused(error: OSError, chip: gpiod.Chip, offsets: Sequence[int], title: str) -> DeviceUnavailable:
    """Return the error that says which line is held by whom."""
    if error.errno == errno.EBUSY:
        for offset in offsets:
            info = chip.get_line_info(offset)
            if info.used:
                cure = "stop that, or use another line"
                if re.match(r"spi\d+ CS\d+$", info.consumer):
                    cure = (
                        "it selects a chip on an SPI bus: use another line, or put dtoverlay=spi0-0cs into config.txt"
                    )
                return LineBusy(f"line {offset} of {title} is held by {info.consumer!r}; {cure}", info.consumer)
    return DeviceUnavailable(error.errno or errno.EIO, f"the lines of {title} cannot be had: {error.strerror or error}")
