"""The shortest sequence of each model shows its bug and nothing in its twin; no shorter one hides inside it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from . import bench

MODELS = bench.models()
EVERYONE = bench.models(also_held_out=True)


def name(model: type[Any]) -> str:
    return model.__name__


def test_thirty_models() -> None:
    kinds = [issubclass(model, bench.Miniport) for model in MODELS]
    assert (sum(kinds), len(kinds) - sum(kinds)) == (18, 12)
    assert len(EVERYONE) == 40


@pytest.mark.parametrize("model", EVERYONE, ids=name)
def test_shortest_sequence(model: type[Any]) -> None:
    error = bench.replay(model, model.shortest)
    assert type(error).__name__ in model.finding, f"{model.__name__}: {error!r}"
    assert bench.replay(bench.twin(model), model.shortest) is None


@pytest.mark.parametrize("model", EVERYONE, ids=name)
def test_no_call_can_be_left_out(model: type[Any]) -> None:
    calls = model.shortest.split(";")
    for left_out in range(1, len(calls)):
        rest = ";".join(calls[:left_out] + calls[left_out + 1 :]).strip()
        error = bench.replay(model, rest)
        assert type(error).__name__ not in model.finding or isinstance(error, bench.NotAllowed), rest


@pytest.mark.parametrize("model", EVERYONE, ids=name)
def test_one_planted_line(model: type[Any]) -> None:
    """The twin differs in one place, and the docstring says what and why it is easy to make."""
    assert inspect.getsource(model).count("self.bug") == 1
    assert model.__doc__ is not None
    assert "Easy to make:" in model.__doc__
    assert bench.twin(model).bug is False


def test_drive() -> None:
    """A run finds, counts its steps and shrinks; the twin's run ends with its budget."""
    model = next(model for model in MODELS if model.__name__ == "WrongSizeAfterGrow")
    run = bench.drive(model, 1, 1_000)
    assert (run.found, run.failed) == ("SIZE_MISMATCH", True)
    assert 0 < run.steps <= 1_000
    assert 0 < len(run.calls) <= 2 * bench.length(model.shortest)
    clean = bench.drive(bench.twin(model), 1, 200)
    assert not clean.found
    assert clean.steps >= 200
