"""The tutorial does what it says: its code is run, and prints what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import storsim.guide

PAGE = Path(next(iter(storsim.guide.__path__))) / "fuzz-your-driver.md"


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def run(folder: Path, code: str) -> str:
    """What pytest prints over a file."""
    (folder / "test_mine.py").write_text(code, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = next(block for block in blocks("sh") if block.startswith("pytest")).split()[1:]
    plugins = ["-p", "storsim.testing.plugin", "-p", "no:cacheprovider"]
    whole = [sys.executable, "-P", "-m", "pytest", *plugins, *command]
    output = subprocess.run(whole, cwd=folder, capture_output=True, text=True, timeout=250).stdout
    # Hypothesis before 6.170 says it without what follows.
    return output.replace("Failing test case:\n", "Failing test case: <state machine>\n")


def pattern(shown: str) -> re.Pattern[str]:
    """A block as a pattern: … stands for anything, within a line or for lines."""
    lines = [".*" if line == "…" else re.escape(line).replace("…", "[^\n]*") for line in shown.strip().splitlines()]
    return re.compile("\n".join(lines).replace("\n.*\n", "\n(?:.*\n)*?").removesuffix("\n.*"), flags=re.MULTILINE)


def test_the_driver_has_thirty_lines_and_its_bug_is_told_as_shown(tmp_path: Path) -> None:
    driver, mended = blocks("python")
    finding, program, passed = blocks("text")
    assert len([line for line in driver.splitlines() if line.strip()]) <= 30
    output = run(tmp_path, driver)
    assert pattern(finding).search(output), output
    assert pattern(program).search(output), output
    head, _, rest = driver.partition("    def reset(self)")
    whole = head + mended + "\n    def remove(self)" + rest.partition("    def remove(self)")[2]
    assert pattern(passed).search(run(tmp_path, whole))
