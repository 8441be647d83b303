"""The client in conversation with a server that a test writes word by word: properties, waiting and setting."""

from __future__ import annotations

import asyncio
import math

import pytest

from core.client import Client, ClientEvent, ClientTimeout, PropertyMissing, RemoteVector, SetRefused
from core.testing import VirtualClock
from tests.scripted_server import CLIMATE, MATRIX, ON, Peer, converse, setting


def test_properties_are_objects(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        program = client.devices["matrix"]["program"]
        assert (program.kind, program.label, program.group, program.perm) == ("Switch", "Program", "Main", "rw")
        assert (program.rule, program.state, program.timeout) == ("OneOfMany", "Idle", 5)
        assert program.values == {"none": True, "spiral": False}
        assert (program.chosen, program["spiral"], list(program)) == ("none", False, ["none", "spiral"])
        member = client.devices["climate"]["climate"].members["temperature"]
        assert (member.value, member.format, member.min, member.max, member.step) == (21.5, "%.1f", -40, 85, 0.5)
        with pytest.raises(KeyError, match=r"no device 'panel'; there is matrix, climate"):
            client.devices["panel"]
        with pytest.raises(KeyError, match=r"no property 'leds'; it has program"):
            client.devices["matrix"]["leds"]
        with pytest.raises(KeyError, match=r"no member 'walk'; it has none, spiral"):
            program["walk"]

    converse(clock, talk, MATRIX, CLIMATE)


def test_they_follow_the_server_in_place(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        program, climate = client.devices["matrix"]["program"], client.devices["climate"]["climate"]
        one = b'<oneNumber name="temperature" min="-10">-0:30:00</oneNumber><oneNumber name="unknown">1</oneNumber>'
        peer.say(setting("matrix", "program", "Busy", ON), setting("climate", "climate", "Ok", one, kind="Number"))
        await client.wait_for("climate", "climate", {"temperature": -0.5})
        assert (program.chosen, program.state) == ("spiral", "Busy")
        assert (climate.members["temperature"].min, list(climate)) == (-10, ["temperature"])
        peer.say(
            setting("climate", "climate", "Alert", b'<oneNumber name="temperature">nan</oneNumber>', kind="Number")
        )
        await client.wait_for("climate", "climate", "Alert")
        assert math.isnan(climate["temperature"])
        # Without a state, of another kind, or of what is not defined: nothing of it may do harm.
        peer.say(
            setting("matrix", "program", "Ok", b'<oneText name="none">x</oneText>', kind="Text"),
            setting("matrix", "nothing", "Ok", ON),
            b'<setSwitchVector device="matrix" name="program"/>',
            MATRIX.replace(b"Spiral", b"Turning").replace(b'"rw"', b'"ro"'),
        )
        await client.wait_for("matrix", "program", lambda vector: vector.members["spiral"].label == "Turning")
        assert client.devices["matrix"]["program"] is program
        assert (program.perm, program.chosen, program.state) == ("ro", "none", "Idle")

    converse(clock, talk, MATRIX, CLIMATE)


def test_deleted_and_defined_anew_it_is_the_same_object(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        program, device = client.devices["matrix"]["program"], client.devices["matrix"]
        seen: list[tuple[str, str | None, str | None]] = []
        client.observe(lambda event: seen.append((event.kind, event.device, event.name)))
        peer.say(b'<delProperty device="matrix" name="program"/>', b'<delProperty device="climate" name="no"/>')
        peer.say(b'<delProperty device="climate"/>', b"<message message='done'/>")
        async for event in client.events():
            if event.message == "done":
                break
        assert program.deleted
        assert (list(client.devices), list(device)) == (["matrix"], [])
        assert seen[:3] == [
            ("deleted", "matrix", "program"),
            ("deleted", "climate", "climate"),
            ("deleted", "climate", None),
        ]
        peer.say(MATRIX)
        assert await client.wait_for("matrix", "program") is program
        assert not program.deleted

    converse(clock, talk, MATRIX, CLIMATE)


def test_set_sends_what_libindi_sends_and_waits_through_busy(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True, "none": False}))
        sent = await peer.until(rb'<pingRequest uid="([^"]*)"/>\s*<newSwitchVector ([^>]*)>(.*)</newSwitchVector>')
        assert sent.group(2) == b'device="matrix" name="program"'
        assert sent.group(3).split() == [b"<oneSwitch", b'name="spiral">On</oneSwitch>']
        peer.say(b'<pingReply uid="', sent.group(1), b'"/>', setting("matrix", "program", "Busy"))
        await client.wait_for("matrix", "program", "Busy")
        assert not setter.done()
        peer.say(setting("matrix", "program", "Ok", ON))
        assert (await setter).chosen == "spiral"

    converse(clock, talk, MATRIX)


def test_what_was_said_before_the_server_read_the_command_is_no_answer(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
        uid = (await peer.until(rb'<pingRequest uid="([^"]*)"/>.*</newSwitchVector>')).group(1)
        peer.say(setting("matrix", "program", "Ok"), b'<pingReply uid="', uid, b'"/>')
        peer.say(setting("matrix", "program", "Alert", message="a program runs"))
        with pytest.raises(SetRefused, match=r"matrix\.program was refused: a program runs"):
            await setter

    converse(clock, talk, MATRIX)


def test_the_reason_may_come_as_a_message_before(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        peer.say(b'<message device="matrix" message="older"/>')
        setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
        await peer.until(rb"</newSwitchVector>")
        peer.say(b'<message device="matrix" message="[ERROR] too hot"/>', setting("matrix", "program", "Alert"))
        with pytest.raises(SetRefused, match=r"\[ERROR\] too hot"):
            await setter
        assert list(client.devices["matrix"].messages) == ["older", "[ERROR] too hot"]

    converse(clock, talk, MATRIX, pings=False)


def test_nothing_is_sent_that_no_server_would_take(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        refused: list[tuple[str, str, dict[str, object], str]] = [
            ("matrix", "program", {"spirel": True}, "no member 'spirel'; it has none, spiral; did you mean spiral"),
            ("matrix", "program", {"spiral": True, "none": True}, "only one switch may be On"),
            ("matrix", "program", {"spiral": False}, "one switch must be On"),
            ("matrix", "program", {"spiral": 1}, "On .True. or Off .False. is needed, not 1"),
            ("matrix", "program", {}, "no member is named"),
            ("climate", "climate", {"temperature": 1}, "climate.climate is read-only"),
            ("mount", "coordinates", {"ra": "half past two"}, "'half past two' is not a number"),
            ("mount", "coordinates", {"ra": math.nan}, "a finite number is needed"),
            ("mount", "coordinates", {"ra": 10**400}, "a finite number is needed"),
        ]
        for device, name, values, why in refused:
            with pytest.raises(SetRefused, match=why):
                await client.set(device, name, values)
        with pytest.raises(PropertyMissing, match=r"no device 'matrx'; there is matrix, climate, mount; did you mean"):
            await client.set("matrx", "program", {"spiral": True})
        with pytest.raises(PropertyMissing, match=r"matrix has no property 'programs'; it has program; did you mean"):
            await client.set("matrix", "programs", {"spiral": True})
        setter = asyncio.create_task(client.set("mount", "coordinates", {"ra": "-12:30:36", "dec": 0.1}, wait=False))
        sent = await peer.until(rb"(.*)<newNumberVector[^>]*>(.*)</newNumberVector>.*<pingRequest uid=\"([^\"]*)\"/>")
        assert b"<new" not in sent.group(1)
        assert sent.group(2).split() == [
            *(b"<oneNumber", b'name="ra">-12.51</oneNumber>'),
            *(b"<oneNumber", b'name="dec">0.1</oneNumber>'),
        ]
        peer.say(b'<pingReply uid="', sent.group(3), b'"/>')
        await setter

    mount = (
        b'<defNumberVector device="mount" name="coordinates" state="Idle" perm="rw"><defNumber name="ra" format="%9.6m"'
        b' min="0" max="24" step="0">1</defNumber><defNumber name="dec" format="%g" min="0" max="0" step="0">0'
        b"</defNumber></defNumberVector>"
    )
    converse(clock, talk, MATRIX, CLIMATE, mount)


def test_no_answer_is_a_timeout_that_says_what_there_is(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}, timeout=7))
        await peer.until(rb"</newSwitchVector>")
        peer.say(setting("matrix", "program", "Busy"), b'<message device="matrix" message="warming up"/>')
        began = clock.seconds
        with pytest.raises(ClientTimeout, match=r"not set within 7 s; it is Busy; the server said: warming up"):
            await setter
        assert clock.seconds == pytest.approx(began + 7)
        with pytest.raises(ClientTimeout, match=r"matrix.program: waited 2 s in vain for Ok; it is Busy"):
            await client.wait_for("matrix", "program", "Ok", timeout=2)
        with pytest.raises(ClientTimeout, match=r"no device 'dome'; there is matrix"):
            await client.wait_for("dome", "shutter", timeout=1)

    converse(clock, talk, MATRIX, ping_interval=100)


def test_sets_of_one_property_come_one_after_another(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        first = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
        second = asyncio.create_task(client.set("matrix", "program", {"none": True}))
        assert b'"none"' not in (await peer.until(rb"<newSwitchVector.*</newSwitchVector>")).group()
        peer.say(setting("matrix", "program", "Alert", message="not now"))
        assert b'"none"' in (await peer.until(rb"<newSwitchVector.*</newSwitchVector>")).group()
        peer.say(setting("matrix", "program", "Idle"))
        with pytest.raises(SetRefused, match="not now"):
            await first
        assert (await second).state == "Idle"

    converse(clock, talk, MATRIX, pings=False)


def test_what_holds_for_a_moment_is_not_missed(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        waiting = asyncio.create_task(client.wait_for("matrix", "program", {"spiral": "On"}))
        busy = asyncio.create_task(client.wait_for("matrix", "program", "Busy"))
        seen = client.events("matrix", "program")
        await asyncio.sleep(0.1)
        peer.say(setting("matrix", "program", "Busy", ON), setting("climate", "climate", "Ok", kind="Number"))
        peer.say(setting("matrix", "program", "Ok", b'<oneSwitch name="spiral">Off</oneSwitch>'))
        await waiting
        assert (await busy).state == "Ok"
        first, second = await anext(seen), await anext(seen)
        assert (first.state, first.values) == ("Busy", {"none": False, "spiral": True})
        assert (second.state, second.values, second.members) == ("Ok", {"spiral": False}, ("spiral",))

    converse(clock, talk, MATRIX, CLIMATE)


def test_what_a_condition_raises_reaches_who_waits(clock: VirtualClock) -> None:
    def condition(vector: RemoteVector) -> object:
        return vector.chosen == "spiral" and 1 / 0

    async def talk(client: Client, peer: Peer) -> None:
        waiting = asyncio.create_task(client.wait_for("matrix", "program", condition))
        await asyncio.sleep(0.1)
        peer.say(setting("matrix", "program", "Ok", ON))
        with pytest.raises(ZeroDivisionError):
            await waiting
        assert client.connected

    converse(clock, talk, MATRIX)


def test_an_observer_that_fails_costs_only_itself(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        seen: list[ClientEvent] = []

        def fail(_: ClientEvent) -> None:
            raise ValueError("mine")

        client.observe(fail)
        end = client.observe(seen.append, "matrix")
        peer.say(setting("matrix", "program", "Ok", ON))
        await client.wait_for("matrix", "program", "Ok")
        end()
        peer.say(setting("matrix", "program", "Busy", ON))
        await client.wait_for("matrix", "program", "Busy")
        assert [event.state for event in seen] == ["Ok"]

    converse(clock, talk, MATRIX)
    assert "an observer of matrix failed" in caplog.text


def test_cancelled_waiting_leaves_nothing_behind(clock: VirtualClock) -> None:
    async def talk(client: Client, peer: Peer) -> None:
        before = dict(client._audience._observers)
        setter = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
        waiter = asyncio.create_task(client.wait_for("matrix", "program", "Alert"))
        await peer.until(rb"</newSwitchVector>")
        for task in (setter, waiter):
            task.cancel()
        await asyncio.wait([setter, waiter])
        await asyncio.sleep(0)
        assert (client._audience._observers, client._session._fences) == (before, {})
        # The next command waits for no lock, and is a whole message.
        again = asyncio.create_task(client.set("matrix", "program", {"spiral": True}))
        uid = (await peer.until(rb'uid="([^"]*)"/>\s*<newSwitchVector[^>]*>[^/]*</oneSwitch>\s*</newS')).group(1)
        peer.say(b'<pingReply uid="', uid, b'"/>', setting("matrix", "program", "Ok"))
        await again

    converse(clock, talk, MATRIX)
