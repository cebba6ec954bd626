"""The Storport memory routines and constants under their documented names; made for ``from storsim.storport import *``.

Every routine takes an adapter or its ``device_extension`` first, then its parameters by position or by documented
name. Results are the status, then the out-parameters in documented order; a single result is returned bare. The
documented name of an out-parameter as keyword says what the variable held before, or passes NULL (None). Any other
number as HwDeviceExtension goes through ``machine.storport``.
"""

from __future__ import annotations

from typing import Any

from storsim import _core
from storsim._core import ACCESS_RANGE, GROUP_AFFINITY, MDL, SCSI_REQUEST_BLOCK, STOR_SCATTER_GATHER_LIST
from storsim.enums import MEMORY_CACHING_TYPE, POOL_TYPE, Irql, StorStatus
from storsim.records import STOR_SCATTER_GATHER_ELEMENT

#: NODE_REQUIREMENT: any node will do.
MM_ANY_NODE_OK = 0x80000000
#: What a miniport finds in members that nobody set.
SP_UNINITIALIZED_VALUE = 0xFFFFFFFF
PAGE_SIZE = 4096
MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS = 0x1
DUMP_MODE_CRASH, DUMP_MODE_HIBER, DUMP_MODE_MARK_MEMORY, DUMP_MODE_RESUME = 1, 2, 3, 4
#: Dma64BitAddresses. The value of the single-region flag is a model choice. Source: public storport.h transcriptions.
SCSI_DMA64_MINIPORT_SUPPORTED = 0x01
SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED = 0x02
SCSI_DMA64_MINIPORT_FULL64BIT_NO_BOUNDARY_REQ_SUPPORTED = 0x03
SCSI_DMA64_MINIPORT_64BIT_ONE_4GB_SUPPORTED = 0x04
SCSI_DMA64_SYSTEM_SUPPORTED = 0x80
#: MdlFlags. Source: public wdm.h transcriptions.
MDL_MAPPED_TO_SYSTEM_VA, MDL_PAGES_LOCKED, MDL_SOURCE_IS_NONPAGED_POOL, MDL_PARTIAL = 0x1, 0x2, 0x4, 0x10

_ROUTINES: dict[str, _core.Routine] = _core.routines()
#: STORPORT_FUNCTION_CODE of each routine behind StorPortExtendedFunction.
FUNCTION_CODES: dict[str, int] = {
    row["name"]: row["function_code"]
    for row in _core.ddi_table()
    if row["family"] == "storport" and row["function_code"] >= 0
}
_BY_CODE = {code: _ROUTINES[name] for name, code in FUNCTION_CODES.items()}

globals().update(_ROUTINES)
for _enum in (StorStatus, MEMORY_CACHING_TYPE, POOL_TYPE):
    globals().update(_enum.__members__)  # type: ignore[attr-defined]
PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL = Irql.PASSIVE_LEVEL, Irql.APC_LEVEL, Irql.DISPATCH_LEVEL
HIGH_LEVEL = Irql.HIGH_LEVEL


def StorPortExtendedFunction(FunctionCode: int, HwDeviceExtension: Any, *args: Any, **kwargs: Any) -> Any:
    """The dispatcher behind most routines: calls the one with this STORPORT_FUNCTION_CODE with the arguments that
    follow.

    A code that no routine has answers STOR_STATUS_NOT_IMPLEMENTED and touches no argument. Source: spec
    storport-memory §2.5.
    """
    routine = _BY_CODE.get(FunctionCode)
    if routine is not None:
        return routine(HwDeviceExtension, *args, **kwargs)
    machine = getattr(HwDeviceExtension, "machine", None)
    if not isinstance(machine, _core.Machine):
        raise TypeError("HwDeviceExtension is an adapter or its device_extension")
    if machine._dead:
        from storsim.errors import MachineStopped

        raise MachineStopped(machine.stopped)
    return StorStatus.STOR_STATUS_NOT_IMPLEMENTED


def __getattr__(name: str) -> Any:
    if name.endswith("Result") and name[: -len("Result")] in _ROUTINES:  # so that results can be pickled
        return _core.result_type(name[: -len("Result")])
    raise AttributeError(f"module 'storsim.storport' has no attribute {name!r}")


__all__ = [
    "ACCESS_RANGE", "APC_LEVEL", "DISPATCH_LEVEL", "DUMP_MODE_CRASH", "DUMP_MODE_HIBER", "DUMP_MODE_MARK_MEMORY",
    "DUMP_MODE_RESUME", "FUNCTION_CODES", "GROUP_AFFINITY", "HIGH_LEVEL", "MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS",
    "MDL", "MDL_MAPPED_TO_SYSTEM_VA", "MDL_PAGES_LOCKED", "MDL_PARTIAL", "MDL_SOURCE_IS_NONPAGED_POOL",
    "MEMORY_CACHING_TYPE", "MM_ANY_NODE_OK", "PAGE_SIZE", "PASSIVE_LEVEL", "POOL_TYPE",
    "SCSI_DMA64_MINIPORT_64BIT_ONE_4GB_SUPPORTED", "SCSI_DMA64_MINIPORT_FULL64BIT_NO_BOUNDARY_REQ_SUPPORTED",
    "SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED", "SCSI_DMA64_MINIPORT_SUPPORTED", "SCSI_DMA64_SYSTEM_SUPPORTED",
    "SCSI_REQUEST_BLOCK", "SP_UNINITIALIZED_VALUE", "STOR_SCATTER_GATHER_ELEMENT", "STOR_SCATTER_GATHER_LIST",
    "StorPortExtendedFunction", "StorStatus", *_ROUTINES, *StorStatus.__members__, *MEMORY_CACHING_TYPE.__members__,
    *POOL_TYPE.__members__,
]  # fmt: skip
