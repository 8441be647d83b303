"""A well-behaved client: it reads all that comes, through expat as one document, and follows the heartbeat.

A line on stdin asks what has been seen since the last line. The answer, a line of JSON, is given when a beat has come
that left after the question: so all that was late is known by then.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from xml.parsers import expat

PATIENCE = 20.0


class Watcher:
    """Follow a stream."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._starts
        self._parser.CharacterDataHandler = self._text_comes
        self._parser.EndElementHandler = self._ends
        self._parser.Parse(b"<stream>", False)
        self._in_beat = False
        self._text = ""
        self._name = ""
        self._last = -1
        self.last_moment = 0.0
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self.beats = self.missing = 0
        self.late = 0.0
        self.malformed = ""

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        try:
            self._parser.Parse(data, False)
        except expat.ExpatError as error:
            self.malformed = self.malformed or f"{error}: ...{data[-200:]!r}"

    def _starts(self, tag: str, attributes: dict[str, str]) -> None:
        self._text, self._name = "", attributes.get("name", "")
        if tag.endswith("Vector"):
            self._in_beat = tag == "setNumberVector" and attributes.get("device") == "heart"

    def _text_comes(self, text: str) -> None:
        self._text += text

    def _ends(self, tag: str) -> None:
        if tag != "oneNumber" or not self._in_beat:
            return
        if self._name == "number":
            number = int(self._text)
            if self._last >= 0:
                self.missing += abs(number - self._last - 1)
            self._last = number
            self.beats += 1
        else:
            self.last_moment = float(self._text)
            self.late = max(self.late, time.monotonic() - self.last_moment)


def main(port: int) -> None:
    """Watch until stdin ends."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b'<getProperties version="1.7"/>')
        watcher = Watcher()
        asked: float | None = None
        closed = False
        while True:
            sources = [0] if closed else [0, connection.fileno()]
            readable, _, _ = select.select(sources, [], [], 1)
            if connection.fileno() in readable:
                try:
                    data = connection.recv(1 << 20)
                except OSError:
                    data = b""
                closed = not data
                watcher.feed(data)
            if 0 in readable:
                if not os.read(0, 100):
                    return
                asked = time.monotonic()
            if asked is not None and (watcher.last_moment > asked or closed or time.monotonic() > asked + PATIENCE):
                answer = {
                    "beats": watcher.beats,
                    "missing": watcher.missing,
                    "late": watcher.late if watcher.last_moment > asked else PATIENCE,
                    "malformed": watcher.malformed,
                    "closed": closed,
                }
                os.write(1, json.dumps(answer).encode() + b"\n")
                asked = None
                watcher.forget()


if __name__ == "__main__":
    main(int(sys.argv[1]))
