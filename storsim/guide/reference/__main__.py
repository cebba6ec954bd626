"""``python -m storsim.guide.reference [--out docs] [--root .]``: builds the reference; any warning is an error."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

MISSING = "the reference needs Sphinx, furo and MyST: install the dependency group 'docs'"


def build(root: Path, out: Path) -> int:
    """Builds the HTML pages of the source tree ``root`` into ``out``; returns Sphinx's exit code, 0 for no warning."""
    try:
        from sphinx.cmd.build import main as sphinx
    except ImportError as error:
        raise ImportError(MISSING) from error
    from storsim.guide.reference.pages import write

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        write(root, source)
        options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(Path(folder, "doctrees"))]
        return int(sphinx([*options, str(source), str(out)]))


def main(arguments: list[str] | None = None) -> int:
    """The command line. 0: built; 1: Sphinx warned; 3: something is missing."""
    parser = argparse.ArgumentParser(prog="python -m storsim.guide.reference", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pages (default: docs)")
    parser.add_argument("--root", type=Path, default=Path(), help="the source tree (default: here)")
    given = parser.parse_args(arguments)
    try:
        return 1 if build(given.root.resolve(), given.out.resolve()) else 0
    except (FileNotFoundError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
