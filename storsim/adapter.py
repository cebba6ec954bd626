"""`Adapter`, a storage adapter in a simulated machine: contexts, the device's side, friendly memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from storsim import _core
from storsim import storport as sp
from storsim.blocks import ContiguousBlock, DmaBlock, HostMemoryBuffer, PoolBlock
from storsim.errors import StorsimError, StorStatusError

if TYPE_CHECKING:
    from types import TracebackType

    from storsim.importers import IdCtrl
    from storsim.machine import Machine
    from storsim.nvme import Nvme
    from storsim.records import Finding

NO_LIMIT = 2**64 - 1
ALL_ONES = 2**64 - 1


def core_config(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an adapter in the core's terms."""
    core = dict(settings) | {"name": name}
    core["sg_delivery"] = ("immediate", "deferred", "random").index(core["sg_delivery"])
    core["hmb_free_exact"] = core.pop("hmb_free_match") == "exact"
    for limit in ("map_registers", "contig_cap", "pool_cap"):
        core[limit] = NO_LIMIT if core[limit] is None else core[limit]
    cap = core["hmb_cap"]
    core["hmb_cap"] = NO_LIMIT if cap is None else 0 if cap == "os" else cap
    for status in ("hmb_disabled_status", "hmb_second_alloc_status"):
        core[status] = int(core[status])
    return core


class _Member:
    """A member of PORT_CONFIGURATION_INFORMATION: an unsigned number that lives in the core."""

    def __init__(self, name: str, doc: str) -> None:
        self._index = _core.PORT_CONFIG_FIELDS.index(name)
        self.__doc__ = doc

    def __get__(self, config: PortConfiguration, owner: type | None = None) -> int:
        if config is None:
            return self  # type: ignore[unreachable]
        return config._adapter.machine._port_config_get(config._adapter.number, self._index)

    def __set__(self, config: PortConfiguration, value: int) -> None:
        config._adapter.machine._port_config_set(config._adapter.number, self._index, value)


class PortConfiguration:
    """PORT_CONFIGURATION_INFORMATION of an adapter: its documented members, filled in place; stands for its address.

    A miniport sets members in HwStorFindAdapter; elsewhere the assignment is done and recorded as BAD_CONTEXT.
    Assigning a number that does not fit the member raises ValueError or OverflowError. Source:
    ns-storport-_port_configuration_information.md
    """

    __slots__ = ("_adapter",)

    Length = _Member("Length", "Size of the structure, bytes.")
    SystemIoBusNumber = _Member("SystemIoBusNumber", "Bus the adapter sits on.")
    MaximumTransferLength = _Member("MaximumTransferLength", "Largest transfer, bytes.")
    NumberOfPhysicalBreaks = _Member(
        "NumberOfPhysicalBreaks", "Most breaks between pages in a transfer; 0x11 by default."
    )
    DmaWidth = _Member("DmaWidth", "Width of DMA transfers.")
    AlignmentMask = _Member("AlignmentMask", "Alignment of data buffers, a mask.")
    NumberOfBuses = _Member("NumberOfBuses", "Buses of the adapter.")
    ScatterGather = _Member("ScatterGather", "BOOLEAN: supports scatter/gather.")
    Master = _Member("Master", "BOOLEAN: is a bus master.")
    CachesData = _Member("CachesData", "BOOLEAN: keeps data in a cache.")
    NeedPhysicalAddresses = _Member("NeedPhysicalAddresses", "BOOLEAN: needs physical addresses.")
    Dma64BitAddresses = _Member("Dma64BitAddresses", "How the adapter handles addresses above 4 GiB.")
    SrbExtensionSize = _Member("SrbExtensionSize", "Bytes of the SRB extension.")
    SpecificLuExtensionSize = _Member("SpecificLuExtensionSize", "Bytes of the logical unit's extension.")
    DeviceExtensionSize = _Member("DeviceExtensionSize", "Bytes of the device extension.")
    MaximumNumberOfTargets = _Member("MaximumNumberOfTargets", "Targets per bus.")
    MaximumNumberOfLogicalUnits = _Member("MaximumNumberOfLogicalUnits", "Logical units per target.")
    SynchronizationModel = _Member("SynchronizationModel", "Full or half duplex.")
    DumpMode = _Member("DumpMode", "0 none, 1 CRASH, 2 HIBER, 3 MARK_MEMORY, 4 RESUME.")
    RequestedDumpBufferSize = _Member("RequestedDumpBufferSize", "Uncached extension asked for in dump mode, bytes.")
    FeatureSupport = _Member("FeatureSupport", "Feature flags.")
    DmaAddressWidth = _Member("DmaAddressWidth", "Address bits of the adapter, with feature 0x40.")
    MaxNumberOfIO = _Member("MaxNumberOfIO", "Most requests of the adapter.")
    MaxIOsPerLun = _Member("MaxIOsPerLun", "Most requests of a logical unit.")
    InitialLunQueueDepth = _Member("InitialLunQueueDepth", "Queue depth to start with.")
    DumpRegionVirtualBase = _Member("DumpRegionVirtualBase", "DumpRegion.VirtualBase; 0 outside dump mode.")
    DumpRegionPhysicalBase = _Member("DumpRegionPhysicalBase", "DumpRegion.PhysicalBase; 0 outside dump mode.")
    DumpRegionLength = _Member("DumpRegionLength", "DumpRegion.Length, bytes; 0 outside dump mode.")

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def __index__(self) -> int:
        return self._adapter.machine._port_config_address(self._adapter.number)

    def __repr__(self) -> str:
        return f"<PORT_CONFIGURATION_INFORMATION of {self._adapter.name}>"


class _Callback:
    """``with hba.callback(name) as config:``."""

    __slots__ = ("_adapter", "_control", "_name")

    def __init__(self, adapter: Adapter, name: str, control: str | None) -> None:
        self._adapter = adapter
        self._name = name
        self._control = control

    def __enter__(self) -> PortConfiguration:
        self._adapter.machine._callback_enter(self._adapter.number, self._name, self._control)
        return self._adapter.config

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine = self._adapter.machine
        if machine.closed or machine._dead:
            return
        try:
            machine._callback_leave()
        except (StorsimError, ValueError):
            if kind is None:
                raise


class Adapter(_core.Adapter):
    """A storage adapter. name: as given. settings: its knobs. Made by `Machine.add_adapter`.

    The routines of storsim.storport take it, or its ``device_extension``, as HwDeviceExtension.
    """

    machine: Machine

    def __init__(self, machine: Machine, number: int, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.settings = dict(settings)
        self._nvme: Nvme | None = None

    @property
    def config(self) -> PortConfiguration:
        """PORT_CONFIGURATION_INFORMATION, mutable."""
        return PortConfiguration(self)

    def callback(self, name: str, control: str | None = None) -> _Callback:
        """``with hba.callback("HwStorFindAdapter") as config:`` runs the body in that miniport callback: its IRQL,
        what may be called.

        name: documented name. control: for HwStorAdapterControl the control type, "ScsiStopAdapter". Yields the
        configuration. Nests. Raises ValueError for an unknown name. Source: spec storport-memory §2.8.
        """
        return _Callback(self, name, control)

    def remove(self) -> list[Finding]:
        """Removes the adapter and returns its leaks, one violation each; what leaked is freed.

        With the verifier's checks on a leak of pool or DMA memory stops the machine (BugCheck); at strict the first
        violation is raised. ValueError when it was removed before, RuntimeError from inside a callback. Source: ruling
        R18.
        """
        return self.machine._remove(self.number)

    # --- the device ---

    def dma_read(self, pa: int, n: int) -> bytes:
        """The device reads ``n`` bytes at a device address (ruling R56, R57). Foreign memory is a violation, or a
        bugcheck with an IOMMU.
        """
        return self.machine._dma_read(self.number, pa, n)

    def dma_write(self, pa: int, data: bytes | bytearray | memoryview) -> None:
        """The device writes bytes at a device address. See `dma_read`."""
        self.machine._dma_write(self.number, pa, data)

    def flush(self, va: int, n: int, *, to_device: bool = True) -> None:
        """coherent=False: writes cached stores of a range back for the device, or (to_device=False) drops them to see
        the device's.
        """
        self.machine._flush(self.number, int(va), n, to_device)

    def attach_nvme(
        self, id_ctrl: Mapping[str, Any] | str | os.PathLike[str] | IdCtrl, *, page_shift: int = 12
    ) -> Nvme:
        """Puts an NVMe controller behind the adapter: ``hba.nvme``.

        id_ctrl: dict, text or path of ``nvme id-ctrl -o json``; a missing field means none. page_shift: CC.MPS page as
        a power of two, 12 … 27. Raises ValueError for a second controller, MapError for damaged text.
        """
        from storsim.nvme import attach

        self._nvme = attach(self, id_ctrl, page_shift)
        return self._nvme

    @property
    def nvme(self) -> Nvme:
        """The NVMe controller behind the adapter. Raises AttributeError before `attach_nvme`."""
        if self._nvme is None:
            raise AttributeError(f"no NVMe controller behind {self.name}; call attach_nvme first")
        return self._nvme

    @property
    def dump_marks(self) -> list[tuple[int, int, bool]]:
        """Memory marked by StorPortMarkDumpMemory: (address, length in bytes, whether the address is physical)."""
        return self.machine._dump_marks(self.number)

    # --- friendly memory ---

    def _translate(self, va: int) -> int:
        return self.machine.physical(va) or 0

    def pool(self, n: int, tag: str | bytes | int = "Stor") -> PoolBlock:
        """``n`` bytes of nonpaged pool (StorPortAllocatePool). Raises StorStatusError."""
        status, va = sp.StorPortAllocatePool(self, n, tag)
        _granted(status, "StorPortAllocatePool")
        return PoolBlock(self, va, self._translate(va), n, tag=tag)

    def dma(
        self,
        n: int,
        lowest: int = 0,
        highest: int = ALL_ONES,
        boundary: int = 0,
        cache: int = sp.MmCached,
        node: int = sp.MM_ANY_NODE_OK,
    ) -> DmaBlock:
        """``n`` bytes of DMA memory within [lowest, highest], not crossing a multiple of boundary. Raises
        StorStatusError.
        """
        status, va, pa = sp.StorPortAllocateDmaMemory(self, n, lowest, highest, boundary, cache, node)
        _granted(status, "StorPortAllocateDmaMemory")
        return DmaBlock(self, va, pa, n, cache=cache)

    def contiguous(
        self,
        n: int,
        lowest: int = 0,
        highest: int = ALL_ONES,
        boundary: int = 0,
        cache: int = sp.MmCached,
        node: int = sp.MM_ANY_NODE_OK,
    ) -> ContiguousBlock:
        """``n`` bytes of contiguous memory; see `dma`. Raises StorStatusError."""
        status, va = sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
            self, n, lowest, highest, boundary, cache, node
        )
        _granted(status, "StorPortAllocateContiguousMemorySpecifyCacheNode")
        return ContiguousBlock(self, va, self._translate(va), n, cache=cache)

    def hmb(
        self,
        *,
        preferred: int,
        minimum: int = 0,
        max_ranges: int = 64,
        utilization: int = 0,
        alignment: int = 0,
        lowest: int = 0,
        highest: int = ALL_ONES,
    ) -> HostMemoryBuffer:
        """A host memory buffer of minimum … preferred bytes in at most max_ranges ranges. Raises StorStatusError."""
        status, ranges = sp.StorPortAllocateHostMemoryBuffer(
            self, minimum, preferred, utilization, alignment, lowest, highest, 0, max_ranges
        )
        _granted(status, "StorPortAllocateHostMemoryBuffer")
        size = sum(item.RangeLength for item in ranges)
        return HostMemoryBuffer(self, 0, ranges[0].RangeStart, size, ranges=ranges)

    def srb(
        self,
        length: int,
        write: bool = True,
        fragments: int = 0,
        *,
        offset: int = 0,
        lu_extension: int = 0,
        data_in: int = 0,
    ) -> _core.SCSI_REQUEST_BLOCK:
        """A request with ``length`` bytes of data as the port hands it to HwStorBuildIo; a context manager that
        completes it.

        write: the data goes to the device. fragments: physical pieces the buffer is made of, 0: as pool gives pages.
        offset: of the buffer in its first page. lu_extension: bytes of the logical unit's extension. data_in: bytes of
        a separate data-in buffer. Raises ValueError, MemoryError when the simulated machine has no room.
        """
        return self.machine._srb_create(self.number, length, write, fragments, offset, lu_extension, data_in)

    def _repr_html_(self) -> str:
        from storsim import html

        return html.adapter(self)

    def __repr__(self) -> str:
        return f"<Adapter {self.name} of {self.machine!r}>"


def _granted(status: Any, call: str) -> None:
    if status != sp.STOR_STATUS_SUCCESS:
        raise StorStatusError(status, call)
