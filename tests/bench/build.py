"""Builds the C parts of the benchmarks into a temporary directory."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OPTIMISE = ["-O2", "-DNDEBUG"]


class CannotBuild(Exception):
    """A compiler or a library is missing; the text says which and how to get it."""


def compiler() -> list[str]:
    """The C compiler, as a command."""
    return shlex.split(os.environ.get("CC", "cc"))


def run(command: list[str], cwd: Path | None = None) -> str:
    """Runs a build step; raises CannotBuild with the last line it wrote."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotBuild(f"{command[0]} is not installed (Debian: apt install build-essential)") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotBuild(f"{command[0]} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout


def extension(into: Path, name: str = "yard") -> ModuleType:
    """The yardstick extension, compiled and imported."""
    target = into / (name + str(sysconfig.get_config_var("EXT_SUFFIX")))
    link = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    include = ["-I" + sysconfig.get_paths()["include"]]
    run([*compiler(), *OPTIMISE, "-shared", "-fPIC", *include, *link, str(HERE / f"{name}.c"), "-o", str(target)])
    spec = importlib.util.spec_from_file_location(name, target)
    if spec is None or spec.loader is None:
        raise CannotBuild(f"{target} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
