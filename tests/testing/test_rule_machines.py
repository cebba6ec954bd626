"""The ready rule machines: clean on the correct core, the same twice, values that are Python, rules that are few."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import rule, run_state_machine_as_test

import storsim.storport as sp
from storsim.hdaudio import StreamFormat
from storsim.testing import storage_rules
from storsim.testing.audio_rules import Engine
from storsim.testing.failures import DriverFinding
from storsim.testing.machines import READY, AudioStreams, StorageAll, StoragePool
from storsim.testing.rules import Resource
from storsim.testing.storage_rules import Contiguous, Dma, Hmb, HmbRequest, Limits, Mdl, Pool, Srb
from storsim.testing.strategies import Transfer

BUDGET = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("machine", READY, ids=lambda machine: machine.__name__)
def test_clean_and_the_same_twice(machine: type[Any]) -> None:
    def run() -> tuple[list[int], set[str]]:
        digests: list[int] = []
        values: set[str] = set()

        class Noting(machine):  # type: ignore[misc]
            def _end(self) -> None:
                values.update(repr(value) for value in self.live.values())
                digests.append(self.pc.digest())
                super()._end()

        run_state_machine_as_test(seed(3)(Noting), settings=BUDGET)
        return digests, values

    first, values = run()
    assert len(first) >= BUDGET.max_examples
    assert values
    assert run()[0] == first
    space = {**vars(storage_rules), "Engine": Engine, "StreamFormat": StreamFormat, "Transfer": Transfer}
    for text in values:
        value = eval(text, space)
        assert isinstance(value, Resource)
        assert repr(value) == text
        assert len(text) < 120, text


@pytest.mark.parametrize("machine", READY, ids=lambda machine: machine.__name__)
def test_few_rules(machine: type[Any]) -> None:
    rules = machine.setup_state().rules
    assert 2 <= len(rules) <= 25
    assert all(one.function.__doc__ for one in rules)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Pool(3, 4096, "Abcd", va=0xFFFF), "Pool(3, 4096, tag='Abcd')"),
        (Contiguous(1, 512), "Contiguous(1, 512)"),
        (Dma(2, 512, Limits(highest=2**32 - 1)), "Dma(2, 512, limits=Limits(highest=4294967295))"),
        (Hmb(4), "Hmb(4)"),
        (Hmb(4, HmbRequest(ranges=1)), "Hmb(4, HmbRequest(ranges=1))"),
        (Mdl(5, 100, 16), "Mdl(5, 100, offset=16)"),
        (Srb(6, Transfer(512, write=True)), "Srb(6, Transfer(length=512, write=True))"),
        (Engine(7), "Engine(7)"),
        (Engine(7, True), "Engine(7, capture=True)"),
        (Engine(8, False, StreamFormat(44100, 16, 16, 2)), "Engine(8, format=StreamFormat(44100, 16, 16, 2))"),
    ],
)  # fmt: skip
def test_values_print_as_short_python(value: Resource, text: str) -> None:
    assert repr(value) == text


def test_a_fault_in_a_subclass_is_found() -> None:
    class Forgetful(StoragePool):
        @rule()
        def forget(self) -> None:
            """Loses a block."""
            sp.StorPortAllocatePool(self.hba, 77, "Lost")

    with pytest.raises(DriverFinding, match="POOL_LEAK: 77 bytes"):
        run_state_machine_as_test(seed(0)(Forgetful), settings=BUDGET)


def test_a_wrong_status_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, status: int, allowed: Any, call: str) -> None:
        original(self, 0xC000000D if call == "SetDmaEngineState" else status, allowed, call)

    original = AudioStreams.expect
    monkeypatch.setattr(AudioStreams, "expect", refuse)
    with pytest.raises(DriverFinding, match="WRONG_STATUS: SetDmaEngineState gave 0xc000000d; expected STATUS_"):
        run_state_machine_as_test(seed(0)(AudioStreams), settings=BUDGET)


def test_every_rule_runs() -> None:
    names: dict[str, int] = {}

    class Counting(StorageAll):
        def look(self, everything: bool = False) -> None:
            import sys

            name = sys._getframe(1).f_code.co_name
            names[name] = names.get(name, 0) + 1
            super().look(everything)

    run_state_machine_as_test(seed(0)(Counting), settings=settings(BUDGET, max_examples=80))
    silent = {"fail_nth", "no_faults"}
    assert {one.function.__name__ for one in StorageAll.setup_state().rules} - silent <= set(names)
