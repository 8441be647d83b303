"""What a transport is: a way by which peers reach the router."""

from __future__ import annotations

from typing import Any, ClassVar

from core.options import Options as BaseOptions
from core.plumbing.router import Router


class Transport:
    """Be one way to the devices: subclass it, open it in `open`, serve in `run`, end it in `close`.

    For each peer that arrives make a `Connection` with a `Channel` of yours.
    """

    kind: ClassVar[str] = ""
    """The name for `[transport.<name>]` and `type = ...` in core.toml; the lower-case class name if empty."""

    Options: ClassVar[type[BaseOptions]] = BaseOptions
    """The options that core.toml may give."""

    brings_devices: ClassVar[bool] = False
    """Whether devices come from there, as from a driver; then that it returns from `run` does not end everything."""

    options: Any

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Name the class."""
        super().__init_subclass__(**arguments)
        cls.kind = cls.__dict__.get("kind", "") or cls.__name__.lower()

    def __init__(self, name: str, options: BaseOptions | None = None) -> None:
        self.name = name
        self.options = options if options is not None else self.Options()

    def summary(self) -> str:
        """Return in a few words where peers find it, for people."""
        return self.kind

    async def open(self, router: Router) -> None:
        """Become reachable; raise a CoreError with the cause if that cannot be."""

    async def run(self) -> None:
        """Serve until cancelled; to return ends the whole run, as for a driver whose server has gone.

        A transport that brings devices may return when there is nothing more to come from there.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Say good-bye to the peers; called after `open`, however that ended."""
