"""The inputs that fuzzing has kept, those that have broken something once among them: they break nothing any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.run import CORPUS, seeds
from tests.fuzz.targets import TARGETS, BrokenPromiseError, framing, hold

INPUTS = [(target, path) for target in TARGETS for path in seeds(target)]


@pytest.mark.parametrize(("target", "path"), INPUTS, ids=[f"{target}-{path.name}" for target, path in INPUTS])
def test_a_kept_input_breaks_nothing(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(seeds(target) for target in TARGETS)


def test_a_promise_that_is_broken_is_told() -> None:
    with pytest.raises(BrokenPromiseError, match="two and two: 5"):
        hold(False, "two and two", 5)


def test_the_oracle_sees_what_lxml_reads_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = b'\x10<getProperties version="1.7"/><pingReply uid="a"/>'
    framing(stream)
    monkeypatch.setattr("tests.fuzz.targets.spelt", lambda element: b"something else")
    monkeypatch.setattr("tests.fuzz.targets.canonical", lambda raw: raw)
    with pytest.raises(BrokenPromiseError, match="lxml reads something else"):
        framing(stream)
