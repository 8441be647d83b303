"""Fuzz the targets: by atheris where it is installed, by hypothesis otherwise; `make fuzz` runs this.

FUZZ_SECONDS in the environment bounds the time of all targets together, 60 if it is not given. What is new and of use
is kept in build/fuzz; an input that breaks a promise as well, and it is said how to try it again. It belongs into
`tests/fuzz/corpus` together with what mends it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import time
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
BUILD = Path(__file__).parents[2] / "build" / "fuzz"
LONGEST = 8192
"""How many bytes an input has at most: enough for a BLOB that comes in pieces."""


def seeds(target: str) -> list[Path]:
    """Return the kept inputs of a target."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())


def by_atheris(target: str, seconds: int) -> None:
    """Let libFuzzer look for inputs that reach more of the code; never returns."""
    import atheris

    with atheris.instrument_imports(include=["core", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    found = BUILD / target
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=0"]
    artifacts = f"-artifact_prefix={BUILD}/{target}-"
    atheris.Setup([sys.argv[0], *options, artifacts, str(found), str(CORPUS / target)], TARGETS[target])
    atheris.Fuzz()


def by_hypothesis(target: str, seconds: int) -> None:
    """Try kept inputs, cut, doubled, joined and with bytes changed, until the time is over."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from tests.fuzz.targets import TARGETS

    kept = [path.read_bytes() for path in seeds(target)]
    changes = st.lists(st.tuples(st.integers(0, LONGEST), st.binary(max_size=8)), max_size=6)
    until = time.monotonic() + seconds

    @settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.sampled_from(kept), st.binary(max_size=200)), changes, st.sampled_from(kept), st.integers(0, 2))
    def try_one(data: bytes, edits: list[tuple[int, bytes]], other: bytes, how: int) -> None:
        for at, new in edits:
            place = at % (len(data) + 1)
            data = data[:place] + new + data[place + (len(new) if how else 0) :]
        data = data if how < 2 else data + other
        try:
            TARGETS[target](data)
        except BaseException:
            BUILD.mkdir(parents=True, exist_ok=True)
            (BUILD / f"{target}-crash").write_bytes(data)
            raise

    while time.monotonic() < until:
        random.seed()
        try_one()


def try_again(target: str, path: Path) -> None:
    """Run one input."""
    from tests.fuzz.targets import TARGETS

    TARGETS[target](path.read_bytes())


def main() -> int:
    """Fuzz; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", help="only this one")
    parser.add_argument("--input", type=Path, help="try this input of the target again")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS", "60")))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    atheris = importlib.util.find_spec("atheris") is not None
    if options.input is not None:
        try_again(options.target, options.input)
        return 0
    if options.inside:
        (by_atheris if atheris else by_hypothesis)(options.target, options.seconds)
        return 0
    targets = [options.target] if options.target else sorted(path.name for path in CORPUS.iterdir())
    each = max(options.seconds // len(targets), 1)
    broken = []
    for target in targets:
        print(f"{target}: {each} s by {'atheris' if atheris else 'hypothesis'}", flush=True)
        command = [sys.executable, "-m", "tests.fuzz.run", "--inside", "--target", target, "--seconds", str(each)]
        if subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode:
            broken.append(target)
    for target in broken:
        print(f"{target}: a promise is broken. Try its input again, the newest {BUILD}/{target}-*, with")
        print(f"  python -m tests.fuzz.run --target {target} --input FILE")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
