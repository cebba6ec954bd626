"""Running compilers, test programs and tools for the rows. What they make lies in build-trust/."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from trust.rows import Unavailable

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
BUILD = ROOT / "build-trust"
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"


def run(command: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: int = 3000) -> str:
    """Output of a command, both streams. RuntimeError with the last lines when it fails."""
    try:
        result = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"still running after {timeout} s: {' '.join(command)}") from None
    text = result.stdout.decode(errors="replace")
    if result.returncode != 0:
        tail = "\n".join(text.splitlines()[-12:])
        raise RuntimeError(f"exit code {result.returncode}: {' '.join(command)}\n{tail}")
    return text


def need(*programs: str, package: str) -> None:
    """Unavailable unless every program is on the search path."""
    for program in programs:
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not here (Debian: apt-get install {package})")


def compiles(compiler: str) -> bool:
    """Whether a compiler with its flags is here and can build a program."""
    source = BUILD / "empty.c"
    BUILD.mkdir(exist_ok=True)
    source.write_text('#include <stdio.h>\nint main(void) { return puts("") == EOF; }\n')
    command = [*compiler.split(), str(source), "-o", str(BUILD / "empty.out")]
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def jobs() -> int:
    """How many compilers at once."""
    return os.cpu_count() or 2


def make(name: str, targets: Sequence[str], *, cc: str = "gcc", opt: str = "-O2 -g", extra: str = "") -> Path:
    """Builds targets of the core's Makefile in a folder of its own and returns that folder."""
    folder = BUILD / name
    settings = [f"CC={cc}", f"OPT={opt}", f"EXTRA={extra}", f"BUILD={folder}", "WERROR="]
    run(["make", "-s", f"-j{jobs()}", *settings, *(str(folder / target) for target in targets)], cwd=CSRC)
    return folder


def test_names() -> list[str]:
    """The C test programs: room/test_name."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in (CSRC / "tests").glob("*/test_*.c"))


def c_programs(*names: str, sanitized: bool = False) -> list[str]:
    """Builds C test programs and returns what each printed."""
    folder = make(
        "asan" if sanitized else "plain",
        [f"tests/{name}" for name in names],
        opt="-O1 -g" if sanitized else "-O2 -g",
        extra=SANITIZE if sanitized else "",
    )
    return [run([str(folder / "tests" / name)]) for name in names]
