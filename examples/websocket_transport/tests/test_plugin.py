"""The plugin as `corectl` finds it."""

from __future__ import annotations

from core.plugins import discover


def test_it_is_found_and_in_use() -> None:
    records = {record.name: record for record in discover().records}
    record = records["websocket"]
    assert (record.state, record.cause) == ("active", "")
    assert record.registers["transports"] == ["websocket"]
