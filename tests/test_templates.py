"""Templates: what a device writes again and again, byte for byte as the complete way writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.indi import encode
from core.plumbing import templates, wire
from core.plumbing.templates import HOLE, SetTemplate
from core.properties import (
    STATES,
    Blob,
    BlobVector,
    Light,
    LightVector,
    Number,
    NumberVector,
    Switch,
    SwitchVector,
    Text,
    TextVector,
    Vector,
)

TEXT = st.text(max_size=20)
NAMES = st.text(st.characters(exclude_characters=HOLE, exclude_categories=["Cs"]), min_size=1, max_size=10)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FORMATS = st.sampled_from(["%g", "%.2f", "%+08.3e", "%10.6m", "%9.3lf", "% G", "%#.0f"])


@st.composite
def vectors(draw: st.DrawFn) -> Vector[Any, Any]:
    """Return a vector of any kind with values in it."""
    makers: list[Callable[[], Vector[Any, Any]]] = [
        lambda: NumberVector(
            members=draw(st.dictionaries(NAMES, st.builds(Number, NUMBERS, format=FORMATS), min_size=1, max_size=4)),
            timeout=draw(st.sampled_from([0.0, 2.5])),
        ),
        lambda: TextVector(members=draw(st.dictionaries(NAMES, st.builds(Text, TEXT), min_size=1, max_size=4))),
        lambda: LightVector(
            members=draw(st.dictionaries(NAMES, st.builds(Light, st.sampled_from(STATES)), min_size=1, max_size=4))
        ),
        lambda: SwitchVector(
            members=draw(st.dictionaries(NAMES, st.builds(Switch, st.booleans()), min_size=1, max_size=4)),
            rule="AnyOfMany",
        ),
    ]
    vector: Vector[Any, Any] = draw(st.sampled_from(makers))()
    vector.name = draw(NAMES)
    vector.state = draw(st.sampled_from(STATES))
    return vector


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a machine may have other things to do
@given(vectors(), NAMES, st.data())
def test_a_template_writes_what_the_complete_way_writes(
    vector: Vector[Any, Any], device: str, data: st.DataObject
) -> None:
    names = tuple(data.draw(st.lists(st.sampled_from(list(vector.members)), min_size=1, unique=True)))
    with pytest.MonkeyPatch.context() as patch:
        for module in (wire, templates):
            patch.setattr(module, "timestamp", lambda: "2026-11-21T15:00:00.000")
        written = SetTemplate(device, vector, names).write(vector.state, vector.values)
        assert written == encode(wire.setting(device, vector, names))


def test_a_name_that_could_be_taken_for_a_hole_and_blobs_have_no_template() -> None:
    numbers = NumberVector(name="values", members={f"a{HOLE}": 1.0})
    image = BlobVector(name="image", members={"frame": Blob()})
    for vector, member in ((numbers, f"a{HOLE}"), (image, "frame")):
        with pytest.raises(ValueError, match="no template"):
            SetTemplate("camera", vector, (member,))


def test_a_template_knows_with_which_timeout_it_was_made() -> None:
    numbers = NumberVector(name="values", members={"a": 1.0}, timeout=3.0)
    template = SetTemplate("meter", numbers, ("a",))
    assert (template.timeout, template.device) == (3.0, "meter")
    assert b'timeout="3"' in template.write("Ok", {"a": 2.0})
