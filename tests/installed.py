"""For the programs of this folder (``python -m tests.trust`` and the like), which start in the root of the sources.

There ``import storsim`` would find the source tree, which has no compiled module unless it was built in place.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def prefer() -> None:
    """Puts this folder on the path (the tests' own packages) and takes the root off it when storsim is installed."""
    root = TESTS.parent
    before = list(sys.path)
    sys.path[:] = [str(TESTS), *(place for place in sys.path if Path(place or ".").resolve() not in (root, TESTS))]
    if importlib.util.find_spec("storsim") is None:
        sys.path[:] = [str(TESTS), *before]
