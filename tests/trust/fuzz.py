"""Hostile input under AddressSanitizer and UndefinedBehaviorSanitizer.

Programs: any routine, any operation and any argument, each answer compared with the oracle; the seed corpus first, then
programs made up on the way. Files: snapshots and journals that were tampered with, by libFuzzer, starting from the
golden journals; and each single bit of them flipped. STORSIM_TRUST_SECONDS says how long the open-ended parts go on.
"""

from __future__ import annotations

import re
import shutil
import sys

from trust.rows import Held, Unavailable, row
from trust.shell import BUILD, CSRC, ROOT, SANITIZE, compiles, jobs, make, run
from trust.threads import SECONDS

LONG = str(max(1, int(SECONDS)))
LIMIT = 3000 + 4 * int(SECONDS)
GOLDEN = ROOT / "tests" / "golden"
FUZZER = "-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
SUMMARY = re.compile(r"(\d+) operations, (\d+) calls .*; (\d+) behaviours, (\d+) differences")


@row("fuzz", "programs of any calls with any arguments, compared with the oracle under ASan and UBSan")
def programs() -> Held:
    """The seed corpus, and programs made up for a while."""
    folder = make("asan", ["fuzz/replay"], opt="-O1 -g", extra=SANITIZE)
    replay, corpus = str(folder / "fuzz" / "replay"), BUILD / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir()
    run([replay, "--make", str(corpus)])
    parts = [run([replay, str(corpus)])]
    parts.append(run([replay, "--random", "--seed", "2026", "--seconds", LONG], timeout=LIMIT))
    found = [SUMMARY.search(part) for part in parts]
    if None in found:
        return Held(False, " ".join(part.strip() for part in parts))
    operations, calls, _, different = (sum(int(match[i]) for match in found if match) for i in range(1, 5))
    behaviours = found[0][3] if found[0] else "0"
    return Held(
        different == 0,
        f"{operations} operations, {calls} calls of routines, {different} differences, sanitizers silent; "
        f"the corpus of {len(list(corpus.iterdir()))} programs shows {behaviours} behaviours",
    )


@row("hostile files", "snapshots and journals that were tampered with: an error with its position, or a sound machine")
def files() -> Held:
    """libFuzzer on both readers and on programs' own journals."""
    if not compiles("clang -fsanitize=fuzzer,address,undefined -Dmain=LLVMFuzzerTestOneInput"):
        raise Unavailable("clang with libFuzzer is not here (Debian: apt-get install clang libclang-rt-14-dev)")
    targets = ("snapshot", "journal", "program")
    folder = BUILD / "fuzz"
    settings = [
        f"BUILD={folder}",
        "OPT=-O1 -g",
        f"EXTRA={FUZZER}",
        "FUZZMAIN=",
        "FUZZLINK=-fsanitize=fuzzer",
        "WERROR=",
    ]
    run(["make", "-s", f"-j{jobs()}", "CC=clang", *settings, "fuzz-targets"], cwd=CSRC)
    figures, executed = [], 0
    for target in targets:
        corpus = folder / f"corpus-{target}"
        shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True)
        if target == "journal":
            for path in GOLDEN.glob("*.journal"):
                shutil.copy(path, corpus)
        options = ["-seed=1", f"-max_total_time={LONG}", "-print_final_stats=1", "-rss_limit_mb=4096"]
        options += ["-timeout=60", "-max_len=8192", "-verbosity=0", f"-artifact_prefix={folder}/found-{target}-"]
        text = run([str(folder / "fuzz" / f"target_{target}"), *options, str(corpus)], timeout=LIMIT)
        match = re.search(r"number_of_executed_units:\s*(\d+)", text)
        executed += int(match[1]) if match else 0
        figures.append(f"{target} {match[1] if match else 'not'}")
    return Held(executed > 0 and "not" not in figures, f"{executed} executions ({', '.join(figures)}), nothing found")


@row("flipped bits", "bits of journals and of a snapshot flipped: ValueError with a position, or what still replays")
def flipped() -> Held:
    """In a child process, from Python."""
    code = "import sys; sys.path.insert(0, 'tests'); from trust.fuzz import flip; flip()"
    text = run([sys.executable, "-P", "-X", "faulthandler", "-W", "ignore", "-c", code], cwd=ROOT).strip().splitlines()
    return Held(text[-1].endswith(" 0 wrong"), text[-1])


def flip() -> None:
    """What the child process of `flipped` does."""
    import storsim
    from golden.scenarios import SCENARIOS, perform

    refused = accepted = 0
    wrong: list[str] = []
    for name in ("misuse", "overrun", "host_memory_buffer", "own_list"):
        data = bytearray((GOLDEN / f"{name}.journal").read_bytes())
        for bit in range(8 * len(data)):
            data[bit // 8] ^= 1 << bit % 8
            try:
                storsim.journal.load(data).replay()
                accepted += 1
            except ValueError as error:
                refused += 1
                if not re.search(r"byte \d+|whole beginning|replayed", str(error)):
                    wrong.append(f"{name}, bit {bit}: {error}")
            data[bit // 8] ^= 1 << bit % 8
    pc = perform(SCENARIOS["scatter_gather"])
    snapshot, before = bytearray(bytes(pc.snapshot())), pc.digest()
    for bit in range(0, 8 * len(snapshot), 7):
        snapshot[bit // 8] ^= 1 << bit % 8
        try:
            pc.restore(bytes(snapshot))
            wrong.append(f"snapshot, bit {bit}: accepted")
        except ValueError:
            refused += 1
        snapshot[bit // 8] ^= 1 << bit % 8
    if pc.digest() != before or pc.check():
        wrong.append("a refused snapshot changed the machine")
    for line in wrong[:5]:
        print(line)
    print(f"{refused} refused, {accepted} read as journals without their tail or with other words; {len(wrong)} wrong")
