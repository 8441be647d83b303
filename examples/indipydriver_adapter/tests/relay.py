"""A driver as people write it for indipydriver; nothing in it knows of `core`."""

from __future__ import annotations

import asyncio

import indipydriver as ipd


class RelayDriver(ipd.IPyDriver):  # type: ignore[misc]  # without types
    """Switch a relay, count, and fail when told so."""

    async def rxevent(self, event: ipd.newSwitchVector) -> None:
        if isinstance(event, ipd.newSwitchVector) and "closed" in event:
            event.vector["closed"] = event["closed"]
            await event.vector.send_setVector(state="Ok")
        if isinstance(event, ipd.newTextVector):
            raise RuntimeError("the relay burns")

    async def hardware(self) -> None:
        vector = self[self.driverdata["devicename"]]["uptime"]
        seconds = 0
        while not self.stop:
            await asyncio.sleep(1)
            seconds += 1
            vector["seconds"] = seconds
            await vector.send_setVector()

    async def snoopevent(self, event: ipd.newSwitchVector) -> None:
        if isinstance(event, ipd.setSwitchVector) and "on" in event:
            self[self.driverdata["devicename"]]["contact"]["closed"] = event["on"]
            await self[self.driverdata["devicename"]]["contact"].send_setVector(state="Ok")


def make_driver(devicename: str = "relay") -> RelayDriver:
    closed = ipd.SwitchMember("closed", "Contact closed", "Off")
    seconds = ipd.NumberMember("seconds", "Seconds", membervalue=0)
    words = ipd.TextMember("words", "Words")
    contact = ipd.SwitchVector("contact", "Contact", "Main", "rw", "AnyOfMany", "Ok", [closed])
    uptime = ipd.NumberVector("uptime", "Uptime", "Main", "ro", "Ok", [seconds])
    fire = ipd.TextVector("fire", "Fire", "Main", "wo", "Ok", [words])
    driver = RelayDriver(ipd.Device(devicename, [contact, uptime, fire]), devicename=devicename)
    driver.snoop("lamp", "light")
    return driver


if __name__ == "__main__":
    asyncio.run(make_driver().asyncrun())
