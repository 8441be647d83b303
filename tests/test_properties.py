"""Vectors: values, rules, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from core import BlobVector, Event, LightVector, Number, NumberVector, Switch, SwitchVector, Text, TextVector
from core.errors import DefinitionError, ValueRefused


def watched(vector: Any) -> tuple[Any, list[Event]]:
    events: list[Event] = []
    return vector.bound(events.append), events


def test_update_sets_values_and_state_and_tells_which() -> None:
    vector, events = watched(NumberVector("V", name="v", members={"a": 1, "b": 2.5}))
    vector.update(a=3, state="Busy", message="on its way")
    assert (vector["a"], vector["b"], vector.state) == (3.0, 2.5, "Busy")
    assert [(event.kind, event.members, event.message) for event in events] == [("changed", ("a",), "on its way")]


def test_a_template_is_not_changed_by_its_instances() -> None:
    template = TextVector("T", name="t", members={"a": "x"})
    first, second = template.bound(None), template.bound(None)
    first.update(a="y")
    assert (template["a"], first["a"], second["a"]) == ("x", "y", "x")


def test_members_with_any_name_go_into_the_mapping() -> None:
    vector, _ = watched(TextVector("T", name="t", members={"state": "", "a b": ""}))
    vector.update({"state": "1", "a b": "2"}, state="Ok")
    assert (vector["state"], vector["a b"]) == ("1", "2")


@pytest.mark.parametrize("value", ["3", True, None, float("nan"), float("inf")])
def test_a_number_of_the_plugin_must_be_one(value: Any) -> None:
    vector, events = watched(NumberVector("V", name="v", members={"a": 1, "b": 2}))
    with pytest.raises(ValueRefused, match=r"v\.a"):
        vector.update({"b": 9, "a": value})
    assert (vector["a"], vector["b"], events) == (1.0, 2.0, [])


def test_an_unknown_member_of_the_plugin_is_its_mistake() -> None:
    vector, _ = watched(NumberVector("V", name="v", members={"a": 1}))
    with pytest.raises(DefinitionError, match="no member 'c'; it has a"):
        vector.update(c=1)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ({"low": 0}, "out of range, 1 to 5"),
        ({"low": 2, "free": "x"}, "a number is needed"),
        ({"other": 2}, "no member 'other'; it has low, free"),
        ({}, "no member was sent"),
    ],
)
def test_new_numbers_are_all_or_nothing(new: dict[str, Any], why: str) -> None:
    vector = NumberVector("V", name="v", perm="rw", members={"low": Number(1, min=1, max=5), "free": 7})
    with pytest.raises(ValueRefused, match=why):
        vector.check_new(new)
    assert vector.values == {"low": 1, "free": 7}


def test_read_only_is_refused_and_write_only_is_not() -> None:
    with pytest.raises(ValueRefused, match="read-only"):
        TextVector("T", name="t", perm="ro", members={"a": ""}).check_new({"a": "x"})
    assert TextVector("T", name="t", perm="wo", members={"a": ""}).check_new({"a": "x"}) == {"a": "x"}


def switches(rule: Any, **on: bool) -> SwitchVector:
    return SwitchVector("S", name="s", rule=rule, members=on)


def test_one_of_many_needs_only_the_one_that_goes_on() -> None:
    assert switches("OneOfMany", a=True, b=False).check_new({"b": True}) == {"a": False, "b": True}


@pytest.mark.parametrize(
    ("rule", "new", "why"),
    [
        ("OneOfMany", {"a": False}, "one switch must be On"),
        ("OneOfMany", {"a": True, "b": True}, "only one switch may be On, not a, b"),
        ("AtMostOne", {"a": True, "b": True}, "only one switch"),
    ],
)
def test_rules_are_kept(rule: str, new: dict[str, bool], why: str) -> None:
    with pytest.raises(ValueRefused, match=why):
        switches(rule, a=True, b=False).check_new(new)


def test_at_most_one_may_be_none_and_any_of_many_anything() -> None:
    assert switches("AtMostOne", a=True, b=False).check_new({"a": False}) == {"a": False, "b": False}
    assert switches("AnyOfMany", a=True, b=False).check_new({"b": True}) == {"b": True}


def test_choose_switches_the_others_off() -> None:
    vector = switches("OneOfMany", a=True, b=False, c=False).bound(None)
    vector.choose("c")
    assert vector.values == {"a": False, "b": False, "c": True}
    assert vector.chosen == "c"
    with pytest.raises(DefinitionError, match="OneOfMany"):
        vector.update(a=True)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: switches("OneOfMany", a=False, b=False),
        lambda: SwitchVector("S", rule="Most", members={"a": True}),  # type: ignore[arg-type]
        lambda: NumberVector("V", perm="x", members={"a": 1}),  # type: ignore[arg-type]
        lambda: NumberVector("V", members={"a": "1"}),  # type: ignore[dict-item]
        lambda: Number(1, min=3, max=2),
        lambda: Number(10**400),
        lambda: Number(1, format="%s"),
        lambda: Number(1, format="%n"),
        lambda: Number(1, format=""),
        lambda: Text(1),  # type: ignore[arg-type]
        lambda: Switch("On"),  # type: ignore[arg-type]
        lambda: LightVector("L", perm="rw", members={"a": "Ok"}),
        lambda: LightVector("L", members={"a": "Green"}),  # type: ignore[dict-item]
        lambda: BlobVector("B", members={"a": b"x"}),  # type: ignore[dict-item]
    ],
)
def test_a_wrong_declaration_is_an_error_where_it_stands(declare: Any) -> None:
    with pytest.raises(DefinitionError):
        declare()
