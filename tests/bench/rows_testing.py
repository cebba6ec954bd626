"""Rows about what stands on top: the ready Hypothesis machines, and journals run in C."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import storsim
from storsim import storport as sp
from tests.bench.build import CannotBuild
from tests.bench.measure import Ratio, Row, loop, ratios, rounds


def hypothesis_machines(count: int, most: int) -> list[Row]:
    """Steps per second of the ready machines against machines of the same rules that do nothing (machines.py)."""
    yardstick = "an empty Hypothesis machine with the same rules, arguments and bundles"
    if importlib.util.find_spec("hypothesis") is None:
        what = "steps per second of the ready machines"
        return [Row("hypothesis", what, yardstick, 0.8, missing="pip install storsim[testing]", least=True)]
    from tests.bench import machines

    rows = []
    for machine in machines.READY[:most]:
        twin = machines.empty_twin(machine)
        found: dict[str, list[float]] = {"ours": [], "empty": []}
        for one in (machine, twin):  # what is made once, such as strategies, is made before
            machines.steps_per_second(one, count)
        for number in range(count):
            found["ours"].append(machines.steps_per_second(machine, number))
            found["empty"].append(machines.steps_per_second(twin, number))
        name = machine.__name__
        detail = {"steps_per_second": Ratio.of(found["ours"]).median, "empty": Ratio.of(found["empty"]).median}
        what = f"steps per second of storsim.testing's {name}"
        rows.append(
            Row(
                f"hypothesis.{name}",
                what,
                yardstick,
                0.8,
                ratios(found["ours"], found["empty"]),
                least=True,
                detail=detail,
            )
        )
    return rows


def journals(replayer: Path | None, count: int) -> list[Row]:
    """A journal of 20 000 calls run from Python against the same bytes run by a C program."""
    what, yardstick = "a journal of 20 000 calls replayed from Python", "the same journal replayed by a C program"
    if replayer is None:
        return [Row("batch", what, yardstick, 1.2, missing="a C compiler")]
    with storsim.Machine("16GiB") as pc, tempfile.TemporaryDirectory() as folder:
        hba = pc.add_adapter("bench")
        for _ in range(10_000):
            _, va, pa = sp.StorPortAllocateDmaMemory(hba, 4096, 0, 2**64 - 1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
            sp.StorPortFreeDmaMemory(hba, va, 4096, sp.MmCached, pa)
        path = Path(folder) / "calls.journal"
        pc.journal.save(path)
        journal = storsim.journal.load(path)

        def in_c(times: int) -> float:
            from tests.bench.build import run

            return float(run([str(replayer), str(path), str(times)]))

        try:
            found = rounds({"python": loop(journal.replay), "c": in_c}, count, 0.1, least=2)
        except CannotBuild as error:
            return [Row("batch", what, yardstick, 1.2, missing=str(error))]
    detail = {"ns_a_call": Ratio.of(found["python"]).median / 20_000 * 1e9}
    return [Row("batch", what, yardstick, 1.2, ratios(found["python"], found["c"]), detail=detail)]
