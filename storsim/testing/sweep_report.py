"""A sweep's result for people (text) and for continuous integration (JUnit XML)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from storsim.testing.sweep import SweepResult


def _short(path: str) -> str:
    relative = os.path.relpath(path) if path else "?"
    return path if relative.startswith("..") else relative


def fault_text(fault: Mapping[str, Any]) -> str:
    """An injected failure in words."""
    if "routine" not in fault:
        return f"fault point {fault['ordinal']} failed"
    return (
        f"{fault['routine'] or 'a call'} ({fault['bytes']} bytes) failed at {_short(fault['file'])}:{fault['line']} "
        f"in {fault['function']} (fault point {fault['ordinal']})"
    )


def text(result: SweepResult) -> str:
    """The report for a terminal: one paragraph per finding, its first line says what broke."""
    lines = [f"{result.target}: {result.points} fault points at {result.sites} call sites, {result.runs} runs"]
    if result.ok:
        lines.append("nothing found: every failure was handled, nothing leaked")
    for number, finding in enumerate(result.findings, start=1):
        stop = (
            f", bugcheck {finding['code']:#x} ({', '.join(map(hex, finding['parameters']))})"
            if "code" in finding
            else ""
        )
        lines += [
            "",
            f"{number}. {finding['name']}{stop}, in {finding['times']} run{'s' if finding['times'] > 1 else ''}",
        ]
        if finding["faults"]:
            lines += [f"   when {fault_text(fault)}" for fault in finding["faults"]]
        else:
            lines.append("   without any failure")
        lines += [
            f"   {site['role']}: {_short(site['file'])}:{site['line']} in {site['function']}"
            for site in finding["sites"]
        ]
        lines += [f"   {line.strip()}" for line in finding["message"].splitlines() if line.strip()]
    return "\n".join(lines)


def junit(result: SweepResult) -> str:
    """One test case per run; a run with findings is a failure, a crash or hang an error."""
    cases = []
    for case in result.cases:
        name = (
            "no fault"
            if not case["plan"]
            else "; ".join(fault_text(fault) for fault in case["injected"]) or f"fault {case['plan']}"
        )
        body = ""
        if case["findings"]:
            kind = "error" if case["outcome"] in ("crash", "hang") else "failure"
            body = (
                f"<{kind} message={quoteattr(str(case['findings']) + ' findings')}>{escape(case['outcome'])}</{kind}>"
            )
        cases.append(f"  <testcase classname={quoteattr(result.target)} name={quoteattr(name)}>{body}</testcase>")
    failures = sum(1 for case in result.cases if case["findings"])
    head = f'<testsuite name="storsim sweep" tests="{len(cases)}" failures="{failures}">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *cases, "</testsuite>", ""])
