"""`corectl record`: the first seconds of a program as a picture that moves.

`film.py` runs the program on the virtual clock and keeps what the LEDs showed; `svg.py`, `gif.py` and `cast.py` write
that as files; `command.py` is the command.
"""
