"""Bounded proofs of csrc/proofs with CBMC.

CBMC is taken from the search path; where there is none and debootstrap is, a small Debian that has it is made once in
build-trust/ (needs to be root; about half a minute).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from trust.rows import Held, Unavailable, row
from trust.shell import BUILD, CSRC, jobs, make, run

CHECKS = "--bounds-check --pointer-check --signed-overflow-check --div-by-zero-check --undefined-shift-check"
CHROOT = BUILD / "cbmc"


@dataclass(frozen=True)
class Proof:
    """A function of csrc/proofs, the files it needs, how far loops are unrolled."""

    function: str
    files: tuple[str, ...]
    unwind: int = 40
    options: str = ""


PROOFS = {
    "engine table": [Proof("proof_transition", ("proofs/transition.c", "hdaudio/transition.c"))],
    "engine sets": [
        Proof(
            "proof_set_state",
            ("proofs/set_state.c", "hdaudio/transition.c"),
            32,
            "--object-bits 12 --slice-formula",
        )
    ],
    "stream formats": [
        Proof("proof_encode", ("proofs/format.c", "hdaudio/format.c", "hda/format.c")),
        Proof("proof_decode", ("proofs/format.c", "hdaudio/format.c", "hda/format.c")),
    ],
    "pool and MDL arithmetic": [
        Proof("proof_slots", ("proofs/pool.c",)),
        Proof("proof_mdl", ("proofs/pool.c",)),
    ],
    "places in words": [
        Proof(f"proof_{name}", ("proofs/pages_bits.c", "machine/pages_small.c"), 34, options="-DSS_PORTABLE -DNDEBUG")
        for name in ("starts", "highest", "inside", "across", "longest", "legal", "clip", "bytes")
    ],
    "descriptor lists": [Proof("proof_list", ("proofs/plan.c", "hdaudio/plan.c"), 16)],
}


def command() -> list[str]:
    """How to start CBMC in csrc."""
    if shutil.which("cbmc"):
        return ["cbmc"]
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise Unavailable(
            "cbmc is not here (Debian 13 has it: apt-get install cbmc), nor debootstrap as root to get it"
        )
    if not (CHROOT / "usr/bin/cbmc").exists():
        run(["debootstrap", "--variant=minbase", "--include=cbmc,gcc,libc6-dev", "trixie", str(CHROOT)])
    shutil.rmtree(CHROOT / "csrc", ignore_errors=True)
    shutil.copytree(CSRC, CHROOT / "csrc", ignore=shutil.ignore_patterns("build*", "*.o"))
    return ["chroot", str(CHROOT), "env", "-C", "/csrc", "cbmc"]


def prove(start: list[str], proof: Proof) -> tuple[bool, int]:
    """Whether every property held, and how many there were."""
    options = f"{CHECKS} --unwind {proof.unwind} --unwinding-assertions --function {proof.function} {proof.options}"
    try:
        text = run([*start, "-Iinclude", "-I.", *options.split(), *proof.files], cwd=CSRC)
    except RuntimeError:
        return False, 0
    match = re.search(r"\*\* 0 of (\d+) failed", text)
    return match is not None and "VERIFICATION SUCCESSFUL" in text, int(match[1]) if match else 0


def _all(chosen: Mapping[str, list[Proof]]) -> Held:
    """As many at once as there are processors."""
    start = command()
    figures, held = [], True
    with ThreadPoolExecutor(jobs()) as pool:
        running = {name: [pool.submit(prove, start, part) for part in parts] for name, parts in chosen.items()}
    for name, futures in running.items():
        answers = [future.result() for future in futures]
        good = all(answer for answer, _ in answers)
        held = held and good
        total = sum(count for _, count in answers)
        figures.append(f"{name} {'proved' if good else 'NOT proved'} ({total} properties)")
    return Held(held, "; ".join(figures))


@row("proofs", "CBMC finds no counterexample: engine table and sets, formats, pool and MDL arithmetic, lists")
def proofs() -> Held:
    """All but those about pages."""
    return _all({name: parts for name, parts in PROOFS.items() if name != "places in words"})


@row("proofs about pages", "CBMC finds no counterexample: places for pages inside words, and what is noted about them")
def proofs_about_pages() -> Held:
    """csrc/proofs/pages_bits.c."""
    return _all({"places in words": PROOFS["places in words"]})


@row("page sequences", "every sequence of five requests and frees on 64 pages: sound, complete, highest, conserving")
def sequences() -> Held:
    """Executed, not proved: csrc/tests/machine/test_pages_every.c."""
    program = make("plain", ["tests/machine/test_pages_every"]) / "tests" / "machine" / "test_pages_every"
    text = run([str(program), "5"])
    counts = [int(number) for number in re.findall(r"(\d+) sequences", text)]
    return Held(len(counts) == 5, f"{sum(counts)} sequences, every answer the model's")
