"""Make a virtual environment with core and its plugins, unless one is ready; print its folder.

Usage: python3 tools/setup_venv.py [--dev] [--beside] [--fuzz] [--peers]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = (Path(), Path("plugins/gpio_matrix"), Path("plugins/spi_sensor"))
CONSTRAINTS = "constraints.txt"
OLDEST, NEWEST = (3, 11), (3, 13)
VERSION = "{}.{}.{}".format(*sys.version_info)
INTERPRETER = f"{sys.version} in {sys.base_prefix}"


def say(text: str) -> None:
    """Write to stderr: stdout is for the folder alone."""
    print(text, file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    """Say why, and exit."""
    say(text)
    sys.exit(1)


def declared(distribution: Path) -> dict[str, Any]:
    """Return what of a pyproject.toml decides on an installation: not the tools' settings."""
    import tomllib  # not in the interpreters that main() refuses

    content = tomllib.loads((ROOT / distribution / "pyproject.toml").read_text())
    return {
        "build-system": content["build-system"],
        "project": content["project"],
        "dependency-groups": content.get("dependency-groups", {}),
        "hatch": content.get("tool", {}).get("hatch", {}),
    }


def group(name: str) -> list[str]:
    """List a dependency group's requirements, for the versions of pip that know no groups."""
    requirements: list[str] = []
    for entry in declared(Path())["dependency-groups"][name]:
        requirements += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return requirements


def fingerprint() -> str:
    """Digest all that an environment is made from."""
    parts = [str(ROOT), (ROOT / CONSTRAINTS).read_text(), *(json.dumps(declared(d)) for d in DISTRIBUTIONS)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep a second run of make out until this one is done."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def require_ensurepip() -> None:
    """Install what Debian keeps apart from venv, or say its name."""
    with contextlib.suppress(ImportError):
        import ensurepip  # noqa: F401

        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"This Python cannot make virtual environments yet: installing the package {package}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        commands = (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", package])
        results = [subprocess.run(["apt-get", *c], stdout=sys.stderr, env=environment, check=False) for c in commands]
        if results[-1].returncode == 0:
            return
    fail(
        f"{sys.executable} ({VERSION}) cannot make virtual environments: its module ensurepip is missing. "
        f"On Debian and Ubuntu: apt-get install {package}"
    )


def create(folder: Path) -> None:
    """Make the virtual environment anew."""
    require_ensurepip()
    say(f"Making {folder.name} with Python {VERSION}")
    # A process of its own, because this one may have looked for ensurepip in vain.
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], stdout=sys.stderr, check=False)
    if made.returncode:
        fail(f"{sys.executable} could not make {folder}: see above.")
    (folder / "interpreter").write_text(INTERPRETER)


def pip(folder: Path, *arguments: str) -> bool:
    """Run the environment's pip; True if it did what was asked."""
    command = [str(folder / "bin/python"), "-m", "pip", "--quiet", "--quiet", "--no-input", *arguments]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, cwd=ROOT, stdout=sys.stderr, env=environment, check=False).returncode == 0


def install(folder: Path, *, dev: bool) -> None:
    """Install the three distributions, editable, and the tools for developers."""
    say(f"Installing core and its plugins{' with the tools for tests' if dev else ''} into {folder.name}")
    editable = [argument for d in DISTRIBUTIONS for argument in ("-e", f"./{d}")]
    # No isolation, so that the build backend is a pinned one and a repetition needs no network.
    if not (
        pip(folder, "install", "-c", CONSTRAINTS, *group("dev" if dev else "build"))
        and pip(folder, "install", "-c", CONSTRAINTS, "--no-build-isolation", *editable)
    ):
        fail(f"Installing into {folder.name} failed: see pip's words above. Is the network there?")


def install_for_boards(folder: Path) -> None:
    """Install what has to be compiled, where it can be; tests skip what is missing."""
    ready, wanted = folder / "ready-board", json.dumps([group("board"), (ROOT / CONSTRAINTS).read_text()])
    if ready.exists() and ready.read_text() == wanted:
        return
    header = Path(sysconfig.get_path("include")) / "Python.h"
    reason = ""
    if not shutil.which("cc"):
        reason = "no C compiler (cc)"
    elif not header.exists():
        reason = f"no {header}"
    elif not pip(folder, "install", "-c", CONSTRAINTS, *group("board")):
        reason = "see above"
    if reason:
        say(f"Without spidev and Blinka, tests of them are skipped: {reason}")
    else:
        ready.write_text(wanted)


def install_for_fuzzing(folder: Path) -> None:
    """Install atheris where there is a wheel of it; hypothesis, which is there, does without."""
    if not pip(folder, "install", "--only-binary", ":all:", "-c", CONSTRAINTS, *group("fuzz")):
        say("There is no atheris for this Python and machine: hypothesis fuzzes, and sees less.")


def install_peers() -> Path:
    """Install INDI programs of others, with all that they need, where they disturb nobody; return the folder."""
    folder = ROOT / "build" / "peers"
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != fingerprint():
        create(folder)
        say(f"Installing {', '.join(group('peers'))}")
        if not pip(folder, "install", "-c", CONSTRAINTS, *group("peers")):
            fail("Installing them failed: see pip's words above. Is the network there?")
        ready.write_text(fingerprint())
    return folder


def chosen(*, beside: bool) -> Path:
    """Choose .venv, or with beside and a .venv of another interpreter one named after this version."""
    folder = ROOT / ".venv"
    return ROOT / f".venv-{VERSION}" if beside and folder.exists() and not is_of_this_interpreter(folder) else folder


def is_of_this_interpreter(folder: Path) -> bool:
    """Tell whether the environment was made by this very Python."""
    marker = folder / "interpreter"
    return (folder / "bin/python").exists() and marker.exists() and marker.read_text() == INTERPRETER


def main() -> None:
    """Set up what the command line asks for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        fail(
            f"core needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {VERSION}. "
            "Choose another one: make demo PYTHON=python3.11"
        )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="with the tools for tests")
    parser.add_argument("--beside", action="store_true", help="leave a .venv of another interpreter alone")
    parser.add_argument("--fuzz", action="store_true", help="with atheris, where it can be had")
    parser.add_argument("--peers", action="store_true", help="only INDI programs of others, for tests with them")
    options = parser.parse_args()
    if options.peers:
        with locked("peers"):
            print(install_peers())
        return
    folder = chosen(beside=options.beside)
    with locked("setup"):
        if not is_of_this_interpreter(folder):
            create(folder)
        wanted = fingerprint()
        ready = folder / ("ready-dev" if options.dev else "ready")
        if not ready.exists() or ready.read_text() != wanted:
            install(folder, dev=options.dev)
            for name in {"ready", ready.name}:
                (folder / name).write_text(wanted)
        if options.dev:
            install_for_boards(folder)
        if options.fuzz:
            install_for_fuzzing(folder)
    print(folder.relative_to(ROOT) if Path.cwd() == ROOT else folder)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        fail(f"Cannot set up core in {ROOT}: {error.filename or 'a file'}: {error.strerror or error}.")
