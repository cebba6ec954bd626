"""Builds of the extension of a special kind: for another interpreter, with other flags, with a header forced in."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from trust.shell import BUILD, CSRC, ROOT, jobs, run


def _of_setup(name: str) -> tuple[str, ...]:
    """A tuple that setup.py names, without running it: what the extension is made of is said there alone."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return tuple(ast.literal_eval(node.value))
    raise KeyError(name)


ROOMS = _of_setup("ROOMS")
#: The rooms of the core alone.
CORE = tuple(room for room in ROOMS if room != "python")
PROGRAMS = _of_setup("PROGRAMS")
_QUESTION = (
    "import json, sysconfig; print(json.dumps([sysconfig.get_paths()['include'],"
    " sysconfig.get_config_var('EXT_SUFFIX')]))"
)


def build(
    name: str, python: str, flags: str, *, force: Path | None = None, more: Sequence[Path] = (), cc: str = "gcc"
) -> Path:
    """The package with its extension built for an interpreter; returns the folder to put on its path.

    force: a header included first in every file of the binding. more: further C files.
    """
    folder = BUILD / name
    objects = folder / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    package = folder / "package" / "storsim"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "storsim", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    include, suffix = json.loads(run([python, "-c", _QUESTION]))
    flags = f"-std=c11 -fPIC -fvisibility=hidden -I{CSRC} -I{CSRC}/include -I{include} {flags}"
    headers = " ".join(map(str, [*sorted(CSRC.rglob("*.h")), *([force] if force else [])]))
    rules, names = ["all: x.so"], []
    rooms = [file for room in ROOMS for file in sorted((CSRC / room).glob("*.c"))]
    for path in [*rooms, *(CSRC / "fuzz" / f"{program}.c" for program in PROGRAMS), *more]:
        target = f"{path.parent.name}_{path.stem}.o"
        forced = f"-include {force} " if force and path.parent.name == "python" else ""
        rules.append(f"{target}: {path} {headers}\n\t{cc} {flags} {forced}-c $< -o $@")
        names.append(target)
    rules.append(f"x.so: {' '.join(names)}\n\t{cc} -shared {flags} $^ -o $@")
    (objects / "Makefile").write_text("\n".join(rules) + "\n")
    run(["make", "-s", f"-j{jobs()}"], cwd=objects)
    shutil.copy(objects / "x.so", package / f"_core{suffix}")
    return folder / "package"
