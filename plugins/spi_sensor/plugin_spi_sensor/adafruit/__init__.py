"""Drivers of Adafruit's CircuitPython libraries in the place of ours, each in a thread, on the same managed bus."""
