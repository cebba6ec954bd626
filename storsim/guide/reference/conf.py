"""Settings of Sphinx for the reference documentation."""

from __future__ import annotations

import builtins
from typing import Any

import storsim

project = "storsim"
author = "The storsim authors"
copyright = "The storsim authors, MIT licence"
release = version = storsim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"storsim {release}"
html_show_sphinx = False
html_copy_source = False

default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
# Signatures name classes without their module, and a player's and a campaign's Report are two.
suppress_warnings = ["ref.python"]


def plain_builtins(app: Any, doctree: Any) -> None:
    """Types such as ``bytes`` in a signature mean Python's, not the members of that name that some classes have."""
    from sphinx.addnodes import pending_xref

    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and hasattr(builtins, node.get("reftarget", "")):
            node.replace_self(node.children)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", plain_builtins)
