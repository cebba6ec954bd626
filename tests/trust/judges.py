"""The judges of a mutant: the C test programs, each run on a core that was changed in one line.

The programs load the core as a shared object, so a mutant costs one file compiled and one link. Two things keep the
rest small. A first run of every program on a core with a mark in every block says which blocks it enters: a program
that never enters the mutant's block cannot tell it from the original, and is not asked. The others are asked in the
order of what they cost, and the first that fails, crashes or hangs ends it.
What they all let pass is asked again under AddressSanitizer and UndefinedBehaviorSanitizer, as `make check-asan` does.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import resource
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from trust.extension import CORE
from trust.mutation import Mutant
from trust.shell import BUILD, CSRC, ROOT, SANITIZE, run, test_names

FOLDER = BUILD / "mutants"
COMPILER = os.environ.get("CC", "gcc").split()
PLAIN, SANITIZED = "-O1", f"-O1 {SANITIZE}"
FLAGS = "-std=c11 -fPIC -fno-semantic-interposition -Iinclude -I. -w"
#: The rooms whose tests pass through files that hold rules.
ROOMS = ("nt", "storport", "nvme", "hda", "hdaudio", "journal", "fuzz")
CORPUS = FOLDER / "corpus"
ARGUMENTS = {"fuzz/digests": (str(ROOT / "tests" / "golden" / "digests.txt"),), "fuzz/replay": (str(CORPUS),)}
JUDGES = (*ARGUMENTS, *(test for test in test_names() if test.split("/")[0] in ROOMS))
DECODER = ("compare", "decode", "digest", "machine", "make", "oracle", "oracle_pages", "storport", "typed")
#: A program hangs when it takes this many times its usual processor time and this many seconds more.
PATIENCE, SECONDS_MORE = 6, 3
MEMORY = 4 << 30  # of a program's address space: a mutant that asks for ever more fails here, not the computer
MEMORY_OPTIONS = {"MALLOC_PERTURB_": "165", "ASAN_OPTIONS": f"hard_rss_limit_mb={MEMORY >> 20}"}
HEADER = "extern unsigned char ss_mark[];\n"
MARKS = """#include <stdio.h>
#include <stdlib.h>
unsigned char ss_mark[%d];
__attribute__((destructor)) static void ss_mark_write(void) {
    FILE *file = fopen(getenv("STORSIM_MARKS"), "wb");
    if (file == NULL || fwrite(ss_mark, 1, sizeof ss_mark, file) != sizeof ss_mark || fclose(file) != 0) {
        abort();
    }
}
"""
#: How a line ends that opens a block of statements; a switch begins with a label, which no mark may stand before.
_OPENS = re.compile(r"^(?!.*\bswitch \().*(\)|\belse|\bdo|:) \{$")
_NOT_CODE = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'", re.DOTALL)


@dataclass
class Judge:
    """A program, the sum of what it is made of, and what it does on the core as it is."""

    name: str
    program: Path
    sum: str
    sanitized: bool
    seconds: float = 0.0  # a guess from the last time until it was watched
    entered: frozenset[int] = field(default_factory=frozenset)
    watched: bool = False

    def fails(self, library: Path, marks: Path | None = None) -> bool:
        """Whether the program ends otherwise than well; notes its processor time."""
        process = subprocess.Popen(
            [str(self.program), *ARGUMENTS.get(self.name, ())],
            env={"LD_LIBRARY_PATH": str(library), "STORSIM_MARKS": str(marks), **MEMORY_OPTIONS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        limit = 600 if marks else int(SECONDS_MORE + PATIENCE * self.seconds) + 1
        limits = {resource.RLIMIT_CPU: limit, resource.RLIMIT_CORE: 0}
        if not self.sanitized:  # whose shadow takes terabytes of addresses
            limits[resource.RLIMIT_AS] = MEMORY
        for what, most in limits.items():
            try:
                resource.prlimit(process.pid, what, (most, most))
            except ProcessLookupError:
                break
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if marks:
            self.seconds = usage.ru_utime + usage.ru_stime
        return process.returncode != 0


class Blocks:
    """The blocks of the files that hold rules, numbered, and which one each line lies in."""

    def __init__(self) -> None:
        self.count = 0
        self._of: dict[str, list[int]] = {}

    def mark(self, path: str, text: str) -> str:
        """The text with a mark at the start of every block. Line n lies in block `of(path, n)`, -1 for none."""
        lines: list[str] = []
        of: list[int] = []
        open_blocks = [-1]
        code = _NOT_CODE.sub(lambda found: "\n" * found[0].count("\n"), text)
        for line, code_line in zip(text.splitlines(), map(str.rstrip, code.splitlines()), strict=True):
            lowest = len(open_blocks)
            outside = lowest == 1 and not _OPENS.match(code_line)  # tables' braces may stand in macros
            for brace in "" if outside else re.sub("[^{}]", "", code_line):
                if brace == "}":
                    open_blocks.pop()
                    lowest = min(lowest, len(open_blocks))
                else:
                    open_blocks.append(open_blocks[-1])
            if lowest < 1 or (code_line.startswith("}") and len(open_blocks) != 1):
                raise RuntimeError(f"{path}:{len(of) + 1}: braces that this reader does not understand")
            of.append(open_blocks[lowest - 1])
            if _OPENS.match(code_line):
                open_blocks[-1] = self.count
                line += f" ss_mark[{self.count}] = 1;"
                self.count += 1
            lines.append(line)
        if len(open_blocks) != 1:
            raise RuntimeError(f"{path}: a block without an end")
        self._of[path] = of
        return HEADER + "\n".join(lines) + "\n"

    def of(self, mutant: Mutant) -> int:
        """The block a mutant's line lies in."""
        return self._of[mutant.path][mutant.line - 1]


class Bench:
    """A copy of the core with its objects, for one mutant at a time."""

    def __init__(self, name: str, flags: str = PLAIN) -> None:
        self.folder, self.flags = FOLDER / name, flags
        ignore = shutil.ignore_patterns("build*", "tests", "python", "fuzz", "bench", "proofs")
        shutil.copytree(CSRC, self.folder, ignore=ignore, dirs_exist_ok=True)
        names = [f"{room}/{path.name}" for room in CORE for path in sorted((CSRC / room).glob("*.c"))]
        self.objects = {name: f"{name[:-2]}.o" for name in names}
        for name in names:
            (self.folder / self.objects[name]).write_bytes(_object(name, flags))
        self.link()

    def compile(self, name: str, flags: str = "") -> bytes:
        """The object of a file, which it also leaves in its place. RuntimeError when it does not compile."""
        flags = f"{flags or self.flags} {FLAGS}"
        run([*COMPILER, *flags.split(), "-c", name, "-o", self.objects[name]], cwd=self.folder)
        return (self.folder / self.objects[name]).read_bytes()

    def link(self) -> None:
        """The core as a shared object, which the test programs load."""
        command = [*COMPILER, *self.flags.split(), "-shared", *self.objects.values(), "-o", "libstorsim.so"]
        run(command, cwd=self.folder)

    def watch(self, judges: list[Judge], blocks: Blocks, files: set[str], most: float) -> None:
        """Runs programs on the core as it is, with marks: what they cost, which blocks they enter; that they pass.

        Those that took more seconds than `most` the last time are left for later.
        """
        texts = {name: blocks.mark(name, (self.folder / name).read_text()) for name in sorted(files)}
        text = MARKS % (blocks.count + 1) + "".join(texts.values())
        costs = self.folder / "costs.txt"
        last = (
            {line.split()[1]: float(line.split()[0]) for line in costs.read_text().splitlines()}
            if costs.exists()
            else {}
        )
        kept = {judge.name: FOLDER / "watched" / _sum(text, _core(), judge.sum, self.flags) for judge in judges}
        wanted = [judge for judge in judges if not judge.watched and last.get(judge.name, 0.0) < most]
        if not all(kept[judge.name].exists() for judge in wanted):
            self._mark(texts, MARKS % (blocks.count + 1))
        for judge in wanted:
            if not kept[judge.name].exists():
                marks = self.folder / "marks.bin"
                marks.unlink(missing_ok=True)
                if judge.fails(self.folder, marks):
                    raise RuntimeError(f"{judge.name} fails on the core as it is")
                entered = [at for at, mark in enumerate(marks.read_bytes()) if mark]
                kept[judge.name].parent.mkdir(exist_ok=True)
                kept[judge.name].write_text(" ".join(map(str, (judge.seconds, *entered))))
            seconds, *blocks_entered = kept[judge.name].read_text().split()
            judge.seconds, judge.entered = float(seconds), frozenset(map(int, blocks_entered))
            judge.watched = True
            last[judge.name] = judge.seconds
        table = sorted(((seconds, name) for name, seconds in last.items()), reverse=True)
        costs.write_text("".join(f"{seconds:8.3f} {name}\n" for seconds, name in table))
        self.link()

    def _mark(self, texts: dict[str, str], recorder: str) -> None:
        """Links the core with marks, and leaves files and objects as they were."""
        for name, text in texts.items():
            path, place = self.folder / name, self.folder / self.objects[name]
            original, before = path.read_text(), place.read_bytes()
            path.write_text(text)
            self.compile(name)
            path.write_text(original)
            place.rename(place.with_suffix(".marked"))
            place.write_bytes(before)
        (self.folder / "marks.c").write_text(recorder)
        run([*COMPILER, *FLAGS.split(), "-c", "marks.c", "-o", "marks.o"], cwd=self.folder)
        marked = {name: f"{name[:-2]}.marked" if name in texts else self.objects[name] for name in self.objects}
        command = [*COMPILER, *self.flags.split(), "-shared", *marked.values(), "marks.o", "-o", "libstorsim.so"]
        run(command, cwd=self.folder)

    def judge(self, mutant: Mutant, judges: list[Judge], first: str) -> tuple[str, str]:
        """("killed", by whom), ("survived", ""), ("same", "") for the original's very code, ("none", "") for no C."""
        path, place = self.folder / mutant.path, self.folder / self.objects[mutant.path]
        original, before = path.read_text(), place.read_bytes()
        lines = original.splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        try:
            path.write_text("".join(lines))
            try:
                changed = self.compile(mutant.path)
            except RuntimeError:
                return "none", ""
            if changed == before:
                return "same", ""
            self.link()
            for judge in sorted(judges, key=lambda judge: (judge.name != first, judge.seconds)):
                if judge.fails(self.folder):
                    return "killed", judge.name
            optimised = self.compile(mutant.path, "-O2")
            path.write_text(original)
            return ("same" if optimised == self.compile(mutant.path, "-O2") else "survived"), ""
        finally:
            path.write_text(original)
            place.write_bytes(before)


def _sum(*parts: str | bytes) -> str:
    """A short name for what these say together."""
    return hashlib.sha256(b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()[
        :16
    ]


@functools.cache
def _core() -> str:
    return _sum(*(path.read_bytes() for room in CORE for path in sorted((CSRC / room).glob("*.c"))), _headers("core"))


@functools.cache
def _headers(room: str) -> str:
    """The headers a file of a room may include; a room of tests has its own and those of all tests."""
    own = [*(CSRC / room).glob("*.h"), *(CSRC / "tests").glob("*.h")] if room.startswith("tests/") else []
    core = [path for path in CSRC.rglob("*.h") if "tests" not in path.parts]
    return _sum(*(path.read_bytes() for path in sorted((*own, *core))))


def _object(name: str, flags: str) -> bytes:
    """The object of a file of csrc as it is, compiled once."""
    headers = _headers(str(Path(name).parent))
    kept = FOLDER / "objects" / _sum((CSRC / name).read_bytes(), name, headers, flags, " ".join(COMPILER))
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        made = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        run([*COMPILER, *flags.split(), *FLAGS.split(), "-c", name, "-o", str(made)], cwd=CSRC)
        made.rename(kept)
    return kept.read_bytes()


def programs(bench: Bench, jobs: int) -> list[Judge]:
    """Every judge, linked with the shared core of a bench, and the corpus."""
    folder = bench.folder / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    decoder = [f"fuzz/{path.name}" for path in (CSRC / "fuzz").glob("*.c") if path.stem in DECODER]

    def one(name: str) -> Judge:
        source = f"{name}.c" if name in ARGUMENTS else f"tests/{name}.c"
        data = [_object(file, bench.flags) for file in (source, *(decoder if name.startswith("fuzz/") else []))]
        program = folder / f"{name.replace('/', '_')}-{_sum(*data)}"
        if not program.exists():
            objects = [program.with_suffix(f".{number}.o") for number in range(len(data))]
            for path, content in zip(objects, data, strict=True):
                path.write_bytes(content)
            command = [*COMPILER, *bench.flags.split(), *map(str, objects), f"-L{bench.folder}", "-lstorsim"]
            run([*command, "-o", str(program)])
            for path in objects:
                path.unlink()
        if name == "fuzz/digests":
            data += [path.read_bytes() for path in sorted((ROOT / "tests" / "golden").rglob("*")) if path.is_file()]
        return Judge(name, program, _sum(*data), bench.flags == SANITIZED)

    with ThreadPoolExecutor(jobs) as pool:
        judges = list(pool.map(one, JUDGES))
    CORPUS.mkdir(parents=True, exist_ok=True)
    replay = next(judge.program for judge in judges if judge.name == "fuzz/replay")
    run([str(replay), "--make", str(CORPUS)], env={"LD_LIBRARY_PATH": str(bench.folder)})
    return judges
