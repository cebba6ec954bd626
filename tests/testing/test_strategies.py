"""Strategies: valid by construction, the simplest value where they shrink to, short Python as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import storsim
from storsim import Placement, hdaudio
from storsim.hdaudio import HDAUDIO_CODEC_COMMAND, StreamFormat
from storsim.testing import strategies as ss
from storsim.testing.storage_rules import HmbRequest, Limits, hmb_requests, limits

BUDGET = settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SPACE = {
    **vars(ss),
    "Limits": Limits,
    "HmbRequest": HmbRequest,
    "Placement": Placement,
    "MemoryRange": storsim.MemoryRange,
}

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
    "limits": (limits(), Limits()),
    "hmb_requests": (hmb_requests(), HmbRequest()),
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
        text = ss._plain(value)
        assert len(text) < 120
        if not isinstance(value, HDAUDIO_CODEC_COMMAND):
            assert eval(text, dict(SPACE)) == value

    check()


@settings(BUDGET)
@given(ss.machines())
def test_machines_can_be_made(config: ss.MachineConfig) -> None:
    with config.make() as pc:
        assert pc.memory.free_bytes() > 0
        assert (pc.memory.free_bytes() == pc.memory.total_bytes) == (config.pinned == 0)
        assert pc.config.nodes == config.nodes


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
