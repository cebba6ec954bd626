"""A pytest plugin: where a test passes a fallible C-API call that has not failed yet, the test runs again and it fails.

Loaded by the row ``C-API calls of the suite`` (:mod:`trust.capi`) with the binding built with ``capi_fail.h``. A test
whose call fails may end as it likes, but not in a SystemError, and no machine it made may be unsound. What came of it
is written as JSON to the file the environment variable ``STORSIM_CAPI_REPORT`` names.
"""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

import storsim
import storsim._core
from trust.capi_sites import library, sites

#: How many tests may try to make one site fail: a call that only the first use of something makes is not passed again.
TRIES = 4


class Plugin:
    """Runs each test once, and once more for each site it passed that has not failed."""

    def __init__(self) -> None:
        self.library = library(storsim._core.__file__)
        self.tries: Counter[int] = Counter()
        self.armed = -1
        self.passed: list[int] = []
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Tests that hypothesis drives are left out: it would take a failing call for a bug and search on."""
        items[:] = [item for item in items if not hasattr(getattr(item, "obj", None), "hypothesis")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """The test as it is, then with one call failing after the other."""
        self._run(item, nextitem, -1)
        for site in self.passed:
            if sites(self.library)[site][2] == 0 and self.tries[site] < TRIES:
                self.tries[site] += 1
                self._run(item, nextitem, site)
        return True

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None, site: int) -> None:
        item._initrequest()  # type: ignore[attr-defined]
        self.armed, self.passed = site, self.passed if site >= 0 else []
        runtestprotocol(item, nextitem=nextitem, log=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Arms the site around the test itself, and looks at what came of it."""
        before = sites(self.library)
        self.library.ss_capi_arm_site(self.armed)
        kind = "passed"
        try:
            yield
        except BaseException as error:
            kind = type(error).__name__
            raise
        finally:
            self.library.ss_capi_arm_site(-1)
            after = sites(self.library)
            if self.armed < 0:
                counts = [passed for _, passed, _ in before] + [0] * (len(after) - len(before))
                self.passed = [i for i, count in enumerate(counts) if after[i][1] > count and after[i][2] == 0]
            elif after[self.armed][2] > before[self.armed][2]:
                self._judge(item.nodeid, after[self.armed][0], kind)

    def _judge(self, test: str, place: str, kind: str) -> None:
        self.outcomes[kind] += 1
        if kind == "SystemError":
            self.wrong.append(f"{test}: {place} ended in a SystemError")
        for thing in gc.get_objects():
            if isinstance(thing, storsim.Machine) and not thing.closed and thing.check() != "":
                self.wrong.append(f"{test}: {place} left an unsound machine: {thing.check()}")

    def pytest_sessionfinish(self) -> None:
        """Writes the report."""
        found = {"sites": sites(self.library), "outcomes": self.outcomes, "wrong": self.wrong}
        Path(os.environ["STORSIM_CAPI_REPORT"]).write_text(json.dumps(found))


def pytest_configure(config: pytest.Config) -> None:
    """Registers the plugin, but not in processes that tests start."""
    config.pluginmanager.register(Plugin(), "storsim-capi")
