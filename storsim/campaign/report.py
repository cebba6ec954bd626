"""The report of a campaign: for a terminal, as a page of its own, and as the part of a page that notebooks show."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from storsim import html
from storsim.campaign.findings import title_of

if TYPE_CHECKING:
    from storsim.campaign.merging import Report

WIDTH, HEIGHT = 640, 180
BLUE = "#2f7fc1"
#: Colours of a heat map's cells, by how often: few to many. Text on them is dark.
HEAT = ("#e8f1f9", "#c3dcf0", "#93c1e4", "#5fa3d6", "#2f7fc1")
#: The same for findings and exceptions.
HEAT_BAD = ("#fbe9d0", "#f6d3a0", "#f0b96c", "#e89c3c", "#e08a1e")
#: What is written for a finding, in words.
FILES = {
    "test": "Regression test",
    "script_file": "Fewest calls, a program of its own",
    "journal_file": "Journal, for storsim replay",
}
FINE = ("ok", "rejected", "cut off")


def many(count: int, thing: str) -> str:
    """1 finding, 2 findings."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def headline(report: Report) -> str:
    """What there is, in one line."""
    parts = [many(report.programs, "program"), many(report.steps, "step"), many(len(report.findings), "finding")]
    state = "" if report.complete else ", not complete"
    return f"{', '.join(parts)}, {many(len(report.behaviours), 'behaviour')}{state}"


def outcomes(report: Report) -> tuple[str, dict[tuple[str, str], int]]:
    """What the rows of the heat map are, and how often each came out how: rules, or where there are none
    routines, in how many states."""
    if report.rules:
        return "rule", dict(report.rules)
    table: dict[tuple[str, str], int] = {}
    for line in report.behaviours.table():
        table[line.routine or "outside of routines", line.outcome] = line.states
    return "routine", table


# --- text -----------------------------------------------------------------------------------------------------------


def text(report: Report) -> str:
    """For a terminal, at most 100 columns where messages allow."""
    plan = report.plan
    lines = [f"Campaign {plan.hash} of {plan.target}, seed {plan.seed}", headline(report)]
    if not report.findings:
        lines += ["", "Nothing found."]
    for number, finding in enumerate(report.findings, 1):
        lines += ["", f"{number}. {title_of(finding['key'])}"]
        round_, program = finding["first"]
        lines.append(f"   {many(finding['count'], 'time')}, first in round {round_}, program {program}")
        lines += [f"   {line.strip()}" for line in finding["message"].splitlines()[1:]] or [f"   {finding['message']}"]
        program_lines = finding.get("lines") or []
        if program_lines:
            lines += ["   Program:", *(f"       {line}" for line in program_lines[:60])]
        for name, words in FILES.items():
            if name in finding:
                lines.append(f"   {words}: {finding[name]}")
    what, table = outcomes(report)
    if table:
        lines += ["", f"{what.capitalize()} by outcome:"]
        wide = max(len(name) for name, _ in table)
        for name in sorted({name for name, _ in table}):
            cells = [f"{outcome} {count:,}" for (row, outcome), count in sorted(table.items()) if row == name]
            lines.append(f"   {name.ljust(wide)}  {', '.join(cells)}")
    return "\n".join(lines)


# --- HTML -----------------------------------------------------------------------------------------------------------


def curve(points: Sequence[Sequence[int]]) -> str:
    """Behaviours over programs as inline SVG."""
    if len(points) < 2 or not points[-1][1]:
        return ""
    left, bottom, right, top = 46, HEIGHT - 34, WIDTH - 12, 22
    most_x, most_y = max(1, points[-1][0]), max(1, points[-1][1])

    def at(x: int, y: int) -> tuple[float, float]:
        return left + x / most_x * (right - left), bottom - y / most_y * (bottom - top)

    path, before = [], at(*points[0])
    path.append(f"M{before[0]:.1f},{before[1]:.1f}")
    for x, y in points[1:]:
        here = at(x, y)
        path.append(f"H{here[0]:.1f}V{here[1]:.1f}")
    text_ = "font-size='11' fill='currentColor'"
    return (
        f"<svg role='img' aria-label='behaviours over programs' width='{WIDTH}' height='{HEIGHT}' "
        f"style='display:block'>"
        f"<path d='M{left},{top}V{bottom}H{right}' fill='none' stroke='{html.LINE}'/>"
        f"<path d='{''.join(path)}' fill='none' stroke='{BLUE}' stroke-width='2'/>"
        f"<text x='{left - 6}' y='{top + 9}' text-anchor='end' {text_}>{most_y:,}</text>"
        f"<text x='{left - 6}' y='{bottom}' text-anchor='end' {text_}>0</text>"
        f"<text x='{right}' y='{bottom + 15}' text-anchor='end' {text_}>{most_x:,}</text>"
        f"<text x='{(left + right) / 2}' y='{bottom + 28}' text-anchor='middle' {text_}>programs</text>"
        f"<text x='{left}' y='12' {text_}>behaviours seen</text></svg>"
    )


def heat(report: Report) -> str:
    """Rule by outcome as a table whose cells are darker the more often; numbers are there to read."""
    what, table = outcomes(report)
    if not table:
        return ""
    columns = sorted({outcome for _, outcome in table}, key=lambda name: (name != "ok", name))
    most = max(table.values())
    cell = "padding:2px 8px;text-align:right;border:1px solid " + html.LINE
    head = "".join(f"<th style='{cell}'>{escape(name)}</th>" for name in columns)
    rows = []
    for name in sorted({name for name, _ in table}):
        cells = "".join(_heat_cell(table.get((name, column), 0), most, cell, _tones(column)) for column in columns)
        rows.append(f"<tr><th style='{cell};text-align:left;font-weight:normal'>{escape(name)}</th>{cells}</tr>")
    return (
        "<div style='overflow-x:auto'><table style='border-collapse:collapse;color:inherit;font-size:90%'>"
        f"<thead><tr><th style='{cell};text-align:left'>{what}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div>"
    )


def _tones(outcome: str) -> tuple[str, ...]:
    return HEAT if outcome in FINE or "STATUS" in outcome or outcome in ("value", "NULL", "returned") else HEAT_BAD


def _heat_cell(count: int, most: int, cell: str, tones: tuple[str, ...]) -> str:
    if not count:
        return f"<td style='{cell}'></td>"
    tone = tones[min(len(tones) - 1, count.bit_length() * len(tones) // (most.bit_length() + 1))]
    return f"<td style='{cell};background:{tone};color:#111'>{count:,}</td>"


def _finding(finding: dict[str, object], number: int) -> str:
    lines = finding.get("lines")
    program = escape("\n".join(map(str, lines))) if isinstance(lines, list) and lines else ""
    files = "".join(
        f"<div>{words}: <code>{escape(str(finding[name]))}</code></div>"
        for name, words in FILES.items()
        if name in finding
    )
    first = finding["first"]
    assert isinstance(first, list)
    unfolded = " open='open'" if number == 1 else ""
    return (
        f"<details{unfolded}><summary><b>{escape(title_of(str(finding['key'])))}</b>, "
        f"{many(int(str(finding['count'])), 'time')}, first in round {first[0]}, program {first[1]}</summary>"
        f"<div style='margin:4px 0 10px 1.2em'>"
        f"<div style='white-space:pre-wrap;font-size:90%'>{escape(str(finding['message']))}</div>"
        + (
            f"<pre style='border-left:3px solid {BLUE};padding-left:8px;overflow-x:auto'>{program}</pre>"
            if program
            else ""
        )
        + f"{files}</div></details>"
    )


def fragment(report: Report) -> str:
    """What notebooks show."""
    plan = report.plan
    found = [_finding(finding, number) for number, finding in enumerate(report.findings, 1)]
    return html.box(
        html.heading(f"Campaign {plan.hash} of {plan.target}, seed {plan.seed}"),
        f"<div>{escape(headline(report))}</div>",
        *(found or ["<div><b>Nothing found.</b></div>"]),
        curve(report.curve),
        heat(report),
    )


def page(report: Report) -> str:
    """A page that needs nothing else, readable in light and dark."""
    style = "body{font-family:system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}svg{margin:12px 0}"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='color-scheme' content='light dark'><title>Campaign {escape(report.plan.hash)}</title>"
        f"<style>{style}</style></head>\n<body>\n{fragment(report)}\n</body></html>\n"
    )
