"""The test-suite of storsim, stage by stage; started by .ci/run.

Everything it makes lies in build-ci/: one log per stage, one virtual environment per build. Stages that do not need
each other run side by side. The last line says how many tests ran; the exit code is 0 only when every stage passed.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-ci"
LIMIT = 1800
LANES = 2
TAIL = 40
SUITE = ("test", "notebooks", "cluster")
JOBS = max(1, (os.cpu_count() or 2) // LANES)
#: Tests of the sources, of documents and of pictures, and long searches in Python alone: another compiler or another
#: interpreter shows nothing new there. The ordinary build and the sanitized one run everything.
ONCE = ("lint", "notebooks", "bugbench", "seeing", "sweep")
#: Processes that a campaign starts and ends: another interpreter may show something new there, another compiler not.
#: They take almost as long as all other tests together, so of the other interpreters only the newest runs them.
INTERPRETED = ("campaign",)


class Failed(Exception):
    """A stage that did not pass; the text says why."""


@dataclass
class Stage:
    """One step. `run` writes to the log it is given and raises `Failed`; the number of tests it ran comes back."""

    name: str
    what: str
    run: Callable[[TextIO], int]
    needs: tuple[str, ...] = ()
    seconds: float = 0.0
    tests: int = 0
    error: str = ""


@dataclass
class Interpreter:
    """A CPython found on this machine."""

    path: str
    version: tuple[int, int, int]
    name: str = field(default="")

    @property
    def release(self) -> str:
        """CPython 3.12.1"""
        return f"CPython {'.'.join(map(str, self.version))}"

    def __post_init__(self) -> None:
        self.name = f"py{self.version[0]}.{self.version[1]}"


def call(log: TextIO, command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Runs a command with its output going to the log, and returns the output. Failed unless it exits with 0."""
    shown = " ".join(command)
    log.write(f"$ {shown}\n")
    log.flush()
    start = Path(log.name).stat().st_size
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
        check=False,
    )
    with open(log.name, "rb") as written:
        written.seek(start)
        output = written.read().decode(errors="replace")
    log.seek(0, os.SEEK_END)
    if result.returncode != 0:
        raise Failed(f"exit code {result.returncode}: {shown}")
    return output


def each(log: TextIO, *commands: tuple[Sequence[str], Path]) -> None:
    """Runs all commands, each in its folder, even after one failed. Failed when any did."""
    errors: list[str] = []
    for command, cwd in commands:
        try:
            call(log, command, cwd=cwd)
        except Failed as error:
            errors.append(str(error))
    if errors:
        raise Failed("; ".join(errors))


def interpreters() -> list[Interpreter]:
    """Every CPython of at least 3.11 on the search path or under pyenv that can build extensions.

    One per minor version; of the running one's, the running one.
    """
    this = Interpreter(sys.executable, (*sys.version_info[:2], sys.version_info[2]))
    found = {this.version[:2]: this}
    folders = [*os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    folders += glob.glob(os.path.join(pyenv, "versions", "*", "bin"))
    question = (
        "import json, os, platform, sys, sysconfig, ensurepip, venv;"
        "print(json.dumps([platform.python_implementation(), list(sys.version_info[:3]),"
        " os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h'))]))"
    )
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "python3.[0-9]*"))):
            if not re.fullmatch(r"python3\.(1[1-9]|[2-9][0-9])", os.path.basename(path)):
                continue
            answer = subprocess.run([path, "-c", question], capture_output=True, text=True, check=False)
            if answer.returncode != 0:
                continue
            implementation, version, headers = json.loads(answer.stdout)
            if implementation == "CPython" and headers and tuple(version[:2]) not in found:
                found[version[0], version[1]] = Interpreter(path, (version[0], version[1], version[2]))
    return [found[key] for key in sorted(found)]


def group(*names: str) -> list[str]:
    """The requirements of these dependency groups of pyproject.toml."""
    groups: dict[str, list[Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted: list[str] = []
    for name in names:
        for item in groups[name]:
            wanted += group(item["include-group"]) if isinstance(item, dict) else [item]
    return list(dict.fromkeys(wanted))


def environment(log: TextIO, name: str, python: str, *groups: str) -> Path:
    """A fresh virtual environment with build tools and these dependency groups; returns its bin folder."""
    folder = BUILD / "venv" / name
    shutil.rmtree(folder, ignore_errors=True)
    call(log, [python, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    call(log, [*pip, "setuptools>=77.0.3", "wheel", *group(*groups)])
    return folder / "bin"


def install(log: TextIO, bin_folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Installs storsim from the source distribution, so that a file missing there cannot go unnoticed."""
    archive = sorted((BUILD / "dist").glob("storsim-*.tar.gz"))[-1]
    pip = [str(bin_folder / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    call(log, [*pip, "--no-build-isolation", "--force-reinstall", "--no-deps", "--no-cache-dir", str(archive)], env)


def pytest(log: TextIO, bin_folder: Path, env: Mapping[str, str] | None = None, without: Sequence[str] = ()) -> int:
    """Runs the Python suite on the installed package; returns how many tests passed. Failed unless all did.

    without: folders of tests/ that are left out.

    It runs from an empty folder, so that no test and no process it starts can find the package in the source tree.
    """
    command = [str(bin_folder / "pytest"), "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["--durations=25", *(f"--ignore={ROOT / 'tests' / folder}" for folder in without)]
    output = call(log, [*command, "--rootdir", str(ROOT), str(ROOT / "tests")], env, cwd=empty_folder())
    lines = output.strip().splitlines()
    match = re.search(r"(\d+) passed", lines[-1])
    # Tests over files published beside the repository have an empty set of parameters where there are none.
    skipped = [line for line in lines if line.startswith("SKIPPED") and "got empty parameter set" not in line]
    if match is None or skipped or re.search(r"failed|error|xfailed|xpassed", lines[-1]):
        raise Failed(f"expected every test to run and pass: {lines[-1]}")
    return int(match[1])


def empty_folder() -> Path:
    """A folder with nothing in it."""
    folder = BUILD / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digests(log: TextIO, bin_folder: Path, name: str, env: Mapping[str, str] | None = None) -> int:
    """Writes what the demo does on each bundled machine and drive; a later stage compares the files."""
    script = ROOT / ".ci" / "digests.py"
    output = call(log, [str(bin_folder / "python"), str(script)], env, cwd=BUILD)
    (BUILD / "digests").mkdir(exist_ok=True)
    (BUILD / "digests" / f"{name}.txt").write_text(output)
    return 0


# --- stages ---------------------------------------------------------------------------------------------------------


def run_sdist(log: TextIO) -> int:
    """Builds the source distribution."""
    bin_folder = environment(log, "build", sys.executable)
    call(log, [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "build"])
    shutil.rmtree(BUILD / "dist", ignore_errors=True)
    call(log, [str(bin_folder / "python"), "-m", "build", "--sdist", "--no-isolation", "--outdir", str(BUILD / "dist")])
    return 0


def run_build(log: TextIO) -> int:
    """An ordinary build, and the tools that look at it."""
    bin_folder = environment(log, "main", sys.executable, *SUITE, "typing", "lint")
    install(log, bin_folder, {"STORSIM_WERROR": "1", "CC": os.environ.get("CC", "gcc")})
    return 0


def run_suite(log: TextIO) -> int:
    """The Python suite on the ordinary build."""
    bin_folder = BUILD / "venv" / "main" / "bin"
    digests(log, bin_folder, "main")
    return pytest(log, bin_folder)


def run_lint(log: TextIO) -> int:
    """ruff, mypy --strict, stubtest."""
    bin_folder = BUILD / "venv" / "main" / "bin"
    stubtest = [str(bin_folder / "python"), "-m", "mypy.stubtest", "storsim._core"]
    each(
        log,
        ([str(bin_folder / "ruff"), "check", "--output-format=concise", "."], ROOT),
        ([str(bin_folder / "mypy"), "--strict"], ROOT),
        ([*stubtest, "--mypy-config-file", str(ROOT / "pyproject.toml")], empty_folder()),
    )
    return 0


def run_sanitized(log: TextIO) -> int:
    """The Python suite under AddressSanitizer and UndefinedBehaviorSanitizer."""
    bin_folder = environment(log, "sanitized", sys.executable, *SUITE)
    install(log, bin_folder, {"STORSIM_SANITIZE": "1", "CC": "gcc"})
    runtimes = [call(log, ["gcc", f"-print-file-name={name}"]).strip() for name in ("libasan.so", "libubsan.so")]
    env = {
        "LD_PRELOAD": " ".join(runtimes),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:strict_string_checks=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    digests(log, bin_folder, "sanitized", env)
    return pytest(log, bin_folder, env)


def run_clang_build(log: TextIO) -> int:
    """The Python suite on a clang build."""
    bin_folder = environment(log, "clang", sys.executable, *SUITE)
    install(log, bin_folder, {"STORSIM_WERROR": "1", "CC": "clang", "LDSHARED": "clang -shared"})
    digests(log, bin_folder, "clang")
    return pytest(log, bin_folder, without=(*ONCE, *INTERPRETED))


def run_interpreter(interpreter: Interpreter, newest: bool) -> Callable[[TextIO], int]:
    """The Python suite on another CPython."""
    without = ONCE if newest else (*ONCE, *INTERPRETED)

    def run(log: TextIO) -> int:
        bin_folder = environment(log, interpreter.name, interpreter.path, *SUITE)
        install(log, bin_folder, {"CC": os.environ.get("CC", "gcc")})
        digests(log, bin_folder, interpreter.name)
        return pytest(log, bin_folder, without=without)

    return run


def run_same(log: TextIO) -> int:
    """Every build did exactly the same."""
    files = sorted((BUILD / "digests").glob("*.txt"))
    contents = {file.stem: file.read_text() for file in files}
    log.write("".join(f"{name}: {len(text)} characters\n" for name, text in contents.items()))
    expected = contents["main"]
    different = [name for name, text in contents.items() if text != expected]
    if different or len(contents) < 2 or len(expected) < 1000:
        found = ", ".join(different) or f"{len(contents)} builds"
        raise Failed(f"expected the same digests from every build, found others: {found}")
    return len(expected.splitlines())


def run_c(compiler: str, target: str) -> Callable[[TextIO], int]:
    """The C tests of the core, without Python."""

    def run(log: TextIO) -> int:
        folder = BUILD / f"c-{compiler}"
        make = ["make", "--no-print-directory", "-C", "csrc", f"-j{JOBS}"]
        output = call(log, [*make, f"CC={compiler}", f"BUILD={folder}", target])
        return len(re.findall(r"^ *[0-9]+ checks$", output, re.MULTILINE))

    return run


def run_tidy(log: TextIO) -> int:
    """clang-tidy and cppcheck on the core."""
    include = f"PYINC=-isystem {sysconfig.get_paths()['include']}"
    make = ["make", "--no-print-directory", "-k", "-C", "csrc", f"-j{JOBS}"]
    call(log, [*make, f"BUILD={BUILD / 'tidy'}", include, "tidy"])
    return 0


#: Rows of tests/trust that need no emulator and take seconds to two minutes; the rest is run by hand.
TRUST = (
    "routine", "allocations", "C-API", "references", "threads", "signals", "fork", "proofs", "C library", "32 bits, gcc"
)  # fmt: skip


def run_trust(log: TextIO) -> int:
    """The rows of the trust table that are quick and need no emulator."""
    python = str(BUILD / "venv" / "main" / "bin" / "python")
    only = [word for row in TRUST for word in ("--only", row)]
    env = {"STORSIM_TRUST_SECONDS": "5"}
    output = call(log, [python, "-m", "tests.trust", "--where-possible", "--quick", *only], env)
    match = re.search(r"^trust: (\d+)/(\d+) rows hold$", output, re.MULTILINE)
    if match is None or match[1] != match[2]:
        raise Failed("a row does not hold")
    return int(match[1])


def all_stages() -> list[Stage]:
    """The stages, each after those it needs, the long ones first, so that no lane waits at the end."""
    others = [item for item in interpreters() if item.version[:2] != sys.version_info[:2]]
    builds = ["suite", "sanitized", "clang", *(item.name for item in others)]
    return [
        Stage("sdist", "source distribution", run_sdist),
        Stage("c-gcc", "C tests, gcc", run_c("gcc", "check")),
        Stage("build", "build and install with warnings as errors", run_build, ("sdist",)),
        Stage("suite", "Python suite on the installed package", run_suite, ("build",)),
        Stage("sanitized", "Python suite under ASan and UBSan", run_sanitized, ("sdist",)),
        *(
            Stage(item.name, f"Python suite on {item.release}", run_interpreter(item, item is others[-1]), ("sdist",))
            for item in others
        ),
        Stage("trust", "rows of the trust table", run_trust, ("build",)),
        Stage("tidy", "clang-tidy, cppcheck", run_tidy),
        Stage("c-gcc-sanitized", "C tests, gcc, sanitized", run_c("gcc", "check-asan")),
        Stage("c-clang-sanitized", "C tests, clang, sanitized", run_c("clang", "check-asan")),
        Stage("clang", "Python suite on a clang build", run_clang_build, ("sdist",)),
        Stage("c-clang", "C tests, clang", run_c("clang", "check")),
        Stage("lint", "ruff, mypy --strict, stubtest", run_lint, ("build",)),
        Stage("same", "same digests from every build", run_same, tuple(builds)),
    ]


# --- running them ---------------------------------------------------------------------------------------------------


def perform(stage: Stage, before: Sequence[Future[None]], stages: Mapping[str, Stage]) -> None:
    """Waits for what the stage needs, runs it, and prints one line about it."""
    for future in before:
        future.result()
    missing = [name for name in stage.needs if name in stages and stages[name].error]
    started = time.monotonic()
    path = BUILD / "logs" / f"{stage.name}.log"
    with path.open("w", encoding="utf-8", errors="replace") as log:
        try:
            if missing:
                raise Failed(f"needs {', '.join(missing)}")
            stage.tests = stage.run(log)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            stage.error = str(error) or type(error).__name__
    stage.seconds = time.monotonic() - started
    verdict = "FAILED" if stage.error else "ok"
    count = f"{stage.tests} tests" if stage.tests else ""
    print(f"{verdict:6}  {stage.name:18} {stage.what:42} {count:>11} {stage.seconds:7.1f}s", flush=True)
    if stage.error:
        tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        shown = [f"  {stage.error}", f"  the end of {path.relative_to(ROOT)}:", *(f"  | {line[:200]}" for line in tail)]
        print("\n".join(shown), flush=True)


def select(stages: list[Stage], names: Sequence[str]) -> list[Stage]:
    """The named stages and what they need, in order; all when none is named."""
    by_name = {stage.name: stage for stage in stages}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        sys.exit(f"storsim: no stage named {', '.join(unknown)}; stages: {', '.join(by_name)}")
    wanted: set[str] = set()
    todo = list(names) or list(by_name)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += by_name[name].needs
    return [stage for stage in stages if stage.name in wanted]


def main() -> int:
    """Runs the stages; 0 when all passed."""
    parser = argparse.ArgumentParser(prog=".ci/run", description=__doc__)
    parser.add_argument("stages", nargs="*", help="only these stages and what they need")
    parser.add_argument("--list", action="store_true", help="name the stages and stop")
    arguments = parser.parse_args()
    stages = all_stages()
    if arguments.list:
        print("\n".join(f"{stage.name:18} {stage.what}" for stage in stages))
        return 0
    chosen = select(stages, arguments.stages)
    shutil.rmtree(BUILD / "digests", ignore_errors=True)
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    by_name = {stage.name: stage for stage in chosen}
    futures: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(LANES) as pool:
        for stage in chosen:
            before = [futures[name] for name in stage.needs]
            futures[stage.name] = pool.submit(perform, stage, before, by_name)
    for future in futures.values():
        future.result()
    failed = [stage.name for stage in chosen if stage.error]
    passed = sum(stage.tests for stage in chosen)
    verdict = f"{passed} passed, {len(failed)} stages failed ({', '.join(failed)})" if failed else f"{passed} passed"
    print(f"===== {verdict} in {time.monotonic() - started:.1f}s, {len(chosen)} stages =====")
    return 1 if failed or not (passed or arguments.stages) else 0


if __name__ == "__main__":
    sys.exit(main())
