"""storsim: a simulated PC for people who write Windows storage and audio drivers.

Give it a physical memory map, attach a storage adapter or an HD Audio controller, and call the routines a miniport or a
function driver calls. Every routine answers as documented; every misuse is caught and explained; time is virtual;
everything repeats from a seed.

    >>> import storsim
    >>> from storsim.storport import *
    >>> with storsim.Machine("16GiB", seed=7) as pc:
    ...     hba = pc.add_adapter("nvme0")
    ...     status, va = StorPortAllocatePool(hba, 64, "Demo")
    ...     status = StorPortFreePool(hba, va)

Names are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would be the slowest import here; type checkers know the name
if TYPE_CHECKING:
    from typing import Any

    from storsim import _core as _core
    from storsim.adapter import Adapter as Adapter
    from storsim.adapter import PortConfiguration as PortConfiguration
    from storsim.blocks import ContiguousBlock as ContiguousBlock
    from storsim.blocks import DmaBlock as DmaBlock
    from storsim.blocks import HostMemoryBuffer as HostMemoryBuffer
    from storsim.blocks import PoolBlock as PoolBlock
    from storsim.enums import MEMORY_CACHING_TYPE as MEMORY_CACHING_TYPE
    from storsim.enums import POOL_TYPE as POOL_TYPE
    from storsim.enums import Irql as Irql
    from storsim.enums import NtStatus as NtStatus
    from storsim.enums import Placement as Placement
    from storsim.enums import StorStatus as StorStatus
    from storsim.enums import Verifier as Verifier
    from storsim.enums import WindowsVersion as WindowsVersion
    from storsim.errors import BugCheck as BugCheck
    from storsim.errors import MachineStopped as MachineStopped
    from storsim.errors import NtStatusError as NtStatusError
    from storsim.errors import StatusError as StatusError
    from storsim.errors import StorsimError as StorsimError
    from storsim.errors import StorStatusError as StorStatusError
    from storsim.errors import Violation as Violation
    from storsim.errors import ViolationWarning as ViolationWarning
    from storsim.knobs import KNOBS as KNOBS
    from storsim.machine import Machine as Machine
    from storsim.memory_range import MemoryRange as MemoryRange
    from storsim.records import Allocation as Allocation
    from storsim.records import Finding as Finding
    from storsim.records import Site as Site
    from storsim.timeline import Timeline as Timeline
    from storsim.watch import Watch as Watch

#: Public name → module that has it.
_HOMES = {
    "Adapter": "adapter",
    "Allocation": "records",
    "BugCheck": "errors",
    "ContiguousBlock": "blocks",
    "DmaBlock": "blocks",
    "Finding": "records",
    "HostMemoryBuffer": "blocks",
    "Irql": "enums",
    "KNOBS": "knobs",
    "MEMORY_CACHING_TYPE": "enums",
    "Machine": "machine",
    "MachineStopped": "errors",
    "MemoryRange": "memory_range",
    "NtStatus": "enums",
    "NtStatusError": "errors",
    "POOL_TYPE": "enums",
    "Placement": "enums",
    "PoolBlock": "blocks",
    "PortConfiguration": "adapter",
    "Site": "records",
    "StatusError": "errors",
    "StorStatus": "enums",
    "StorStatusError": "errors",
    "StorsimError": "errors",
    "Timeline": "timeline",
    "Verifier": "enums",
    "Violation": "errors",
    "ViolationWarning": "errors",
    "Watch": "watch",
    "WindowsVersion": "enums",
}
#: Modules reachable as attributes without an import of their own.
_MODULES = ("_core", "enums", "errors", "export", "importers", "journal", "knobs", "records", "storport", "viz")

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        value = getattr(import_module(f"storsim.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"storsim.{name}")
    elif name == "__version__":
        value = import_module("storsim._core").CORE_VERSION
    else:
        raise AttributeError(f"module 'storsim' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
