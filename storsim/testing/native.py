"""Programs of bytes as a Hypothesis strategy, and the test that any of them is: a campaign's target without a driver.

    target = "storsim.testing.native:any_program"

Each program is decoded, performed and compared with the oracle in C (`run_bytes`). What a program misuses is found by
the simulated machine as it should be and is no failure; that the core and the oracle differ is one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st

from storsim.testing.failures import failure
from storsim.testing.programs import CORPUS, make_program, run_bytes

#: What an argument's byte may be: a byte of 0xC0 and above starts an operation.
_ARGUMENTS = bytes(value if value < 0xC0 else value & 0x7F for value in range(256))
_OPERATION = re.compile(rb"[\xc0-\xff][\x00-\xbf]*")
#: Operations of the seed corpus that are taken in one piece, at most.
_PIECE = 128


def program_bytes(most: int = 40) -> st.SearchStrategy[bytes]:
    """Programs: a machine, then up to `most` parts, each an operation with up to 12 bytes of arguments or a stretch of
    the seed corpus. Shrinks towards none, single operations, and arguments that are 0.
    """
    operation = st.builds(_operation, st.integers(0xC0, 0xFF), st.binary(max_size=12))
    stretch = st.builds(_stretch, st.integers(1, _PIECE), st.integers(0, 4095), st.integers(0, CORPUS - 1))
    return st.builds(_program, st.binary(max_size=4), st.lists(st.one_of(operation, stretch), max_size=most))


def _operation(code: int, arguments: bytes) -> bytes:
    return bytes([code]) + arguments.translate(_ARGUMENTS)


@lru_cache(16)
def _corpus(index: int) -> list[bytes]:
    """The operations of a program of the seed corpus."""
    return _OPERATION.findall(make_program(1, index))


def _stretch(count: int, at: int, index: int) -> bytes:
    operations = _corpus(index)
    first = at % max(1, len(operations))
    return b"".join(operations[first : first + count])


def _program(machine: bytes, parts: list[bytes]) -> bytes:
    return machine.translate(_ARGUMENTS) + b"".join(parts)


def check_program(data: bytes) -> None:
    """Runs a program. Raises DriverFinding ORACLE_DIFFERENCE when the core differs from the oracle; MemoryError."""
    difference = run_bytes(data).difference
    if difference is not None:
        raise failure("ORACLE_DIFFERENCE", f"{difference} (a bug of storsim: please report it)")


@given(data=program_bytes())
def any_program(data: bytes) -> None:
    """No program makes the core and the oracle differ."""
    check_program(data)
