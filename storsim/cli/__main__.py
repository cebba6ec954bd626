"""``python -m storsim.cli`` is ``storsim``."""

from __future__ import annotations

import sys

from storsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
