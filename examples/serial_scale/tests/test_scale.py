"""Scale with a simulated balance behind a real pty."""

from __future__ import annotations

import pytest
from core.testing import DriverHarness, SetRefused, VirtualClock

from plugin_scale.device import Scale
from plugin_scale.protocol import NoAnswerError, RefusedError, Weight, check_done, read_weight
from plugin_scale.simulated import SimulatedBalance

pytestmark = pytest.mark.usefixtures("no_leaks")


def balance_of(scale: Scale) -> SimulatedBalance:
    balance = scale.simulation()
    assert balance is not None
    return balance


async def test_it_weighs(clock: VirtualClock) -> None:
    scale = Scale("it")
    async with DriverHarness(scale) as driver:
        await driver.wait_for("weight", {"net": 250})
        balance_of(scale).put(100)
        await driver.wait_for("weight", "Busy")
        await driver.wait_for("weight", "Ok")
        assert driver["weight"]["net"] == 100


async def test_zero_and_tare(clock: VirtualClock) -> None:
    scale = Scale("it")
    async with DriverHarness(scale) as driver:
        await driver.set("adjust", tare=True)
        assert driver["adjust"].chosen is None
        await driver.wait_for("weight", {"net": 0})
        balance_of(scale).put(400)
        with pytest.raises(SetRefused, match="busy; try again"):
            await driver.set("adjust", zero=True)
        await driver.wait_for("weight", {"net": 150})
        await driver.set("adjust", zero=True)
        await driver.wait_for("weight", {"net": 0})


async def test_too_much_on_it(clock: VirtualClock) -> None:
    scale = Scale("it")
    async with DriverHarness(scale) as driver:
        balance_of(scale).put(5000)
        await driver.wait_for("weight", "Alert")
        assert any("there is too much on it" in text for text in driver.messages)
        balance_of(scale).put(10)
        await driver.wait_for("weight", {"net": 10})


async def test_the_plug_is_pulled_and_put_in(clock: VirtualClock) -> None:
    scale = Scale("it")
    async with DriverHarness(scale) as driver:
        await driver.wait_for("weight", "Ok")
        balance_of(scale).vanish()
        await driver.wait_for("CONNECTION", "Alert")
        balance_of(scale).reappear()
        await driver.wait_for("CONNECTION", "Ok")
        driver.forget()
        assert (await driver.next("weight")).values["net"] == 250


async def test_a_port_that_is_not_there(clock: VirtualClock) -> None:
    async with DriverHarness(Scale("it", Scale.Options(port="/dev/nothing")), may_fail=True) as driver:
        assert any("/dev/nothing cannot be opened" in text and "plug it in" in text for text in driver.messages)


@pytest.mark.parametrize(
    ("answer", "weight"),
    [
        ("S S     100.00 g", Weight(100, True)),
        ("S D      -0.05 g", Weight(-0.05, False)),
        ("S S      1.2 kg", Weight(1200, True)),
    ],
)
def test_answers(answer: str, weight: Weight) -> None:
    assert read_weight(answer) == weight


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("S I", RefusedError),
        ("S +", RefusedError),
        ("ES", NoAnswerError),
        ("", NoAnswerError),
        ("S S x g", NoAnswerError),
    ],
)
def test_answers_without_a_weight(answer: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_weight(answer)


def test_what_is_done() -> None:
    check_done("Z", "Z A")
    check_done("T", "T S     100.00 g")
    with pytest.raises(RefusedError, match="busy"):
        check_done("T", "T I")
