"""Shared fixtures and Hypothesis profiles.

Profiles have names of their own, because Hypothesis loads one called ``ci`` by itself. ``quick`` is what continuous
integration runs: few test cases, the same ones every time. ``default`` explores, ``nightly`` explores for long.
Choose with the environment variable ``STORSIM_HYPOTHESIS_PROFILE``.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

TESTS = Path(__file__).resolve().parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))  # the test-suite's own packages: kit, model

_RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_NO_EXPLANATION = [phase for phase in Phase if phase is not Phase.explain]  # which costs minutes and says little
settings.register_profile(
    "quick",
    phases=_NO_EXPLANATION,
    max_examples=30,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=_RELAXED,
)
settings.register_profile(
    "default", max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=_RELAXED
)
settings.register_profile(
    "nightly", max_examples=3000, stateful_step_count=80, deadline=None, print_blob=True, suppress_health_check=_RELAXED
)
settings.load_profile(os.environ.get("STORSIM_HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(autouse=True)
def _violations_are_looked_at_not_warned_about() -> Iterator[None]:
    """Tests read ``pc.violations``; the warning that announces one has a test of its own."""
    import storsim

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", storsim.ViolationWarning)
        yield
