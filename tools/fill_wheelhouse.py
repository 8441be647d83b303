"""Fill build/wheelhouse with what the tests install into empty environments, without any index.

Run by an environment made by setup_venv.py --dev. Our own wheels are built every time; the others are
fetched once for each interpreter, so that later runs need no network.
"""

import shutil
import subprocess
import sys

from setup_venv import CONSTRAINTS, DISTRIBUTIONS, ROOT, fingerprint, group, locked

WHEELHOUSE = ROOT / "build/wheelhouse"


def wheel(*arguments: str) -> None:
    """Build or fetch wheels; sdists of our own need no isolation, as the backend is installed."""
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-build-isolation", "-w", str(WHEELHOUSE), *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def fill() -> None:
    """Bring the wheelhouse up to date."""
    ours = [f"./{distribution}" for distribution in DISTRIBUTIONS]
    made_from = WHEELHOUSE / "made-from"
    if not made_from.exists() or made_from.read_text() != fingerprint():
        shutil.rmtree(WHEELHOUSE, ignore_errors=True)
        WHEELHOUSE.mkdir(parents=True)
        made_from.write_text(fingerprint())
    complete = WHEELHOUSE / f"complete-for-{sys.implementation.cache_tag}"
    if complete.exists():
        wheel("--no-deps", "--no-index", *ours)
        return
    print("Filling", WHEELHOUSE.relative_to(ROOT), "for Python", sys.version.split()[0], flush=True)
    # The build backend too: a plugin from the tutorial is built in an empty environment.
    wheel("-c", CONSTRAINTS, *ours, *group("build"), *group("test"), *group("examples"))
    complete.touch()


def main() -> None:
    """Fill it, one run at a time."""
    with locked("wheelhouse"):
        try:
            fill()
        except subprocess.CalledProcessError:
            sys.exit("The wheelhouse could not be filled: see pip's words above. Is the network there?")


if __name__ == "__main__":
    main()
