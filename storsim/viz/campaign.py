"""Pictures of a campaign: how what it saw grew, and how often each rule came out how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from storsim.viz import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from storsim.coverage import Behaviours

    class Campaign(Protocol):
        """What the pictures need of a `storsim.campaign.Report`."""

        curve: list[list[int]]
        findings: list[dict[str, Any]]
        behaviours: Behaviours
        rules: dict[tuple[str, str], int]


#: Outcomes of rules in the order people look for them; findings and exceptions come after these.
_FIRST = ("ok", "rejected", "cut off")
_WORDS = {"ok": "went well", "rejected": "not applicable", "cut off": "cut off"}


def behaviours_over_programs(reports: Campaign | Mapping[str, Campaign], *, ax: Any = None) -> Any:
    """How many behaviours had been seen after so many programs; a mark where each finding showed first.

    reports: one, or several by what they are called, to compare campaigns. A curve that lies flat for long says that
    more of the same will find little. The axis of programs is logarithmic where the first
    tenth of them saw nearly all.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    several: Mapping[str, Campaign] = _by_name(reports)
    ax = style.axes(ax, 8, 3.4)
    colours = (style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.SKY)
    dashes: tuple[Any, ...] = ("-", "--", "-.", ":")
    handles: list[Any] = []
    found = False
    for number, (name, report) in enumerate(several.items()):
        colour, dash = colours[number % len(colours)], dashes[number % len(dashes)]
        x, y = [one[0] for one in report.curve], [one[1] for one in report.curve]
        ax.step(x, y, where="post", color=colour, linestyle=dash, linewidth=2)
        handles.append(Line2D([], [], color=colour, linestyle=dash, linewidth=2, label=name))
        for finding in report.findings:
            found = True
            height = _height(report.curve, finding["at"])
            ax.plot(finding["at"], height, "v", color=style.RED, markersize=9, markeredgecolor="white", zorder=3)
    if found:
        handles.append(
            Line2D([], [], marker="v", color=style.RED, linestyle="none", markersize=9, label="a finding, first time")
        )
    if all(_early(report.curve) for report in several.values()):
        ax.set_xscale("log")
        ax.set_xlim(left=0.9)
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.set_xlabel("programs (number, logarithmic)")
    else:
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel("programs (number)")
    ax.set_ylim(bottom=0)
    ax.set_ylabel("behaviours (number)")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(y=0.1)
    ax.set_title("Campaign: behaviours seen")
    style.plain(ax)
    style.legend_below(ax, handles)
    return ax


def _by_name(reports: Any) -> Mapping[str, Campaign]:
    found: Mapping[str, Campaign] = {"behaviours seen": reports} if hasattr(reports, "curve") else reports
    return found


def _early(curve: Sequence[Sequence[int]]) -> bool:
    """Whether nine tenths of what was seen showed in the first tenth of the programs."""
    programs, seen = curve[-1]
    return programs >= 50 and _height(curve, programs // 10) >= 0.9 * seen


def _height(curve: Sequence[Sequence[int]], program: int) -> int:
    return max((seen for at, seen in curve if at <= program), default=0)


def outcomes(report: Campaign, *, of: str = "rules", ax: Any = None) -> Any:
    """How often each rule (or routine) came out how, as a heat map; darker is more often, an empty cell never.

    of: "rules", in times; or "routines", in how many states a routine gave a status or broke a rule. What a driver
    should not see (findings, exceptions) has a colour of its own. Raises ValueError for another, or where there is
    nothing to show.
    """
    from matplotlib.patches import Patch

    table, bad = _table(report, of)
    if not table:
        raise ValueError(f"the campaign saw no {of}; a function as target has no rules: of='routines'")
    rows = sorted({row for row, _ in table})
    columns = sorted({name for _, name in table}, key=lambda name: (name in bad, _order(name), name))
    upright = max(map(len, columns)) > 14 or (len(columns) > 3 and max(map(len, columns)) * len(columns) > 40)
    wide = 2.6 + (0.55 if upright else 1.25) * len(columns) + 0.075 * max(map(len, rows))
    tall = 2.1 + 0.34 * len(rows) + (0.085 * max(map(len, columns)) if upright else 0)
    ax = style.axes(ax, max(5, wide), max(2.2, tall))
    _draw(ax, table, bad, rows, columns)
    ax.set_xticks(range(len(columns)), [_WORDS.get(name, name) for name in columns], rotation=90 if upright else 0)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    what, unit = ("Rules", "times") if of == "rules" else ("Routines", "number of states")
    ax.set_title(f"{what} by outcome ({unit})")
    handles = [Patch(facecolor=_SHADES[1], label="an outcome")]
    if bad:
        handles.append(Patch(facecolor=_BAD_SHADES[1], label="a finding or exception"))
    style.legend_below(ax, handles)
    return ax


#: From seldom to often; both families are told apart, and their shades, by the colour-blind.
_SHADES = ("#E8F1F9", "#93C1E4", style.BLUE, "#003A5D")
_BAD_SHADES = ("#FBE9D0", "#F0B35A", style.RED, "#6B2F00")


def _draw(ax: Any, table: Mapping[tuple[str, str], int], bad: set[str], rows: list[str], columns: list[str]) -> None:
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.patches import Rectangle

    shades = [LinearSegmentedColormap.from_list("storsim", family) for family in (_SHADES, _BAD_SHADES)]
    norm = LogNorm(1, max(10, *table.values()))
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    for (row, column), count in table.items():
        x, y, depth = columns.index(column), rows.index(row), float(norm(count))
        tone = shades[column in bad](depth)
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=tone, edgecolor="white", linewidth=1.5))
        text = {"ha": "center", "va": "center", "fontsize": "small", "color": "white" if depth > 0.55 else "black"}
        ax.text(x, y, _short(count), **text)
    ax.spines[:].set_visible(False)


def _table(report: Campaign, of: str) -> tuple[dict[tuple[str, str], int], set[str]]:
    """The cells, and the columns that are findings or exceptions."""
    if of == "rules":
        return dict(report.rules), {name for _, name in report.rules} - set(_FIRST)
    if of != "routines":
        raise ValueError(f"of={of!r}: choose 'rules' or 'routines'")
    lines = report.behaviours.table()
    bad = {line.outcome for line in lines if line.kind == "finding" or line.outcome == "stopped"}
    return {(line.routine or "outside of routines", line.outcome): line.states for line in lines}, bad


def _order(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST) + (not name.endswith("_SUCCESS"))


def _short(count: int) -> str:
    """At most five characters: 999, 1.2k, 34k, 5.6M."""
    for factor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.1f}{unit}" if count < 10 * factor else f"{count // factor}{unit}"
    return str(count)
