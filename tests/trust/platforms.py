"""The C tests where users sit and where they do not: other word sizes, byte orders, compilers and systems.

Each row builds the core and every C test program for one target with the project's warnings and runs them, natively
or under an emulator.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from trust.rows import Held, row
from trust.shell import BUILD, jobs, make, need, run, test_names


def _suite(name: str, cc: str, runner: tuple[str, ...] = (), *, suffix: str = "", opt: str = "-O2 -g") -> Held:
    names = test_names()
    folder = make(name, [f"tests/{test}" for test in names], cc=cc, opt=opt)
    env = {"WINEDEBUG": "-all", "WINEPREFIX": str(BUILD / "wine")}

    def one(test: str) -> str:
        try:
            run([*runner, f"{folder}/tests/{test}{suffix}"], env=env)
        except RuntimeError as error:
            return f"{test}: {error}"
        return ""

    with ThreadPoolExecutor(jobs()) as pool:
        bad = [text for text in pool.map(one, names) if text]
    return Held(
        not bad, f"{len(names) - len(bad)}/{len(names)} C test programs pass" + "".join(f"\n  {b}" for b in bad)
    )


def _target(name: str, claim: str, function: Callable[[], Held]) -> None:
    row(name, claim)(function)


def _x86_32() -> Held:
    return _suite("m32", "gcc -m32")


def _clang_32() -> Held:
    need("clang", package="clang")
    return _suite("clang32", "clang -m32")


def _arm64() -> Held:
    need("aarch64-linux-gnu-gcc", package="gcc-aarch64-linux-gnu")
    need("qemu-aarch64", package="qemu-user")
    return _suite("arm64", "aarch64-linux-gnu-gcc -static", ("qemu-aarch64",))


def _s390x() -> Held:
    need("s390x-linux-gnu-gcc-12", package="gcc-12-s390x-linux-gnu libc6-dev-s390x-cross")
    need("qemu-s390x", package="qemu-user")
    return _suite("s390x", "s390x-linux-gnu-gcc-12 -static", ("qemu-s390x",))


def _windows() -> Held:
    need("x86_64-w64-mingw32-gcc", package="gcc-mingw-w64-x86-64")
    need("/usr/lib/wine/wine64", package="wine64")
    return _suite("mingw", "x86_64-w64-mingw32-gcc", ("/usr/lib/wine/wine64",), suffix=".exe")


_target("32 bits", "the core and its C tests on a 32-bit build (gcc -m32)", _x86_32)
_target("32 bits, clang", "the same with clang", _clang_32)
_target("arm64", "the core and its C tests for arm64, under qemu-user", _arm64)
_target("big-endian", "the core and its C tests for s390x (big-endian), under qemu-user", _s390x)
_target("Windows", "the core and its C tests as Windows programs (mingw-w64), under wine", _windows)
