"""The C tests where users sit and where they do not: other word sizes, byte orders, compilers and systems.

Each row builds the core and every C test program for one target with the project's warnings and runs them, natively
or under an emulator.
"""

from __future__ import annotations

import getpass
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from trust.rows import Held, Unavailable, row
from trust.shell import compiles, jobs, make, run, test_names

#: Not below the root of the sources: in it there are links to the whole file system.
WINE = {"WINEDEBUG": "-all", "WINEPREFIX": str(Path(tempfile.gettempdir()) / f"storsim-wine-{getpass.getuser()}")}


@dataclass(frozen=True)
class Target:
    """What programs are built for: folder, compiler, what runs them, what that needs and which packages have it."""

    name: str
    cc: str
    runner: tuple[str, ...] = ()
    suffix: str = ""
    needs: tuple[str, ...] = ()
    packages: str = ""

    def missing(self) -> str:
        """What is not here, "" when it can be built and run."""
        absent = [program for program in self.needs if shutil.which(program) is None]
        if not absent and not compiles(self.cc):
            absent = [f"a {self.cc} that can build programs"]
        return f"{', '.join(absent)} (Debian: apt-get install {self.packages})" if absent else ""

    def run(self, program: str, *arguments: str) -> str:
        """Output of a program built for it. RuntimeError when it fails."""
        return run([*self.runner, program, *arguments], env=WINE)


X86_32 = Target("m32", "gcc -m32", packages="gcc-multilib")
CLANG_32 = Target("clang32", "clang -m32", packages="clang gcc-multilib")
ARM64 = Target(
    "arm64",
    "aarch64-linux-gnu-gcc -static",
    ("qemu-aarch64",),
    needs=("aarch64-linux-gnu-gcc", "qemu-aarch64"),
    packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
)
BIG_ENDIAN = Target(
    "s390x",
    "s390x-linux-gnu-gcc-12 -static",
    ("qemu-s390x",),
    needs=("s390x-linux-gnu-gcc-12", "qemu-s390x"),
    packages="gcc-12-s390x-linux-gnu libc6-dev-s390x-cross qemu-user",
)
WINDOWS = Target(
    "mingw",
    "x86_64-w64-mingw32-gcc",
    ("/usr/lib/wine/wine64",),
    ".exe",
    ("x86_64-w64-mingw32-gcc", "/usr/lib/wine/wine64"),
    "gcc-mingw-w64-x86-64 wine64",
)


def _suite(target: Target) -> Held:
    if target.missing():
        raise Unavailable(f"not here: {target.missing()}")
    names = test_names()
    folder = make(target.name, [f"tests/{test}" for test in names], cc=target.cc)

    def one(test: str) -> str:
        try:
            target.run(f"{folder}/tests/{test}{target.suffix}")
        except RuntimeError as error:
            return f"{test}: {error}"
        return ""

    with ThreadPoolExecutor(jobs()) as pool:
        bad = [text for text in pool.map(one, names) if text]
    return Held(
        not bad, f"{len(names) - len(bad)}/{len(names)} C test programs pass" + "".join(f"\n  {b}" for b in bad)
    )


def _row(name: str, claim: str, target: Target) -> None:
    row(name, claim)(lambda: _suite(target))


_row("32 bits, gcc", "the core and its C tests on a 32-bit build (gcc -m32)", X86_32)
_row("32 bits, clang", "the same with clang", CLANG_32)
_row("arm64", "the core and its C tests for arm64, under qemu-user", ARM64)
_row("big-endian", "the core and its C tests for s390x (big-endian), under qemu-user", BIG_ENDIAN)
_row("Windows", "the core and its C tests as Windows programs (mingw-w64), under wine", WINDOWS)
