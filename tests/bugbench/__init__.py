"""The bug bench: small driver models, each with one planted bug that only a sequence of calls shows, and its twin.

``python -m tests.bugbench`` drives every model with the ready driver machine of `storsim.testing` and says which bugs
were found, in how many steps, and how short the failing sequence became.
"""
