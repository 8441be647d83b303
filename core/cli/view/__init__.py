"""The view: matrices in colour beside their programs, buttons and the log. Textual is imported here alone, and late.

`looks.py` says what there is to see of a device, `instance.py` brings it from a server and acts on it; `screen.py` is
the application and `panels.py` its parts, `lamps.py` draws LEDs; `plain.py` shows the same without Textual, and
`terminal.py` says when that has to be. `corectl view` is `command.py`; `corectl run --view` starts `child.py` in a
process of its own by `process.py`.
"""
