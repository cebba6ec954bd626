"""Lines and branches of the core that the C suite and the Python suite reach together.

Source-based coverage of clang over csrc, assertions compiled out: a branch is a side of a condition in the source,
not of a jump in the machine code. What is not reached is listed by file in build-trust/coverage/report.txt; a line
that cannot be reached carries the comment ``/* unreachable: reason */`` and is counted.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

from trust.extension import CORE, build
from trust.rows import Held, row
from trust.shell import BUILD, CSRC, ROOT, make, need, run, test_names

FLAGS = "-fprofile-instr-generate -fcoverage-mapping -DNDEBUG"
WANTED = 0.95


@row("coverage", "lines and branches of every room, reached by the C and the Python suite together", quick=False)
def coverage() -> Held:
    """Builds both, runs both, merges."""
    need("clang", "llvm-cov", "llvm-profdata", package="clang llvm")
    folder = BUILD / "coverage"
    profiles = folder / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir(parents=True)
    names = test_names()
    made = make("coverage", [f"tests/{name}" for name in names], cc="clang", opt="-O1 -g", extra=FLAGS)
    programs = [made / "tests" / name for name in names]
    for number, program in enumerate(programs):
        run([str(program)], env={"LLVM_PROFILE_FILE": str(profiles / f"c{number}.profraw")})
    library = _python_suite(str(profiles / "py%p.profraw"))
    merged = folder / "all.profdata"
    raw = [str(path) for path in sorted(profiles.glob("*.profraw"))]
    run(["llvm-profdata", "merge", "-sparse", *raw, "-o", str(merged)])
    objects = [part for program in [*programs, library] for part in ("-object", str(program))][1:]
    sources = [str(path) for room in CORE for path in sorted((CSRC / room).glob("*.c"))]
    command = ["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", *objects, *sources]
    data = json.loads(run(command))["data"][0]
    (folder / "report.txt").write_text(_report(data["files"]))
    lines, branches = data["totals"]["lines"], data["totals"]["branches"]
    marked = sum(path.read_text().count("/* unreachable:") for room in CORE for path in (CSRC / room).glob("*.c"))
    return Held(
        branches["covered"] >= WANTED * branches["count"],
        f"lines {lines['covered']}/{lines['count']} ({lines['percent']:.2f} %), branches {branches['covered']}/"
        f"{branches['count']} ({branches['percent']:.2f} %), {marked} marked unreachable; wanted: 100 %",
    )


def _python_suite(profile: str) -> str:
    """Runs the Python suite on an instrumented extension; returns the extension's path."""
    package = build("coverage-python", sys.executable, f"-O1 -g {FLAGS}", cc="clang")
    env = {"LLVM_PROFILE_FILE": profile, "PYTHONPATH": str(package)}
    suite = [str(ROOT / "tests"), "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    plain = ["--ignore", str(ROOT / "tests" / "notebooks"), "-x", "--rootdir", str(ROOT)]
    empty = BUILD / "empty"
    empty.mkdir(exist_ok=True)
    run([sys.executable, "-P", "-m", "pytest", *suite, *plain], env=env, cwd=empty)
    return str(next((package / "storsim").glob("_core*")))


def _report(files: list[dict[str, object]]) -> str:
    """One line a file, the least covered first."""
    lines = []
    for file in files:
        summary = file["summary"]
        branch, line = summary["branches"], summary["lines"]  # type: ignore[index]
        missed = branch["count"] - branch["covered"]
        name = os.path.relpath(str(file["filename"]), CSRC)
        lines.append((missed, f"{missed:5} branches and {line['count'] - line['covered']:5} lines missed  {name}"))
    return "\n".join(text for _, text in sorted(lines, reverse=True)) + "\n"
