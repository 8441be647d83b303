"""What happens to those who come while there are no descriptors left: on the control socket, as on every other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.control import Control
from core.testing import VirtualClock


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_asks_while_there_are_no_descriptors_waits_and_is_answered(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    async def main() -> None:
        control = Control("starved")
        serving = asyncio.create_task(control.serve(None))  # type: ignore[arg-type]  # nothing of the run is asked
        await asyncio.sleep(0.1)
        peers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for sock in peers:
            sock.connect(str(control.path))
        with no_descriptors_left():
            await asyncio.sleep(5)
        for sock in peers:
            reader, writer = await asyncio.open_unix_connection(sock=sock)
            writer.write(b'{"do": "nonsense"}\n')
            assert "nonsense" in json.loads(await reader.readline())["error"]
            writer.close()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        assert not control.path.exists()

    clock.run(main())
    (said,) = caplog.records
    assert "cannot be accepted, and waits until another one goes" in said.message
