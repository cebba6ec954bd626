"""The reference documentation: ``python -m storsim.guide.reference`` builds it into ``docs/`` from a source tree.

It needs Sphinx, furo and MyST (dependency group ``docs``). What it shows comes from the program: docstrings, the table
of routines, the comments of the C headers, the pages of the guide.
"""
