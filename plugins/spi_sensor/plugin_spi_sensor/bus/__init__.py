"""Buses and chip selects: of the kernel through `spidev` or Blinka, lines of GPIO chips, and simulated ones."""
