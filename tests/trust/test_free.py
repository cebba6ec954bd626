"""The row of free-threaded CPythons: how interpreters are found, and what it does without one."""

from __future__ import annotations

import json
import os
import sys

import pytest

from trust.free import free_threaded, programs, reports
from trust.rows import Unavailable


def test_interpreters_are_named_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORSIM_TRUST_FREE_THREADED", os.pathsep.join(["one", "", "two"]))
    assert programs() == ["one", "two"]
    monkeypatch.setenv("STORSIM_TRUST_FREE_THREADED", "")
    monkeypatch.setenv("PATH", "")
    assert programs() == []
    with pytest.raises(Unavailable, match="--disable-gil"):
        free_threaded()


def test_an_interpreter_with_a_gil_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORSIM_TRUST_FREE_THREADED", sys.executable)
    monkeypatch.setattr("trust.free.run", lambda *given: json.dumps({"free": False}))
    with pytest.raises(Unavailable, match="with a GIL"):
        free_threaded()


def test_reports_are_read() -> None:
    text = "WARNING: ThreadSanitizer: data race\n  #0 f x.c:1\nSUMMARY: ThreadSanitizer: data race x.c:1:2 in f\n==\n"
    assert reports(text * 2) == ["data race x.c:1:2 in f"] * 2
    assert reports("1 wrong\n") == []
