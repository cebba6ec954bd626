"""Byte strings as programs: any bytes run, the same way every time; the seed corpus agrees with the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storsim.testing import make_program, run_bytes, seed_corpus

#: Mostly operations with a few arguments; any bytes would do.
PROGRAMS = st.lists(st.tuples(st.integers(0xC0, 0xFF), st.lists(st.integers(0, 0xBF), max_size=8)), max_size=60).map(
    lambda steps: b"".join(bytes([code, *arguments]) for code, arguments in steps)
)
MACHINES = st.lists(st.integers(0, 0xBF), max_size=6).map(bytes)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_program(data: bytes) -> None:
    run = run_bytes(data)
    assert run.difference is None, run.difference
    assert run.operations >= sum(byte >= 0xC0 for byte in data) or run.machines == 0


@given(MACHINES, PROGRAMS)
@settings(max_examples=50)
def test_programs_agree_with_the_oracle(machine: bytes, program: bytes) -> None:
    run = run_bytes(machine + program, thorough=True)
    assert run.difference is None, run.difference


@given(MACHINES, PROGRAMS)
@settings(max_examples=30)
def test_the_same_bytes_do_the_same(machine: bytes, program: bytes) -> None:
    first, second = run_bytes(machine + program), run_bytes(bytearray(machine + program))
    assert first == second


@pytest.mark.parametrize("index", range(40))
def test_the_seed_corpus_agrees(index: int) -> None:
    run = run_bytes(make_program(2, index))
    assert run.difference is None, run.difference
    assert run.machines > 0


def test_the_corpus_is_a_stream_of_programs() -> None:
    programs = list(seed_corpus(8))
    assert programs == list(seed_corpus(8))
    assert len(set(programs)) == 8
    assert programs[3] == make_program(1, 3) != make_program(2, 3)


def test_findings_are_in_words() -> None:
    run = run_bytes(b"\xc0\x00\x00\x00\x90")  # a pool request of no bytes
    assert [(each.machine, each.kind, each.routine) for each in run.findings] == [
        (1, "bugcheck", "StorPortAllocatePool")
    ]
    assert "zero bytes" in run.findings[0].text
    assert run.calls == run.operations == 1
    assert {each.outcome for each in run.behaviours} >= {"stopped", "ZERO_LENGTH"}


def test_the_journal_replays() -> None:
    run = run_bytes(b"\x10" + b"\xc0\x00\x40" * 5 + b"\xc5" * 3, journal=True)
    assert run.journal is not None
    assert run.journal.replay().ok
    assert "StorPortAllocatePool" in run.journal.script()
    assert run_bytes(b"").journal is None


@pytest.mark.parametrize("wrong", ["text", 5, None])
def test_only_bytes(wrong: object) -> None:
    with pytest.raises(TypeError):
        run_bytes(wrong)  # type: ignore[arg-type]
