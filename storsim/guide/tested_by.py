"""Which tests speak of which routine: ``python -m storsim.guide.tested_by`` writes ``storsim/data/tested_by.json``.

Run in the source tree. The tests are those pytest collects in ``tests/conformance`` and ``tests/audio``. Where one is
parametrized by a routine and a status that it makes the routine return, the status is reached by that test; besides, a
test function that names a routine, in its parameters or its text, is listed with it. ``--check`` only tells whether the
file is up to date. ``storsim ddis`` and the reference show it.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storsim import _core

if TYPE_CHECKING:
    import pytest

FOLDERS = ("tests/conformance", "tests/audio")
#: Tests that hold when a routine returned a status, parametrized by both.
REACHED = ("test_every_scenario_holds_and_is_in_the_table", "test_status_is_reached")
FILE = "storsim/data/tested_by.json"
MISSING = "the tests need pytest: pip install 'storsim[testing]'"


class _Collector:
    """A pytest plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def _collect(root: Path) -> list[Any]:
    try:
        import pytest
    except ImportError as error:
        raise ImportError(MISSING) from error
    folders = [str(root / folder) for folder in FOLDERS]
    if not all(map(Path.is_dir, map(Path, folders))):
        raise FileNotFoundError(f"no {FOLDERS[0]} here: run this in the source tree")
    kept = _Collector()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", f"--rootdir={root}"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # storsim is imported already
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*options, *folders], [kept])
    if code != 0:
        raise RuntimeError(f"pytest could not collect the tests:\n{said.getvalue()}")
    return kept.items


def tested_by(root: Path) -> dict[str, Any]:
    """Routine → {"statuses": {status: test id}, "tests": {file: [test functions]}}."""
    names = [row["name"] for row in _core.ddi_table()]
    words = re.compile(rf"\b({'|'.join(sorted(names, key=len, reverse=True))})\b")
    found: dict[str, Any] = {name: {"statuses": {}, "tests": {}} for name in names}
    texts: dict[Any, set[str]] = {}
    for item in _collect(root):
        file, name = item.path.relative_to(root).as_posix(), item.originalname
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if item.function not in texts:
            texts[item.function] = set(words.findall(inspect.getsource(item.function)))
        for routine in sorted(texts[item.function] | set(words.findall(" ".join(map(str, parameters.values()))))):
            listed = found[routine]["tests"].setdefault(file, [])
            if name not in listed:
                listed.append(name)
        if name in REACHED:
            routine, status = parameters.values()
            found[routine]["statuses"][status] = item.nodeid
    return found


def document(root: Path) -> str:
    """The file's text."""
    return json.dumps(tested_by(root), indent=1, sort_keys=True) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line. 0: written, or up to date; 1: out of date; 3: something is missing."""
    parser = argparse.ArgumentParser(prog="python -m storsim.guide.tested_by", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell whether the file is up to date")
    parser.add_argument("--root", type=Path, default=Path(), help="the source tree (default: here)")
    given = parser.parse_args(arguments)
    root = given.root.resolve()
    try:
        text = document(root)
    except (FileNotFoundError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    path = root / FILE
    if given.check:
        fresh = path.is_file() and path.read_text("utf-8") == text
        print(f"{FILE} is {'up to date' if fresh else 'out of date: run python -m storsim.guide.tested_by'}")
        return 0 if fresh else 1
    path.write_text(text, "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
