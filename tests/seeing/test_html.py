"""What notebooks show: well-formed, escaped, without scripts or fixed grounds, and no dependency."""

from __future__ import annotations

import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import storsim
from seeing.conftest import Concert
from storsim import html
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_BDL, HDAUDIO_BUS_INTERFACE_V2, StreamFormat


def _parse(text: str) -> ElementTree.Element:
    """The HTML as a tree: everything that was opened is closed, and nothing runs or loads."""
    for banned in ("<script", "http://", "https://", "onclick", "background:#", "color:#000", "color:black"):
        assert banned not in text
    return ElementTree.fromstring(f"<div>{text.replace('&nbsp;', ' ')}</div>")


def _text(value: Any) -> str:
    return "".join(_parse(value._repr_html_()).itertext())


def test_a_machine_and_its_memory(storage: storsim.Machine) -> None:
    assert "Machine('4GiB', nodes=2, seed=3)" in _text(storage)
    assert "live pool" in _text(storage)
    shown = _text(storage.memory)
    assert " of RAM, " in shown
    assert "0x100000" in shown
    made = storage.memory._repr_html_()
    assert made.count("<tr>") == 1 + len(storage.memory.ranges)
    assert "Trace: the last" in _text(storage.trace)


def test_allocations_are_a_list_and_a_table(storage: storsim.Machine) -> None:
    made = storage.allocations()
    assert isinstance(made, list)
    shown = made._repr_html_()
    assert shown.count("<tr>") == 1 + len(made)
    assert "nvme&lt;0&gt;" in shown
    assert "conftest.py:" in shown
    assert "Abcd" in _text(storage.pool_by_tag())


def test_findings(storage: storsim.Machine) -> None:
    found = storage.violations
    assert "SIZE_MISMATCH" in _text(found)
    assert "nvme<0>" in _text(found[0])
    assert _parse(found[0]._repr_html_()).find("details") is not None
    assert "No finding." in _text(type(found)())


def test_blocks_and_host_memory(storage: storsim.Machine) -> None:
    hba = storage.add_adapter("other")
    buffer = hba.hmb(preferred=4 << 20, max_ranges=4)
    assert f"4 MiB in {html.many(len(buffer.ranges), 'range')}" in _text(buffer)
    block = hba.dma(8192)
    assert f"{block.pa:#x}" in _text(block)
    block.free()
    assert "freed" in _text(block)
    assert f"{buffer.ranges[0].RangeStart:#x}" in _text(hba) or "hmb" in _text(hba)


def test_pointers_of_the_core(storage: storsim.Machine) -> None:
    hba = storage.add_adapter("sg")
    with hba.srb(40_000, fragments=5, offset=100) as srb:
        assert srb.mdl is not None
        tree = _parse(html.mdl(srb.mdl))
        assert f"{srb.mdl.pages[0]:#x}" in "".join(tree.itertext())
        assert tree.find(".//svg") is not None
        with hba.callback("HwStorBuildIo"):
            sg = storsim.storport.StorPortGetScatterGatherList(hba, srb)
        shown = html.scatter_gather(sg)
        assert f"{html.many(len(sg.elements), 'element')}, " in shown
        assert _parse(shown).findall(".//rect")[1:] != []
    assert html.access_ranges([storsim._core.ACCESS_RANGE(4096, 8192)]).count("<tr>") == 2


def test_audio(concert: Concert) -> None:
    with storsim.Machine("1GiB", level="strict") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
        _, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
        assert "0 B" in _text(hda.engines())
        bus.AllocateDmaBufferWithNotification(handle, 2, 7680)
        shown = _text(hda)
        assert "48000 Hz, 16 bit, 2 channels" in shown
        assert "ideal codec" in shown
        assert "link position 0 of 7680" in _text(hda.stream(4))
        assert "standing" in _text(hda.stream(0))
        with pytest.raises(ValueError, match="no such stream"):
            hda.stream(99)
        bus.FreeDmaBufferWithNotification(handle, hda.engines()[0]["mdl"], 7680)
        bus.FreeDmaEngine(handle)
        bus.InterfaceDereference()
        own = hda.query_interface(HDAUDIO_BUS_INTERFACE_BDL)
        _, handle, _ = own.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
        _, _, bdl = own.AllocateContiguousDmaBuffer(handle, 4096)
        for i in range(2):
            bdl[i] = (0x1000 * i, 2048, 1)
        assert bdl._repr_html_().count("interrupt") >= 2
        assert "the first 16 of 256" in _text(bdl)
        own.FreeContiguousDmaBuffer(handle)
        assert "freed" in _text(bdl)
        assert pc.violations == []
        own.FreeDmaEngine(handle)
        own.InterfaceDereference()
        hda.remove()
        assert "removed" in _text(hda)
    assert "closed" in _text(pc)


def test_a_stream_that_somebody_else_drives() -> None:
    with storsim.Machine("1GiB", level="release") as pc:
        hda = pc.add_hda()
        hda.regs.GCTL = 1
        pc.advance(frames=30)
        pc.memory.write(0x200000, struct.pack("<QIIQII", 0x300000, 960, 0, 0x301000, 1920, 1))
        hda.regs.SD4CBL, hda.regs.SD4LVI, hda.regs.SD4BDPL = 2880, 1, 0x200000
        shown = _text(hda.stream(4))
        assert "link position 0 of 2880" in shown
        assert "0x301000" in shown
        hda.regs.SD4BDPU = 0x7000
        assert "0x301000" not in _text(hda.stream(4))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (100, "100 B"), (4096, "4 KiB"), (1536, "1.5 KiB"), (2**50, "1024 TiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert html.size(count) == text


def test_long_tables_are_cut() -> None:
    shown = html.table(("n",), ([n] for n in range(100)))
    assert "… and 60 more" in shown
    assert shown.count("<tr>") == 1 + 40 + 1


class _Formatter:
    def __init__(self) -> None:
        self.known: dict[type, Any] = {}

    def for_type(self, kind: type, function: Any) -> None:
        self.known[kind] = function


class _Shell:
    def __init__(self) -> None:
        self.display_formatter = self
        self.formatters = {"text/html": _Formatter()}


def test_a_shell_learns_the_pointers() -> None:
    shell = _Shell()
    assert html.register(shell)
    assert storsim._core.MDL in shell.formatters["text/html"].known
    assert html.load_ipython_extension is html.register


def test_showing_needs_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, storsim; pc = storsim.Machine('1GiB'); pc._repr_html_(); pc.memory._repr_html_();"
        "print([name for name in ('IPython', 'matplotlib', 'numpy', 'vcd') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


def test_a_report_shows_itself_in_a_notebook(storage: storsim.Machine) -> None:
    report = storage.report()
    assert isinstance(report, str)
    shown = report._repr_html_()  # type: ignore[attr-defined]
    _parse(shown)
    assert shown == storage.report("html")
    for word in ("SIZE_MISMATCH", "Live at tick", "Pool by tag", "Abcd", "nvme&lt;0&gt;"):
        assert word in shown
    hba = storage.add_adapter("failing")
    storage.faults.fail_nth("StorPortAllocatePool", 1)
    storsim.storport.StorPortAllocatePool(hba, 64, "Fail")
    assert "Failures injected" in storage.report("html")


def test_behaviours_fold_away_what_was_not_reached(storage: storsim.Machine) -> None:
    shown = storage.behaviours._repr_html_()
    assert shown.count("<details") == 2
    before, after = shown.split("<details", 1)
    assert "StorPortAllocatePool" in before
    assert "SIZE_MISMATCH" in before
    assert "StorPortMarkDumpMemory" in after


@pytest.mark.parametrize(
    ("code", "words"),
    [("R0", "reset, no buffer (R0)"), ("XN", "running, buffer with notification (XN)"), ("NONE", "NONE")],
)
def test_engine_states_are_words(code: str, words: str) -> None:
    assert html._engine_state(code) == words


def test_sites_in_a_notebook_name_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compiler:
        def format_code_name(self, name: str) -> tuple[str, str] | None:
            return ("Cell", "In[3]") if name == "a hash.py" else None

    class Shell:
        compile = Compiler()

    class IPython:
        @staticmethod
        def get_ipython() -> Shell | None:
            return Shell()

    cell, file = storsim.Site("a hash.py", 2, "<module>"), storsim.Site("/drivers/driver.py", 7, "start")
    assert str(cell) == "a hash.py:2 in <module>"
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert str(cell) == "Cell In[3]:2 in <module>"
    assert str(file) == "/drivers/driver.py:7 in start"
    assert html._site(cell) == "Cell In[3]:2"
    monkeypatch.setattr(IPython, "get_ipython", staticmethod(lambda: None))
    assert str(cell) == "a hash.py:2 in <module>"
