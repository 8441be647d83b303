"""The INDI protocol without I/O: framing, proof, messages, numbers and BLOBs. Knows no loop and no socket."""

from core.indi.frame import Frame
from core.indi.framing import Framer
from core.indi.message_stream import MessageStream, Run
from core.indi.messages import (
    DelProperty,
    Element,
    EnableBlob,
    GetProperties,
    Message,
    Notice,
    PingReply,
    PingRequest,
    VectorMessage,
    decode,
    encode,
)
from core.indi.numbers import format_number, parse_number
from core.indi.versions import VERSION

__all__ = [
    "VERSION",
    "DelProperty",
    "Element",
    "EnableBlob",
    "Frame",
    "Framer",
    "GetProperties",
    "Message",
    "MessageStream",
    "Notice",
    "PingReply",
    "PingRequest",
    "Run",
    "VectorMessage",
    "decode",
    "encode",
    "format_number",
    "parse_number",
]
