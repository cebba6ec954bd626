"""Where the binding calls fallible functions of the C API: in the sources, and as a test build counts them."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

from trust.shell import CSRC

HERE = Path(__file__).parent
Site = tuple[str, int, str]


def library(path: str) -> Any:
    """The binding at a path as a C library, with the functions of capi_fail.c."""
    found = ctypes.PyDLL(path)
    found.ss_capi_arm.argtypes, found.ss_capi_arm.restype = [ctypes.c_long], ctypes.c_long
    found.ss_capi_arm_site.argtypes, found.ss_capi_arm_site.restype = [ctypes.c_int], None
    return found


def sites(found: Any) -> list[tuple[str, int, int]]:
    """Every site passed so far: (function and place, times passed, times failed)."""
    text = ctypes.create_string_buffer(512)
    every: list[tuple[str, int, int]] = []
    while found.ss_capi_site(len(every), text, len(text)):
        place, passed, failed = text.value.decode().rsplit(" ", 2)
        every.append((place, int(passed), int(failed)))
    return every


def sites_in_sources() -> set[Site]:
    """The places of the binding that call a wrapped function: file, line and name."""
    names = re.findall(r"^#define (Py\w+)\(", (HERE / "capi_fail.h").read_text(), re.MULTILINE)
    pattern = re.compile(r"\b(" + "|".join(names) + r")\(")
    found = set()
    for path in (CSRC / "python").glob("*.[ch]"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.lstrip().startswith(("*", "/*", "//")):
                found |= {(path.name, number, name) for name in pattern.findall(line)}
    return found


def site(place: str) -> Site:
    """What capi_fail.c calls a site, as sites_in_sources does."""
    name, where = place.split(" ")
    path, line = where.rsplit(":", 1)
    return Path(path).name, int(line), name
