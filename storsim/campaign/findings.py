"""What a program found, as data, and the key by which two findings are one.

A key is made of words: kind (bugcheck, violation, driver, exception, crash, hang), name of the rule, routine, of a
bugcheck its code and first parameter where that is a number of the rule, and the driver's function concerned: where the
block was allocated, else where the call was made. Never an address, a line or a time, so that the same cause has the
same key on every machine, after every edit elsewhere.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from storsim.records import Finding
from storsim.testing.sweep_worker import condense, finding_data

if TYPE_CHECKING:
    from collections.abc import Collection

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: First parameters above this are addresses, not numbers of a rule.
MOST_SUBCODE = 0xFFFF


def key_of(data: dict[str, Any]) -> str:
    """The key of a finding's data, separated by bars: ``bugcheck|DOUBLE_FREE|StorPortFreePool|0xC4(0x13)|f``."""
    stop = ""
    if data["kind"] == "bugcheck":
        first = data["parameters"][0] if data["parameters"] else 0
        stop = f"0x{data['code']:X}" + (f"(0x{first:X})" if first <= MOST_SUBCODE else "")
    return "|".join((data["kind"], data["name"], data["routine"] or "", stop, _place(data["sites"])))


def title_of(key: str) -> str:
    """A key for people: ``bugcheck DOUBLE_FREE in StorPortFreePool, 0xC4(0x13), from f``."""
    kind, name, routine, stop, place = key.split("|")
    parts = [f"{kind} {name}" + (f" in {routine}" if routine else ""), stop, f"from {place}" if place else ""]
    return ", ".join(part for part in parts if part)


def _place(sites: Sequence[dict[str, Any]]) -> str:
    for role in ("allocated", "raised", "call", "caller"):
        for site in sites:
            if site["role"] == role and not site["file"].startswith(PACKAGE):
                return str(site["function"])
    return ""


def from_records(records: Iterable[Finding], ignore: Collection[str]) -> list[dict[str, Any]]:
    """Data of a machine's violations and bugchecks, one for each cause, in order."""
    told = [one for one in records if one.kind != "note" and one.name not in ignore]
    data = condense([{**finding_data(one), "routine": one.routine} for one in told])
    return [{**one, "key": key_of(one)} for one in data]


def from_exception(error: BaseException) -> dict[str, Any]:
    """Data of an exception: the finding it tells, or itself."""
    record = getattr(error, "record", None)
    if isinstance(record, Finding):
        [data] = from_records([record], ())
        return data
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        one
        for one in frames
        if not one.filename.startswith(PACKAGE) and f"{os.sep}hypothesis{os.sep}" not in one.filename
    ]
    last = own[-1] if own else (frames[-1] if frames else None)
    sites = (
        []
        if last is None
        else [{"file": last.filename, "line": last.lineno or 0, "function": last.name, "role": "raised"}]
    )
    told = _told_by_driver_machine(error)
    kind, name = ("driver", type(error).__name__) if told else ("exception", type(error).__name__)
    text = str(error) or "no text"
    data = {
        "name": name,
        "kind": kind,
        "routine": None,
        "message": text if told else f"{name}: {text}",
        "sites": [] if told else sites,
    }
    return {**data, "key": key_of(data)}


def _told_by_driver_machine(error: BaseException) -> bool:
    return any(one.__name__ == "DriverFinding" for one in type(error).__mro__)


def from_end(kind: str, name: str, routine: str, message: str) -> dict[str, Any]:
    """Data of a process that ended (crash) or did not (hang). routine: the rule that was running."""
    data: dict[str, Any] = {"name": name, "kind": kind, "routine": routine, "message": message, "sites": []}
    return {**data, "key": key_of(data)}
