"""Mutation testing of the files that hold rules, with the C suite as judge.

A seeded sample of small changes (a comparison, an arithmetic or logical operator, a constant, a negated condition, a
statement left out) is made one at a time in a copy of the core. A mutant that does not compile, or compiles to the very
code of the original, is none. It is killed when a C test program fails, crashes or hangs. What survives is listed in
build-trust/mutants/survivors.txt, to be argued or to get a test.

The judges are the C tests, the golden scenarios' digests, and the fuzzer's corpus with the oracle at its side. The
quickest judge first, those of the mutant's own room before the others. The harness that fails every host
allocation is no judge here: it has its own row, and takes half a minute for each mutant.
"""

from __future__ import annotations

import math
import os
import random
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from trust.extension import CORE
from trust.rows import Held, row
from trust.shell import BUILD, CSRC, ROOT, jobs, run, test_names

SAMPLE = int(os.environ.get("STORSIM_TRUST_MUTANTS", "500"))
SEED = int(os.environ.get("STORSIM_TRUST_SEED", "1"))
RULES = ("nt/*.c", "storport/*.c", "hdaudio/*.c", "nvme/*.c", "hda/*.c")
NOT_RULES = ("words.c", "walk.c", "tables.c")
COMPILER = os.environ.get("CC", "gcc").split()
NO_JUDGE = ("storport/test_failing",)
CORPUS = BUILD / "mutants" / "corpus"
ARGUMENTS = {"fuzz/digests": (str(ROOT / "tests" / "golden" / "digests.txt"),), "fuzz/replay": (str(CORPUS),)}
JUDGES = (*ARGUMENTS, *(test for test in test_names() if test not in NO_JUDGE))
DECODER = ("compare", "decode", "digest", "machine", "make", "oracle", "oracle_pages", "storport", "typed")
PATIENCE = 20.0  # a program that takes so many times its usual time, and five seconds more, hangs
FLAGS = "-std=c11 -O1 -fPIC -Iinclude -I. -w"
#: Whose tests pass through a room: its own and those above it. Others cannot tell a mutant of it from the original.
ABOVE = {
    "nt": ("nt", "storport", "nvme", "hda", "hdaudio", "journal", "fuzz"),
    "storport": ("storport", "nvme", "journal", "fuzz"),
    "nvme": ("nvme", "storport", "journal", "fuzz"),
    "hda": ("hda", "hdaudio", "journal", "fuzz"),
    "hdaudio": ("hda", "hdaudio", "journal", "fuzz"),
}
OPERATORS = (
    (r" < ", (" <= ", " >= ")),
    (r" > ", (" >= ", " <= ")),
    (r" <= ", (" < ", " > ")),
    (r" >= ", (" > ", " < ")),
    (r" == ", (" != ",)),
    (r" != ", (" == ",)),
    (r" && ", (" || ",)),
    (r" \|\| ", (" && ",)),
    (r" \+ ", (" - ",)),
    (r" - ", (" + ",)),
    (r" \* ", (" + ",)),
    (r" % ", (" / ",)),
    (r" / ", (" * ",)),
    (r"\btrue\b", ("false",)),
    (r"\bfalse\b", ("true",)),
    (r"(?<=[ (\[])0(?=[;,)\]])", ("1",)),
    (r"(?<=[ (\[])1(?=[;,)\]])", ("0", "2")),
    (r"\bif \((?=[^{]*\) \{$)", ("if (!",)),
    (r"^( +)[a-z_]+\(.*\);$", ("",)),
)


@dataclass(frozen=True)
class Mutant:
    """A change of one line."""

    path: str
    line: int
    before: str
    after: str


def candidates() -> list[Mutant]:
    """Every change the operators can make, in file order."""
    found = []
    for pattern in RULES:
        for path in sorted(CSRC.glob(pattern)):
            if path.name in NOT_RULES:
                continue
            comment = False
            for number, line in enumerate(path.read_text().splitlines(), 1):
                starts = line.lstrip()
                comment = comment or starts.startswith("/*")
                code = not comment and line.startswith("    ") and not starts.startswith(("#", "{", "X(", "SS_"))
                comment = comment and "*/" not in line
                if code and '"' not in line:
                    found += _of_line(str(path.relative_to(CSRC)), number, line)
    return found


def _of_line(path: str, number: int, line: str) -> list[Mutant]:
    changed = []
    for operator, replacements in OPERATORS:
        for match in re.finditer(operator, line):
            for replacement in replacements:
                if replacement == "if (!":
                    after = re.sub(r"\bif \((.*)\) \{$", r"if (!(\1)) {", line)
                elif replacement == "":
                    after = match[1] + ";"
                else:
                    after = line[: match.start()] + replacement + line[match.end() :]
                changed.append(Mutant(path, number, line, after))
    return changed


class Bench:
    """One copy of the core with its objects, for one mutant at a time."""

    def __init__(self, number: int, tests: Path) -> None:
        self.folder = BUILD / "mutants" / str(number)
        shutil.rmtree(self.folder, ignore_errors=True)
        ignore = shutil.ignore_patterns("build*", "tests", "python", "fuzz", "bench", "proofs")
        shutil.copytree(CSRC, self.folder, ignore=ignore)
        self.tests = tests
        self.objects: dict[str, str] = {}
        for room in CORE:
            for path in sorted((CSRC / room).glob("*.c")):
                name = f"{room}/{path.name}"
                self.objects[name] = f"{name[:-2]}.o"
                run([*COMPILER, *FLAGS.split(), "-c", name, "-o", self.objects[name]], cwd=self.folder)
        self.link()
        self.usual: dict[str, float] = {}

    def time(self) -> None:
        """Runs each program on the core as it is: how long it takes, and that it passes."""
        for judge in JUDGES:
            if judge.split("/")[0] not in ABOVE["nt"]:
                continue
            started = time.monotonic()
            if self._fails(judge):
                raise RuntimeError(f"{judge} fails on the core as it is")
            self.usual[judge] = time.monotonic() - started

    def link(self) -> None:
        """The core as a shared object, which the test programs load."""
        run([*COMPILER, "-shared", *self.objects.values(), "-o", "libstorsim.so"], cwd=self.folder)

    def judge(self, mutant: Mutant) -> str:
        """killed, survived, or none (no mutant at all)."""
        path = self.folder / mutant.path
        lines = path.read_text().splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        original, name = path.read_text(), self.objects[mutant.path]
        before = (self.folder / name).read_bytes()
        try:
            path.write_text("".join(lines))
            try:
                run([*COMPILER, *FLAGS.split(), "-c", mutant.path, "-o", name], cwd=self.folder)
            except RuntimeError:
                return "none"
            if (self.folder / name).read_bytes() == before:
                return "none"
            self.link()
            return "killed" if any(self._fails(judge) for judge in self._order(mutant)) else "survived"
        finally:
            path.write_text(original)
            (self.folder / name).write_bytes(before)

    def _order(self, mutant: Mutant) -> list[str]:
        room = mutant.path.split("/")[0]
        own = (room + "/", "fuzz/")
        judges = (judge for judge in JUDGES if judge.split("/")[0] in ABOVE[room])
        return sorted(judges, key=lambda judge: (not judge.startswith(own), self.usual[judge]))

    def _fails(self, judge: str) -> bool:
        try:
            result = subprocess.run(
                [str(self.tests / judge.replace("/", "_")), *ARGUMENTS.get(judge, ())],
                env={"LD_LIBRARY_PATH": str(self.folder)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=5 + PATIENCE * self.usual.get(judge, 10.0),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
        return result.returncode != 0


def _programs(folder: Path, library: Path) -> None:
    """Every judge, linked with the shared core in `library`, and the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    decoder = [f"fuzz/{path.name}" for path in (CSRC / "fuzz").glob("*.c") if path.stem in DECODER]

    def one(judge: str) -> None:
        source = f"{judge}.c" if judge in ARGUMENTS else f"tests/{judge}.c"
        more = decoder if judge.startswith("fuzz/") else []
        link = [f"-L{library}", "-lstorsim", "-o", str(folder / judge.replace("/", "_"))]
        run([*COMPILER, *FLAGS.split(), source, *more, *link], cwd=CSRC)

    with ThreadPoolExecutor(jobs()) as pool:
        list(pool.map(one, JUDGES))
    CORPUS.mkdir(parents=True, exist_ok=True)
    run([str(folder / "fuzz_replay"), "--make", str(CORPUS)], env={"LD_LIBRARY_PATH": str(library)})


def _told(survived: list[Mutant], killed: int) -> str:
    text = "".join(f"{m.path}:{m.line}\n  - {m.before.strip()}\n  + {m.after.strip()}\n" for m in survived)
    return f"{killed} killed, {len(survived)} survived:\n{text}"


def interval(killed: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    centre = (killed + z * z / 2) / (total + z * z)
    half = z * math.sqrt(killed * (total - killed) / total + z * z / 4) / (total + z * z)
    return centre - half, centre + half


@row("mutants", "the C suite kills at least 90 % of a seeded sample of mutants of the rules", quick=False)
def mutants() -> Held:
    """Draws, judges, lists the survivors."""
    folder = BUILD / "mutants"
    every = candidates()
    random.Random(SEED).shuffle(every)
    benches = [Bench(number, folder / "tests") for number in range(jobs())]
    _programs(folder / "tests", benches[0].folder)
    for bench in benches:
        bench.time()
    killed: list[Mutant] = []
    survived: list[Mutant] = []
    rest = iter(every)

    def work(bench: Bench) -> None:
        for mutant in rest:
            if len(killed) + len(survived) >= SAMPLE:
                return
            answer = bench.judge(mutant)
            if answer != "none":
                (killed if answer == "killed" else survived).append(mutant)
                (folder / "survivors.txt").write_text(_told(survived, len(killed)))

    with ThreadPoolExecutor(len(benches)) as pool:
        list(pool.map(work, benches))
    total = len(killed) + len(survived)
    low, high = interval(len(killed), total)
    return Held(
        len(killed) >= 0.9 * total,
        f"{len(killed)}/{total} killed ({len(killed) / total:.1%}, 95 % interval {low:.1%} to {high:.1%}),"
        f" drawn from {len(every)}; {len(survived)} survivors",
    )
