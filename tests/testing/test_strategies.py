"""Strategies: valid by construction, the simplest value where they shrink to, short Python as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import storsim
import storsim.storport as sp
from storsim import Placement, hdaudio
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.testing import specs
from storsim.testing import strategies as ss
from storsim.testing.specs import FaultPlan, HmbRequest, Limits

BUDGET = settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SPACE = {**vars(ss), **vars(specs), "Placement": Placement}

SIMPLEST: dict[str, tuple[Any, Any]] = {
    "machines": (ss.machines(), ss.MachineConfig()),
    "adapters": (ss.adapters(), ss.AdapterConfig()),
    "transfers": (ss.transfers(), ss.Transfer()),
    "transfer_lengths": (ss.transfer_lengths(), 4096),
    "time_steps": (ss.time_steps(), 500),
    "nth_failures": (ss.nth_failures(), 0),
    "pages_left": (ss.pages_left(), 0),
    "stream_formats": (ss.stream_formats(), StreamFormat(48000, 16, 16, 2)),
    "streams": (ss.streams(), ss.StreamSpec()),
    "buffer_sizes": (ss.buffer_sizes(), 4096),
    "verbs": (ss.verbs(), HDAUDIO_CODEC_COMMAND.Verb8(0, 0, 0xF00, 0)),
    "limits": (ss.limits(), Limits()),
    "hmb_requests": (ss.hmb_requests(), HmbRequest()),
    "memory_ranges": (ss.memory_ranges(), storsim.MemoryRange(1 << 20, 1 << 20)),
    "maps": (ss.maps(), (storsim.MemoryRange(1 << 20, 16 << 20),)),
    "fault_plans": (ss.fault_plans(["Abcd"], ["timeout"]), FaultPlan()),
    "descriptor_lists": (ss.descriptor_lists(4096), ((0, 2048, 0), (2048, 2048, 1))),
}


@pytest.mark.parametrize("name", SIMPLEST)
def test_shrinks_to_the_simplest(name: str) -> None:
    strategy, simplest = SIMPLEST[name]
    assert find(strategy, lambda value: True, settings=BUDGET) == simplest


@pytest.mark.parametrize("name", SIMPLEST)
def test_prints_as_python(name: str) -> None:
    strategy, _ = SIMPLEST[name]

    @settings(BUDGET, phases=[Phase.generate])
    @given(strategy)
    def check(value: Any) -> None:
        text = specs.plain(value)
        assert len(text) < (4000 if name == "descriptor_lists" else 200)
        if not isinstance(value, HDAUDIO_CODEC_COMMAND):
            assert eval(text, dict(SPACE)) == value

    check()


@settings(BUDGET)
@given(ss.machines())
def test_machines_can_be_made(config: ss.MachineConfig) -> None:
    with config.make() as pc:
        assert pc.memory.free_bytes() > 0
        assert (pc.memory.free_bytes() == pc.memory.total_bytes) == (config.pinned == 0)
        assert pc.config.nodes >= config.nodes


@settings(BUDGET)
@given(ss.transfers(), ss.adapters())
def test_transfers_make_requests(transfer: ss.Transfer, adapter: ss.AdapterConfig) -> None:
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("a", **adapter.settings())
        with hba.srb(transfer.length, transfer.write, transfer.fragments, offset=transfer.offset) as srb:
            assert srb.DataTransferLength == transfer.length


@given(st.integers(1, 64).flatmap(lambda pages: ss.transfers(pages * 4096, writes=False, aligned=True)))
def test_transfers_keep_their_limits(transfer: ss.Transfer) -> None:
    assert transfer.length <= 64 * 4096
    assert not transfer.write
    assert transfer.offset == 0


@settings(BUDGET)
@given(ss.stream_formats())
def test_formats_have_an_encoding(form: StreamFormat) -> None:
    assert hdaudio.encode_format(form) is not None


@settings(BUDGET)
@given(ss.verbs(3))
def test_verbs_go_to_their_codec(command: HDAUDIO_CODEC_COMMAND) -> None:
    assert int(command) >> 28 == 3


def test_packed_prefers_the_first_axis_small() -> None:
    strategy = ss.packed(lambda a, b: (a, b), "xy", range(10))
    assert find(strategy, lambda pair: pair[1] == 7, settings=BUDGET) == ("x", 7)
    assert find(strategy, lambda pair: pair[0] == "y", settings=BUDGET) == ("y", 0)


@settings(BUDGET, max_examples=20)
@given(ss.real_machines())
def test_real_machines_are_the_bundled_ones(config: ss.MachineConfig) -> None:
    from storsim.data import machines

    with config.make() as pc:
        assert pc.memory.total_bytes == sum(item.length for item in machines()[config.bundled].ranges)


@settings(BUDGET)
@given(ss.fault_plans(["Abcd"], ["timeout"]))
def test_fault_plans_fail_what_they_say(plan: FaultPlan) -> None:
    with storsim.Machine("16MiB", seed=1) as pc:
        hba = pc.add_adapter("a")
        rule = plan.apply(pc)
        assert (rule == 0) == (not (plan.nth or plan.percent or plan.hardware))
        failed = []
        for call in range(1, 20):
            status, block = sp.StorPortAllocatePool(hba, 100, "Abcd")
            if status:
                failed.append(call)
            else:
                sp.StorPortFreePool(hba, block)
        if plan.nth:
            assert failed == list(range(plan.nth, plan.nth + plan.count))
        elif not plan.percent:
            assert not failed


SIZES = st.sampled_from([256, 4096, 65536, 384])


@settings(BUDGET)
@given(SIZES.flatmap(lambda size: st.tuples(st.just(size), ss.descriptor_lists(size))))
def test_descriptor_lists_cover_their_buffer(pair: tuple[int, Any]) -> None:
    size, entries = pair
    assert 2 <= len(entries) <= 256
    assert [offset for offset, _, _ in entries] == [sum(e[1] for e in entries[:i]) for i in range(len(entries))]
    assert sum(length for _, length, _ in entries) == size
    assert all(length > 0 and length % 128 == 0 for _, length, _ in entries)
