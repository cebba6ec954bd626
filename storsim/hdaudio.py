"""The HD Audio bus interface as a function driver sees it: the four tables, their structures and constants.

    >>> import storsim
    >>> from storsim.hdaudio import *
    >>> pc = storsim.Machine("1GiB")
    >>> bus = pc.add_hda().query_interface(HDAUDIO_BUS_INTERFACE_V2)
    >>> status, handle, converter = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))

An interface object has exactly the members of its table, with Context bound. Names, members and values are the
documented ones. Source: hdaudio.h pages of the public driver documentation (spec hdaudio-dma §1, §2).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from storsim import _core

if TYPE_CHECKING:
    from typing import Self

    from storsim._core import Routine
    from storsim.machine import Machine

__all__ = [
    "GUID",
    "HDAUDIO_BUFFER_DESCRIPTOR",
    "HDAUDIO_BUS_INTERFACE",
    "HDAUDIO_BUS_INTERFACE_BDL",
    "HDAUDIO_BUS_INTERFACE_V2",
    "HDAUDIO_BUS_INTERFACE_V3",
    "HDAUDIO_CODEC_COMMAND",
    "HDAUDIO_CODEC_RESPONSE",
    "HDAUDIO_CODEC_TRANSFER",
    "HDAUDIO_DEVICE_INFORMATION",
    "HDAUDIO_DEVICE_INFORMATION_V2",
    "HDAUDIO_STREAM_FORMAT",
    "PauseState",
    "ResetState",
    "RunState",
    "StopState",
    "StreamFormat",
]

ResetState = 0
"""HDAUDIO_STREAM_STATE: the stream is in reset."""
StopState = 1
"""HDAUDIO_STREAM_STATE: the same number as PauseState; the interface cannot tell them apart."""
PauseState = 1
"""HDAUDIO_STREAM_STATE: the stream stands where it is."""
RunState = 2
"""HDAUDIO_STREAM_STATE: the stream moves."""


class GUID(NamedTuple):
    """An interface table's GUID. value: the number. name: the table. size: sizeof(table), x64. version: of the
    table."""

    value: uuid.UUID
    name: str
    size: int
    version: int
    members: tuple[str, ...]

    @property
    def bytes(self) -> bytes:
        """The 16 bytes as in memory: the first three fields little endian."""
        return self.value.bytes_le

    def __repr__(self) -> str:
        return self.name


def _table(name: str) -> GUID:
    row = next(table for table in _core.HDAUDIO_TABLES if table["name"] == name)
    return GUID(uuid.UUID(bytes_le=row["guid"]), name, row["size"], row["version"], row["members"])


HDAUDIO_BUS_INTERFACE = _table("HDAUDIO_BUS_INTERFACE")
HDAUDIO_BUS_INTERFACE_V2 = _table("HDAUDIO_BUS_INTERFACE_V2")
HDAUDIO_BUS_INTERFACE_V3 = _table("HDAUDIO_BUS_INTERFACE_V3")
HDAUDIO_BUS_INTERFACE_BDL = _table("HDAUDIO_BUS_INTERFACE_BDL")
TABLES = (HDAUDIO_BUS_INTERFACE, HDAUDIO_BUS_INTERFACE_V2, HDAUDIO_BUS_INTERFACE_V3, HDAUDIO_BUS_INTERFACE_BDL)


# --- structures
# ---------------------------------------------------------------------------------------------------------


@dataclass
class HDAUDIO_STREAM_FORMAT:
    """SampleRate: Hz. ValidBitsPerSample: 8, 16, 20, 24, 32. ContainerSize: 8, 16, 32 bits. NumberOfChannels: 1 … 16.

    Any numbers that fit the members can be stored; the routines say which are valid. Source:
    ns-hdaudio-_hdaudio_stream_format.md
    """

    SampleRate: int = 48000
    ValidBitsPerSample: int = 16
    ContainerSize: int = 16
    NumberOfChannels: int = 2


StreamFormat = HDAUDIO_STREAM_FORMAT


class HDAUDIO_CODEC_COMMAND(int):
    """A command as the 32 bits that go over the link. Source: ns-hdaudio-_hdaudio_codec_command.md"""

    __slots__ = ()

    def __new__(cls, Command: int = 0) -> Self:
        """From the whole command."""
        return super().__new__(cls, Command)

    @classmethod
    def Verb8(cls, CodecAddress: int, Node: int, VerbId: int, Data: int) -> HDAUDIO_CODEC_COMMAND:
        """A verb with 12 bits of id and 8 bits of payload. Raises ValueError for a field that does not fit."""
        return cls(_pack(CodecAddress, Node) | _field("VerbId", VerbId, 12) << 8 | _field("Data", Data, 8))

    @classmethod
    def Verb16(cls, CodecAddress: int, Node: int, VerbId: int, Data: int) -> HDAUDIO_CODEC_COMMAND:
        """A verb with 4 bits of id and 16 bits of payload. Raises ValueError for a field that does not fit."""
        return cls(_pack(CodecAddress, Node) | _field("VerbId", VerbId, 4) << 16 | _field("Data", Data, 16))

    @property
    def Command(self) -> int:
        """The whole command."""
        return int(self)

    def __repr__(self) -> str:
        return f"HDAUDIO_CODEC_COMMAND({int(self):#010x})"


def _field(name: str, value: int, bits: int) -> int:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name}={value}: it has {bits} bits")
    return value


def _pack(address: int, node: int) -> int:
    return _field("CodecAddress", address, 4) << 28 | _field("Node", node, 8) << 20


class HDAUDIO_CODEC_RESPONSE(int):
    """A response as its 64 bits (CompleteResponse). Source: ns-hdaudio-_hdaudio_codec_response.md"""

    __slots__ = ()

    def __new__(cls, CompleteResponse: int = 0) -> Self:
        """From all 64 bits."""
        return super().__new__(cls, CompleteResponse)

    @property
    def CompleteResponse(self) -> int:
        """All 64 bits."""
        return int(self)

    @property
    def Response(self) -> int:
        """What the codec answered, 32 bits."""
        return int(self) & 0xFFFFFFFF

    @property
    def SDataIn(self) -> int:
        """The codec's address."""
        return int(self) >> 32 & 0xF

    @property
    def IsUnsolicitedResponse(self) -> int:
        """1 when nobody asked."""
        return int(self) >> 36 & 1

    @property
    def HasFifoOverrun(self) -> int:
        """1 when the response was lost in an overrun."""
        return int(self) >> 62 & 1

    @property
    def IsValid(self) -> int:
        """1 when there is a response."""
        return int(self) >> 63 & 1

    @property
    def Tag(self) -> int:
        """Unsolicited: the tag, 0 … 63."""
        return int(self) >> 26 & 0x3F

    @property
    def SubTag(self) -> int:
        """Unsolicited: bits 25:21 of the payload."""
        return int(self) >> 21 & 0x1F

    @property
    def Payload(self) -> int:
        """Unsolicited: the 26 bits below the tag (older headers split them otherwise)."""
        return int(self) & 0x3FFFFFF

    def __repr__(self) -> str:
        return f"HDAUDIO_CODEC_RESPONSE({int(self):#018x})"


class HDAUDIO_CODEC_TRANSFER:
    """One verb and its answer. Output: HDAUDIO_CODEC_COMMAND or int. Input: filled in. Source:
    ns-hdaudio-_hdaudio_codec_transfer.md"""

    __slots__ = ("Input", "Output")

    def __init__(self, Output: int = 0, Input: int = 0) -> None:
        self.Output: HDAUDIO_CODEC_COMMAND | int = Output
        self.Input = HDAUDIO_CODEC_RESPONSE(Input)

    def __repr__(self) -> str:
        return f"HDAUDIO_CODEC_TRANSFER(Output={int(self.Output):#010x}, Input={int(self.Input):#018x})"


@dataclass
class HDAUDIO_DEVICE_INFORMATION:
    """Size goes in: bytes of the caller's structure; everything comes back. Source:
    ns-hdaudio-_hdaudio_device_information.md"""

    Size: int = 10
    DeviceVersion: int = 0
    DriverVersion: int = 0
    CodecsDetected: int = 0
    IsStripingSupported: int = 0


@dataclass
class HDAUDIO_DEVICE_INFORMATION_V2(HDAUDIO_DEVICE_INFORMATION):
    """The same with what the controller says of itself. Source: ns-hdaudio-_hdaudio_device_information_v2.md"""

    Size: int = 14
    CtrlRevision: int = 0
    CtrlVendorId: int = 0
    CtrlDeviceId: int = 0


class HDAUDIO_BUFFER_DESCRIPTOR(NamedTuple):
    """One entry of a descriptor list. Address: as the device sees it. Length: bytes. InterruptOnCompletion: bit 0.

    Source: ns-hdaudio-_hdaudio_buffer_descriptor.md
    """

    Address: int
    Length: int
    InterruptOnCompletion: int = 0


class BufferDescriptorList(Sequence[HDAUDIO_BUFFER_DESCRIPTOR]):
    """PHDAUDIO_BUFFER_DESCRIPTOR: the list of AllocateContiguousDmaBuffer, 256 entries; stands for its address.

    Reading and assigning entries are the driver's own loads and stores, checked as such.
    """

    __slots__ = ("_address", "_machine")

    def __init__(self, machine: Machine, address: int) -> None:
        self._machine = machine
        self._address = address

    def __index__(self) -> int:
        return self._address

    def __len__(self) -> int:
        return 256

    def _place(self, index: int) -> int:
        if not -256 <= index < 256:
            raise IndexError("a descriptor list has entries 0 to 255")
        return self._address + 16 * (index % 256)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(256))]
        return HDAUDIO_BUFFER_DESCRIPTOR(*struct.unpack("<QII", self._machine.read_va(self._place(index), 16)))

    def __setitem__(self, index: int, entry: Sequence[int]) -> None:
        address, length, ioc = HDAUDIO_BUFFER_DESCRIPTOR(*entry)
        for name, value, bits in (("Address", address, 64), ("Length", length, 32), ("InterruptOnCompletion", ioc, 32)):
            _field(name, value, bits)
        self._machine.write_va(self._place(index), struct.pack("<QII", address, length, ioc))

    def _repr_html_(self) -> str:
        from storsim import html

        return html.descriptor_list(self)

    def __repr__(self) -> str:
        return f"<PHDAUDIO_BUFFER_DESCRIPTOR at {self._address:#x}>"


#: PULONG to a register: ``int(register)`` reads it now; stands for its address. Read only: a store is a violation.
LiveRegister = _core.LiveRegister


# --- formats
# ------------------------------------------------------------------------------------------------------------


def encode_format(form: HDAUDIO_STREAM_FORMAT) -> int | None:
    """HDAUDIO_CONVERTER_FORMAT of a stream format, 16 bits; None when it has no encoding. Source: spec hdaudio-dma
    §6.2"""
    numbers = (form.SampleRate, form.ValidBitsPerSample, form.ContainerSize, form.NumberOfChannels)
    if not all(0 <= number < 1 << bits for number, bits in zip(numbers, (32, 16, 16, 16), strict=True)):
        return None
    return _core.hdaudio_encode(*numbers)


def decode_format(converter: int) -> HDAUDIO_STREAM_FORMAT | None:
    """The stream format behind a converter format; None for reserved codes and rates that are no whole number of Hz."""
    fields = _core.hdaudio_decode(converter)
    return None if fields is None else HDAUDIO_STREAM_FORMAT(*fields)


#: The 38 rates the controller can encode, Hz: 18 of the 48 kHz family, then 20 of the 44.1 kHz family.
RATES: tuple[int, ...] = _core.HDAUDIO_RATES


# --- interfaces
# ---------------------------------------------------------------------------------------------------------


class Interface:
    """One client's function table: exactly the members of the table, each a routine with Context bound.

    An absent member is AttributeError. Size, Version, Context and the reference routines are the table's head.
    Dropping the object never dereferences (a driver's interface has no destructor either).
    """

    __slots__ = ("Context", "Size", "Version", "_machine", "_members", "_table")

    Size: int
    Version: int
    Context: int

    def __init__(self, machine: Machine, table: GUID, size: int, version: int, context: int) -> None:
        self._machine = machine
        self._table = table
        self.Size = size
        self.Version = version
        self.Context = context
        names = ("InterfaceReference", "InterfaceDereference", *table.members)
        self._members = {name: machine._hdaudio_routine(name, context) for name in names}

    @property
    def table(self) -> GUID:
        """The GUID that was asked for."""
        return self._table

    def __getattr__(self, name: str) -> Routine:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._members[name]
        except KeyError:
            pass
        others = [table.name for table in TABLES if name in table.members]
        hint = f"; it is in {', '.join(others)}" if others else ""
        raise AttributeError(f"{self._table.name} has no member {name}{hint}")

    def __dir__(self) -> list[str]:
        return ["Size", "Version", "Context", *self._members]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.members)

    def __repr__(self) -> str:
        return f"<{self._table.name} of client {self.Context:#x}>"
