"""IndipyDriver: a driver that a function makes, run on our loop; a new one is made when it has failed."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import core
from core import Connection, CoreError, Router, Transport
from msgspec import Meta

from plugin_indipydriver.link import Link

FIRST_RETRY, LAST_RETRY = 1.0, 60.0

_log = logging.getLogger("core.indipydriver")


class IndipyDriver(Transport):
    """Bring the devices of a driver that is written for indipydriver, unchanged, without a process of its own."""

    kind = "indipydriver"
    brings_devices = True

    class Options(core.Options):
        """The options of `[transport.<name>]` with `type = "indipydriver"`."""

        driver: Annotated[
            str,
            Meta(
                pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_]*$",
                description='function that makes the driver, as "file.py:make_driver" or "module:make_driver"',
            ),
        ]
        arguments: Annotated[
            list[str | int | float | bool],
            Meta(description='what the function is called with, as in ["Thermostat", 15]'),
        ] = []  # noqa: RUF012 - msgspec copies it

    options: Options

    def __init__(self, name: str, options: Options | None = None) -> None:
        super().__init__(name, options)
        self._router: Router | None = None
        self._make: Callable[..., Any] | None = None

    def summary(self) -> str:
        """Say which driver it is."""
        return f"indipydriver {self.options.driver}"

    async def open(self, router: Router) -> None:
        """Import the function; raise CoreError with what stands in the way."""
        place, _, function = self.options.driver.partition(":")
        try:
            self._make = getattr(_imported(place), function)
        except Exception as error:  # whatever the driver's own file does when it is imported
            why = f"{type(error).__name__}: {error}"
            raise CoreError(f"{self.name}: the driver {self.options.driver} cannot be imported: {why}") from error
        self._router = router

    async def run(self) -> None:
        """Run a driver, and another whenever it has ended, ever more rarely."""
        delay = FIRST_RETRY
        while True:
            began = core.Loop.current().now()
            try:
                await self._run_one()
                _log.warning("%s has ended; it is started again in %g s", self.summary(), delay)
            except Exception as error:  # of the driver, and it may be any
                _log.exception("%s has failed; it is started again in %g s", self.summary(), delay, exc_info=error)
            if core.Loop.current().now() - began > LAST_RETRY * 1e9:
                delay = FIRST_RETRY
            await core.delay(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _run_one(self) -> None:
        if self._router is None or self._make is None:
            raise CoreError(f"{self.name} has not been opened")
        driver = self._make(*self.options.arguments)
        link = Link(driver)
        link.connection = connection = Connection(self._router, link, self.summary(), role="driver")
        driver._commsobj = link
        try:
            await driver.asyncrun()
        finally:
            connection.ended()
            connection.close()


def _imported(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).absolute()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
