"""The matrix as a device: its lines opened, closed, lost and found again."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from core import CheckResult
from core.programs.regions import ALL, Region
from core.sim.unplugging import Simulation
from plugin_gpio_matrix.buttons import Button
from plugin_gpio_matrix.chips import SIMULATED
from plugin_gpio_matrix.doctor import check_chip
from plugin_gpio_matrix.exit_states import ExitState, exit_states
from plugin_gpio_matrix.frames import Frames
from plugin_gpio_matrix.holding import Holder
from plugin_gpio_matrix.layout import Led, rows_of_leds
from plugin_gpio_matrix.lines import Lines, OpenLines, chip_gone, simulated_chip, take_lines
from plugin_gpio_matrix.options import Options as MatrixOptions
from plugin_gpio_matrix.properties import MatrixProperties
from plugin_gpio_matrix.regions import leds_named


class GpioMatrix(MatrixProperties):
    """A matrix of LEDs, each on a line of its own."""

    kind = "matrix"
    Options = MatrixOptions

    def __init__(self, name: str, options: MatrixOptions | None = None) -> None:
        super().__init__(name, options)
        self.wiring = self.options.wiring()
        used = [str(line) for line in self.wiring.all_lines]
        if twice := sorted({line for line in used if used.count(line) > 1}):
            raise ValueError(
                f"lines: {', '.join(twice)} stands more than once; each LED and button has a line of its own"
            )
        frames = Frames(sum(map(len, self.options.lines)), self._frame_shown, self._frame_failed)
        self.lay_out(rows_of_leds([len(row) for row in self.options.lines], frames.switch))
        self.buttons = {
            name: Button(name, self, simulated=self.options.chip == SIMULATED) for name in self.wiring.buttons
        }
        # The same through all openings, as a chip on a desk.
        self._simulated = simulated_chip(self.wiring) if self.options.chip == SIMULATED else None
        self._holder: Holder | None = None
        self._open_lines: OpenLines | None = None
        self._lines: Lines | None = None
        self._exit_states_by_name = exit_states(self.options.exit_state, [led.name for led in self.all])
        self._offsets: list[int] = []
        self._define(frames)

    def outputs(self) -> Iterable[Led]:
        """Return every LED."""
        return self.all

    def region(self, name: str) -> Region:
        """Return a part of the matrix by name, such as "row 1" or "r1c1-r3c3"; raise ProgramError if there is none."""
        if name == ALL:
            return Region(ALL, self, tuple(self.all), frozenset(led.number for led in self.all))
        part = self.part(leds_named(self, name))
        return Region(name, part, tuple(part.all), frozenset(led.number for led in part.all))

    def settle(self) -> None:
        """Set the lines and tell the LEDs now, so that who asks next sees what is true."""
        self.frames.flush()
        self._publisher.now()

    def summary(self) -> str:
        """Say on what the LEDs are."""
        sizes = {len(row) for row in self.rows}
        size = f"{len(self.rows)}x{sizes.pop()}" if len(sizes) == 1 else f"{len(self.all)} LED"
        if self.options.chip == SIMULATED:
            return f"simulated {size} matrix"
        return f"{size} matrix on {self.options.chip}"

    def simulation(self) -> Simulation | None:
        """Return the simulated chip."""
        return self._simulated

    def examine(self) -> Iterable[CheckResult]:
        """Return what keeps the chip from being found or opened."""
        return check_chip(self.options.chip)

    @property
    def outlives_run(self) -> bool:
        """Whether a process holds the lines after the end."""
        return bool(self.options.hold) and self.options.chip != SIMULATED

    async def open(self) -> None:
        """Take the lines, all with one request; raise DeviceUnavailable with chip, line, holder and cure."""
        opened = self._open_lines = await take_lines(
            self._simulated or self.options.chip, self.wiring, consumer=self._consumer
        )
        self._lines = opened.outputs
        self._offsets = [offset for row in opened.leds for offset in row]
        self.frames.attach(opened.outputs, self._offsets)
        opened.outputs.watch(self._chip_has_gone)
        if self.options.hold and opened.request is not None:
            self._holder = Holder(*opened.request, self._exit_states(), self._consumer)
        if opened.inputs is not None:
            pressed = opened.inputs.get_values()
            for name, offset in opened.buttons.items():
                self.buttons[name].connect(opened.inputs, offset, pressed[offset])
            opened.inputs.watch(self._read_buttons)
        self._publish()

    async def close(self) -> None:
        """Leave the LEDs in their exit state and give the lines back."""
        self._publisher.stop()
        self._counting.stop()
        self.frames.detach()
        for button in self.buttons.values():
            button.disconnect()
        opened, self._open_lines = self._open_lines, None
        lines, self._lines = self._lines, None
        if opened is None:
            return
        try:
            if lines is not None:
                final = {offset: state == "on" for offset, state in self._exit_states().items() if state != "keep"}
                if final:
                    lines.set_values(final)
                self.frames.lit = [
                    final.get(offset, lit) for offset, lit in zip(self._offsets, self.frames.lit, strict=True)
                ]
                self._publish()
                self._publish_statistics()
        finally:
            opened.close()
            holder, self._holder = self._holder, None
            if holder is not None and (told := holder.leave(lost=lines is None)):
                self.message(f"{self.name}: {told}")

    @property
    def _consumer(self) -> str:
        return f"core:{self.name}"

    def _exit_states(self) -> dict[int, ExitState]:
        return {self._offsets[led.number]: self._exit_states_by_name[led.name] for led in self.all}

    def _read_buttons(self) -> None:
        opened = self._open_lines
        if opened is None or opened.inputs is None:
            return
        try:
            edges = opened.inputs.read_edges()
        except OSError as error:
            self._lose(error)
            return
        names = {offset: name for name, offset in opened.buttons.items()}
        for edge in edges:
            self.buttons[names[edge.offset]].take(edge)

    def _chip_has_gone(self) -> None:
        if self._open_lines is not None:
            self._lose(chip_gone(self._open_lines.title))

    def _lose(self, error: OSError) -> None:
        """Give up lines that fail: the device is closed, and opened again when the chip is back."""
        if self._lines is not None:
            self._lines = None
            self.frames.detach()
            self.lose(error)

    def _frame_failed(self, error: OSError) -> None:
        if error.errno == errno.ENODEV:
            self._lose(error)
        else:
            self.report_failure(f"{self.name}: setting LEDs", error, self.leds)
