"""Small changes to the files that hold rules: what may be changed, and a seeded order of all such changes.

A change is of one line: a comparison, an arithmetic or logical operator, a constant, a negated condition, a statement
left out. Its name is its file, its function, the line and what becomes of it, so that it keeps its place in the sample
and its verdict when lines are added elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from trust.shell import CSRC

RULES = ("nt/*.c", "storport/*.c", "hdaudio/*.c", "nvme/*.c", "hda/*.c")
NOT_RULES = ("words.c", "walk.c", "tables.c")
NO_CODE = ("#", "{", "X(", "SS_", "assert(")
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
    """A change of one line. `nth` tells apart the same change of the same text in one function."""

    path: str
    line: int
    function: str
    before: str
    after: str
    nth: int

    @property
    def name(self) -> str:
        """The same as long as the function's text is."""
        return "|".join((self.path, self.function, self.before.strip(), self.after.strip(), str(self.nth)))


def sample(seed: int) -> list[Mutant]:
    """Every change the operators can make, in an order that depends on the seed and on each change's name alone."""
    return sorted(candidates(), key=lambda mutant: hashlib.sha256(f"{seed}:{mutant.name}".encode()).digest())


def candidates() -> list[Mutant]:
    """Every change the operators can make, in file order."""
    found = []
    for pattern in RULES:
        for path in sorted(CSRC.glob(pattern)):
            if path.name in NOT_RULES:
                continue
            comment, function, seen = False, "", Counter[tuple[str, str, str]]()
            for number, line in enumerate(path.read_text().splitlines(), 1):
                starts = line.lstrip()
                if named := re.match(r"[A-Z_]+\((\w+)\) \{|[a-z].*?(\w+)\(", line):
                    function = named[1] or named[2]
                comment = comment or starts.startswith("/*")
                code = (
                    not comment
                    and line.startswith("    ")
                    and not starts.startswith(("#", "{", "X(", "SS_", "assert("))
                )
                comment = comment and "*/" not in line
                if not code or '"' in line:
                    continue
                for after in _of_line(line):
                    key = (function, line.strip(), after.strip())
                    seen[key] += 1
                    found.append(Mutant(str(path.relative_to(CSRC)), number, function, line, after, seen[key]))
    return found


def _of_line(line: str) -> list[str]:
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
                changed.append(after)
    return changed
