"""The installed build does what every other build does: fifty scenarios come to the numbers written in digests.txt.

After a change of what the simulator does on purpose ``python -m tests.golden`` writes them anew; a change that was not
meant to change anything changes none of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.scenarios import PROGRAMS, SCENARIOS, perform
from storsim import journal
from storsim.testing import digest_bytes, make_program

FOLDER = Path(__file__).resolve().parent
ROWS = [line.split() for line in (FOLDER / "digests.txt").read_text().splitlines() if not line.startswith("#")]
JOURNALS = [(name, what, int(digest, 16)) for name, kind, what, digest in ROWS if kind == "journal"]
MADE = [(what, int(digest, 16)) for _, kind, what, digest in ROWS if kind == "program"]


def test_there_are_fifty() -> None:
    assert len(ROWS) == len({name for name, *_ in ROWS}) == len({digest for *_, digest in ROWS}) == 50
    assert [name for name, *_ in JOURNALS] == list(SCENARIOS)
    assert [what for what, _ in MADE] == [f"1:{index}" for index in PROGRAMS]


@pytest.mark.parametrize(("name", "file", "digest"), JOURNALS, ids=[name for name, *_ in JOURNALS])
def test_scenario(name: str, file: str, digest: int) -> None:
    pc = perform(SCENARIOS[name])
    assert f"{pc.digest():016x}" == f"{digest:016x}"
    replay = journal.load(FOLDER / file).replay()
    assert replay.ok, replay.difference
    assert replay.sealed
    assert f"{replay.digest:016x}" == f"{digest:016x}"


@pytest.mark.parametrize(("what", "digest"), MADE, ids=[what for what, _ in MADE])
def test_program(what: str, digest: int) -> None:
    seed, index = what.split(":")
    assert f"{digest_bytes(make_program(int(seed), int(index))):016x}" == f"{digest:016x}"


def test_a_program_that_does_less_comes_to_something_else() -> None:
    program = make_program(1, 0)
    assert digest_bytes(program) == digest_bytes(bytearray(program)) != digest_bytes(program[:-20])


def test_no_bytes_are_a_program() -> None:
    assert digest_bytes(b"") == digest_bytes(memoryview(b"")) != digest_bytes(b"\xc0")


def test_what_is_no_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        digest_bytes("text")  # type: ignore[arg-type]
