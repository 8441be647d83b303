"""The INDI client: the devices of a server as objects that follow it.

`client.py` is what users see; `mirror.py` holds the devices, `events.py` says what happened, `blobs.py` brings BLOBs
to memory or files; `new_values.py` makes the message that sets a property. Below them, `session.py` opens connections
again and brings what arrives to where it belongs, `link.py` is one connection, `scanner.py` cuts its stream into
messages, `content.py` decodes BLOBs piece by piece, `unix.py` and `attached.py` take those that come as shared memory,
and `mailbox.py` is the bounded queue of whoever listens.
"""

from core.client.blobs import BlobFeed, ReceivedBlob
from core.client.client import Client, Condition
from core.client.errors import BlobLost, ClientError, ClientTimeout, PropertyMissing, SetRefused
from core.client.events import ClientEvent, EventFeed, Observer
from core.client.mirror import RemoteDevice, RemoteDevices, RemoteMember, RemoteVector

__all__ = [
    "BlobFeed",
    "BlobLost",
    "Client",
    "ClientError",
    "ClientEvent",
    "ClientTimeout",
    "Condition",
    "EventFeed",
    "Observer",
    "PropertyMissing",
    "ReceivedBlob",
    "RemoteDevice",
    "RemoteDevices",
    "RemoteMember",
    "RemoteVector",
    "SetRefused",
]
