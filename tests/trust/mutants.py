"""Mutation testing of the files that hold rules, with the C suite as judge.

A seeded sample of small changes (trust/mutation.py) is made one at a time in a copy of the core. A mutant is:

none      it does not compile: it is no mutant, and the next one takes its place.
same      gcc makes the very code of the original of it, at -O1 or at -O2: it changes nothing, and the next one takes
          its place. Never counted as killed.
killed    a program of the C suite fails, crashes, hangs (six times its usual processor time and three seconds) or takes
          more than four gigabytes; without sanitizers, or, when all of them end well, under ASan and UBSan.
survived  every program that enters the changed block ends well. It counts against the share, argued or not. Its reason
          stands in argued.toml; one without fails the row. One with is asked in the first round only.

The judges (trust/judges.py) are the C tests, the golden scenarios' digests, and the fuzzer's corpus with the oracle at
its side.

Verdicts are kept in build-trust/mutants/*.jsonl, so that a run that was stopped goes on, and a run after new
tests asks only those: a killed mutant stays killed as long as its file and the program that killed it are the same; a
survivor is not judged again by a program that let it pass, as long as the core is the same. STORSIM_TRUST_FRESH=1
forgets them, but for which program to ask first. build-trust/mutants/survivors.txt is written as the run goes.

STORSIM_TRUST_MUTANTS=500, STORSIM_TRUST_SEED=1, STORSIM_TRUST_JOBS=(processors) choose what is run;
STORSIM_TRUST_SANITIZED=0 leaves the sanitizers out, which take longer to build than all the rest.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trust.judges import FOLDER, PLAIN, SANITIZED, Bench, Blocks, Judge, programs
from trust.mutation import Mutant, candidates, sample
from trust.rows import Held, row
from trust.shell import CSRC, jobs

SAMPLE = int(os.environ.get("STORSIM_TRUST_MUTANTS", "500"))
SEED = int(os.environ.get("STORSIM_TRUST_SEED", "1"))
#: How many of them the quick row takes.
FIRST = 25
SANITIZE = os.environ.get("STORSIM_TRUST_SANITIZED", "1") != "0"
FRESH = os.environ.get("STORSIM_TRUST_FRESH", "0") != "0"
#: Seconds of the programs that are asked in each round; a later round is about what the rounds before let pass.
ROUNDS = (0.3, 1.0, math.inf)
Asking = Callable[[Mutant, list[Judge], str], tuple[str, str]]
ARGUED = Path(__file__).with_name("argued.toml")


def argued() -> dict[str, str]:
    """The reasons why survivors survive, by the mutant's name."""
    reasons = {}
    for entry in tomllib.loads(ARGUED.read_text())["survivor"]:
        name = "|".join((entry["file"], entry["function"], entry["before"], entry["after"], str(entry.get("nth", 1))))
        reasons[name] = entry["why"]
    return reasons


def interval(killed: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    centre = (killed + z * z / 2) / (total + z * z)
    half = z * math.sqrt(killed * (total - killed) / total + z * z / 4) / (total + z * z)
    return centre - half, centre + half


class Verdicts:
    """What each mutant came to, on disk as the run goes."""

    def __init__(self, file: str, judges: list[Judge], files: set[str]) -> None:
        self._path = FOLDER / file
        self._judges = {judge.name: judge for judge in judges}
        self._sums = {name: _sum(CSRC / name) for name in files}
        self._core = hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted(CSRC.rglob("*.[ch]")) if "tests" not in path.parts)
        ).hexdigest()[:16]
        self._argued = argued()
        self._kept: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                verdict = json.loads(line)
                self._kept[verdict["mutant"]] = verdict

    def of(
        self, mutant: Mutant, judge: Callable[[Mutant, list[Judge], str], tuple[str, str]], asked: list[Judge]
    ) -> str:
        """The kept verdict, or the one `judge` finds now, asking those of `asked` that have not passed the mutant."""
        kept = self._kept.get(mutant.name, {})
        if not FRESH and kept and (self._holds(mutant, kept) or self._settled(mutant, kept)):
            return str(kept["verdict"])
        passed = kept.get("passed", {}) if not FRESH and kept.get("core") == self._core else {}
        left = [j for j in asked if passed.get(j.name) != j.sum]
        verdict, by = ("survived", "") if passed and not left else judge(mutant, left, kept.get("by", ""))
        new: dict[str, Any] = {
            "mutant": mutant.name,
            "verdict": verdict,
            "file": self._sums[mutant.path],
            "core": self._core,
            "by": by,
        }
        if by:
            new["sum"] = self._judges[by].sum
        if verdict == "survived":
            new["passed"] = {j.name: j.sum for j in asked}
        self._kept[mutant.name] = new
        with self._path.open("a") as file:
            file.write(json.dumps(new) + "\n")
        return verdict

    def _settled(self, mutant: Mutant, kept: dict[str, Any]) -> bool:
        return kept["verdict"] == "survived" and kept["core"] == self._core and mutant.name in self._argued

    def _holds(self, mutant: Mutant, kept: dict[str, Any]) -> bool:
        if kept["verdict"] == "survived" or kept["file"] != self._sums[mutant.path]:
            return False
        by = self._judges.get(kept["by"])
        return kept["verdict"] != "killed" or (by is not None and by.sum == kept["sum"])


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _told(survived: list[Mutant], killed: int, reasons: dict[str, str]) -> str:
    text = f"{killed} killed, {len(survived)} survived:\n"
    for m in sorted(survived, key=lambda m: (m.name in reasons, m.path, m.line)):
        text += f"{m.path}:{m.line} {m.function} ({m.nth})\n  - {m.before.strip()}\n  + {m.after.strip()}\n"
        text += f"    {reasons.get(m.name, 'not argued')}\n"
    return text


class Court:
    """Benches of one kind, their judges, and the verdicts."""

    def __init__(self, kind: str, flags: str, count: int, files: set[str]) -> None:
        with ThreadPoolExecutor(count) as pool:
            self.benches = list(pool.map(lambda number: Bench(f"{kind}{number}", flags), range(count)))
        self.judges = programs(self.benches[0], count)
        self.files = files
        self.verdicts = Verdicts(f"{kind}.jsonl", self.judges, files)

    def over(self, mutants: Iterable[Mutant], then: Callable[[Mutant, str], bool], most: float = math.inf) -> None:
        """Judges one after the other, until `then`, told each verdict, says that it is enough.

        most: seconds a program may take to be asked.
        """
        self.blocks = Blocks()
        self.benches[0].watch(self.judges, self.blocks, self.files, most)
        rest = iter(mutants)

        def work(bench: Bench) -> None:
            for mutant in rest:
                block = self.blocks.of(mutant)
                reach = [judge for judge in self.judges if block < 0 or block in judge.entered]
                asked = [judge for judge in reach if judge.watched and judge.seconds < most]
                if then(mutant, self.verdicts.of(mutant, bench.judge, asked)):
                    return

        with ThreadPoolExecutor(len(self.benches)) as pool:
            list(pool.map(work, self.benches))


class Trial:
    """What the mutants of a sample come to, as it goes."""

    def __init__(self, size: int) -> None:
        self.size, self.reasons = size, argued()
        self.found: dict[str, list[Mutant]] = {"killed": [], "survived": [], "same": [], "none": []}

    def note(self, mutant: Mutant, verdict: str) -> bool:
        """Of one that is judged for the first time; whether the sample is complete."""
        self.found[verdict].append(mutant)
        self.tell()
        return len(self.found["killed"]) + len(self.found["survived"]) >= self.size

    def note_more(self, mutant: Mutant, verdict: str) -> bool:
        """Of one that survived so far."""
        if verdict == "killed":
            self.found["survived"].remove(mutant)
            self.found["killed"].append(mutant)
            self.tell()
        return False

    def left(self) -> list[Mutant]:
        """Survivors without an argument."""
        return [mutant for mutant in self.found["survived"] if mutant.name not in self.reasons]

    def tell(self) -> None:
        """Writes the list of survivors."""
        (FOLDER / "survivors.txt").write_text(_told(self.found["survived"], len(self.found["killed"]), self.reasons))

    def figure(self) -> str:
        """How many were killed, and the rest."""
        killed, survived = len(self.found["killed"]), len(self.found["survived"])
        low, high = interval(killed, killed + survived)
        return (
            f"{killed}/{killed + survived} killed ({killed / (killed + survived):.1%},"
            f" 95 % interval {low:.1%} to {high:.1%}), {survived} survived, {len(self.left())} not argued;"
            f" {len(self.found['same'])} more were the original's own code"
        )


def _benches() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    return int(os.environ.get("STORSIM_TRUST_JOBS", "0")) or jobs()


@row("mutants", "the C suite kills at least 90 % of a seeded sample of mutants; survivors are argued", quick=False)
def mutants() -> Held:
    """Draws, judges, lists the survivors."""
    count, every, files, trial = _benches(), sample(SEED), {mutant.path for mutant in candidates()}, Trial(SAMPLE)
    plain = Court("plain", PLAIN, count, files)
    plain.over(every, trial.note, ROUNDS[0])
    for most in ROUNDS[1:]:
        plain.over(trial.left(), trial.note_more, most)
    unsanitized = len(trial.found["killed"])
    if trial.left() and SANITIZE:
        Court("sanitized", SANITIZED, count, files).over(trial.left(), trial.note_more)
    killed, survived = len(trial.found["killed"]), len(trial.found["survived"])
    by = f"{killed - unsanitized} by sanitizers alone" if SANITIZE else "sanitizers not asked"
    return Held(
        killed >= 0.9 * (killed + survived) and not trial.left(), f"{trial.figure()}; {by}; drawn from {len(every)}"
    )


@row("mutants, the first ones", f"the quick C tests kill the first {FIRST} mutants of the sample, or they are argued")
def first_mutants() -> Held:
    """The beginning of the same sample; verdicts that are kept already stand."""
    count, trial = _benches(), Trial(FIRST)
    plain = Court("plain", PLAIN, count, {mutant.path for mutant in candidates()})
    plain.over(sample(SEED), trial.note, ROUNDS[0])
    plain.over(trial.left(), trial.note_more, ROUNDS[1])
    return Held(not trial.left(), trial.figure())
