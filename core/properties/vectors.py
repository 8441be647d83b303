"""Vectors: the properties of a device. They hold values and rules and know no byte.

A vector that is declared on a class is a template; each instance of the device gets a copy of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from core.errors import DefinitionError, ValueRefused
from core.properties.events import Event, Listener
from core.properties.members import STATES, Blob, BlobValue, Light, Member, Number, State, Switch, Text
from core.ticks import D, Method, Tick, every

if TYPE_CHECKING:
    from core.duration import Duration
    from core.loop import Timing

Permission = Literal["ro", "wo", "rw"]
Rule = Literal["OneOfMany", "AtMostOne", "AnyOfMany"]

M = TypeVar("M", bound=Member[Any])
V = TypeVar("V")
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[object] | object])
Self = TypeVar("Self", bound="Vector[Any, Any]")


class Vector(Generic[M, V]):
    """Be a property: named members of one kind, with a state and a permission.

    `name` is the name in INDI; it is the attribute's unless given. With `persist`, for what clients may set, the values
    survive a restart. Raises DefinitionError for a wrong declaration.
    """

    kind: ClassVar[str]
    member_class: ClassVar[type[Member[Any]]]
    permissions: ClassVar[tuple[Permission, ...]] = ("ro", "wo", "rw")
    has_rule: ClassVar[bool] = False
    """Whether the values of the members depend on each other."""

    def __init__(
        self,
        label: str | None = None,
        *,
        members: Mapping[str, M | V],
        name: str | None = None,
        group: str = "Main",
        perm: Permission = "ro",
        state: State = "Idle",
        timeout: float = 0.0,
        persist: bool = False,
    ) -> None:
        self.label = label
        self.name = name or ""
        self.group = group
        self.perm: Permission = perm
        self.state: State = state
        self.timeout = timeout
        self.persist = persist
        """Whether values that clients have set survive a restart."""
        self.members: dict[str, M] = {}
        self.values: dict[str, V] = {}
        self._busy = False
        self._listener: Listener | None = None
        title = f"{type(self).__name__}({label or name or ''!s})"
        if perm not in self.permissions:
            raise DefinitionError(f"{title}: perm is {perm!r}; {', '.join(self.permissions)} is allowed")
        if state not in STATES:
            raise DefinitionError(f"{title}: state is {state!r}; {', '.join(STATES)} is allowed")
        if persist and (perm == "ro" or self.kind == "BLOB"):
            raise DefinitionError(f"{title}: persist is for what clients may set, and not for BLOBs")
        for member_name, given in members.items():
            member = given if isinstance(given, self.member_class) else self.member_class(given)
            self.members[member_name] = member  # type: ignore[assignment]
            self.values[member_name] = member.value
        self._check_consistent(self.values)

    def __set_name__(self, owner: type, attribute: str) -> None:
        """Take the attribute's name where none was given."""
        self.name = self.name or attribute

    def __getitem__(self, member: str) -> V:
        """Return the value of a member."""
        return self.values[member]

    def __iter__(self) -> Iterator[str]:
        """Walk over the names of the members."""
        return iter(self.members)

    def __repr__(self) -> str:
        """Show name, values and state."""
        return f"<{type(self).__name__} {self.name} {self.state} {self.values}>"

    def bound(self: Self, listener: Listener | None) -> Self:
        """Return a copy with values of its own, whose changes are told to `listener`."""
        twin = copy.copy(self)
        twin.members = dict(self.members)
        twin.values = dict(self.values)
        twin._listener = listener
        return twin

    def replace_members(self, members: Mapping[str, M]) -> None:
        """Take other members; only before the vector is defined, since clients ignore a redefinition."""
        self.members = dict(members)
        self.values = {name: member.value for name, member in members.items()}
        self._check_consistent(self.values)

    def update(
        self,
        values: Mapping[str, V] | None = None,
        /,
        *,
        state: State | None = None,
        message: str | None = None,
        **more: V,
    ) -> None:
        """Set values and state and tell everybody who watches; never waits.

        A member whose name is no identifier, or is "state" or "message", goes into the mapping. Without `state` the
        vector becomes Ok. Raises DefinitionError for an unknown member and ValueRefused for a wrong value; then
        nothing has changed.
        """
        new = more if not values else {**values, **more} if more else values
        accepted: dict[str, V] = {}
        for name, value in new.items():
            member = self.members.get(name)
            if member is None:
                raise DefinitionError(f"{self.name} has no member {name!r}; it has {', '.join(self.members)}")
            try:
                accepted[name] = member.accept(value)
            except ValueRefused as error:
                raise ValueRefused(f"{self.name}.{name}: {error}") from None
        if accepted and self.has_rule:
            self._check_consistent({**self.values, **accepted})
        if state is not None and state not in STATES:
            raise DefinitionError(f"{self.name}: state is {state!r}; {', '.join(STATES)} is allowed")
        self.take(accepted, state, message)

    def take(self, accepted: Mapping[str, V], state: State | None = None, message: str | None = None) -> None:
        """Do as `update` with values that have been checked."""
        spoken = HANDLED.get()
        if spoken is not None:
            spoken.add(self.name)
        self.values.update(accepted)
        # What a tick says meanwhile does not end the work of a handler that still runs.
        self.state = state or ("Busy" if self._busy and spoken is None else "Ok")
        if self._listener is not None:
            self._listener(Event("changed", self, tuple(accepted), message))

    def mark_busy(self) -> None:
        """Tell everybody that a handler of new values goes on working, until `mark_done`."""
        self._busy = True
        self.state = "Busy"
        if self._listener is not None:
            self._listener(Event("changed", self))

    def mark_done(self) -> None:
        """Take note that the handler has ended; what it has come to is told by `update`."""
        self._busy = False

    def unbind(self) -> None:
        """Tell nobody any more: the vector has been deleted."""
        self._listener = None

    def check_new(self, new: Mapping[str, Any]) -> dict[str, V]:
        """Return what the members would become if a client's `new` were accepted.

        All or nothing: raises ValueRefused with a sentence for the client if the vector is read-only, a member is
        unknown, or a value is of the wrong type, out of range or against the rule.
        """
        if self.perm == "ro":
            raise ValueRefused(f"{self.name} is read-only")
        accepted: dict[str, V] = {}
        for name, value in new.items():
            member = self.members.get(name)
            if member is None:
                raise ValueRefused(f"{self.name} has no member {name!r}; it has {_some(self.members)}")
            try:
                accepted[name] = member.accept_new(value)
            except ValueRefused as error:
                raise ValueRefused(f"{self.name}.{name}: {error}") from None
        if not accepted:
            raise ValueRefused(f"{self.name}: no member was sent; it has {_some(self.members)}")
        return self._completed(accepted)

    def _completed(self, accepted: dict[str, V]) -> dict[str, V]:
        """Return the members that change together with the accepted ones."""
        return accepted

    def _check_consistent(self, values: Mapping[str, V]) -> None:
        """Raise DefinitionError if the values break the vector's rule."""

    def on_new(self, handler: Handler) -> Handler:
        """Mark a method as the one that is asked when a client sends values for this vector.

        It gets the checked values as a dict. When it returns, they are stored and the state becomes Ok, unless it has
        updated the vector itself; if it raises, the state becomes Alert with the text and the old values stay.
        """
        handler.__dict__.setdefault(ON_NEW, []).append(self)
        return handler

    def every(self, rate: float | Duration | Timing) -> Callable[[Method[D]], Tick[D]]:
        """Run the decorated method at a rate (Hz, or a Duration as period); if it raises, this vector becomes Alert."""
        return every(rate, self)


HANDLED: ContextVar[set[str] | None] = ContextVar("HANDLED", default=None)
"""Within a handler of new values: the names of the vectors that it has updated itself."""

ON_NEW = "__core_on_new__"
"""The attribute of a method that lists the vectors whose new values it takes."""


def _some(names: Mapping[str, object], limit: int = 12) -> str:
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


class NumberVector(Vector[Number, float]):
    """Be a vector of numbers."""

    kind = "Number"
    member_class = Number


class TextVector(Vector[Text, str]):
    """Be a vector of texts."""

    kind = "Text"
    member_class = Text


class LightVector(Vector[Light, State]):
    """Be a vector of lights; it can only be read."""

    kind = "Light"
    member_class = Light
    permissions = ("ro",)


class BlobVector(Vector[Blob, BlobValue]):
    """Be a vector of BLOBs; they go only to those who asked for them."""

    kind = "BLOB"
    member_class = Blob


class SwitchVector(Vector[Switch, bool]):
    """Be a vector of switches under a rule: OneOfMany, AtMostOne or AnyOfMany."""

    kind = "Switch"
    member_class = Switch
    has_rule = True

    def __init__(
        self,
        label: str | None = None,
        *,
        members: Mapping[str, Switch | bool],
        rule: Rule = "OneOfMany",
        name: str | None = None,
        group: str = "Main",
        perm: Permission = "rw",
        state: State = "Idle",
        timeout: float = 0.0,
        persist: bool = False,
    ) -> None:
        if rule not in ("OneOfMany", "AtMostOne", "AnyOfMany"):
            raise DefinitionError(
                f"SwitchVector({label}): rule is {rule!r}; OneOfMany, AtMostOne, AnyOfMany is allowed"
            )
        self.rule: Rule = rule
        super().__init__(
            label,
            members=members,
            name=name,
            group=group,
            perm=perm,
            state=state,
            timeout=timeout,
            persist=persist,
        )

    @property
    def chosen(self) -> str | None:
        """Return the name of the first switch that is On, None if there is none."""
        return next((name for name, on in self.values.items() if on), None)

    def choose(self, member: str, *, state: State | None = None, message: str | None = None) -> None:
        """Switch one member On and the others Off."""
        if member not in self.members:
            raise DefinitionError(f"{self.name} has no member {member!r}; it has {', '.join(self.members)}")
        self.update({name: name == member for name in self.members}, state=state, message=message)

    def _completed(self, accepted: dict[str, bool]) -> dict[str, bool]:
        # libindi's clients send only the switch that goes On, so the others go Off before the rule is looked at.
        if self.rule == "AnyOfMany":
            return accepted
        base = dict.fromkeys(self.members, False) if any(accepted.values()) else self.values
        after = {**base, **accepted}
        on = [name for name, value in after.items() if value]
        if len(on) > 1:
            raise ValueRefused(f"{self.name}: only one switch may be On, not {', '.join(on)}")
        if self.rule == "OneOfMany" and not on:
            raise ValueRefused(f"{self.name}: one switch must be On")
        return after

    def _check_consistent(self, values: Mapping[str, bool]) -> None:
        on = sum(values.values())
        if (self.rule == "OneOfMany" and on != 1) or (self.rule == "AtMostOne" and on > 1):
            raise DefinitionError(f"switches {self.name or self.label}: {on} of them are On under the rule {self.rule}")
