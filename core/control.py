"""The control socket of a run: one question and one answer a line, in JSON, for the same user's `corectl`.

The INDI port is for devices; what concerns the run itself goes this way, which no client on the network can reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import convert
from core.control_path import found_socket, socket_path
from core.errors import ConfigError, CoreError, PortInUse
from core.program_answers import PROGRAM_ANSWERS, ProgramAnswer
from core.transports.accepting import Acceptor
from core.transports.addresses import forget_unix_socket, listen_unix

if TYPE_CHECKING:
    from core.app import App
    from core.isolation import IsolatedInstance
    from core.log.settings import LogSettings

_log = logging.getLogger("core.control")

LINE_BYTES = 1 << 20
"""How long an answer may be."""
QUESTION_BYTES = 1 << 16
"""How long a question may be: asyncio holds some times as much for each who asks."""
ISOLATED_SECONDS = 0.5
"""How long the process of an isolated instance has to answer."""

Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


_TEXTS = ("do", "name", "device", "program")
"""What of a question is a text."""


class Control:
    """Answer the questions of `corectl` about a run; pass `serve` to the App as a companion."""

    def __init__(
        self,
        name: str,
        reload: Callable[[App], Awaitable[dict[str, Any]]] | None = None,
        set_log: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.path = socket_path(name)
        self._name = name
        self._reload_run = reload
        self._app: App | None = None
        self._answers: dict[str, Answer] = {
            "status": self._status,
            "driver list": self._driver_list,
            "driver start": self._driver_start,
            "driver stop": self._driver_stop,
            "driver restart": self._driver_restart,
            **{f"program {what}": functools.partial(self._program, one) for what, one in PROGRAM_ANSWERS.items()},
            "reload": self._reload,
            **({"log": functools.partial(self._log, set_log)} if set_log is not None else {}),
        }

    async def serve(self, app: App) -> None:
        """Listen while the run lasts; a run whose name another one has taken goes without."""
        self._app = app
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            listening = listen_unix(str(self.path))
        except (OSError, PortInUse) as error:
            _log.warning("no control socket: %s; another run of the name %r? See [core] name", error, self._name)
            return
        self.path.chmod(0o600)
        talks: set[asyncio.Task[None]] = set()

        def begin(_: socket.socket, sock: socket.socket, _address: object) -> None:
            talk = asyncio.create_task(self._talk(sock))
            talks.add(talk)
            talk.add_done_callback(end)

        def end(talk: asyncio.Task[None]) -> None:
            talks.discard(talk)
            acceptor.try_again()

        # asyncio's own server complains a hundred times a second where there are no descriptors left.
        acceptor = Acceptor([listening], begin, who="a question on the control socket")
        try:
            await asyncio.Event().wait()
        finally:
            acceptor.close()
            with contextlib.suppress(OSError):
                forget_unix_socket(listening)
            listening.close()
            for talk in tuple(talks):
                talk.cancel()

    async def _talk(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=QUESTION_BYTES)
        try:
            if _peer_user(writer.get_extra_info("socket")) not in (os.getuid(), 0):
                return
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
                await asyncio.sleep(0)  # neither of both waits while there is something to read and room to write
        except (OSError, ValueError) as error:
            _log.debug("a question on the control socket was broken off: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = _question_in(line)
            answer = self._answers.get(question["do"])
            if answer is None:
                raise ConfigError(f"{question['do']!r} is unknown; {', '.join(self._answers)} is allowed")
            return {"ok": True, **await answer(question)}
        except (AttributeError, CoreError, KeyError, TypeError, ValueError) as error:
            # The first, too, says only that a part of the question is of another type than it has to be.
            return {"ok": False, "error": str(error)}

    @property
    def _run(self) -> App:
        if self._app is None:
            raise CoreError("the run has not begun")
        return self._app

    async def _status(self, _question: Mapping[str, Any]) -> dict[str, Any]:
        from core.status import status, with_isolated

        answers = {one.name: _ask_isolated(one, {"do": "status"}) for one in self._run.isolated}
        answered = await asyncio.gather(*answers.values())
        found = dict(zip(answers, answered, strict=True))
        return {"status": with_isolated(status(self._name, self._run), self._run.isolated, found)}

    async def _program(self, answer: ProgramAnswer, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer about the programs of all devices, those of isolated instances too."""
        device = question.get("device")
        asked = [one for one in self._run.isolated if device in (None, one.name)]
        answers = [await _ask_isolated(one, question) for one in asked]
        if device is not None and asked:
            if answers[0] is None:
                raise CoreError(f"{device!r} runs in a process of its own, which does not answer")
            if not answers[0].get("ok"):
                raise CoreError(str(answers[0].get("error")))
            return answers[0]
        own = await answer(self._run.assembly.devices, question)
        for there in answers:
            own["programs"] += (there or {}).get("programs", [])
        return own

    async def _reload(self, _question: Mapping[str, Any]) -> dict[str, Any]:
        if self._reload_run is None:
            raise ConfigError(f"the run {self._name!r} has no core.toml that could be reloaded")
        return {"reload": await self._reload_run(self._run)}

    async def _log(self, set_log: Callable[[Mapping[str, Any]], None], question: Mapping[str, Any]) -> dict[str, Any]:
        """Take the levels of the run of which this process is a part."""
        set_log(question)
        return {}

    async def _driver_list(self, _question: Mapping[str, Any]) -> dict[str, Any]:
        from core.drivers.executable import Executable

        now = asyncio.get_running_loop().time()
        found = []
        for name, one in self._run.transports.items():
            if not isinstance(one, Executable) or one.child is None:
                continue
            facts = one.child.statistics
            waits = max(facts.next_start - now, 0.0) if facts.next_start is not None else None
            found.append(
                {
                    "name": name,
                    "kind": one.kind,
                    "command": one.options.command,
                    "process": facts.process,
                    "starts": facts.starts,
                    "failures": facts.failures,
                    "last_end": facts.last_end,
                    "next_start_seconds": waits,
                    "log_lines": facts.log_lines,
                    "log_lines_dropped": facts.log_lines_dropped,
                }
            )
        return {"drivers": found}

    async def _driver_start(self, question: Mapping[str, Any]) -> dict[str, Any]:
        from core.drivers.executable import Executable

        name = question["name"]
        if not name:
            raise ConfigError("a driver needs a name")
        command = question.get("command") or name
        keys = {"command": command, "environment": question.get("environment") or {}}
        options = convert(Executable.Options, keys, f"driver {name!r}")
        await self._run.add_transport(Executable(name, options))
        return {}

    async def _driver_stop(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self._driver(question["name"])
        await self._run.remove_transport(question["name"])
        return {}

    async def _driver_restart(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self._driver(question["name"]).restart()
        return {}

    def _driver(self, name: str) -> Any:
        from core.drivers.executable import Executable

        drivers = {key: one.child for key, one in self._run.transports.items() if isinstance(one, Executable)}
        if name not in drivers:
            raise ConfigError(f"there is no driver {name!r}; there is {', '.join(drivers) or 'none'}")
        return drivers[name]


def _question_in(line: bytes) -> dict[str, Any]:
    """Return the question in a line; raise ConfigError if there is none."""
    try:
        question = json.loads(line)
    except RecursionError:
        raise ConfigError("a question is nested too deeply") from None
    if not isinstance(question, dict):
        raise ConfigError("a question is an object of JSON")
    if wrong := [key for key in _TEXTS if not isinstance(question.get(key, ""), str | None)]:
        raise ConfigError(f"{', '.join(wrong)}: a text is expected")
    return question


def ask(name: str, question: Mapping[str, Any], *, seconds: float = 10.0) -> dict[str, Any]:
    """Ask the run `name` and return its answer; raise CoreError if it does not run or refuses."""
    path = found_socket(name)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(seconds)
            sock.connect(str(path))
            sock.sendall(json.dumps(question).encode() + b"\n")
            with sock.makefile("rb") as stream:
                line = stream.readline()
    except OSError as error:
        raise CoreError(
            f"no run named {name!r} answers ({path}: {error.strerror or error}); start one: corectl run"
        ) from error
    answer: dict[str, Any] = json.loads(line or b'{"error": "the run has ended"}')
    if not answer.get("ok"):
        raise CoreError(str(answer.get("error")))
    return answer


async def tell_isolated_log(app: App, settings: LogSettings) -> None:
    """Tell the processes of isolated instances how much is to be logged."""
    question = {"do": "log", "level": settings.level, "levels": dict(settings.levels)}
    await asyncio.gather(*(_ask_isolated(one, question) for one in app.isolated))


async def _ask_isolated(instance: IsolatedInstance, question: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the process of an isolated instance answers, None if it does not."""
    name = instance.control_name
    if name is None or not instance.answers:
        return None
    try:
        async with asyncio.timeout(ISOLATED_SECONDS):
            return await _ask_there(socket_path(name), question)
    except (OSError, ValueError, TimeoutError) as error:
        _log.debug("%s cannot be asked: %s", instance.name, error)
        return None


async def _ask_there(path: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES)
    try:
        writer.write(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()


def _peer_user(sock: socket.socket) -> int:
    content = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user: int = struct.unpack("3i", content)[1]
    return user
