"""Byte strings as programs for the simulated PC, the same that the native fuzz targets run.

A program is decoded, performed and checked in one call into C: `run_bytes`. Any bytes are a program, so any source of
bytes is a fuzzer::

    @given(st.binary(max_size=4000))
    def test_any_program(data: bytes) -> None:
        run = run_bytes(data)
        assert run.difference is None, run.difference

What a native target or ``fuzz-replay`` found runs here as well, with the findings in words and the journal of the
machine to replay, shrink or print: ``run_bytes(Path("crash-1f2e").read_bytes(), journal=True).journal``.

Encoding: a byte of 0xC0 and above starts an operation, the bytes below that follow are its arguments; bytes before the
first operation choose the machine. Missing arguments are 0 and 0 is the plainest valid choice, so programs shrink well.
**Source:** model choice; ``csrc/fuzz/fuzz.h`` has the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from storsim import _core
from storsim.coverage import Behaviours

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from storsim.journal import Journal

#: Called with what each program did: how a campaign counts machines it cannot see.
listeners: list[Callable[[ProgramRun], None]] = []
#: Programs of the seed corpus that ``make -C csrc corpus`` writes.
CORPUS = 400


class ProgramFinding(NamedTuple):
    """A note, violation or bugcheck of a program. machine: which of its machines, from 1: a bugcheck ends one, the next
    operation starts another. routine: documented name, or None. time: ticks. text: everything worth knowing.
    """

    machine: int
    kind: str
    name: str
    routine: str | None
    irql: int
    time: int
    text: str


class ProgramRun(NamedTuple):
    """What a program did. calls: of routines. difference: how the core differed from the oracle, or None: then it is as
    it must be, whatever it found in the program. journal: of the last machine, or None when not asked for.
    """

    operations: int
    calls: int
    machines: int
    difference: str | None
    behaviours: Behaviours
    findings: tuple[ProgramFinding, ...]
    journal: Journal | None


def run_bytes(data: Buffer, *, thorough: bool = False, journal: bool = False) -> ProgramRun:
    """Runs any bytes as a program. thorough: whole-machine check after every operation, and no refused call may change
    the digest; many times slower. journal: record it. Raises MemoryError. Same bytes, same run, everywhere.
    """
    operations, calls, machines, difference, behaviours, findings, record = _core._run_program(data, thorough, journal)
    kept = None
    if record is not None:
        from storsim.journal import load

        kept = load(record)
    run = ProgramRun(
        operations,
        calls,
        machines,
        difference,
        Behaviours(behaviours),
        tuple(ProgramFinding(*finding) for finding in findings),
        kept,
    )
    for listener in listeners:
        listener(run)
    return run


def digest_bytes(data: Buffer) -> int:
    """One number (64 bits) for everything a program does: calls with their results, callbacks, machines at their end.

    The same on every platform, compiler and Python, so that two builds can be compared.

    Raises MemoryError, RuntimeError when the core differs from the oracle (`run_bytes` says where). O(program).
    **Source:** model choice: FNV-1a over the journals of its machines.
    """
    return _core._digest_program(data)


def make_program(seed: int = 1, index: int = 0) -> bytes:
    """Program number ``index`` of the stream that ``seed`` names (both 0 … 2**64 - 1)."""
    return _core._make_program(seed, index)


def seed_corpus(count: int = CORPUS, seed: int = 1) -> Iterator[bytes]:
    """The programs that ``make -C csrc corpus`` writes: memory routines, misuse, families, the whole DDI, audio."""
    return (make_program(seed, index) for index in range(count))
