"""``python -m tests.golden``: writes the journals and the numbers anew. Needs make and a C compiler."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.installed import prefer

FOLDER = Path(__file__).resolve().parent
LIST = FOLDER / "digests.txt"


def main() -> None:
    """Journals from this Python, numbers from the C core alone."""
    prefer()
    from golden.scenarios import PROGRAMS, SCENARIOS, perform

    rows = ["# What these scenarios come to, on every build; made by `python -m tests.golden`."]
    for name, scenario in SCENARIOS.items():
        pc = perform(scenario)
        pc.journal.save(FOLDER / f"{name}.journal")
        rows.append(f"{name} journal {name}.journal 0")
    rows += [f"program_{index} program 1:{index} 0" for index in PROGRAMS]
    LIST.write_text("\n".join(rows) + "\n")
    csrc = FOLDER.parents[1] / "csrc"
    with tempfile.TemporaryDirectory() as build:
        subprocess.run(["make", "-s", "-C", str(csrc), f"BUILD={build}", "digests"], check=True)
        made = subprocess.run([f"{build}/fuzz/digests", "--make", str(LIST)], check=True, stdout=subprocess.PIPE)
    LIST.write_bytes(made.stdout)


if __name__ == "__main__":
    main()
