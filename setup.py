"""Builds the extension ``storsim._core``: the C core and its binding, one shared object, no third-party code.

Environment switches, all off by default; any non-empty value but 0 turns one on:

STORSIM_SANITIZE   AddressSanitizer and UndefinedBehaviorSanitizer, assertions on (preload both runtimes into Python)
STORSIM_COVERAGE   line and branch coverage for gcov
STORSIM_DEBUG      no optimisation, debug information, assertions on
STORSIM_WERROR     the project's warnings, as errors
"""

from __future__ import annotations

import os
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOMS = ("machine", "ddi", "nt", "hda", "nvme", "storport", "hdaudio", "journal", "python")
#: What runs a byte string as a program: of csrc/fuzz without the entry points of fuzzers and their command lines.
PROGRAMS = ("compare", "decode", "digest", "machine", "make", "oracle", "oracle_pages", "storport", "typed")
INCLUDES = ("csrc", "csrc/include")
# The core's Makefile adds -Wpedantic; slot tables of a Python type hold functions as void *, which it refuses.
WARNINGS = (
    "-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wvla "
    "-Werror"
).split()
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer".split()


def switch(name: str) -> bool:
    """Whether an environment switch is on."""
    return os.environ.get(name, "") not in ("", "0")


def relative(pattern: str) -> list[str]:
    """Files of this source tree, sorted, as setuptools wants them: relative and with forward slashes."""
    root = Path(__file__).parent
    return sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))


class ParallelBuildExt(build_ext):
    """One extension, many files: compiles them on all processors."""

    def build_extension(self, ext: Extension) -> None:
        """Builds as usual, with a compile step that runs several compilers at once."""
        compiler = self.compiler
        compile_serially = compiler.compile

        def compile_in_parallel(sources: list[str], *args: Any, **kwargs: Any) -> list[str]:
            first = compile_serially(sources[:1], *args, **kwargs)  # lets the compiler object set itself up
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                rest = pool.map(lambda source: compile_serially([source], *args, **kwargs), sources[1:])
                return [*first, *(name for names in rest for name in names)]

        compiler.compile = compile_in_parallel
        try:
            super().build_extension(ext)
        finally:
            compiler.compile = compile_serially


def compile_arguments() -> list[str]:
    """Flags for the compiler of this platform and the switches."""
    if sysconfig.get_platform().startswith("win") and "MSC" in sys.version:
        return ["/std:c11", "/utf-8", *(["/W4", "/WX"] if switch("STORSIM_WERROR") else [])]
    arguments = ["-std=c11", "-fvisibility=hidden"]
    if switch("STORSIM_WERROR"):
        arguments += WARNINGS
    if switch("STORSIM_DEBUG"):
        arguments += ["-O0", "-g3", "-UNDEBUG"]
    if switch("STORSIM_SANITIZE"):
        arguments += [*SANITIZE, "-O1", "-g", "-UNDEBUG", "-fno-wrapv"]
    if switch("STORSIM_COVERAGE"):
        arguments += ["--coverage", "-O0", "-g"]
    return arguments


def link_arguments() -> list[str]:
    """Flags for the linker."""
    arguments: list[str] = []
    if switch("STORSIM_SANITIZE"):
        arguments += SANITIZE
    if switch("STORSIM_COVERAGE"):
        arguments += ["--coverage"]
    return arguments


if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14):
    sys.exit("storsim needs CPython 3.14 or later for a free-threaded build; use the ordinary build of this version")

setup(
    cmdclass={"build_ext": ParallelBuildExt},
    ext_modules=[
        Extension(
            "storsim._core",
            sources=[
                *(source for room in ROOMS for source in relative(f"csrc/{room}/*.c")),
                *(f"csrc/fuzz/{name}.c" for name in PROGRAMS),
            ],
            depends=relative("csrc/**/*.h"),
            include_dirs=list(INCLUDES),
            extra_compile_args=compile_arguments(),
            extra_link_args=link_arguments(),
        )
    ],
)
