"""Pictures: drawn on the axes they are given, labelled with units, nothing over the edge or over other words."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot as plt

import storsim
from seeing.conftest import Concert
from storsim import data, player, viz

UNITS = ("B)", "iB)", "(ms)", "(bytes)")


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def _words(figure: Any) -> list[Any]:
    figure.canvas.draw()
    found = []
    for text in figure.findobj(matplotlib.text.Text):
        box = text.get_window_extent()
        if text.get_visible() and text.get_text().strip() and box.width > 0 and _shown(text):
            found.append((text.get_text(), box))
    return found


def _shown(text: Any) -> bool:
    """Tick labels outside the axis' limits exist and are not drawn."""
    axis_labels = [
        (axis, ticks)
        for axes in text.get_figure().axes
        for axis, ticks in ((axes.xaxis, axes.get_xticklabels()), (axes.yaxis, axes.get_yticklabels()))
    ]
    for axis, labels in axis_labels:
        if text in labels:
            low, high = sorted(axis.get_view_interval())
            place = text.get_position()[0 if axis.axis_name == "x" else 1]
            return axis.axes.axison and axis.get_visible() and low - 1e-9 <= place <= high + 1e-9
    return True


def _check(ax: Any, *, units: bool = True) -> None:
    """Asserts what every picture promises."""
    figure = ax.get_figure()
    words = _words(figure)
    canvas = figure.bbox
    for text, box in words:
        assert box.x0 >= canvas.x0 - 1 and box.x1 <= canvas.x1 + 1, f"{text!r} leaves the picture"  # noqa: PT018
        assert box.y0 >= canvas.y0 - 1 and box.y1 <= canvas.y1 + 1, f"{text!r} leaves the picture"  # noqa: PT018
    for (one, first), (two, second) in combinations(words, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert not (width > 1.5 and height > 1.5), f"{one!r} and {two!r} overlap"
    if units:
        labels = f"{ax.get_xlabel()} {ax.get_ylabel()}"
        assert ax.get_xlabel()
        assert any(unit in labels for unit in UNITS) or "number" in labels or "requests" in labels


def _machine() -> storsim.Machine:
    pc = storsim.Machine("16GiB", nodes=2, level="release")
    pc.memory.fragment(0.5, run_pages=512, seed=1)
    hba = pc.add_adapter("nvme0")
    hba.hmb(preferred=64 << 20, max_ranges=64)
    hba.dma(4 << 20, highest=2**32 - 1)
    pc.add_adapter("scsi1").contiguous(8 << 20, highest=2**32 - 1)
    return pc


@pytest.mark.parametrize("window", [{}, {"last": 2**32 - 1}, {"first": 3 << 30, "last": (3 << 30) + (1 << 20)}])
def test_the_map_at_any_zoom(window: dict[str, int]) -> None:
    with _machine() as pc:
        _check(viz.memory_map(pc, **window))


@pytest.mark.parametrize("name", sorted(data.machines()))
def test_maps_of_real_machines(name: str) -> None:
    pc = storsim.Machine(list(data.machines()[name].ranges))
    _check(viz.memory_map(pc))
    _check(viz.memory_map(pc, last=(4 << 30) - 1))
    pc.close()


def test_the_map_shows_every_owner_and_kind() -> None:
    with _machine() as pc:
        ax = viz.memory_map(pc, first=(2 << 30), last=(3 << 30))
        shown = {text.get_text() for text in ax.get_legend().get_texts()}
        assert {"contiguous", "dma", "hmb", "no RAM", "RAM of node 0"} <= shown
        assert {"nvme0"} <= {text.get_text() for text in ax.texts}


def test_the_share_in_use_is_exact() -> None:
    from storsim.viz.memory import _used_by_step

    with storsim.Machine("1GiB", level="release") as pc:
        pc.memory.reserve(0x200000, 0x100000)
        assert _used_by_step(pc, 0x100000, 0x400000, 0x100000) == [(0, 1 << 20), (1 << 20, 1 << 20), (0, 1 << 20)]


def test_free_runs_count_every_run() -> None:
    with _machine() as pc:
        ax = viz.free_runs(pc)
        _check(ax)
        assert sum(bar.get_height() for bar in ax.patches) == len(pc.memory.runs())
        _check(viz.free_runs(pc, node=1))


def test_fragmentation_over_time() -> None:
    with storsim.Machine("1GiB", level="release") as pc:
        hba, log = pc.add_adapter("a"), viz.FragmentationLog(pc, limit=(1 << 32) - 1)
        log.note("boot")
        blocks = [hba.dma(8 << 20) for _ in range(60)]
        log.note("start")
        for block in blocks[::2]:
            block.free()
        log.note("half freed")
        ax = viz.fragmentation(log)
        _check(ax)
        assert [point[2] <= point[1] for point in log.points] == [True] * 3
        assert log.points[2][1] - log.points[1][1] == 30 * (8 << 20)


def _load(pc: storsim.Machine) -> Iterator[bool]:
    hba, rng = pc.add_adapter("a"), random.Random(2)
    for n in range(60):
        try:
            hba.dma(rng.choice([64 << 10, 8 << 20]), highest=2**32 - 1 if n > 40 else 2**64 - 1)
        except storsim.StorStatusError:
            yield False
        else:
            yield True


def test_placement_policies() -> None:
    def make(policy: storsim.Placement) -> storsim.Machine:
        pc = storsim.Machine("8GiB", placement=policy, level="release")
        pc.memory.fragment(0.6, run_pages=1024, seed=5)
        return pc

    results = viz.compare_policies(_load, make)
    assert [one.policy for one in results] == [policy.name for policy in storsim.Placement]
    assert all(one.asked == 60 for one in results)
    by_name = {one.policy: one for one in results}
    assert by_name["BOTTOM_UP"].low_bytes > by_name["TOP_DOWN"].low_bytes
    _check(viz.placement_policies(results))


def test_hmb_ranges() -> None:
    drive = data.drives()["t-force-500g"].load()
    with _machine() as pc:
        hba = pc.add_adapter("drive")
        many = {}
        for most in (4, 40):
            with hba.hmb(preferred=drive.preferred_bytes, max_ranges=most) as buffer:
                many[f"at most {most} ranges"] = buffer.ranges
        many["none"] = []
        ax = viz.hmb_ranges(many, **viz.drive_limits(drive))
        _check(ax)
        words = [text.get_text() for text in [*ax.texts, *ax.get_legend().get_texts()]]
        assert "preferred: 64 MiB" in words
        assert "refused" in words
        _check(viz.hmb_ranges(many["none"], preferred=1 << 20))


AUDIO: dict[str, Callable[[Concert], Any]] = {
    "dma": lambda c: viz.dma_timeline(c.pc, beats=c.report.beats),
    "positions": lambda c: viz.positions(c.watch, written=viz.refills(c.report)),
    "latency": lambda c: viz.interrupt_latency(c.pc, c.report.beats),
    "irql": lambda c: viz.irql_lane(c.pc),
}


@pytest.mark.parametrize("name", AUDIO)
def test_audio(concert: Concert, name: str) -> None:
    _check(AUDIO[name](concert))


def test_engine_states(concert: Concert) -> None:
    _check(viz.engine_states(concert.pc), units=False)
    counts = viz.edge_counts(concert.pc)
    assert counts == {("reset", "running"): 1, ("running", "standing"): 1, ("standing", "reset"): 1}


def test_underruns_are_marked(concert: Concert) -> None:
    with storsim.Machine("1GiB", level="release", trace_entries=1 << 16) as pc:
        hda = pc.add_hda()
        report = player.play(hda, concert.sound, interface="v3", ring_ms=40, late_ms=25)
        assert report.late
        ax = viz.dma_timeline(pc, beats=report.beats)
        assert "underrun: refilled too late" in {text.get_text() for text in ax.get_legend().get_texts()}
        late = viz.interrupt_latency(pc, report.beats)
        assert "too late by this much" in {text.get_text() for text in late.get_legend().get_texts()}
        _check(ax)
        _check(late)


def test_levels_return_to_the_drivers_own(concert: Concert) -> None:
    levels = storsim.Timeline(concert.pc).levels
    last = {level.time: level.irql for level in levels}
    assert set(last.values()) == {0}
    assert {level.irql for level in levels} >= {0, 2, 5}


def test_violations_stand_on_their_level(storage: storsim.Machine) -> None:
    with storage.at_irql(2):
        storage.advance(ticks=24_000)
    ax = viz.irql_lane(storage)
    _check(ax)
    assert "violation" in {text.get_text() for text in ax.get_legend().get_texts()}


def test_given_axes_are_used(concert: Concert) -> None:
    _, axes = plt.subplots(4, 1, figsize=(9, 14), layout="constrained")
    for ax, draw in zip(
        axes,
        (
            lambda ax: viz.dma_timeline(concert.pc, ax=ax),
            lambda ax: viz.irql_lane(concert.pc, ax=ax),
            lambda ax: viz.memory_map(concert.pc, ax=ax),
            lambda ax: viz.free_runs(concert.pc, ax=ax),
        ),
        strict=True,
    ):
        assert draw(ax) is ax
    assert len(plt.get_fignums()) == 1


def test_a_watch_without_samples_says_so(concert: Concert) -> None:
    with storsim.Machine("1GiB") as pc, pytest.raises(ValueError, match="no sample"):
        viz.positions(storsim.Watch(pc.add_hda()))


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\nimport storsim\nfrom storsim import viz\n"
        "try: viz.memory_map(storsim.Machine('1GiB'))\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "storsim[viz]" in done.stdout
