"""What a BLOB vector holds, for who needs that in this process: decoded while it still arrives.

To decode of all at once would let everybody wait, for a second where a BLOB has 200 MB.
"""

from __future__ import annotations

from core.errors import ProtocolError
from core.indi import Frame, VectorMessage, decode
from core.indi.blobs import Base64Reader, encoded_length

_NO_BASE64 = "!"


class BlobContent:
    """Take the pieces of one BLOB vector, as a message stream gives them out, and make a message of them."""

    def __init__(self, opening: bytes) -> None:
        self._markup = [opening]
        self._bodies: list[list[bytes] | None] = [[]]
        self._reader = Base64Reader()
        self.length = 0
        """How many bytes are held."""

    def add(self, raw: bytes) -> None:
        """Take base64, or a tag."""
        if b"<" in raw:
            self._markup.append(raw)
            if b"<oneBLOB" in raw:
                self._bodies.append([])
                self._reader = Base64Reader()
            elif self._bodies[-1] is not None:
                try:
                    self._reader.finish()
                except ProtocolError:
                    self._refuse_body()
            return
        body = self._bodies[-1]
        if body is not None:
            try:
                data = self._reader.feed(raw)
            except ProtocolError:
                self._refuse_body()
            else:
                body.append(data)
                self.length += len(data)

    def _refuse_body(self) -> None:
        body, self._bodies[-1] = self._bodies[-1], None
        self.length -= sum(map(len, body or ()))

    def message(self) -> VectorMessage:
        """Return the message, with the content of its BLOBs; one that is no base64 is left as such text."""
        message = decode(Frame(b"".join(self._markup).rstrip()))
        if not isinstance(message, VectorMessage):
            raise ProtocolError("only BLOBs come in pieces")
        bodies = iter(self._bodies)
        for element in message.elements:
            body = next(bodies)
            if body is None:
                element.text = _NO_BASE64
            else:
                element.data = b"".join(body)
                # Of the lines that we write, should others be shown it.
                element.attributes["enclen"] = str(encoded_length(len(element.data)))
        return message
