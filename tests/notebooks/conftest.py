"""Where nbclient is not installed these tests are not collected; continuous integration installs it."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("nbclient") else ["test_notebooks.py"]
