"""Pages for people, and the tables in them that are made from the program: ``python -m storsim.guide`` (``--check``
compares)."""
