"""Makes a program that ends its process, or never ends, shorter. Every attempt runs in a process of its own.

The last line is the step that did it, so it stays; of the others, ever smaller stretches are left out, as long as the
process still ends in that step in the same way. What a line needs of one that is left out makes it end otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storsim.campaign import regression
from storsim.campaign.plan import Plan
from storsim.campaign.written import stand_alone

#: Shorter programs that are tried; each costs the start of a process, and a hang the wait as well.
MOST_ATTEMPTS = {"crash": 160, "hang": 48}
#: Seconds after which a shorter program counts as hung, where the plan does not say less.
PATIENCE = 10.0
_MARK = "storsim: the last step begins"


def shortest(plan: Plan, finding: dict[str, Any]) -> dict[str, Any]:
    """The shortest program found for a crash or a hang of a state machine. Keys to add to the finding: lines, names,
    tried (whether running them shows it), attempts (processes it took). Runs at most 160 processes, 48 for a hang.
    """
    lines = list(finding.get("lines") or [])
    if not lines:
        return {"tried": False, "attempts": 0}
    _, name, *_ = finding["key"].split("|")
    attempts = 0

    def ends(program: list[str], patience: float) -> bool:
        nonlocal attempts
        attempts += 1
        marked = [*program[:-1], f"print({_MARK!r}, flush=True)", program[-1]]
        source = stand_alone(plan, marked, names_of(plan, program))
        ending, output = regression.ending_of(source, folder=plan.folder, timeout=patience)
        return ending == name and _MARK in output

    if not ends(lines, plan.timeout):
        return {"tried": False, "attempts": attempts}
    patience = min(plan.timeout, PATIENCE)
    most = MOST_ATTEMPTS[finding["kind"]]
    fewer = without_needless(lines, lambda program: attempts < most and ends(program, patience))
    if fewer != lines and patience < plan.timeout and not ends(fewer, plan.timeout):
        fewer = lines  # it was only slow
    return {"lines": fewer, "names": names_of(plan, fewer), "tried": True, "attempts": attempts}


def without_needless(lines: list[str], ends: Callable[[list[str]], bool]) -> list[str]:
    """The lines that are needed, the last among them: no single one of the others can be left out, unless `ends` gave
    up. O(n log n) calls where few are needed.
    """
    kept, last = lines[:-1], lines[-1]
    size = len(kept)
    while size >= 1:
        before, end = len(kept), len(kept)
        while end > 0:
            begin = max(0, end - size)
            if ends([*kept[:begin], *kept[end:], last]):
                kept = kept[:begin] + kept[end:]
            end = begin
        if size > 1:
            size = min(size // 2, max(1, len(kept)))
        elif len(kept) == before or not kept:
            break
    return [*kept, last]


def names_of(plan: Plan, lines: list[str]) -> dict[str, str]:
    """Names of a program that storsim has, such as MachineConfig, and the modules they come from."""
    from storsim.campaign.minimise import homes

    return homes(plan, "machine", lines, ())
