"""Device: what a plugin subclasses. Its properties, its ticks, and its life from open to close."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import CoreError, DefinitionError, ValueRefused
from core.guard import is_failure
from core.loop import Loop
from core.options import Options as BaseOptions
from core.properties import EVENT_KINDS, HANDLED, ON_NEW, Event, EventKind, Listener, Vector
from core.snooped import Snooped
from core.ticks import BoundTick, Tick

if TYPE_CHECKING:
    from core.hookspecs import CheckResult
    from core.sim.unplugging import Simulation

_log = logging.getLogger("core.device")

HouseHandler = Callable[[Mapping[str, Any]], Awaitable[None]]
"""What takes the values that a client has sent for a vector of the house."""

NOT_OPEN_YET, BEING_OPENED = "it is not open yet", "it is being opened"
"""Why a device is closed that will soon be open, or be known to have failed."""

_OWN_ATTRIBUTES = frozenset({"name", "options", "log", "vectors", "snoops", "lost_with"})
"""What each Device has besides what its class shows."""


class Device:
    """Be one device: subclass it, declare vectors and ticks on the class, and open the hardware in `open`.

    `name` is the instance's name in core.toml and its device name in INDI; `options` are an instance of the class's
    `Options`. Everything that is asynchronous runs on one loop with all other devices.
    """

    kind: ClassVar[str] = ""
    """The name of this class within its plugin, for `type = ...` in core.toml; the lower-case class name if empty."""

    is_default: ClassVar[bool] = False
    """Whether it is this class of its plugin where core.toml gives no `type`; not inherited."""

    Options: ClassVar[type[BaseOptions]] = BaseOptions
    """The options that core.toml may give."""

    templates: ClassVar[dict[str, Vector[Any, Any]]] = {}
    tick_templates: ClassVar[dict[str, Tick[Any]]] = {}
    handlers: ClassVar[dict[str, str]] = {}

    options: Any

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Collect what the class declares: vectors in their order, ticks, and the handlers of new values."""
        super().__init_subclass__(**arguments)
        cls.kind = cls.__dict__.get("kind", "") or cls.__name__.lower()
        templates: dict[str, Vector[Any, Any]] = {}
        ticks: dict[str, Tick[Any]] = {}
        handlers: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            for attribute, value in vars(base).items():
                if isinstance(value, Vector):
                    templates[attribute] = value
                elif isinstance(value, Tick):
                    ticks[attribute] = value
                for vector in getattr(value, ON_NEW, ()) if inspect.isfunction(value) else ():
                    handlers[vector.name] = attribute
        if taken := sorted((templates.keys() | ticks.keys()) & {*dir(Device), *_OWN_ATTRIBUTES}):
            raise DefinitionError(
                f"device {cls.__name__} declares {', '.join(taken)}, which every Device has already; call it otherwise "
                f'(clients can have the name all the same: TextVector(name="{taken[0]}", ...))'
            )
        names = [vector.name for vector in templates.values()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"device {cls.__name__} declares two vectors of the name {', '.join(twice)}")
        cls.templates, cls.tick_templates, cls.handlers = templates, ticks, handlers

    def __init__(self, name: str, options: BaseOptions | None = None) -> None:
        self.name = name
        self.options = options if options is not None else self.Options()
        self._closed_because: str | None = NOT_OPEN_YET
        self.log = logging.getLogger(f"core.device.{name}")
        self.vectors: dict[str, Vector[Any, Any]] = {}
        self._listeners: dict[str, tuple[Listener, ...]] = dict.fromkeys(EVENT_KINDS, ())
        self._tasks: set[asyncio.Task[Any]] = set()
        self.snoops: dict[tuple[str, str | None], bool] = {}
        self._failing: dict[str, str] = {}
        self._always: dict[str, HouseHandler] = {}
        self.lost_with: BaseException | None = None
        """What the hardware has gone with, until it is opened again."""
        for attribute, template in self.templates.items():
            vector = template.bound(self._emit)
            self.vectors[vector.name] = vector
            setattr(self, attribute, vector)
        self._ticks = {
            attribute: BoundTick(self, tick, self.vectors[tick.vector.name] if tick.vector is not None else None)
            for attribute, tick in self.tick_templates.items()
        }

    async def open(self) -> None:
        """Open the hardware; import its library here, not before. Raise DeviceUnavailable with cause and cure."""

    async def close(self) -> None:
        """Leave the hardware in its exit state and close it; called after `open`, however that ended."""

    def lose(self, error: BaseException) -> None:
        """Tell that the hardware has gone: the device is closed, and opened again, ever more rarely, until it is back.

        Without effect while it is not open.
        """
        if self._closed_because is None and self.lost_with is None:
            self.lost_with = error
            self._emit(Event("lost"))

    def summary(self) -> str:
        """Return in a few words what the device runs on, for people."""
        return (type(self).__doc__ or self.kind).strip().splitlines()[0].rstrip(".")

    def picture(self) -> Sequence[str]:
        """Return what the device looks like now, as rows of text in which "X" is a lit LED; empty for no look."""
        return ()

    def examine(self) -> Iterable[CheckResult]:
        """Return what this instance lacks here, with the cure, for `corectl doctor`; it looks and opens nothing.

        It is asked of a device that has not been opened, while a run may have its hardware.
        """
        return ()

    @property
    def outlives_run(self) -> bool:
        """Whether it leaves a process behind on purpose when a run ends, as one that holds lines on in their state."""
        return False

    def simulation(self) -> Simulation | None:
        """Return the simulated hardware that the device is open on, so that tests can unplug it; None for real one."""
        return None

    async def delay(self, seconds: float) -> None:
        """Wait for `seconds`; others run meanwhile."""
        await Loop.current().delay(seconds)

    def define(self, vector: Vector[Any, Any]) -> Vector[Any, Any]:
        """Add a vector while running and return it bound to this device."""
        if not vector.name:
            raise DefinitionError(f"device {self.name}: a vector that is defined while running needs name=")
        if vector.name in self.vectors:
            self.delete(self.vectors[vector.name])
        bound = vector.bound(self._emit)
        self.vectors[bound.name] = bound
        self._emit(Event("defined", bound))
        return bound

    def delete(self, vector: Vector[Any, Any]) -> None:
        """Take a vector away while running."""
        if self.vectors.pop(vector.name, None) is None:
            raise DefinitionError(f"device {self.name} has no vector {vector.name!r}")
        self._emit(Event("deleted", vector))
        vector.unbind()

    def message(self, text: str, *, logged: bool = True) -> None:
        """Say something to people: it reaches the clients, and the log unless that says it already."""
        if logged:
            self.log.info("%s", text)
        self._emit(Event("message", message=text))

    def snoop(self, device: str, name: str | None = None, *, blobs: bool = False) -> None:
        """Hear of another driver's device, or one property of it, in `on_snoop` from now on; of BLOBs if asked for."""
        self.snoops[device, name] = blobs
        self._emit(Event("snooping"))

    async def on_snoop(self, news: Snooped) -> None:
        """Take news of a device that is snooped; override it."""

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str | None = None) -> asyncio.Task[Any]:
        """Start a task that belongs to the device: it is cancelled and awaited when the device closes."""
        task = asyncio.get_running_loop().create_task(work, name=name or f"{self.name} task")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def tick(self, name: str) -> BoundTick:
        """Return the tick that the method `name` is."""
        return self._ticks[name]

    @property
    def closed_because(self) -> str | None:
        """Return why commands are refused now; None while the device is open."""
        return self._closed_because

    @closed_because.setter
    def closed_because(self, why: str | None) -> None:
        was_opening, self._closed_because = self.is_opening, why
        if was_opening and not self.is_opening:
            self._emit(Event("opened"))

    @property
    def is_opening(self) -> bool:
        """Return whether it is to be known in a moment if the device can be opened."""
        return self._closed_because in (NOT_OPEN_YET, BEING_OPENED)

    # The rest is for the house: plumbing, the life cycle, the views.

    def observe(self, listener: Listener, *kinds: EventKind) -> Callable[[], None]:
        """Tell `listener` every event from now on, or those of some kinds; call what is returned to end that."""
        for kind in kinds or EVENT_KINDS:
            self._listeners[kind] += (listener,)

        def end() -> None:
            for kind in kinds or EVENT_KINDS:
                self._listeners[kind] = tuple(one for one in self._listeners[kind] if one is not listener)

        return end

    def serve_always(self, vector: Vector[Any, Any], handler: HouseHandler, *, first: bool = False) -> None:
        """Have a vector of the house, before all others if `first`; `handler` takes its values even while closed."""
        bound = vector.bound(self._emit)
        self.vectors = {bound.name: bound, **self.vectors} if first else {**self.vectors, bound.name: bound}
        self._always[bound.name] = handler

    def takes_always(self, name: str) -> bool:
        """Return whether new values for a vector are taken in whatever state the device is."""
        return name in self._always

    def start_ticks(self, loop: Loop) -> None:
        """Begin the ticks; the device is open."""
        for tick in self._ticks.values():
            tick.attach(loop)

    async def end_work(self) -> None:
        """Stop the ticks and cancel and await every task of the device."""
        for tick in self._ticks.values():
            await tick.detach()
        while self._tasks:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.wait(self._tasks)

    def take_new(
        self, vector: Vector[Any, Any], new: Mapping[str, Any], on_accepted: Callable[[], None] = lambda: None
    ) -> Awaitable[None]:
        """Check what a client sent for a vector, and return what gives it to the plugin's handler, to be awaited.

        `on_accepted` is called when that has accepted it, before the values are stored and told. Raises ValueRefused,
        for the sender alone, if the device is not open or a rule is broken, and so does what is awaited if the handler
        refuses it; any other failure of the handler becomes the vector's state Alert.
        """
        accepted = self.check_new(vector, new)
        if (handler := self._always.get(vector.name)) is not None:
            on_accepted()
            return handler(accepted)
        return self.handle_new(vector, accepted, on_accepted)

    def check_new(self, vector: Vector[Any, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client's `new` comes to; raise ValueRefused if it may not be."""
        if self._closed_because is not None and vector.name not in self._always:
            raise ValueRefused(f"{self.name}: {self.closed_because}")
        return vector.check_new(new)

    async def take_values(self, vector: Vector[Any, Any], new: Mapping[str, Any]) -> None:
        """Do as `take_new` for values that may come before the device is open to others: saved ones."""
        await self.handle_new(vector, vector.check_new(new), lambda: None)

    async def handle_new(
        self, vector: Vector[Any, Any], accepted: dict[str, Any], on_accepted: Callable[[], None]
    ) -> None:
        """Give checked values to the plugin's handler, and store and tell them unless that has done so itself."""
        name = vector.name
        spoken: set[str] = set()
        token = HANDLED.set(spoken)
        try:
            if method := self.handlers.get(name):
                result = getattr(self, method)(accepted.copy())
                if result is not None and inspect.isawaitable(result):
                    await result
        except ValueRefused:
            raise
        except BaseException as error:  # a plugin's exception, sys.exit included, stops nothing but its own command
            if not is_failure(error):
                raise
            vector.mark_done()
            self.report_failure(f"{self.name}.{name}", error, vector)
            return
        finally:
            HANDLED.reset(token)
            vector.mark_done()
        if self._failing:
            self.report_success(f"{self.name}.{name}")
        on_accepted()
        if name not in spoken and name in self.vectors:
            vector.take(accepted)

    def report_failure(self, where: str, error: BaseException, vector: Vector[Any, Any] | None = None) -> None:
        """Make a failure known: once in the log with its trace, and as the vector's state Alert."""
        text = f"{where}: {error}" if str(error) else f"{where}: {type(error).__name__}"
        # A sensor that is gone fails with every tick, and one word about it is enough.
        news = self._failing.get(where) != text
        if where not in self._failing:
            self.log.error("%s", text, exc_info=None if isinstance(error, CoreError) else error)
        self._failing[where] = text
        if vector is None:
            if news:
                self._emit(Event("message", message=text))
        elif vector.name in self.vectors and (news or vector.state != "Alert"):
            vector.update(state="Alert", message=text)

    def report_success(self, where: str) -> None:
        """Make known that what failed works again."""
        if self._failing.pop(where, None) is not None:
            self.log.info("%s works again", where)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report_failure(task.get_name(), error)

    def _emit(self, event: Event) -> None:
        for listener in self._listeners[event.kind]:
            try:
                listener(event)
            except BaseException as error:  # an observer that fails costs only what it observes
                if not is_failure(error):
                    raise
                _log.exception("device %s: an observer failed", self.name)
