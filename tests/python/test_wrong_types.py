"""Anything may be passed anywhere: every routine and every method answers or raises, and the machine stays sound."""

from __future__ import annotations

import contextlib
import random
import warnings
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from storsim import _core

ROWS = {row["name"]: row for row in _core.ddi_table() if row["family"] == "storport"}
ALLOWED = (TypeError, ValueError, OverflowError, MemoryError, storsim.StorsimError, RuntimeError)


class Hostile:
    """An object whose every conversion misbehaves."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __index__(self) -> int:
        if self.what == "raise":
            raise TypeError("no")
        return "7" if self.what == "text" else 7  # type: ignore[return-value]

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __iter__(self) -> Any:
        raise ValueError("no items")

    def __len__(self) -> int:
        return 2**62


def values(machine: storsim.Machine, hba: Any) -> list[Any]:
    """A bit of everything, the valid things included."""
    return [
        None,
        0,
        1,
        -1,
        2,
        64,
        4096,
        2**31,
        2**32 - 1,
        2**32,
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        10**30,
        True,
        False,
        0.5,
        float("nan"),
        "",
        "Test",
        "long text",
        b"",
        b"Test",
        bytearray(b"x"),
        [],
        [1],
        [None],
        (),
        (1, 2, 3),
        {},
        {1: 2},
        set(),
        object(),
        int,
        len,
        lambda *_: None,
        Hostile("raise"),
        Hostile("text"),
        Hostile("fine"),
        machine,
        hba,
        hba.device_extension,
        hba.config,
        sp.ACCESS_RANGE(1, 2, True),
        [sp.ACCESS_RANGE(0x1000, 0x1000, True)],
        sp.GROUP_AFFINITY(),
        sp.MmCached,
        sp.STOR_STATUS_BUSY,
        memoryview(b"abc"),
        0xFFFFA00000000000,
        0xFFFFA00000002000,
        0x00007FFFFFFFFFFF,
        0x0000800000000000,
        complex(1, 1),
        range(3),
        Ellipsis,
        type,
        storsim,
    ]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_routine_takes_anything(name: str) -> None:
    rng = random.Random(name)
    warnings.simplefilter("ignore", storsim.ViolationWarning)
    machine = storsim.Machine("16MiB", level="release")
    hba = machine.add_adapter("hba")
    names = [parameter["name"] for parameter in ROWS[name]["params"]] + ["Nonsense"]
    snapshot = machine.snapshot()
    for _ in range(400):
        pool = values(machine, hba)
        routine = getattr(rng.choice([sp, machine.storport]), name)
        args = [rng.choice(pool) for _ in range(rng.randrange(0, len(names) + 1))]
        if args and rng.random() < 0.8:
            args[0] = hba
        kwargs = {key: rng.choice(pool) for key in rng.sample(names, rng.randrange(0, 3))}
        with machine.at_irql(rng.choice([0, 0, 2, 5])), contextlib.suppress(ALLOWED):
            routine(*args, **kwargs)
        if machine._dead or rng.random() < 0.02:
            machine.restore(snapshot)
    assert machine.check() == ""


METHODS = sorted(
    name
    for name in dir(_core.Machine)
    if callable(getattr(_core.Machine, name)) and not name.startswith("__") and name != "close"
)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_anything(name: str) -> None:
    rng = random.Random(name)
    warnings.simplefilter("ignore", storsim.ViolationWarning)
    machine = storsim.Machine("16MiB", level="release")
    hba = machine.add_adapter("hba")
    snapshot = machine.snapshot()
    method = getattr(_core.Machine, name)
    small = [0, 1, 2, 3, "StorPortAllocatePool", "HwStorStartIo", {}, snapshot, lambda *_: 0, [], ()]
    for _ in range(300):
        pool = small if rng.random() < 0.6 else values(machine, hba)
        args = [rng.choice(pool) for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 4, 5, 7, 13]))]
        if name == "_advance" or name == "_run_until_interrupt":
            args = [argument if not isinstance(argument, int) else argument % 10**7 for argument in args]
        try:
            method(machine, *args)
        except (*ALLOWED, BufferError, LookupError):
            pass
        if machine._dead or rng.random() < 0.02:
            machine.restore(snapshot)
    assert machine.check() == ""


@pytest.mark.parametrize(
    "make",
    [_core.ACCESS_RANGE, _core.GROUP_AFFINITY, _core.MDL, _core.SCSI_REQUEST_BLOCK, _core.STOR_SCATTER_GATHER_LIST,
     _core.Pointer, _core.Block, _core.Adapter, _core.Snapshot, _core.Machine, _core.result_type],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_every_constructor_takes_anything(make: Any) -> None:
    rng = random.Random(make.__name__)
    machine = storsim.Machine("16MiB", level="release")
    hba = machine.add_adapter("hba")
    for _ in range(400):
        pool = values(machine, hba)
        args = [rng.choice(pool) for _ in range(rng.randrange(0, 8))]
        if args and rng.random() < 0.5:
            args[0] = machine
        try:
            made = make(*args)
        except (*ALLOWED, BufferError):
            continue
        for attribute in dir(made):
            if not attribute.startswith("__"):
                with contextlib.suppress(ALLOWED):
                    getattr(made, attribute)
    assert machine.check() == ""
