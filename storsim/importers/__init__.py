"""Reads what real machines say about themselves: memory maps, fragmentation, drives.

* `load_map`: Linux ``/proc/iomem``, ``BIOS-e820`` and SRAT lines of a boot log
* `load_buddyinfo`: ``/proc/buddyinfo`` and ``/proc/pagetypeinfo``
* `load_id_ctrl`: ``nvme id-ctrl -o json``

Each takes a path or the text itself. Damaged input raises `MapError`, one line that names the line number and what was
expected there; nothing else is raised for any content (a file that cannot be opened is an OSError as usual).
"""

from __future__ import annotations

from storsim.importers.buddyinfo import BuddyInfo, Zone, load_buddyinfo
from storsim.importers.errors import MapError
from storsim.importers.id_ctrl import IdCtrl, load_id_ctrl
from storsim.importers.maps import MapFile, load_map
from storsim.importers.ranges import usable_ranges
from storsim.memory_range import MemoryRange

__all__ = [
    "BuddyInfo",
    "IdCtrl",
    "MapError",
    "MapFile",
    "MemoryRange",
    "Zone",
    "load_buddyinfo",
    "load_id_ctrl",
    "load_map",
    "usable_ranges",
]
