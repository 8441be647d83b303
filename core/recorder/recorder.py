"""Recorder: the device that records the numbers of all others, and shows over INDI how that goes."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec

from core.device import Device
from core.errors import DeviceUnavailable
from core.observing_device import ObservingDevice
from core.options import Options as BaseOptions
from core.properties import (
    Event,
    Light,
    LightVector,
    Listener,
    Number,
    NumberVector,
    State,
    Switch,
    SwitchVector,
    Text,
    TextVector,
    Vector,
)
from core.recorder.feed import Feed
from core.recorder.location import default_file, placed
from core.recorder.protocol import Part, Report, Series, Settings
from core.recorder.selection import Selection
from core.recorder.spans import parse_keep
from core.snooped import Snooped

__all__ = ["Recorder"]

READY_SECONDS = 10.0
"""How long the process may take to open the database, which a slow disk or a predecessor may delay."""
CLOSE_SECONDS = 0.25
"""How long the end of a run waits for the last commit; on a slower disk the process is done with it a little later."""
FIRST_RESTART, LAST_RESTART = 1.0, 60.0
TELL_SECONDS = 1.0
MAXIMUM_SERIES = 10_000
"""How many numbers are recorded at most, so that a device that invents names fills no memory."""


class Recorder(ObservingDevice):
    """The history of numbers, in SQLite."""

    class Options(BaseOptions):
        """What core.toml may say of a recorder."""

        file: Annotated[
            str, msgspec.Meta(description='the database; left out: "<name>.db" in $XDG_DATA_HOME/core/<run>')
        ] = ""
        csv: Annotated[
            str, msgspec.Meta(description="a folder, for instance on an SD card, for a CSV file a day; left out: none")
        ] = ""
        record: Annotated[
            list[str], msgspec.Meta(description="what is recorded: device.property.member, * stands for any")
        ] = msgspec.field(default_factory=lambda: ["*"])
        skip: Annotated[list[str], msgspec.Meta(description="what of that is not")] = msgspec.field(
            default_factory=lambda: ["*.statistics", "*.*_statistics"]
        )
        snoop: Annotated[
            list[str], msgspec.Meta(description="devices of other drivers and servers that are recorded too")
        ] = []  # noqa: RUF012 - as above
        keep: Annotated[
            str, msgspec.Meta(description='how long every value is kept: "7d", "1y", "forever"; then its minutes')
        ] = "7d"
        keep_minutes: Annotated[
            str, msgspec.Meta(description="how long mean, minimum and maximum of each minute are kept; then the hours'")
        ] = "1y"
        keep_hours: Annotated[
            str, msgspec.Meta(description="how long mean, minimum and maximum of each hour are kept")
        ] = "forever"
        buffer: Annotated[
            int,
            msgspec.Meta(
                ge=1 << 16, le=1 << 30, description="bytes that wait while the disk does not write; a value has 20"
            ),
        ] = 8 << 20

    options: Options

    recording = SwitchVector(
        "Recording", perm="rw", members={"on": Switch(True, label="On"), "off": Switch(label="Off")}
    )
    state = LightVector("State", members={"database": Light(label="Database"), "csv": Light(label="CSV files")})
    values = NumberVector(
        "Values of this run",
        members={
            "written": Number(label="written", format="%.0f"),
            "dropped": Number(label="dropped", format="%.0f"),
            "waiting": Number(label="waiting", format="%.0f"),
            "series": Number(label="different numbers", format="%.0f"),
        },
    )
    storage = NumberVector("Storage", members={"size": Number(label="database", unit="MB", format="%.1f")})
    files = TextVector(
        "Files",
        members={
            "database": Text(label="Database"),
            "csv": Text(label="CSV files"),
            "damaged": Text(label="Set aside"),
        },
    )

    def __init__(self, name: str, options: BaseOptions | None = None) -> None:
        super().__init__(name, options)
        given = self.options
        if not given.file:
            default_file(self.run, name)  # raises for a user who has no home
        self._selected = Selection(given.record, given.skip)
        self._keep = (parse_keep(given.keep), parse_keep(given.keep_minutes), parse_keep(given.keep_hours))
        self._feed = Feed(name, limit=given.buffer, on_report=self._heard, on_end=self._process_ended)
        self._watched: set[str] = set()
        self._numbers: dict[tuple[str, str], dict[str, int]] = {}
        self._series = 0
        self._accepting = self._wanted = True
        self._ready = asyncio.Event()
        self._report = Report()
        self._before = Report()
        self._restart_delay = FIRST_RESTART
        self._losing = False
        self._trouble = ""
        """What is wrong with the process; empty if nothing is."""

    @property
    def path(self) -> Path:
        """Return where the database is."""
        given = self.options.file
        return placed(given, self.folder) if given else default_file(self.run, self.name)

    @property
    def _csv(self) -> str:
        given = self.options.csv
        return str(placed(given, self.folder)) if given else ""

    async def open(self) -> None:
        """Start the process; raise DeviceUnavailable if its database is not ours to write."""
        if importlib.util.find_spec("_sqlite3") is None:
            raise DeviceUnavailable("this Python was built without SQLite; on Debian: apt-get install python3")
        self.files.update(database=str(self.path), csv=self._csv, state="Ok")
        self._ready.clear()
        self._before, self._report, self._trouble = self._total, Report(), ""
        self._accepting = self._wanted
        self._start()
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise DeviceUnavailable(
                f"its process did not open {self.path} within {READY_SECONDS:g} s; is the disk in order?"
            ) from None
        if self._report.refused:
            raise DeviceUnavailable(self._report.refused)
        self.spawn(self._keep_telling(), name=f"{self.name}: counts")
        for device in self.options.snoop:
            self.snoop(device)

    async def close(self) -> None:
        """Have all that was recorded committed, and end the process."""
        self._accepting = False
        if not await self._feed.close(CLOSE_SECONDS):
            self.log.warning("the last values are still being written to %s; that ends by itself", self.path)

    def summary(self) -> str:
        """Return where it records, and what is wrong if anything is."""
        report = self._report
        trouble = [self._trouble, *(part.text for part in (report.database, report.csv) if part.state == "Alert")]
        if any(trouble):
            return "; ".join(filter(None, trouble))
        written = f", {self._total.written} values in this run" if report.ready else ""
        return f"records to {self.path}{written}"

    def watch(self, device: Device) -> Listener | None:
        """Return what records the numbers of a device."""
        self._watched.add(device.name)
        name = device.name
        vectors: dict[str, dict[str, int]] = {}

        def take(event: Event) -> None:
            vector = event.vector
            if event.kind != "changed" or not event.members or not self._accepting or vector is None:
                return
            numbers = vectors.get(vector.name)
            if numbers is None or event.members[0] not in numbers:
                numbers = vectors[vector.name] = self._numbers_of(name, vector)
            now, values = time.time_ns(), vector.values
            for member in event.members:
                number = numbers.get(member, 0)
                if number:
                    self._feed.add(number, now, values[member])

        return take

    def unwatch(self, device: Device) -> None:
        """Let one of that name be recorded by what is snooped of it, as one in a process of its own is."""
        self._watched.discard(device.name)

    async def on_snoop(self, news: Snooped) -> None:
        """Record the numbers of a device of another driver."""
        if news.kind != "changed" or news.name is None or news.device in self._watched or not self._accepting:
            return
        known = self._numbers.setdefault((news.device, news.name), {})
        now = time.time_ns()
        for member, value in news.values.items():
            if isinstance(value, float):
                if member not in known:
                    known[member] = self._number(news.device, news.name, member)
                if known[member]:
                    self._feed.add(known[member], now, value)

    @recording.on_new
    async def switch(self, new: dict[str, bool]) -> None:
        """Record, or do not; what has been recorded stays."""
        self._wanted = self._accepting = new["on"]

    def _numbers_of(self, device: str, vector: Vector[Any, Any]) -> dict[str, int]:
        """Return what stands for the members of a vector; 0 for those that are not recorded."""
        if not isinstance(vector, NumberVector):
            return dict.fromkeys(vector.members, 0)
        return {
            member: self._number(device, vector.name, member, one.label or member, one.unit, one.format)
            for member, one in vector.members.items()
        }

    def _number(self, device: str, name: str, member: str, label: str = "", unit: str = "", form: str = "%g") -> int:
        if device == self.name or not self._selected(device, name, member):
            return 0
        numbers = self._numbers.setdefault((device, name), {})
        if (known := numbers.get(member)) is None:
            if self._series >= MAXIMUM_SERIES:
                if self._series == MAXIMUM_SERIES:
                    self._series += 1
                    self.log.warning("%d different numbers are recorded, and no more: see `record`", MAXIMUM_SERIES)
                return 0
            self._series += 1
            known = numbers[member] = self._series
            self._feed.define(Series(known, device, name, member, label, unit, form))
        return known

    # The process

    def _start(self) -> None:
        try:
            self._feed.start(Settings(str(self.path), self._csv, self._keep, buffer=self.options.buffer))
        except OSError as error:
            raise DeviceUnavailable(f"its process cannot be started: {error.strerror or error}") from error

    def _process_ended(self) -> None:
        self._before, self._report = self._total, Report(refused=self._report.refused)
        if not self._ready.is_set():
            refused = self._report.refused or "its process has ended at once; see the log for why"
            self._report = Report(refused=refused)
            self._ready.set()
            return
        self.spawn(self._restart(), name=f"{self.name}: restart")

    async def _restart(self) -> None:
        why = self._report.refused or "its process has ended"
        delay = self._restart_delay
        self._restart_delay = min(2 * delay, LAST_RESTART)
        self.state.update(database="Alert", state="Alert")
        self._trouble = f"{why}; it is started again in {delay:g} s, until then values wait"
        self.report_failure(f"{self.name}.process", DeviceUnavailable(self._trouble), self.state)
        await self.delay(delay)
        try:
            self._start()
        except DeviceUnavailable as error:
            self._report = dataclasses.replace(self._report, refused=str(error))
            self.spawn(self._restart(), name=f"{self.name}: restart")

    @property
    def _total(self) -> Report:
        """Return the last report, with the counts of all processes of this run."""
        before, report = self._before, self._report
        return dataclasses.replace(
            report, written=before.written + report.written, dropped=before.dropped + report.dropped
        )

    def _heard(self, report: Report) -> None:
        before, self._report = self._report, report
        if report.refused:
            return
        self._ready.set()
        self._trouble = ""
        self._restart_delay = FIRST_RESTART
        self._tell_state(before, report)
        for path in report.set_aside[len(before.set_aside) :]:
            self.files.update(damaged=path)
            self.message(f"{self.path} was damaged; it has been set aside as {path}, and a new one is begun")

    def _tell_state(self, before: Report, report: Report) -> None:
        parts = {"database": report.database, "csv": report.csv}
        if (before.ready, before.database, before.csv) == (True, *parts.values()):
            return
        alert = any(part.state == "Alert" for part in parts.values())
        self.state.update({key: part.state for key, part in parts.items()}, state="Alert" if alert else "Ok")
        for key, part in parts.items():
            self._tell_part(f"{self.name}.{key}", part)
        if report.database.state == "Ok":
            self.report_success(f"{self.name}.process")

    def _tell_part(self, where: str, part: Part) -> None:
        if part.state == "Alert":
            self.report_failure(where, DeviceUnavailable(part.text), self.state)
        else:
            self.report_success(where)

    async def _keep_telling(self) -> None:
        while True:
            self._tell_values()
            await self.delay(TELL_SECONDS)

    def _tell_values(self) -> None:
        total = self._total
        dropped = total.dropped + self._feed.dropped
        new = {"written": total.written, "dropped": dropped, "waiting": total.waiting, "series": self._series}
        losing = dropped > self.values["dropped"]
        message = None
        if losing and not self._losing:
            message = "values are being dropped: they come faster than they can be written"
        elif self._losing and not losing:
            message = f"no more values are dropped; {dropped} were in this run"
        if message is not None:
            self.log.warning("%s: %s", self.name, message)
        if message is not None or any(self.values[key] != value for key, value in new.items()):
            self._losing = losing
            state: State = "Alert" if losing else "Ok"
            self.values.update({key: float(value) for key, value in new.items()}, state=state, message=message)
        megabytes = total.file_bytes / 1e6
        if megabytes != self.storage["size"]:
            self.storage.update(size=megabytes)
