"""Drivers that misbehave: only they suffer, and none of their processes stays."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.attacks.arena import HERE, FifoServer, wait_until

pytestmark = pytest.mark.system

COMMAND = b'<newTextVector device="evil" name="p"><oneText name="a">' + b"z" * 9999 + b"</oneText></newTextVector>"
CUT = "evil.* is disconnected: "

GRANDCHILD = """
write(define())
if os.fork():
    wait()
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os._exit(0)
mark()
wait()
"""
SELF_SNOOP = """
write(define() + question("evil") + b"<enableBLOB>Also</enableBLOB>" + set_text(b"x") * 2000)
mark()
while True:
    hear()
"""

MISBEHAVIOUR = {
    "crash in the middle of a message": ("write(define() + set_text(b'x')[:40]); mark(); os._exit(1)", "exit status 1"),
    "crash before a word": ("mark(); os._exit(3)", "exit status 3"),
    "crash by a signal": ("write(define()); mark(); os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "rubbish": ("write(bytes(range(128, 256)) * 50); mark(); wait()", CUT + "text between messages"),
    "text": ("write(b'Hello, world!'); mark(); wait()", CUT + "text between messages"),
    "invalid UTF-8": ("write(define() + set_text(b'\\xff\\xfe')); mark(); wait()", CUT + "not well-formed"),
    "invalid UTF-8 in a run": (
        "write(define() + set_text(b'x') * 300 + set_text(b'\\xff\\xfe') + set_text(b'x') * 300); mark(); wait()",
        CUT + "not well-formed",
    ),
    "end of CDATA in a run": (
        "write(define() + set_text(b'x') * 300 + set_text(b']]>')); mark(); wait()",
        CUT + "not well-formed",
    ),
    "vertical tab in a run": ("write(define() + set_text(b'x') * 300 + set_text(b'\\v')); mark(); wait()", CUT),
    "U+FFFE in a run": ("write(define() + set_text(b'x') * 9 + set_text(b'\\xef\\xbf\\xbe')); mark(); wait()", CUT),
    "attribute twice in a run": (
        "write(define() + set_text(b'x') * 9 + set_text(b'<b c=\"1\" c=\"2\"/>')); mark(); wait()",
        CUT,
    ),
    "entity in a run": ("write(define() + set_text(b'x') * 9 + set_text(b'&foo;')); mark(); wait()", CUT),
    "document type": ("write(b'<!DOCTYPE x [<!ENTITY a \"b\">]>' + define()); mark(); wait()", "document type"),
    "a message without end": (
        "write(define() + set_text(b'')[:60])\nfor _ in range(20): write(b'x' * 1000000)\nmark(); wait()",
        CUT + "a message is longer",
    ),
    "a message that never ends": ("write(define() + set_text(b'')[:60]); mark(); wait()", ""),
    "levels without end": ("write(define() + b'<a>' * 10000); mark(); wait()", CUT + "a message is nested"),
    "markup in a body": ("write(define().replace(b'>v<', b'>&lt;newTextVector/&gt;<')); mark(); wait()", ""),
    "BLOB that is no base64": (
        "write(define() + blob(b'!!!!</oneBLOB></setBLOBVector>')); mark(); wait()",
        CUT + "a BLOB is not base64",
    ),
    "BLOB cut off": ("write(define() + blob(b'QUJD' * 100000)); mark(); wait()", ""),
    "another driver's device": (
        "write(define('heart') + b'<delProperty device=\"heart\"/>' + BEAT * 100); mark(); wait()",
        "sent something of 'heart', which belongs to",
    ),
    "ten thousand lines on stderr": (
        "write(define())\nfor _ in range(100): os.write(2, b'noise\\n' * 100)\nmark(); wait()",
        "noise",
    ),
    "a line without end on stderr": (
        "write(define())\nfor _ in range(100): os.write(2, b'noise' * 20000)\nmark(); wait()",
        "",
    ),
    "bytes that are no text on stderr": ("os.write(2, bytes(range(256)) * 10); mark(); wait()", "evil"),
    "escape sequences on stderr": (
        "os.write(2, b'\\033]0;title\\007\\033[2J\\rCRITICAL core: all is lost\\n'); mark(); wait()",
        "all is lost",
    ),
    "SIGTERM ignored": ("signal.signal(signal.SIGTERM, signal.SIG_IGN); write(define()); mark(); wait()", ""),
    "stopped": ("write(define()); mark(); os.kill(os.getpid(), signal.SIGSTOP); wait()", ""),
    "stdin never read": ("write(define()); mark(); wait()", ""),
    "stdin closed": ("write(define()); os.close(0); mark(); wait()", ""),
    "stdout closed": ("write(define()); os.close(1); mark(); wait()", ""),
    "forks that outlive it": (
        "write(define())\nfor _ in range(20):\n  if os.fork() == 0: os.setsid(); wait()\nmark(); os._exit(0)",
        "exit status 0",
    ),
    "a fork of a fork that ignores signals": (GRANDCHILD, ""),
    "snooping on itself": (SELF_SNOOP, ""),
    "snooping on ten thousand devices": (
        "write(define() + b''.join(question(f'd{n}') for n in range(10000))); mark()\nwhile True: hear()",
        "",
    ),
    "commands to others": ("write(define() + NEW_BEAT * 500); mark(); wait()", ""),
    "a property defined a thousand times": ("write(define() * 1000); mark(); wait()", ""),
    "a property that comes and goes": (
        'write((define() + b\'<delProperty device="evil" name="p"/>\') * 1000); mark(); wait()',
        "",
    ),
    "a hundred thousand properties": (
        "write(b''.join(define(name=f'p{n}') for n in range(100000))); mark(); wait()",
        "",
    ),
    "a text of 14 MB": ("write(define() + set_text(b'x' * 14000000)); mark(); wait()", ""),
    "sets without end": ("write(define())\nfor n in range(2000): write(set_text(b'y' * 50) * 100)\nmark(); wait()", ""),
    "a hundred thousand devices": ("for n in range(100000): write(define(f'd{n}'))\nmark(); wait()", ""),
    "pings without end": (
        "write(define())\nfor n in range(2000): write(b'<pingRequest uid=\"%d\"/>' % n)\nmark(); wait()",
        "",
    ),
}


def processes_with(path: Path) -> list[int]:
    """Return the processes that have a path in their command line."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(path) in words:
                found.append(int(process.name))
    return found


def make_driver(folder: Path, code: str) -> Path:
    """Write a driver that is ready to misbehave."""
    path = folder / "evil"
    beginning = f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom misbehaving import *"
    path.write_text(f"#!{sys.executable} -S\n{beginning}\n{code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_only_the_driver_suffers(fifo_server: FifoServer, folder: Path, name: str) -> None:
    code, said = MISBEHAVIOUR[name]
    driver = make_driver(folder, code)
    logged = len(fifo_server.log())
    fifo_server.command(f'start "{driver}"')
    wait_until(Path(f"{driver}.done").exists, "the driver to do its worst")
    if said:
        fifo_server.says(said, logged)
    # What it is sent meanwhile, whether it reads or not.
    with fifo_server.client() as client:
        for _ in range(100):
            client.send(COMMAND)
        assert client.is_served()
    fifo_server.command(f'stop "{driver}"')
    wait_until(lambda: not processes_with(driver), "its processes to end")
    assert len(fifo_server.log()) - logged < 100_000
    assert "\033" not in fifo_server.log()
