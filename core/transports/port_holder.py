"""Who listens on a TCP port: Linux tells it in /proc, of one's own processes or, to root, of all."""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"
_LONGEST_NAME = 60


def port_holder(port: int) -> str | None:
    """Return "name (pid 123)" of the process that listens on `port`, None where it cannot be known."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    return f"{_name(process)} (pid {process.name})"
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return None


def is_taken(port: int) -> bool:
    """Return whether any process of this machine listens on `port`."""
    return bool(_listening(port))


def _listening(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _name(process: Path) -> str:
    """Return the name by which people know the process: of a script its own, not its interpreter's."""
    words = [word for word in (process / "cmdline").read_bytes().decode(errors="replace").split("\0") if word]
    if not words:
        return _in_one_line((process / "comm").read_bytes().decode(errors="replace"))
    program = Path(words[0]).name
    if program.startswith("python"):
        for index, word in enumerate(words[1:], 1):
            if word == "-c":
                return _in_one_line(" ".join((program, *words[index : index + 2])))
            if not word.startswith("-"):
                return _in_one_line(Path(word).name)
    return _in_one_line(program)


def _in_one_line(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(plain.split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 3] + "..."
