"""Pictures of time: streams, positions, interrupts, levels, engine states. Source of all: `storsim.Timeline`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storsim.timeline import Timeline
from storsim.viz import style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storsim.machine import Machine
    from storsim.player import Beat, Report
    from storsim.watch import Watch


def _timeline(what: Machine | Timeline) -> Timeline:
    return what if isinstance(what, Timeline) else Timeline(what)


def _window(timeline: Timeline, first: int | None, last: int | None) -> tuple[int, int]:
    return (timeline.start if first is None else first), (timeline.now if last is None else last)


# --- DMA ------------------------------------------------------------------------------------------------------------


def dma_timeline(
    what: Machine | Timeline,
    *,
    beats: Iterable[Beat] = (),
    first: int | None = None,
    last: int | None = None,
    ax: Any = None,
) -> Any:
    """One lane per stream: when it ran, fragment by fragment of its descriptor list, each completion that interrupts,
    and what went wrong.

    beats: refills of `storsim.player`; those that came too late are underruns. first, last: ticks. A fragment is drawn
    from one completion to the next, so entries without IOC are part of the one after them.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    timeline = _timeline(what)
    start, end = _window(timeline, first, last)
    streams = timeline.streams
    ax = style.axes(ax, 9, 1.9 + 0.6 * max(1, len(streams)))
    shades = (style.BLUE, style.SKY)
    for lane, stream in enumerate(streams):
        for began, ended in stream.runs():
            run_start, run_end = began.time, timeline.now if ended is None else ended.time
            since, number = run_start, 0
            done = [
                event.time for event in stream.events if event.what == "complete" and run_start < event.time <= run_end
            ]
            for edge in [*done, run_end]:
                if edge > since:
                    span = (style.milliseconds(since), style.milliseconds(edge - since))
                    ax.broken_barh(
                        [span], (lane - 0.28, 0.56), facecolors=shades[number % 2], edgecolor="white", linewidth=0.5
                    )
                since, number = edge, number + 1
        for what_, marker, colour in _MARKS:
            times = [style.milliseconds(event.time) for event in stream.events if event.what == what_]
            ax.plot(
                times, [lane - 0.38] * len(times), marker, color=colour, markersize=6, linestyle="none", clip_on=True
            )
    late = [style.milliseconds(beat.time) for beat in beats if beat.slack < 0]
    ax.plot(late, [0.38] * len(late), "X", color=style.RED, markersize=7, markeredgecolor="white", linestyle="none")
    style.lanes(ax, [stream.name for stream in streams])
    style.time_axis(ax, start, end)
    handles: list[Any] = [
        Patch(facecolor=shades[0], label="fragment"),
        Patch(facecolor=shades[1], label="next fragment"),
    ]
    seen = {event.what for stream in streams for event in stream.events}
    handles += [
        Line2D([], [], marker=marker, color=colour, linestyle="none", label=_WORDS[what_])
        for what_, marker, colour in _MARKS
        if what_ in seen
    ]
    if late:
        handles.append(
            Line2D([], [], marker="X", color=style.RED, linestyle="none", label="underrun: refilled too late")
        )
    ax.set_title("DMA")
    style.legend_below(ax, handles)
    return ax


_MARKS = (
    ("complete", "v", style.GREEN),
    ("fifo error", "X", style.RED),
    ("descriptor error", "P", style.RED),
    ("reset", "|", "#303030"),
)
_WORDS = {
    "complete": "interrupt on completion",
    "fifo error": "FIFO error",
    "descriptor error": "descriptor error",
    "reset": "stream reset",
}


# --- positions ------------------------------------------------------------------------------------------------------


def refills(report: Report) -> list[tuple[int, int]]:
    """(ticks, bytes written since the start) of each refill of `storsim.player.play`, for `positions`."""
    half = report.ring_bytes // 2
    return [(beat.time, report.ring_bytes + beat.number * half) for beat in report.beats]


def positions(
    watch: Watch,
    *,
    descriptor: int | None = None,
    written: Sequence[tuple[int, int]] | None = None,
    buffer_bytes: int | None = None,
    first: int | None = None,
    last: int | None = None,
    ax: Any = None,
) -> Any:
    """Where the link position (LPIB), the position buffer and the driver's refill pointer stand in the ring.

    watch: took the samples. descriptor: None for the first seen. written: (ticks, bytes since the start) whenever the
    driver had refilled; None: what ``watch.refilled`` noted. buffer_bytes: length of the ring; None: from the trace.
    """
    samples = [one for one in watch.samples if descriptor in (None, one.descriptor)]
    if not samples:
        raise ValueError(
            "the watch has no sample of a running stream: let the stream run inside the watch's with block"
        )
    number = samples[0].descriptor
    samples = [one for one in samples if one.descriptor == number and one.running]
    lap = buffer_bytes or _lap(watch, samples[0].controller, number)
    ax = style.axes(ax, 9, 3.4)
    start = samples[0].time if first is None else first
    end = samples[-1].time if last is None else last
    factor, name = (1024, "KiB") if lap >= 8192 else (1, "bytes")

    def saw(points: Sequence[tuple[int, int]]) -> tuple[list[float], list[float]]:
        times: list[float] = []
        values: list[float] = []
        for (time, total), before in zip(points, [points[0], *points], strict=False):
            if total // lap != before[1] // lap:
                times.append(style.milliseconds(time))
                values.append(float("nan"))
            times.append(style.milliseconds(time))
            values.append(total % lap / factor)
        return times, values

    ax.plot(*saw([(one.time, one.link) for one in samples]), color=style.BLUE, label="link position (LPIB)")
    ax.plot(
        *saw([(one.time, one.dma) for one in samples]),
        color=style.ORANGE,
        linestyle=":",
        linewidth=1.6,
        label="fetched by DMA",
    )
    slots = [one for one in samples if one.position_buffer is not None]
    if slots:
        ax.plot(
            [style.milliseconds(one.time) for one in slots],
            [(one.position_buffer or 0) / factor for one in slots],
            linestyle="none",
            marker=".",
            markersize=4,
            color=style.PINK,
            label="position buffer",
        )
    pairs = [(one.time, one.total) for one in watch.refills] if written is None else list(written)
    if pairs:
        _refilled(ax, pairs, lap, factor)
    style.time_axis(ax, start, end)
    ax.set_ylabel(f"position in the ring ({name})")
    ax.set_ylim(-0.04 * lap / factor, 1.06 * lap / factor)
    ax.set_title(f"Stream {number}: positions in a ring of {lap} bytes")
    style.plain(ax)
    style.legend_below(ax, ax.get_legend_handles_labels()[0], 4)
    return ax


def _refilled(ax: Any, pairs: Sequence[tuple[int, int]], lap: int, factor: int) -> None:
    """Each refill as a bar over the bytes of the ring that it wrote."""
    before = lap if pairs[0][1] > lap else 0
    label: str | None = "refilled by the driver"
    for time, total in pairs:
        at = max(before, total - lap)
        while at < total:
            stop = min(total, (at // lap + 1) * lap)
            low, high = at % lap / factor, (stop - 1) % lap / factor
            ax.plot([style.milliseconds(time)] * 2, [low, high], color=style.GREEN, linewidth=3, alpha=0.8, label=label)
            at, label = stop, None
        before = total


def _lap(watch: Watch, controller: int, descriptor: int) -> int:
    for stream in Timeline(watch.hda.machine).streams:
        if (stream.controller, stream.descriptor) == (controller, descriptor) and stream.buffer_bytes:
            return stream.buffer_bytes
    raise ValueError("the trace does not show the length of the ring: pass buffer_bytes=, or a larger trace_entries=")


# --- interrupts -----------------------------------------------------------------------------------------------------


#: What lies between the points of an interrupt: words, colour, hatch.
_STRETCHES = (
    ("line raised, held off by the IRQL", style.SKY, ".."),
    ("service routine", style.PINK, ""),
    ("deferred call waits", style.ORANGE, "//"),
    ("from the deferred call to the refill", style.BLUE, ""),
)
_SLACK = "#CDE9DF"


def interrupt_latency(what: Machine | Timeline, beats: Iterable[Beat] = (), *, most: int = 24, ax: Any = None) -> Any:
    """One bar per interrupt: from the line to the service routine, to the deferred call, to the refill, and the slack
    that was left, or was not.

    beats: refills of `storsim.player`; with them only interrupts that led to one are drawn. most: bars, the last ones.
    A stretch of no virtual length has no bar, and is not in the legend when it never has.
    """
    from matplotlib.patches import Patch

    timeline = _timeline(what)
    rows = _latencies(timeline, list(beats))[-most:]
    ax = style.axes(ax, 9, 1.5 + 0.2 * max(6, len(rows)))
    seen: set[str] = set()
    for lane, (points, slack) in enumerate(rows):
        for (word, tone, hatch), begin, stop in zip(_STRETCHES, points, points[1:], strict=False):
            if stop > begin:
                seen.add(word)
                _bar(ax, lane, 0.72, begin - points[0], stop - begin, tone, hatch)
        if slack is not None:
            done = points[-1] - points[0]
            _bar(
                ax,
                lane,
                0.36,
                min(done, done + slack),
                abs(slack),
                *((_SLACK, "") if slack >= 0 else (style.RED, "xx")),
            )
            if slack >= 0:
                ax.plot([style.milliseconds(done + slack)], [lane], "|", color="#303030", markersize=9)
    ax.plot([0] * len(rows), range(len(rows)), "|", color="#303030", markersize=9)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(range(0, len(rows), max(1, len(rows) // 8)))
    ax.set_ylabel("interrupt")
    ax.set_xlabel("since the line was raised (ms)")
    handles = [
        Patch(facecolor=tone, hatch=hatch, edgecolor="white", label=word)
        for word, tone, hatch in _STRETCHES
        if word in seen
    ]
    if any(slack is not None and slack >= 0 for _, slack in rows):
        handles.append(Patch(facecolor=_SLACK, label="slack to the deadline"))
    if any(slack is not None and slack < 0 for _, slack in rows):
        handles.append(Patch(facecolor=style.RED, hatch="xx", edgecolor="white", label="too late by this much"))
    ax.set_title("From interrupt to refill")
    style.plain(ax)
    style.legend_below(ax, handles, 3)
    return ax


def _bar(ax: Any, lane: int, height: float, start: int, length: int, tone: str, hatch: str) -> None:
    span = (style.milliseconds(start), style.milliseconds(length))
    ax.broken_barh([span], (lane - height / 2, height), facecolors=tone, hatch=hatch, edgecolor="white", linewidth=0)


def _latencies(timeline: Timeline, beats: Sequence[Beat]) -> list[tuple[list[int], int | None]]:
    """([raised, service routine began, ended, deferred call began, refilled], slack) per interrupt; equal points where
    nothing is known.
    """
    rows: list[tuple[list[int], int | None]] = []
    for one in timeline.interrupts:
        if one.began is None or one.served is None or not one.claimed:
            continue
        run = one.deferred
        ran = one.served if run is None or run.ran is None else run.ran
        beat = next((beat for beat in beats if one.raised <= beat.interrupt <= ran), None)
        if beats and beat is None:
            continue
        done = ran if run is None or run.ended is None else run.ended
        end = done if beat is None else max(ran, beat.time)
        rows.append(([one.raised, one.began, one.served, ran, end], None if beat is None else beat.slack))
    return rows


# --- levels ---------------------------------------------------------------------------------------------------------


def irql_lane(what: Machine | Timeline, *, first: int | None = None, last: int | None = None, ax: Any = None) -> Any:
    """The level of each CPU as a step line; visits that take no virtual time are stems; violations are crosses."""
    timeline = _timeline(what)
    start, end = _window(timeline, first, last)
    ax = style.axes(ax, 9, 3.0)
    cpus = sorted({level.cpu for level in timeline.levels}) or [0]
    tones = (style.BLUE, style.ORANGE, style.GREEN, style.PINK)
    highest = 2
    for cpu in cpus:
        levels = [one for one in timeline.levels if one.cpu == cpu]
        last_of: dict[int, int] = {}
        peaks: dict[int, set[int]] = {}
        for one in levels:
            last_of[one.time] = one.irql
            peaks.setdefault(one.time, set()).add(one.irql)
        highest = max([highest, *(one.irql for one in levels)])
        tone = tones[cpu % 4]
        edges = [*last_of.items(), (end, next(reversed(last_of.values()), 0))]
        ax.step(
            [style.milliseconds(time) for time, _ in edges],
            [irql for _, irql in edges],
            where="post",
            color=tone,
            label=f"CPU {cpu}",
        )
        stems = [(time, irql) for time, seen in peaks.items() for irql in seen if irql > last_of[time]]
        ax.vlines(
            [style.milliseconds(time) for time, _ in stems],
            0,
            [irql for _, irql in stems],
            color=tone,
            linewidth=0.6,
            alpha=0.5,
        )
        ax.plot(
            [style.milliseconds(time) for time, _ in stems], [irql for _, irql in stems], ".", color=tone, markersize=5
        )
    bad = [finding for finding in timeline.machine.findings if finding.kind != "note" and start <= finding.time <= end]
    if bad:
        ax.plot(
            [style.milliseconds(one.time) for one in bad],
            [one.irql for one in bad],
            "X",
            color=style.RED,
            markersize=9,
            linestyle="none",
            label="violation",
        )
    names = {0: "0 PASSIVE", 1: "1 APC", 2: "2 DISPATCH"}
    shown = sorted({0, 2, *(one.irql for one in timeline.levels), *(one.irql for one in bad)})
    ax.set_yticks(shown, [names.get(irql, f"{irql} device") for irql in shown])
    ax.set_ylim(-0.4, max([highest, *shown]) + 0.8)
    ax.set_ylabel("IRQL")
    style.time_axis(ax, start, end)
    ax.set_title("Interrupt request level; dots: levels visited within one tick")
    style.plain(ax)
    style.legend_below(ax, ax.get_legend_handles_labels()[0])
    return ax


# --- engine states --------------------------------------------------------------------------------------------------

_PLACES = {"reset": (0.0, 0.0), "standing": (1.0, 0.0), "running": (2.0, 0.0), "error": (1.0, -1.0)}
_LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
_NEXT = {"run": "running", "stop": "standing", "reset": "reset", "descriptor error": "error"}
_EDGES = {
    ("reset", "running"): 0.55,
    ("reset", "standing"): 0.25,
    ("standing", "running"): 0.25,
    ("running", "standing"): 0.25,
    ("standing", "reset"): 0.25,
    ("running", "reset"): 0.35,
    ("running", "error"): 0.0,
    ("error", "reset"): 0.0,
}


def edge_counts(what: Machine | Timeline) -> dict[tuple[str, str], int]:
    """How often each edge between the states of a stream engine was taken, over all streams in the trace.

    States as the chip knows them: reset; standing (stopped or paused: to the chip they are one); running; error. An
    engine is in reset before its first event.
    """
    counts: dict[tuple[str, str], int] = {}
    for stream in _timeline(what).streams:
        state = "reset"
        for event in stream.events:
            after = _NEXT.get(event.what)
            if after is not None and after != state:
                counts[state, after] = counts.get((state, after), 0) + 1
                state = after
    return counts


def engine_states(what: Machine | Timeline, *, ax: Any = None) -> Any:
    """The states of a stream engine; edges that were taken are thick with their number, others are thin; requests to
    SetDmaEngineState that were refused are counted above the state they asked for.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyArrowPatch

    timeline = _timeline(what)
    counts = edge_counts(timeline)
    ax = style.axes(ax, 7.5, 3.8)
    for (before, after), bend in _EDGES.items():
        taken = counts.get((before, after), 0)
        (x0, y0), (x1, y1) = _PLACES[before], _PLACES[after]
        ax.add_patch(
            FancyArrowPatch(
                (x0, y0),
                (x1, y1),
                connectionstyle=f"arc3,rad={-bend}",
                arrowstyle="-|>",
                mutation_scale=16,
                shrinkA=34,
                shrinkB=34,
                linewidth=2.2 if taken else 0.8,
                color=style.BLUE if taken else "#B0B0B0",
                linestyle="-" if taken else (0, (4, 3)),
            )
        )
        if taken:
            middle = ((x0 + x1) / 2 - (y1 - y0) * bend / 2, (y0 + y1) / 2 + (x1 - x0) * bend / 2)
            ax.text(*middle, f"{taken}×", ha="center", va="center", fontsize="medium", bbox=_LABEL)
    for name, place in _PLACES.items():
        visited = name == "reset" or any(name in edge for edge in counts)
        ax.text(
            *place,
            name,
            ha="center",
            va="center",
            fontsize="medium",
            bbox={
                "boxstyle": "round,pad=0.6",
                "facecolor": "#DCE9F5" if visited else "white",
                "edgecolor": "#303030" if visited else "#B0B0B0",
            },
        )
    refused: dict[str, int] = {}
    for entry in timeline.calls:
        if entry.routine == "SetDmaEngineState" and entry.values[0] != 0:
            wanted = {0: "reset", 1: "standing", 2: "running"}.get(entry.values[1])
            if wanted:
                refused[wanted] = refused.get(wanted, 0) + 1
    for name, count in refused.items():
        x, y = _PLACES[name]
        side = {"reset": "right", "running": "left"}.get(name, "center")
        ax.text(x, y + 0.22, f"{count} refused", ha=side, va="bottom", color=style.RED, fontsize="small")
    handles = [
        Line2D([], [], color=style.BLUE, linewidth=2.2, label="taken, with how often"),
        Line2D([], [], color="#B0B0B0", linewidth=0.8, linestyle="--", label="not taken"),
    ]
    ax.set_xlim(-0.45, 2.45)
    ax.set_ylim(-1.25, 0.8)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.legend(handles=handles, loc="lower left", frameon=False, fontsize="small")
    ax.set_title("States of the stream engine")
    return ax
