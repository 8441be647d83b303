"""The test kit, used as a plugin author uses it: a device under test, a client, simulated parts, faults, leaks."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from core import Device, DeviceUnavailable, Duration, Number, NumberVector, Switch, SwitchVector, Text, TextVector
from core import programs as p
from core.sim.spi import SimulatedSpiBus
from core.testing import (
    BusRecord,
    DriverHarness,
    FaultyLink,
    SetRefused,
    SimulatedLeds,
    VirtualClock,
    assert_bus_at_rest,
    failing,
    serving,
)
from core.testing.leaks import Holdings

pytestmark = pytest.mark.usefixtures("no_leaks")


class Oven(Device):
    """An oven that warms up by a degree a second, and takes its time to change its target."""

    heat = NumberVector("Heat", members={"temperature": Number(20.0, unit="°C", format="%.1f")})
    wanted = NumberVector("Wanted", perm="rw", members={"temperature": Number(20.0, unit="°C", min=0, max=250)})
    lamp = SwitchVector("Lamp", rule="AnyOfMany", members={"on": Switch()})
    label = TextVector("Label", perm="rw", members={"text": Text()})

    async def open(self) -> None:
        self.ignite()

    def ignite(self) -> None:
        """Be where a test lets the hardware fail."""

    @heat.every(Duration.of_seconds(1))
    async def warm(self) -> None:
        if self.heat["temperature"] < self.wanted["temperature"]:
            self.heat.update(temperature=self.heat["temperature"] + 1)

    @wanted.on_new
    async def change(self, new: dict[str, float]) -> None:
        if new["temperature"] == 13:
            raise OSError("thirteen brings bad luck")
        await self.delay(0.5)


async def test_new_values_are_sent_and_what_comes_of_them_awaited(clock: VirtualClock) -> None:
    async with DriverHarness(Oven("oven")) as driver:
        assert driver["heat"].values == {"temperature": 20}
        driver.send("wanted", temperature=22)
        busy = await driver.next("wanted")
        done = await driver.next("wanted")
        assert (busy.state, done.state, done.values) == ("Busy", "Ok", {"temperature": 22})
        assert done.seconds - busy.seconds == pytest.approx(0.5)
        await driver.wait_for("heat", {"temperature": 22})
        assert clock.seconds == pytest.approx(2)
    assert driver.device.closed_because == "it is being closed"


async def test_what_is_refused_raises_with_the_drivers_words(clock: VirtualClock) -> None:
    async with DriverHarness(Oven("oven")) as driver:
        with pytest.raises(SetRefused, match="300 is out of range, 0 to 250 is allowed"):
            await driver.set("wanted", temperature=300)
        with pytest.raises(SetRefused, match="thirteen brings bad luck"):
            await driver.set("wanted", temperature=13)
        with pytest.raises(SetRefused, match="'warm' is not a number"):
            await driver.set("wanted", temperature="warm")
        assert (await driver.set("wanted", {"temperature": 40})).values == {"temperature": 40}
        assert (await driver.set("lamp", on=True)).chosen == "on"
        assert (await driver.set("label", text="<&>"))["text"] == "<&>"


async def test_a_property_that_is_misspelt_is_named(clock: VirtualClock) -> None:
    async with DriverHarness(Oven("oven")) as driver:
        with pytest.raises(AssertionError, match=r"no property 'heet', but CONNECTION, heat, .*did you mean 'heat'\?"):
            driver.send("heet", temperature=1)


async def test_waiting_in_vain_says_what_came_instead(clock: VirtualClock) -> None:
    async with DriverHarness(Oven("oven")) as driver:
        with pytest.raises(AssertionError, match=r"waited 30 s in vain for heat to be .*99.*; heard last"):
            await driver.wait_for("heat", {"temperature": 99})


async def test_a_device_that_is_absent_fails_the_test_unless_that_is_tested(clock: VirtualClock) -> None:
    absent = DeviceUnavailable("nothing answers on the gas line")
    with failing(Oven, "ignite", absent) as injection:
        with pytest.raises(AssertionError, match="oven cannot be opened: nothing answers on the gas line"):
            async with DriverHarness(Oven("oven")):
                pass
        assert injection.failed == 1
    with failing(Oven, "ignite", absent, times=3):
        async with DriverHarness(Oven("oven"), may_fail=True) as driver:
            assert driver.instance.cause == "nothing answers on the gas line"
            assert driver.messages == ["oven cannot be opened: nothing answers on the gas line"]
            with pytest.raises(SetRefused, match="nothing answers"):
                await driver.set("lamp", on=True)
            await driver.delay(8)  # tried again after 1, 2 and 4 seconds
            assert driver.instance.state == "ready"


async def test_a_task_that_the_device_leaves_behind_fails_the_test(clock: VirtualClock) -> None:
    class Careless(Device):
        """A device that forgets its task."""

        async def open(self) -> None:
            self.forgotten = asyncio.create_task(asyncio.sleep(1000), name="forgotten")

    device = Careless("careless")
    with pytest.raises(AssertionError, match=r"careless has left tasks behind: 'forgotten' \(sleep\)"):
        async with DriverHarness(device):
            pass
    device.forgotten.cancel()
    await asyncio.wait([device.forgotten])


@p.program
async def chase(leds: SimulatedLeds, *, interval: float = 0.1) -> None:
    """Chase one LED through the row."""
    await p.forever(p.walk(leds.row(0), interval))()


async def test_a_program_on_simulated_leds(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=3)
    async with DriverHarness(leds, programs=[chase]) as driver:
        await driver.set("program", chase=True)
        leds.assert_shows("X..")
        await driver.delay(0.25)
        leds.assert_shows("..X")
        await driver.delay(0.3)
        leds.assert_showed("X..", ".X.", "..X", "X..")
        with pytest.raises(AssertionError, match=r"leds shows \.\.X, not X\.X"):
            leds.assert_shows("X.X")
        with pytest.raises(AssertionError, match=r"leds never showed X\.X; it showed X\.\. at 0 s, \.X\. at 0.1 s"):
            leds.assert_showed("X.X")
        await driver.set("program", none=True)
        leds.assert_shows("...")
        leds.get(0, 1).set(True)
        leds.assert_shows(".X.")
    assert leds.chip.levels == [False] * 3
    assert leds.chip.consumers == {}


class Echo:
    """A chip that answers with what it got before."""

    def __init__(self) -> None:
        self._last = 0

    def select(self) -> None:
        self._last = 0xAA

    def deselect(self) -> None:
        self._last = 0

    def transfer(self, byte: int) -> int:
        answer, self._last = self._last, byte
        return answer


def test_what_goes_over_a_bus_is_kept() -> None:
    bus, record = SimulatedSpiBus(), BusRecord(Echo())
    line = bus.attach(0, record)
    assert bus.try_lock()
    with pytest.raises(AssertionError, match="the bus is locked"):
        assert_bus_at_rest(bus)
    for data in (b"\x01\x02", b"\x03"):
        line.value = False
        bus.write(data)
        line.value = True
    bus.unlock()
    record.assert_sent(b"\x01\x02", b"\x03")
    assert [one.answered for one in record.transactions] == [b"\xaa\x01", b"\xaa"]
    with pytest.raises(AssertionError, match="03, 01 02 was never sent; sent was 01 02, 03"):
        record.assert_sent(b"\x03", b"\x01\x02")
    assert_bus_at_rest(bus)


def test_failing_counts_and_takes_itself_back() -> None:
    oven = Oven("oven")
    with failing(oven, "ignite", OSError("no gas"), after=1, times=2) as injection:
        oven.ignite()
        for _ in range(2):
            with pytest.raises(OSError, match="no gas"):
                oven.ignite()
        oven.ignite()
    assert (injection.calls, injection.failed) == (4, 2)
    assert "ignite" not in vars(oven)


def test_a_real_client_on_a_real_port() -> None:
    async def main() -> None:
        async with serving(Oven("oven"), SimulatedLeds(rows=1, columns=3), programs=[chase]) as served:
            await served.client.set("oven", "lamp", {"on": True})
            await served.client.set("leds", "program", {"chase": True})
            await served.client.wait_for("oven", "heat", lambda heat: heat.state == "Idle")
            assert served.instances["oven"].state == "ready"

    asyncio.run(main())


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_a_link_that_tears_and_breaks(piece: int) -> None:
    from core import Client

    async def main() -> None:
        async with serving(Oven("oven")) as served, FaultyLink(served.port) as link:
            link.piece = piece
            async with Client("localhost", link.port, first_delay=0.01) as client:
                lamp = await client.wait_for("oven", "lamp", timeout=20)
                await client.set("oven", "lamp", {"on": True})
                gone = client.events()
                link.cut()
                async for event in gone:
                    if event.kind == "disconnected":
                        break
                gone.close()
                assert (await client.wait_for("oven", "lamp", {"on": True}, timeout=20)) is lamp
                assert link.connections == 2
                link.hold()
                asked = asyncio.create_task(client.set("oven", "lamp", {"on": False}))
                assert (await served.client.wait_for("oven", "lamp", {"on": True}, timeout=20)).chosen == "on"
                link.release()
                assert (await asked).chosen is None

    asyncio.run(main())


LEAKY = {
    "task": "async def test_it(clock):\n    core.add_task(asyncio.sleep(1000))",
    "plain_task": (
        "def test_it():\n    async def main():\n        global kept\n"
        "        kept = asyncio.create_task(asyncio.sleep(1000), name='kept')\n    asyncio.run(main())"
    ),
    "descriptor": "def test_it():\n    global kept\n    kept = os.open('/dev/null', os.O_RDONLY)",
    "thread": (
        "def test_it():\n    global kept\n    kept = threading.Event()\n"
        "    threading.Thread(target=kept.wait, name='waits', daemon=True).start()"
    ),
}
SAID = {
    "task": "task 'sleep'",
    "plain_task": "task 'kept'",
    "descriptor": "/dev/null",
    "thread": "thread 'waits'",
}


@pytest.fixture
def leaky(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\n")
    return pytester


@pytest.mark.parametrize("kind", LEAKY)
def test_a_test_that_leaks_fails(leaky: pytest.Pytester, kind: str) -> None:
    head = (
        "import asyncio, os, threading, pytest, core\npytestmark = pytest.mark.usefixtures('no_leaks')\nkept = None\n"
    )
    leaky.makepyfile(head + LEAKY[kind])
    result = leaky.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*the test has left behind: *{SAID[kind]}*"])


def test_a_test_that_leaks_nothing_passes(leaky: pytest.Pytester) -> None:
    leaky.makepyfile(
        "import asyncio, socket, threading, pytest\n"
        "async def test_it(no_leaks, clock):\n"
        "    await asyncio.sleep(3600)\n"
        "    await asyncio.to_thread(threading.get_ident)\n"
        "    socket.socket().close()\n"
        "    assert clock.seconds == 3600\n"
        "def test_that_it_was_awaited(clock):\n"
        "    pass\n"
    )
    leaky.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_kit_keeps_the_names_of_its_module() -> None:
    import core.testing as kit

    for name in kit.__all__:
        assert getattr(kit, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        kit.Nothing  # noqa: B018


def test_sockets_of_a_link_end_with_it() -> None:
    async def main() -> Any:
        async with FaultyLink(9) as link:  # nobody answers there
            with socket.create_connection(("localhost", link.port)) as sock:
                sock.setblocking(False)
                data = await asyncio.get_running_loop().sock_recv(sock, 10)
        return data

    with pytest.raises(ConnectionResetError):
        asyncio.run(main())


async def test_a_chip_that_is_unplugged_is_lost_and_found_again(clock: VirtualClock) -> None:
    leds = SimulatedLeds(rows=1, columns=3)
    async with DriverHarness(leds, programs=[chase]) as driver:
        await driver.set("program", chase=True)
        leds.chip.vanish()
        await driver.delay(0.01)
        assert "leds has been lost: the GPIO chip simulated has gone; plug it in again" in driver.messages
        with pytest.raises(SetRefused, match="plug it in again"):
            await driver.set("program", chase=True)
        leds.chip.reappear()
        await driver.delay(1.5)
        await driver.set("program", chase=True)
        leds.assert_shows("X..")


async def test_the_pool_of_the_loop_is_no_leak(clock: VirtualClock) -> None:
    before = Holdings()
    # Two at once, so that the pool has to grow.
    meeting = threading.Barrier(2, timeout=20)
    await asyncio.gather(asyncio.to_thread(meeting.wait), asyncio.to_thread(meeting.wait))
    assert before.left(grace=0) == []
