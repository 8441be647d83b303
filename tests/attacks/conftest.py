"""The servers that are attacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.arena import Arena, FifoServer, Server


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Return a `corectl run` with a device, an external driver and two watchers."""
    arena = Arena(Server(tmp_path_factory.mktemp("run")))
    yield arena
    try:
        arena.descriptors_are_back()
    finally:
        arena.close()


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Return a `corectl serve` that takes more drivers."""
    arena = Arena(FifoServer(tmp_path_factory.mktemp("serve")))
    yield arena
    try:
        arena.descriptors_are_back()
    finally:
        arena.close()


@pytest.fixture
def server(arena: Arena) -> Iterator[Server]:
    """Return the server of the arena; afterwards nobody else must have noticed the attack."""
    with arena.unharmed():
        yield arena.server


@pytest.fixture
def fifo_server(drivers: Arena) -> Iterator[FifoServer]:
    """Return the server that takes more drivers; afterwards nobody else must have noticed the attack."""
    assert isinstance(drivers.server, FifoServer)
    with drivers.unharmed():
        yield drivers.server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for one driver or server."""
    return tmp_path
