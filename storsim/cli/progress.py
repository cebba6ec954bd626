"""How far long work is, on standard error: a bar of rich's (extra ``cli``) where it is installed, else a line that
rewrites itself; nothing where nobody watches, that is, where standard error is no terminal.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Step = Callable[[int, int], None]


@contextlib.contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Step]:
    """``with progress("runs") as step: step(done, planned)``, as often as there is news. what: the things counted.
    quiet: show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, planned: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        with _plain(what) as step:
            yield step
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, planned: bar.update(task, completed=done, total=planned)


@contextlib.contextmanager
def _plain(what: str) -> Iterator[Step]:
    shown = 0

    def step(done: int, planned: int) -> None:
        nonlocal shown
        line = f"{done} of {planned} {what}"
        print(f"\r{line:<{shown}}", end="", file=sys.stderr, flush=True)
        shown = len(line)

    try:
        yield step
    finally:
        if shown:
            print(f"\r{'':<{shown}}\r", end="", file=sys.stderr, flush=True)
