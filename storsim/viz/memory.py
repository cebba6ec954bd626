"""Pictures of physical memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from storsim.viz import style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from storsim.importers import IdCtrl
    from storsim.machine import Machine
    from storsim.memory_range import MemoryRange

PAGE = 4096
LIMITS = ((1 << 24, "16 MiB: ISA"), (1 << 32, "4 GiB: 32-bit devices"))
BUCKETS = 40


# --- the map --------------------------------------------------------------------------------------------------------


def memory_map(machine: Machine, *, first: int = 0, last: int | None = None, ax: Any = None) -> Any:
    """Physical memory from ``first`` to ``last`` (bytes; None: the end of RAM): RAM by node with how much of it is
    free, holes, what lies where and whose it is, the limits that devices have.

    Any zoom: what is narrower than a pixel is still drawn. O(ranges + runs + allocations).
    """
    ranges = machine.memory.ranges
    end = max((run.end for run in ranges), default=PAGE) if last is None else last + 1
    live = [one for one in machine.allocations() if one.pa and first <= one.pa + one.size and one.pa < end]
    ax = style.axes(ax, 9, 3.6 if live else 2.6)
    span = max(1, end - first)
    factor, name = style.unit(span)

    def put(lane: float, height: float, start: int, stop: int, colour: str, **more: Any) -> None:
        low, high = max(start, first), min(stop, end)
        if low < high:
            width = max(high - low, span // 400)
            low = min(low, end - width)
            ax.broken_barh([(low / factor, width / factor)], (lane, height), facecolors=colour, **more)

    put(0.0, 1.0, first, end, "none", hatch="////", edgecolor="#B8B8B8", linewidth=0)
    for run in ranges:
        put(0.0, 1.0, run.start, run.end, style.NODES[run.node % 4], edgecolor="#909090", linewidth=0.4)
    used = _free_share(machine, first, end, factor, ax)
    for one in live:
        colour, hatch = style.colour_of(one.kind)
        put(
            -1.4,
            1.1,
            one.pa,
            one.pa + max(one.size, one.pages * PAGE),
            colour,
            hatch=hatch,
            edgecolor="#303030",
            linewidth=0.3,
        )
    _owners(live, first, end, factor, ax)
    for limit, _ in LIMITS:
        if first < limit < end and limit > first + span / 100:
            ax.axvline(limit / factor, color="#303030", linestyle="--", linewidth=0.9)
    _limit_names(first, end, factor, ax)
    ax.set_ylim(-2.1 if live else -0.3, 2.0)
    ax.set_xlim(first / factor, end / factor)
    ax.set_yticks(*([0.5, -0.85], ["RAM", "live"]) if live else ([0.5], ["RAM"]))
    ax.tick_params(axis="y", length=0)
    style.plain(ax)
    ax.set_xlabel(f"physical address ({name})")
    ax.set_title(f"{style.amount(machine.memory.total_bytes)} of RAM, {style.amount(machine.memory.free_bytes())} free")
    covered = sum(max(0, min(run.end, end) - max(run.start, first)) for run in ranges)
    style.legend_below(
        ax, _map_legend([run for run in ranges if run.start < end and run.end > first], live, used, covered < span)
    )
    return ax


def _free_share(machine: Machine, first: int, end: int, factor: int, ax: Any) -> bool:
    """How much of each stretch is in use, as a dark line from the bottom of the RAM lane; whether one can be seen."""
    step = max(PAGE, -(-(end - first) // 400 // PAGE) * PAGE)
    used = _used_by_step(machine, first, end, step)
    for index, (busy, total) in enumerate(used):
        if total and busy:
            low = first + index * step
            ax.broken_barh([(low / factor, step / factor)], (0, busy / total), facecolors="#5B6670", linewidth=0)
    return any(total and busy / total > 0.02 for busy, total in used)


def _used_by_step(machine: Machine, first: int, end: int, step: int) -> list[tuple[int, int]]:
    count = max(1, -(-(end - first) // step))
    total, free = [0] * count, [0] * count
    for runs, sums in ((machine.memory.ranges, total), (machine.memory.runs(), free)):
        for run in runs:
            low, high = max(run.start, first), min(run.end, end)
            while low < high:
                index = (low - first) // step
                stop = min(high, first + (index + 1) * step)
                sums[index] += stop - low
                low = stop
    return [(all_ - none, all_) for all_, none in zip(total, free, strict=True)]


def _owners(live: Sequence[Any], first: int, end: int, factor: int, ax: Any) -> None:
    """Names of owners under the wide blocks, as far as there is room."""
    span, taken = end - first, -1.0
    for one in sorted(live, key=lambda item: item.pa):
        name = one.owner or "system"
        middle = (max(one.pa, first) + min(one.pa + one.size, end)) / 2
        half = len(name) * 0.0052 * span
        if middle - half > taken and middle - half >= first and middle + half <= end:
            ax.text(middle / factor, -1.5, name, ha="center", va="top", fontsize="x-small")
            taken = middle + half


def _limit_names(first: int, end: int, factor: int, ax: Any) -> None:
    for limit, name in LIMITS:
        if first < limit < end and limit > first + (end - first) / 100:
            right = (limit - first) / (end - first) > 0.7
            ax.annotate(
                name,
                (limit / factor, 1.25),
                xytext=(-4 if right else 4, 0),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize="small",
            )


def _map_legend(ranges: Sequence[MemoryRange], live: Sequence[Any], used: bool, holes: bool) -> list[Any]:
    from matplotlib.patches import Patch

    nodes = sorted({run.node for run in ranges})[:4]
    handles = [
        Patch(facecolor=style.NODES[node % 4], edgecolor="#909090", label=f"RAM of node {node}") for node in nodes
    ]
    if used:
        handles.append(Patch(facecolor="#5B6670", label="share in use"))
    if holes:
        handles.append(Patch(facecolor="none", hatch="////", edgecolor="#B8B8B8", label="no RAM"))
    for kind in sorted({one.kind for one in live}):
        colour, hatch = style.colour_of(kind)
        handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="#303030", label=kind.replace("_", " ")))
    return handles


# --- free runs and fragmentation ------------------------------------------------------------------------------------


def free_runs(machine: Machine, *, node: int | None = None, ax: Any = None) -> Any:
    """How many free runs there are of each size, and how much memory they hold: bars of powers of two."""
    ax = style.axes(ax, 8, 3.2)
    counts: dict[int, list[int]] = {}
    for run in machine.memory.runs():
        if node is None or run.node == node:
            bucket = counts.setdefault((run.length // PAGE).bit_length() - 1, [0, 0])
            bucket[0] += 1
            bucket[1] += run.length
    low, high = min(counts, default=0), max(counts, default=0)
    orders = range(low, high + 1)
    bars = ax.bar(
        [order - low for order in orders],
        [counts.get(order, [0, 0])[0] for order in orders],
        color=style.BLUE,
        width=0.8,
    )
    for order, bar in zip(orders, bars, strict=True):
        if order in counts:
            ax.annotate(
                style.amount(counts[order][1]),
                (bar.get_x() + 0.4, bar.get_height()),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=6.5 if len(orders) > 12 else 8,
            )
    ax.set_yscale("log")
    ax.set_ylim(0.7, max((count for count, _ in counts.values()), default=1) * 3)
    ax.set_xticks(
        [order - low for order in orders], [style.amount(PAGE << order) for order in orders], rotation=45, ha="right"
    )
    ax.set_xlabel("size of the free run (at least this, less than twice this)")
    ax.set_ylabel("number of runs")
    where = "" if node is None else f" of node {node}"
    ax.set_title(f"Free runs{where}; above each bar: the memory in them")
    style.plain(ax)
    return ax


class FragmentationLog:
    """Notes free memory and its largest piece whenever it is told to; `fragmentation` draws it.

    limit: the highest address that counts, bytes (None: all).
    """

    def __init__(self, machine: Machine, *, limit: int | None = None) -> None:
        self.machine = machine
        self.limit = 2**64 - 1 if limit is None else limit
        self.points: list[tuple[str, int, int]] = []

    def note(self, label: str = "") -> None:
        """Notes the state now. label: shown under the point when there are few."""
        memory = self.machine.memory
        self.points.append((label, memory.free_bytes(highest=self.limit), memory.largest_free(highest=self.limit)))


def fragmentation(log: FragmentationLog, *, ax: Any = None) -> Any:
    """Free memory and the largest block one request could get, from note to note: the gap is fragmentation."""
    ax = style.axes(ax, 8, 3.2)
    steps = range(len(log.points))
    free = [point[1] for point in log.points]
    largest = [point[2] for point in log.points]
    factor, name = style.unit(max(free, default=1))
    ax.step(steps, [value / factor for value in free], where="mid", color=style.BLUE, label="free")
    ax.step(
        steps,
        [value / factor for value in largest],
        where="mid",
        color=style.RED,
        linestyle="--",
        label="largest block",
    )
    ax.fill_between(
        steps,
        [value / factor for value in largest],
        [value / factor for value in free],
        step="mid",
        color=style.ORANGE,
        alpha=0.2,
        label="free, but in smaller pieces",
    )
    labels = [point[0] for point in log.points]
    if any(labels) and len(labels) <= 16:
        ax.set_xticks(list(steps), labels, rotation=30, ha="right")
        ax.set_xlabel("after this step")
    else:
        ax.set_xlabel("note number")
    ax.set_ylabel(f"memory ({name})")
    ax.set_ylim(0)
    limit = "" if log.limit >= 2**64 - 1 else f" below {style.amount(log.limit + 1)}"
    ax.set_title(f"Free memory{limit} and its largest piece")
    ax.legend(frameon=False, fontsize="small", loc="best")
    style.plain(ax)
    return ax


# --- placement ------------------------------------------------------------------------------------------------------


class PolicyResult(NamedTuple):
    """What a policy did with a load. asked, refused: requests. low_bytes: of the granted memory, what lies below
    4 GiB. largest_low: the largest block still to be had below 4 GiB afterwards, bytes.
    """

    policy: str
    asked: int
    refused: int
    low_bytes: int
    largest_low: int


def compare_policies(
    load: Callable[[Machine], Iterable[bool]], make: Callable[[Any], Machine], policies: Iterable[Any] | None = None
) -> list[PolicyResult]:
    """Runs the same load under each placement policy.

    load: gets a machine, yields for each request whether it was granted. make: a machine for a Placement. policies:
    None for all. The machines are closed; what the load left allocated is what is measured.
    """
    from storsim.enums import Placement

    results = []
    for policy in Placement if policies is None else policies:
        machine = make(policy)
        try:
            granted = [bool(answer) for answer in load(machine)]
            low = sum(one.size for one in machine.allocations() if one.pa and one.pa + one.size <= 1 << 32)
            largest = machine.memory.largest_free(highest=(1 << 32) - 1)
            results.append(PolicyResult(Placement(policy).name, len(granted), granted.count(False), low, largest))
        finally:
            machine.close()
    return results


def placement_policies(results: Sequence[PolicyResult], *, ax: Any = None) -> Any:
    """Refusals of each policy as bars, and as dots what it cost: the scarce memory below 4 GiB that it used up."""
    ax = style.axes(ax, 8, 3.4)
    at = range(len(results))
    bars = ax.bar(
        at, [one.refused for one in results], width=0.5, color=style.BLUE, label="refused requests (left axis)"
    )
    words = [f"{one.refused} of {one.asked}" for one in results]
    ax.bar_label(bars, words, fontsize="small", padding=2)
    ax.set_xticks(list(at), [one.policy.replace("_", " ").lower() for one in results])
    ax.set_ylabel("refused requests")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_ylim(0, max(1, *(one.refused for one in results)) * 1.45)
    ax.set_xlabel("placement policy")
    other = ax.twinx()
    factor, name = style.unit(max(1, *(one.low_bytes for one in results)))
    (dots,) = other.plot(
        [x + 0.34 for x in at],
        [one.low_bytes / factor for one in results],
        "D",
        color=style.RED,
        label="memory below 4 GiB used (right axis)",
    )
    other.set_ylabel(f"below 4 GiB used ({name})")
    other.set_ylim(0, max(1e-9, *(one.low_bytes / factor for one in results)) * 1.45)
    ax.legend(handles=[bars, dots], loc="upper center", ncols=2, frameon=False, fontsize="small")
    ax.set_title("What each placement policy refuses, and what it uses up")
    ax.spines["top"].set_visible(False)
    other.spines["top"].set_visible(False)
    return ax


# --- host memory buffer ---------------------------------------------------------------------------------------------


def hmb_ranges(
    ranges: Sequence[Any],
    *,
    preferred: int,
    minimum: int = 0,
    smallest: int = 0,
    label: str = "granted",
    ax: Any = None,
) -> Any:
    """A host memory buffer's ranges stacked up, against what the drive prefers, needs at least, and can use.

    ranges: ACCESS_RANGEs, or several lists by name as a dict; ``label`` names a single list. preferred, minimum: bytes.
    smallest: a range below this many bytes (HMMINDS) is no use to the drive and drawn hatched.
    """
    from matplotlib.patches import Patch

    many = dict(ranges) if isinstance(ranges, dict) else {label: ranges}
    ax = style.axes(ax, 8, 1.6 + 0.45 * len(many))
    longest = max([preferred, *(sum(item.RangeLength for item in one) for one in many.values()), 1])
    factor, name = style.unit(longest)
    useless = False
    for lane, one in enumerate(many.values()):
        at = 0
        for number, item in enumerate(one):
            small = item.RangeLength < smallest
            useless |= small
            ax.broken_barh(
                [(at / factor, item.RangeLength / factor)],
                (lane - 0.32, 0.64),
                hatch="xxx" if small else "",
                facecolors=(style.BLUE, style.SKY)[number % 2] if not small else "white",
                edgecolor="white" if not small else style.RED,
                linewidth=0.6,
            )
            at += item.RangeLength
        pieces = f"{style.amount(at)} in {len(one)} range{'s' if len(one) != 1 else ''}" if one else "refused"
        ax.annotate(
            pieces, (at / factor, lane), xytext=(5, 0), textcoords="offset points", va="center", fontsize="small"
        )
    style.lanes(ax, list(many))
    wanted = ax.axvline(
        preferred / factor, color=style.GREEN, linewidth=1.8, label=f"preferred: {style.amount(preferred)}"
    )
    least = ax.axvline(
        minimum / factor, color=style.RED, linewidth=1.8, linestyle="--", label=f"minimum: {style.amount(minimum)}"
    )
    handles = [
        wanted,
        least,
        Patch(facecolor=style.BLUE, label="range"),
        Patch(facecolor=style.SKY, label="next range"),
    ]
    if useless:
        handles.append(Patch(facecolor="white", edgecolor=style.RED, hatch="xxx", label="too small for the drive"))
    ax.set_xlim(0, longest / factor * 1.28)
    ax.set_xlabel(f"size ({name})")
    ax.set_title("Host memory buffer")
    style.legend_below(ax, handles)
    return ax


def drive_limits(drive: IdCtrl) -> dict[str, int]:
    """Keywords for `hmb_ranges` from a drive's Identify Controller data."""
    return {
        "preferred": drive.preferred_bytes,
        "minimum": drive.minimum_bytes,
        "smallest": drive.minimum_range_bytes,
    }
