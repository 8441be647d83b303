"""Who listens on a TCP port: Linux tells it in /proc, of one's own processes or, to root, of all."""

from __future__ import annotations

from pathlib import Path

_LISTEN = "0A"


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
    words = (process / "cmdline").read_bytes().split(b"\0")
    names = [Path(word.decode(errors="replace")).name for word in words if word]
    if len(names) > 1 and names[0].startswith("python"):
        return next((name for name in names[1:] if not name.startswith("-")), names[0])
    return names[0] if names else (process / "comm").read_text().strip()
