"""`corectl watch --blobs DIRECTORY`: what BLOBs come is written to files, and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from core.cli.specs import Spec
    from core.client import Client, ReceivedBlob


async def save(client: Client, specs: Sequence[Spec], directory: Path, tell: Callable[[ReceivedBlob], None]) -> None:
    """Write each BLOB that the specs mean to a file of its own, until cancelled; `tell` hears of it."""
    from core.client import BlobLost

    only = specs[0] if len(specs) == 1 else None
    device = only.device if only is not None and not is_pattern(only.device) else None
    name = only.name if only is not None and device is not None and not is_pattern(only.name) else None
    async with client.blobs(device, name, directory=directory) as feed:
        while True:
            try:
                blob = await anext(feed)
            except BlobLost as lost:
                click.echo(f"corectl: {lost}", err=True)
                continue
            except StopAsyncIteration:
                return
            if any(spec.means(blob.device, blob.name, blob.member) for spec in specs):
                tell(blob)
            elif blob.path is not None:
                blob.path.unlink(missing_ok=True)


def is_pattern(text: str) -> bool:
    """Return whether a part of a spec may mean several names."""
    return any(mark in text for mark in "*?[")
