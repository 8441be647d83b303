"""History of numbers: a device that records the others' values, the process that writes them, and how they are read.

`process.py` and what it imports run in a process of their own, which has the standard library and nothing else.
"""
