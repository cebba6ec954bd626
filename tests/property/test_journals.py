"""Any program: its journal goes to bytes and back, replays with every result and the digest, and so does what is
shrunk from it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import storsim
from kit.journals import run_script, story
from property.test_any_call import CALLBACKS, TABLE, Rich, _arguments, _perform
from storsim import WindowsVersion, journal

LEVELS = ("release", "verifier", "strict")


@given(
    st.sampled_from(LEVELS),
    st.sampled_from([WindowsVersion.WIN7, WindowsVersion.WIN10_1803, WindowsVersion.WIN11_24H2]),
    st.lists(
        st.tuples(
            st.sampled_from(sorted(TABLE)),
            st.lists(st.integers(0, 70), min_size=12, max_size=12),
            st.lists(st.integers(0, 2**64 - 1), min_size=12, max_size=12),
            st.integers(0, 15),
            st.sampled_from(CALLBACKS),
            st.integers(0, 5000),
        ),
        max_size=12,
    ),
)
def test_any_program(level: str, os: WindowsVersion, steps: list[tuple[Any, ...]]) -> None:
    rich = Rich(level, os)
    for name, picks, numbers, irql, callback, ticks in steps:
        if rich.pc._dead:
            break
        row = TABLE[name]
        _perform(row, rich, _arguments(row, rich, picks, numbers), irql, callback)
        if not rich.pc._dead:
            rich.pc.advance(ticks)
    found = journal.load(rich.pc.journal.to_bytes())
    replay = found.replay()
    assert replay.ok, replay.difference
    assert replay.digest == rich.pc.digest()
    assert story(run_script(found.script())) == story(found)
    if rich.pc.findings:
        small = found.shrink(budget=200)
        assert small.shrunk is not None
        assert small.replay().ok
    assert isinstance(rich.pc, storsim.Machine)
