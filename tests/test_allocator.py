"""What the C library keeps and gives back."""

from __future__ import annotations

import subprocess
import sys

MUCH = """
from core.plumbing.allocator import settle_allocator
from core.plumbing.memory import resident
assert settle_allocator()
before = resident()
buffers = []
small = []
for number in range(60):
    buffers.append(bytearray(5 << 20))
    for _ in range(2):
        buffers[-1] += bytes(5 << 20)
    small.append(bytes(600))
held = resident() - before
buffers.clear()
print(held >> 20, (resident() - before) >> 20, len(small))
"""


def test_large_buffers_are_given_back_as_soon_as_they_are_freed() -> None:
    told = subprocess.run([sys.executable, "-c", MUCH], capture_output=True, text=True, check=True).stdout.split()
    held, left, _ = map(int, told)
    assert held > 500
    assert left < 32
