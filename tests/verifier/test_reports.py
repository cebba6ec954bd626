"""Reports: one paragraph per cause with the fix first, the same bytes for the same seed, pool by tag."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit.world import World

SCENE = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {kit!r})
from test_reports import scene
print(scene(int(sys.argv[1])).pc.report(sys.argv[2]))
"""


def scene(seed: int = 3) -> World:
    """Three findings of two causes, a note's worth of faults, live pool of two tags."""
    world = World(seed=seed, placement="random")
    world.pc.faults.fail_nth("StorPortAllocatePool", 3)
    for size in (64, 128, 256):
        sp.StorPortAllocatePool(world.hba, size, "Abcd")
    sp.StorPortAllocatePool(world.hba, 1000, "Zz")
    for _ in range(2):
        va, pa = world.dma(8192)
        sp.StorPortFreeDmaMemory(world.hba, va, 4096, sp.MmCached, pa)
    va, pa = world.dma(8192)
    sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmNonCached, pa)
    return world


def test_one_paragraph_per_cause_and_the_first_line_is_the_fix() -> None:
    text = scene().pc.report()
    paragraphs = text.split("\n\n")
    assert paragraphs[0].startswith(
        "Remember the size that was allocated and pass exactly that. [SIZE_MISMATCH] (2 times)"
    )
    assert "8192 bytes were allocated, 4096 given" in paragraphs[0]
    assert "test_reports.py" in paragraphs[0]
    assert paragraphs[1].startswith("Remember the cache type beside the pointer. [CACHE_MISMATCH]")
    assert "allocated MmCached, now MmNonCached" in paragraphs[1]
    assert "#1 StorPortAllocatePool" in text
    assert text.count("SIZE_MISMATCH in") == 1


def test_a_stop_comes_first_and_names_its_code() -> None:
    world = scene()
    with pytest.raises(storsim.BugCheck) as stop:
        world.hba.remove()
    text = world.pc.report()
    assert text.startswith("The machine stopped. Free it with StorPortFreePool")
    assert "0xC4 DRIVER_VERIFIER_DETECTED_VIOLATION" in text.split("\n")[0]
    assert "3 allocations left" in str(stop.value)
    assert "64 bytes" in text


def test_nothing_found() -> None:
    world = World()
    assert world.pc.report().startswith("No violation.")
    assert "No violation" in world.pc.report("html")
    assert json.loads(world.pc.report("json"))["findings"] == []


def test_json() -> None:
    data = json.loads(scene().pc.report("json"))
    assert [(item["name"], item["count"]) for item in data["findings"]] == [("SIZE_MISMATCH", 2), ("CACHE_MISMATCH", 1)]
    assert {site["role"] for site in data["findings"][0]["sites"]} == {"call", "allocated"}
    assert data["findings"][0]["arguments"]["NumberOfBytes"] == 4096
    assert [fault["id"] for fault in data["injected"]] == [1]
    assert data["pool"][0] == {"tag": "Zz  ", "owner": "hba0", "blocks": 1, "bytes": 1000, "bytes_per_block": 1000}


def test_html_is_escaped() -> None:
    world = World()
    sp.StorPortAllocatePool(world.hba, 64, "<b>&")
    page = world.pc.report("html")
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page


def test_pool_by_tag() -> None:
    table = scene().pc.pool_by_tag()
    assert [tuple(row) for row in table] == [("Zz  ", "hba0", 1, 1000, 1000), ("Abcd", "hba0", 2, 192, 96)]
    assert str(table).split("\n")[1].split() == ["Zz", "hba0", "1", "1000", "1000"]
    assert ">Abcd</td>" in table._repr_html_()
    assert str(World().pc.pool_by_tag()).count("\n") == 0


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match="json"):
        World().pc.report("pdf")


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_same_seed_same_bytes_also_in_another_process(form: str) -> None:
    def elsewhere(seed: int, hash_seed: str) -> bytes:
        code = SCENE.format(kit=str(Path(__file__).parent))
        paths = [*(p for p in sys.path if p), str(Path(__file__).parents[1])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": hash_seed}
        done: Any = subprocess.run(
            [sys.executable, "-P", "-c", code, str(seed), form], env=environment, capture_output=True, check=True
        )
        return bytes(done.stdout)

    assert elsewhere(3, "1") == elsewhere(3, "2")
    assert elsewhere(3, "1") != elsewhere(4, "1")


def test_a_closed_machine_still_reports() -> None:
    world = scene()
    world.pc.close()
    assert "SIZE_MISMATCH" in world.pc.report()
    assert json.loads(world.pc.report("json"))["findings"]
    assert "SIZE_MISMATCH" in world.pc.report("html")


def test_the_callback_a_block_was_allocated_in_is_told() -> None:
    pc = storsim.Machine("1GiB")
    hba = pc.add_adapter("hba0")
    with hba.callback("HwStorStartIo"):
        sp.StorPortAllocatePool(hba, 64, "Main")
    sp.StorPortAllocatePool(hba, 64, "Else")
    inside, outside = (one for one in pc.allocations() if one.kind == "pool")
    assert (inside.context, outside.context) == ("HwStorStartIo", None)
    assert ">HwStorStartIo</td>" in pc.allocations()._repr_html_()
    with pytest.raises(storsim.BugCheck):
        hba.remove()
    leaks = [record for record in pc.violations if record.name == "POOL_LEAK"]
    assert [record.allocated_in for record in leaks] == ["HwStorStartIo", None]
    assert re.search(r"Allocated at: .*ticks, in HwStorStartIo$", leaks[0].text, re.MULTILINE)
    assert "HwStorStartIo" not in leaks[1].text
