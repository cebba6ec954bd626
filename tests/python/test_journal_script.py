"""Details of printed programs that whole-journal tests do not look at."""

from __future__ import annotations

import pytest

import storsim
from storsim._core import CALLBACK_CONTEXTS
from storsim.hdaudio import *
from storsim.storport import *


@pytest.mark.parametrize("name", CALLBACK_CONTEXTS)
def test_a_callback_prints_under_its_name(name: str) -> None:
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("a")
        with hba.callback(name, "ScsiStopAdapter" if name == "HwStorAdapterControl" else None):
            hba.flush(hba.device_extension, 1)
        assert f"with hba.callback({name!r}" in pc.journal.script()


def test_an_optional_argument_that_others_follow_is_printed() -> None:
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("a")
        _, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, 2**32 - 1, 0, MmCached, MM_ANY_NODE_OK)
        StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
        program = pc.journal.script()
    exec(compile(program, "program", "exec"), {})


def test_what_the_device_and_the_driver_read_is_a_number_of_bytes() -> None:
    with storsim.Machine("16MiB") as pc:
        hba = pc.add_adapter("a")
        block = hba.dma(4096)
        hba.dma_read(block.pa, 16)
        pc.read_va(block.va, 8)
        block.free()
        program = pc.journal.script()
    assert ".dma_read(dma_pa, 16)" in program
    assert "pc.read_va(dma, 8)" in program
    exec(compile(program, "program", "exec"), {})


def test_a_handle_in_an_array_prints_as_the_variable_it_came_in() -> None:
    with storsim.Machine("16MiB") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        _, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat())
        bus.AllocateDmaBuffer(handle, 4096)
        for state in (PauseState, RunState, PauseState, ResetState):
            bus.SetDmaEngineState(state, [handle])
        bus.FreeDmaBuffer(handle)
        bus.FreeDmaEngine(handle)
        bus.InterfaceDereference()
        program = pc.journal.script()
    exec(compile(program, "program", "exec"), {})
