"""What a driver under test is failed with: an AssertionError that says what the simulated machine found.

Hypothesis tells two failures apart by the type of the exception and the line it came from. Findings of different cause
may come from one line (the check after a step), so each cause gets a type of its own, named after the rule.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storsim.records import Finding, Site

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_KINDS: dict[tuple[object, ...], type[DriverFinding]] = {}


class DriverFinding(AssertionError):
    """The driver broke a rule; the text is the finding's.

    record: the finding behind it, or None for what the testing machine itself found (`name` says what). Each cause has
    a subclass of its own, so that two causes are never taken for one.
    """

    record: Finding | None = None

    @property
    def name(self) -> str:
        """The rule's name, such as POOL_LEAK."""
        return type(self).__name__


def own_site(site: Site | None) -> tuple[str, int] | None:
    """The nearest line outside the package: the driver's."""
    while site is not None:
        if not site.file.startswith(_PACKAGE):
            return site.file, site.line
        site = site.caller
    return None


def cause(finding: Finding) -> tuple[object, ...]:
    """What makes two findings one: kind, rule or bugcheck code, routine, and the driver's line; never an address."""
    place = own_site(finding.allocated_at if finding.name.endswith("_LEAK") else finding.site)
    stop = (
        (finding.code, finding.parameters[0]) if finding.kind == "bugcheck" and finding.code == 0xC4 else finding.code
    )
    return finding.kind, finding.name, stop, finding.routine, place


def _kind(name: str, key: tuple[object, ...]) -> type[DriverFinding]:
    found = _KINDS.get((name, *key))
    if found is None:
        found = type(name, (DriverFinding,), {"__module__": __name__, "__doc__": DriverFinding.__doc__})
        _KINDS[(name, *key)] = found
    return found


def from_finding(finding: Finding) -> DriverFinding:
    """The failure that tells a finding."""
    error = _kind(finding.name, cause(finding))(finding.text)
    error.record = finding
    return error


def failure(name: str, text: str) -> DriverFinding:
    """A failure that the testing machine found itself. name: an identifier such as DATA_MISMATCH."""
    return _kind(name, ())(f"{name}: {text}")


def worth_failing(fresh: Iterable[Finding], allowed: Collection[str]) -> Finding | None:
    """The first of some new findings that is worth failing for, or None.

    A bugcheck goes before the violations that led to it; the stop at the end of a leak does not: the leak tells where.
    """
    told = [item for item in fresh if item.kind != "note" and item.name not in allowed]
    stops = [item for item in told if item.kind == "bugcheck" and not item.name.endswith("_LEAK")]
    violations = [item for item in told if item.kind == "violation"]
    return next(iter([*stops, *violations, *told]), None)
