"""The log of a run: which lines are wanted, what they say, and the file and the journal that take them.

Whoever logs never waits: the files here are written by a thread of `core.cli.writer`.
"""
