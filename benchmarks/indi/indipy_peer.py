"""The same with indipydriver, served by IPyServer, and IPyServer with executable drivers: --port N [DRIVER...]."""

from __future__ import annotations

import argparse
import asyncio
import logging
from typing import Any

from indipydriver import Device, IPyDriver, NumberMember, NumberVector
from indipyserver import IPyServer

MOST_CLIENTS = 10
"""More it does not take."""


class Load(IPyDriver):
    """Send sets as often as it is told, and count commands."""

    counted = 0
    in_turn = asyncio.Lock()  # events are handled side by side, and sets have to come in their order

    async def rxevent(self, event: Any) -> None:
        """Take a command."""
        vector = event.vector
        if event.vectorname == "SETS":
            num = self[event.devicename]["NUM"]
            start = int(event["START"])
            async with self.in_turn:
                for number in range(start, start + int(event["COUNT"])):
                    num["SEQ"] = number
                    num["VAL"] = number + 0.5
                    await num.send_setVector()
        elif event.vectorname == "RX":
            self.counted += 1
            if event["SEQ"] == event["LAST"]:
                vector["COUNT"] = self.counted
                self.counted = 0
                await vector.send_setVectorMembers(members=["COUNT"])


def numbers(name: str, *members: str) -> NumberVector:
    """Make a vector of numbers."""
    return NumberVector(name, name, "Main", "rw", "Ok", [NumberMember(member) for member in members])


async def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("drivers", nargs="*")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    own = []
    if not options.drivers:
        vectors = [
            numbers("SETS", "COUNT", "START"),
            numbers("BLOBS", "COUNT", "SIZE"),
            numbers("NUM", "SEQ", "VAL"),
            numbers("RX", "SEQ", "LAST", "COUNT"),
        ]
        own.append(Load(Device("Load", vectors)))
    server = IPyServer(*own, host="127.0.0.1", port=options.port, maxconnections=MOST_CLIENTS)
    for driver in options.drivers:
        server.add_exdriver(driver)
    await server.asyncrun()


asyncio.run(main())
