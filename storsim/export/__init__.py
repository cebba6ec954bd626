"""Takes what happened on a machine to the tools that show such things.

    >>> import storsim
    >>> from storsim import export
    >>> pc = storsim.Machine("1GiB")
    >>> export.perfetto(pc, "run.json")         # Perfetto UI, chrome://tracing
    >>> export.vcd(pc, "run.vcd")               # GTKWave, Surfer; needs storsim[vcd]
    >>> export.jsonl(pc, "run.jsonl")           # jq, pandas, duckdb
    >>> export.csv(pc, "run.csv")               # spreadsheets
    >>> export.wav(pc, "heard.wav")             # any audio editor: what a codec heard

All read the trace ring, the findings and the live allocations; give the machine a ``trace_entries=`` that holds what
you want to see. Nothing of the machine changes. Times are virtual: ticks of 1/24 000 000 s.
"""

from __future__ import annotations

from storsim.export.perfetto import perfetto
from storsim.export.sound import Heard, wav
from storsim.export.tables import SCHEMA, csv, jsonl
from storsim.export.waveform import vcd

__all__ = ["FORMATS", "SCHEMA", "Heard", "csv", "jsonl", "perfetto", "vcd", "wav"]

FORMATS = {".json": "perfetto", ".vcd": "vcd", ".jsonl": "jsonl", ".csv": "csv", ".wav": "wav"}
"""File suffix → the function that writes it."""
