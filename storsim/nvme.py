"""``hba.nvme``: the device side of the NVMe Host Memory Buffer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storsim.adapter import Adapter
    from storsim.importers import IdCtrl

HOST_MEMORY_BUFFER = 0x0D
_NAMES = {
    0x000: "success",
    0x002: "Invalid Field in Command",
    0x004: "Data Transfer Error",
    0x00C: "Command Sequence Error",
}


class NvmeStatus(int):
    """Completion status of an admin command: SCT << 8 | SC; 0 is success, so it is true when the command failed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"NvmeStatus(0x{int(self):03X})"

    def __str__(self) -> str:
        return f"{_NAMES.get(int(self), 'status')} (0x{int(self):03X})"


class HmbFeatures:
    """What Get Features answers for the Host Memory Buffer: the 4096-byte structure as ``bytes(features)``, and its
    fields.

    status: completion status. hsize: pages of the controller. list_address: descriptor list. entries: HMDLEC. enabled:
    EHM. Source: NVMe base specification, Host Memory Buffer attributes.
    """

    __slots__ = ("enabled", "entries", "hsize", "list_address", "status")

    def __init__(self, status: int, hsize: int, list_address: int, entries: int, enabled: bool) -> None:
        self.status = NvmeStatus(status)
        self.hsize = hsize
        self.list_address = list_address
        self.entries = entries
        self.enabled = enabled

    def __bytes__(self) -> bytes:
        fields = (self.hsize, self.list_address & 0xFFFF_FFFF, self.list_address >> 32, self.entries)
        return b"".join(field.to_bytes(4, "little") for field in fields) + bytes(4096 - 16)

    def __repr__(self) -> str:
        state = "enabled" if self.enabled else "disabled"
        return f"<HMB {state}: {self.hsize} pages, {self.entries} entries, list at 0x{self.list_address:x}>"


class Nvme:
    """An NVMe controller behind an adapter. id_ctrl: its Identify Controller fields."""

    __slots__ = ("_adapter", "id_ctrl")

    def __init__(self, adapter: Adapter, id_ctrl: IdCtrl) -> None:
        self._adapter = adapter
        self.id_ctrl = id_ctrl

    def set_features(
        self, fid: int, *, cdw11: int = 0, cdw12: int = 0, cdw13: int = 0, cdw14: int = 0, cdw15: int = 0
    ) -> NvmeStatus:
        """Set Features; returns the completion status. Each dword is a ULONG. Other features: Invalid Field."""
        words = tuple(
            _dword(name, word) for name, word in zip(_WORDS, (cdw11, cdw12, cdw13, cdw14, cdw15), strict=True)
        )
        adapter = self._adapter
        return NvmeStatus(adapter.machine._nvme_set_features(adapter.number, _dword("fid", fid, 0xFF), *words))

    def get_features(self, fid: int) -> HmbFeatures:
        """Get Features of the Host Memory Buffer."""
        adapter = self._adapter
        return HmbFeatures(*adapter.machine._nvme_get_features(adapter.number, _dword("fid", fid, 0xFF)))

    def reset(self) -> None:
        """Controller reset: the buffer's assignment does not survive it."""
        self._adapter.machine._nvme_reset(self._adapter.number)

    @property
    def hmb_enabled(self) -> bool:
        """Whether the controller may use its buffer now."""
        return self._adapter.machine._nvme_enabled(self._adapter.number)

    def hmb_read(self, offset: int, n: int) -> bytes:
        """The controller reads its buffer: bytes at an offset into the concatenated descriptors. Raises ValueError
        while disabled.
        """
        return self._adapter.machine._nvme_hmb_read(self._adapter.number, offset, n)

    def hmb_write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """The controller writes its buffer. Raises ValueError while disabled."""
        self._adapter.machine._nvme_hmb_write(self._adapter.number, offset, data)

    def __repr__(self) -> str:
        return f"<NVMe controller of {self._adapter.name}>"


_WORDS = ("cdw11", "cdw12", "cdw13", "cdw14", "cdw15")


def _dword(name: str, value: int, highest: int = 0xFFFF_FFFF) -> int:
    if not 0 <= value <= highest:
        raise OverflowError(f"{name}={value}: pass a number from 0 to {highest:#x}")
    return value


def attach(adapter: Adapter, id_ctrl: Mapping[str, Any] | str | os.PathLike[str] | IdCtrl, page_shift: int) -> Nvme:
    """Puts a controller with these Identify fields behind the adapter."""
    from storsim.importers import IdCtrl, load_id_ctrl

    facts = id_ctrl if isinstance(id_ctrl, IdCtrl) else load_id_ctrl(id_ctrl)
    adapter.machine._nvme_attach(adapter.number, facts.hmpre, facts.hmmin, facts.hmminds, facts.hmmaxd, page_shift)
    return Nvme(adapter, facts)
