"""``python -m tests.bugbench``: one line per bug, last line ``bugbench: FOUND/TOTAL found, X false``.

Every model runs until its bug is found (within its budget of steps) and shrunk; every twin runs for the same budget, up
to a share of it. Exit code 1 when a bug was not found, not shrunk to twice its shortest sequence, or a twin failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.installed import prefer

prefer()  # before anything is imported that imports storsim

from . import bench  # noqa: E402


def one(name: str, number: int, twin_steps: int, shrink: bool) -> tuple[str, bool, bool]:
    """Line, whether the bug was found as it must be, whether its twin failed. number: the seed."""
    model = next(model for model in bench.models(also_held_out=True) if model.__name__ == name)
    run = bench.drive(model, number, model.budget, shrink=shrink)
    clean = bench.drive(bench.twin(model), number, min(model.budget, twin_steps))
    shortest = bench.length(model.shortest)
    in_time = run.found in model.finding and run.steps <= model.budget
    short = len(run.calls) <= 2 * shortest or not shrink
    verdict = "found" if in_time and short else "LONG" if in_time else f"MISSED {run.found}" if run.found else "MISSED"
    line = (
        f"{name:32} seed {number}  {verdict:8} {run.steps:6}/{model.budget:<6} steps"
        f"  {len(run.calls):2}/{shortest:<2} calls  {run.found or '-':24} {run.seconds:6.1f} s"
    )
    if clean.found:
        line += f"  FALSE: the twin shows {clean.found} ({clean.steps} steps)"
    return line, in_time and short, bool(clean.found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bugbench", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 1 to N (default: 1)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="the first of them")
    parser.add_argument("--only", action="append", metavar="NAME", help="a model; may be given again")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument(
        "--twin-steps", type=int, default=4_000, metavar="N", help="most steps of a twin (default: 4000)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="only find")
    parser.add_argument("--held-out", action="store_true", help="the ten models that nothing was tuned for, only")
    options = parser.parse_args()
    everyone = [model.__name__ for model in bench.models(also_held_out=True)]
    thirty = len(bench.models())
    names = [name for name in everyone if name in options.only] if options.only else everyone[:thirty]
    names = everyone[thirty:] if options.held_out else names
    if not names or set(options.only or ()) - set(everyone):
        parser.error(f"no such model; choose among {', '.join(everyone)}")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    found = dict.fromkeys(names, 0)
    false = 0
    started = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        work = {
            (name, number): pool.submit(one, name, number, options.twin_steps, not options.no_shrink)
            for name in names
            for number in seeds
        }
        for (name, _), future in work.items():
            line, good, wrong = future.result()
            print(line, flush=True)
            found[name] += good
            false += wrong
    enough = sum(count >= len(seeds) - len(seeds) // 5 for count in found.values())
    print(f"{time.perf_counter() - started:.0f} s")
    print(f"bugbench: {enough}/{len(names)} found, {false} false")
    return int(enough < len(names) or false > 0)


if __name__ == "__main__":
    sys.exit(main())
