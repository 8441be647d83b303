"""Record to a disk of a few hundred kilobytes that becomes full, then has room again; say what was reported.

Run it by `unshare --user --map-root-user --mount`, with an empty directory as argument, on which the disk is mounted.
"""

from __future__ import annotations

import json
import select
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from core.recorder.process import Recording
from core.recorder.protocol import Report, Series, Settings, read_report, series_message, values_message

PATIENCE = 30.0
BATCH = 500


class Listener:
    """Hear what the recording reports."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.last = Report()

    def until(self, state: str, written: int = 0) -> Report:
        """Return the first report in which the database is in a state and so much has been written."""
        deadline = time.monotonic() + PATIENCE
        while not (self.last.ready and self.last.database.state == state and self.last.written >= written):
            ready, _, _ = select.select([self._sock], [], [], deadline - time.monotonic())
            if not ready:
                sys.exit(f"no {state} with {written} written, but {self.last}")
            self.last = read_report(self._sock.recv(1 << 18))
        return self.last


def main(folder: Path) -> None:
    """Fill the disk, hear the Alert, make room, hear that it goes on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", folder], check=True)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(300_000))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    settings = Settings(str(folder / "history.db"), csv=str(folder / "csv"), commit=10_000_000)
    recording = threading.Thread(target=Recording(theirs, settings).run)
    recording.start()
    listener = Listener(ours)
    listener.until("Ok")
    ours.send(series_message(Series(1, "climate", "air", "temperature")))
    sent, alert = 0, None
    while alert is None:
        ours.send(values_message((1, at, float(at)) for at in range(sent, sent + BATCH)))
        sent += BATCH
        while select.select([ours], [], [], 0.02)[0]:
            listener.last = read_report(ours.recv(1 << 18))
            if listener.last.database.state == "Alert":
                alert = listener.last
                break
    ours.send(values_message((1, at, float(at)) for at in range(sent, sent + BATCH)))
    sent += BATCH
    ballast.unlink()
    recovered = listener.until("Ok", sent)
    ours.shutdown(socket.SHUT_WR)
    recording.join()
    connection = sqlite3.connect(folder / "history.db")
    (rows,) = connection.execute("SELECT count(*) FROM sample").fetchone()
    (check,) = connection.execute("PRAGMA integrity_check").fetchone()
    lines = sum(path.read_text().count("\n") - 1 for path in (folder / "csv").glob("*.csv"))
    report = {
        "alert": alert.database.text,
        "csv_alert": recovered.csv.text,
        "waiting": alert.waiting,
        "sent": sent,
        "rows": rows,
        "csv_lines": lines,
        "dropped": recovered.dropped,
        "check": check,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
