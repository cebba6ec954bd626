"""`Hda`, an HD Audio controller in a simulated machine: registers, codecs, and the bus driver on top."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from storsim import _core, knobs
from storsim.enums import NtStatus
from storsim.errors import NtStatusError
from storsim.hdaudio import GUID, Interface
from storsim.knobs_hda import TIMINGS, choice, split_settings

if TYPE_CHECKING:
    from storsim.importers.codec import CodecDump
    from storsim.machine import Machine
    from storsim.records import Finding


class RegisterInfo(NamedTuple):
    """A register. offset: bytes. size: 1 … 4 bytes. write_mask: plain bits. clear_mask: bits that a written 1
    clears. reset: value."""

    name: str
    offset: int
    size: int
    write_mask: int
    clear_mask: int
    reset: int


class Position(NamedTuple):
    """What the engine of a descriptor has done since its reset: bytes on the link and in memory, FIFO and sample
    block in bytes."""

    link_bytes: int
    dma_bytes: int
    fifo_bytes: int
    block_bytes: int
    running: bool
    linked: bool


#: The register window: ``read(offset, size=4)`` and ``write(offset, size, value)``.
Mmio = _core.Mmio


class Registers(_core.RegisterFile):
    """Registers by specification name: ``hda.regs.SD4LPIB`` reads, assignment writes, ``dir()`` lists them."""

    __slots__ = ("_hda", "_rows")

    if TYPE_CHECKING:
        _hda: Hda
        _rows: dict[str, RegisterInfo]

    def __init__(self, machine: Machine, number: int, hda: Hda) -> None:
        rows = machine._hda_registers(number)
        object.__setattr__(self, "_hda", hda)
        object.__setattr__(self, "_rows", {row[0]: RegisterInfo(*row) for row in rows})

    def _name(self, name: str) -> str:
        if name.upper() not in self._rows:
            raise AttributeError(f"this controller has no register {name}; dir(hda.regs) lists them")
        if self._hda._removed:
            raise ValueError("the controller was removed: its registers are gone")
        return name.upper()

    def _missing(self, name: str) -> int:
        """A name that is spelled otherwise than in the specification, or none."""
        return int(getattr(self, self._name(name)))

    def __setattr__(self, name: str, value: int) -> None:
        row, number = self._rows[self._name(name)], operator.index(value)
        if number >> (8 * row.size):
            raise OverflowError(f"{row.name} has {row.size} bytes: {number:#x} does not fit")
        self._hda.machine._hda_register_write(self._hda.number, row.name, number)

    def __getitem__(self, name: str) -> RegisterInfo:
        try:
            return self._rows[name.upper()]
        except KeyError:
            raise KeyError(f"this controller has no register {name}") from None

    def __iter__(self) -> Any:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __dir__(self) -> list[str]:
        return list(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self._rows)} registers of {self._hda!r}>"


class Codec:
    """A codec on an SDI line. stream_id: the stream tag, 1 … 15. Methods raise ValueError when it was pulled."""

    __slots__ = ("_address", "_hda", "description")

    def __init__(self, hda: Hda, address: int, description: CodecDump | None) -> None:
        self._hda = hda
        self._address = address
        self.description = description

    @property
    def address(self) -> int:
        """Its address: the SDI line it sits on."""
        return self._address

    def _call(self, name: str, *arguments: Any) -> Any:
        return getattr(self._hda.machine, f"_codec_{name}")(self._hda.number, self._address, *arguments)

    @property
    def present(self) -> bool:
        """Whether it is still plugged."""
        return bool(self._call("present"))

    def command(self, command: int) -> int:
        """Executes a verb at once, not over the link; the address in it does not matter. For looking and for tests."""
        return int(self._call("command", command))

    def parameter(self, nid: int, parameter: int) -> int:
        """GET_PARAMETER of a node, at once. nid, parameter: 0 … 255."""
        if not 0 <= nid <= 0xFF or not 0 <= parameter <= 0xFF:
            raise OverflowError(f"a node id and a parameter id have 8 bits: {nid}, {parameter}")
        return self.command(nid << 20 | 0xF0000 | parameter)

    def takes(self, nid: int, converter_format: int) -> bool:
        """Whether a converter can take an HDAUDIO_CONVERTER_FORMAT."""
        return bool(self._call("takes", nid, converter_format))

    def played(self, stream_id: int) -> bytes:
        """What it heard on a stream, containers as they lay in memory: the tail that is kept (16 MiB unless `keep`
        says otherwise)."""
        return self._call("played", stream_id)[0]  # type: ignore[no-any-return]

    def dropped(self, stream_id: int) -> int:
        """Bytes heard before those that `played` still has."""
        return int(self._call("played", stream_id)[1])

    def clear(self, stream_id: int) -> None:
        """Forgets what was heard on a stream."""
        self._call("played_clear", stream_id)

    def keep(self, stream_id: int, limit: int) -> None:
        """How many bytes of a stream's tail are kept; 0 keeps nothing, and a long run costs only per event."""
        self._call("keep", stream_id, limit)

    def feed(self, stream_id: int, data: bytes | bytearray | memoryview | Callable[[int], bytes]) -> None:
        """What it sends on a capture stream: bytes that are appended, or a callable ``source(count) -> bytes`` asked
        ahead of time.

        What is not there when it is due is silence (zeros).
        """
        if not callable(data):
            self._call("feed", stream_id, data)
            return

        def source(address: int, tag: int, buffer: bytearray) -> int:
            chunk = memoryview(data(len(buffer))).cast("B")
            if len(chunk) > len(buffer):
                raise ValueError(f"the source returned {len(chunk)} bytes where {len(buffer)} were asked for")
            buffer[: len(chunk)] = chunk
            return len(chunk)

        self._call("source", stream_id, source)

    def feed_pending(self, stream_id: int) -> int:
        """Bytes fed and not yet sent."""
        return int(self._call("feed_pending", stream_id))

    def record(self, stream_id: int, sink: Any) -> None:
        """Sends every byte heard on a stream to ``sink(data)`` or ``sink.write(data)``, at the latest every 10 ms;
        None ends it."""
        if sink is None:
            self._call("record", stream_id, None)
            return
        write = getattr(sink, "write", sink)
        if not callable(write):
            raise TypeError(f"a sink is a callable or has a method write, not {type(sink).__name__}")
        self._call("record", stream_id, lambda address, tag, data: write(data) and None)

    def unsolicited(self, tag: int, payload: int) -> None:
        """Queues an unsolicited response. tag: 0 … 63. payload: 26 bits. Raises BufferError when 64 are waiting."""
        self._call("unsolicited", tag, payload)

    def jack(self, nid: int, plugged: bool) -> None:
        """Plugs or pulls a jack: pin sense, and an unsolicited response where the pin has them enabled."""
        self._call("jack", nid, plugged)

    def wake(self) -> None:
        """Asserts a state change on its SDI line."""
        self._call("wake")

    def behave(self, *, silent: bool = False, response_frames: int = 1) -> None:
        """silent: never answers. response_frames: frames from a verb to its answer."""
        self._call("set", silent, response_frames)

    def remove(self) -> None:
        """Pulls it."""
        self._call("remove")

    def __repr__(self) -> str:
        name = self.description.name if self.description else "ideal codec"
        return f"<codec {self._address}: {name}>"


class Engines(list[dict[str, Any]]):
    """DMA engines, by descriptor; notebooks show them as a table."""

    def _repr_html_(self) -> str:
        from storsim import html

        return html.engines(self)


class Stream:
    """One stream descriptor; notebooks show where it stands in its buffer, and its descriptor list."""

    __slots__ = ("_hda", "descriptor")

    def __init__(self, hda: Hda, descriptor: int) -> None:
        self._hda = hda
        self.descriptor = descriptor

    @property
    def position(self) -> Position:
        """What its engine has done since its reset."""
        return self._hda.position(self.descriptor)

    def __repr__(self) -> str:
        return f"<stream {self.descriptor} of {self._hda!r}>"

    def _repr_html_(self) -> str:
        from storsim import html

        return html.stream(self._hda, self.descriptor)


class Hda:
    """An HD Audio controller: the chip itself (``mmio``, ``regs``, ``codecs``) and the bus driver's interfaces
    (`query_interface`).

    A test or a user may be its bus driver: until the first query nothing but the caller touches a register.
    """

    def __init__(self, machine: Machine, number: int, settings: Mapping[str, Any]) -> None:
        self.machine = machine
        self.number = number
        self.settings = dict(settings)
        self.codecs: list[Codec] = []
        self.mmio = Mmio(machine, number)
        self.regs = Registers(machine, number, self)

    # --- the bus driver
    # -------------------------------------------------------------------------------------------------

    def query_interface(
        self, guid: GUID, client: int = 0, *, size: int | None = None, version: int | None = None
    ) -> Interface:
        """IRP_MN_QUERY_INTERFACE: an interface object of one client, with one reference taken.

        guid: a table of storsim.hdaudio. client: number of the function group's device object, from 0. size,
        version: as the caller's stack location holds them (default: right). Raises NtStatusError.
        """
        if not isinstance(guid, GUID):
            raise TypeError(
                f"guid is a table of storsim.hdaudio such as HDAUDIO_BUS_INTERFACE_V2, not {type(guid).__name__}"
            )
        answer = self.machine._hdaudio_query(
            self.number,
            guid.bytes,
            guid.size if size is None else size,
            guid.version if version is None else version,
            client,
        )
        status, name, answered_size, answered_version, context = answer
        if status != 0 or name is None:
            known = NtStatus(status) if status in NtStatus._value2member_map_ else status
            raise NtStatusError(known, f"query_interface({guid!r})")
        return Interface(self.machine, guid, answered_size, answered_version, context)

    def engines(self) -> Engines:
        """Valid DMA engines, by descriptor: handle, state ("RD" …), format, buffer, … as the bus driver keeps them."""
        return Engines(self.machine._hdaudio_engines(self.number))

    def bdl(self, handle: int) -> list[tuple[int, int, int]]:
        """An engine's descriptor list as it lies in memory: (address, length, ioc). Raises ValueError for an unknown
        handle."""
        return self.machine._hdaudio_bdl(handle)

    def bandwidth(self, codec: int | None = None) -> tuple[int, int] | None:
        """(used, capacity) in bits per frame of all SDO lines, or of a codec's SDI line; None before the first
        query."""
        return self.machine._hdaudio_bandwidth(self.number, codec)

    # --- the chip
    # -------------------------------------------------------------------------------------------------------

    @property
    def _removed(self) -> bool:
        """Whether it was taken out; restoring a snapshot brings it back."""
        return not self.machine.closed and not self.machine._hda_state(self.number)[0]

    @property
    def interrupt_line(self) -> bool:
        """The level of its interrupt line."""
        return self.machine._hda_state(self.number)[5]

    @property
    def line(self) -> int:
        """Number of its interrupt line."""
        return self.machine._hda_state(self.number)[2]

    def position(self, descriptor: int) -> Position:
        """What a stream descriptor's engine has done, exactly."""
        return Position(*self.machine._hda_position(self.number, descriptor))

    def stream(self, descriptor: int) -> Stream:
        """A stream descriptor, for looking at. Raises ValueError when the controller has none of that number."""
        self.position(descriptor)
        return Stream(self, descriptor)

    def stall(self, stalled: bool = True) -> None:
        """Stalls (resumes) all DMA of the controller: FIFOs drain or fill, the rings wait."""
        self.machine._hda_stall(self.number, stalled)

    def set_wall_clock(self, value: int) -> None:
        """Makes WALCLK read value now. Raises ValueError while the controller is in reset."""
        self.machine._hda_set_wall_clock(self.number, value)

    def inject(self, fault: str, count: int = 1) -> int:
        """Short for ``pc.faults.hardware``: the next occasion of timeout, codec_silent, rirb_overrun,
        descriptor_error, fifo_error, late_dpc or removed on this controller."""
        if fault == "removed":
            self.machine._hdaudio_surprise_remove(self.number)
        return self.machine.faults.hardware(fault, device=0 if fault == "late_dpc" else self.number, count=count)

    def remove(self) -> list[Finding]:
        """Takes the controller out; returns what its clients leaked, one finding each (ruling R40). Raises Violation
        at strict."""
        if self._removed:
            raise ValueError("the controller was removed before")
        before = len(self.machine.findings)
        try:
            self.machine._hdaudio_remove(self.number)
        finally:
            if not self.machine._dead:
                self.machine._hda_remove(self.number)
        return [finding for finding in self.machine.findings[before:] if finding.kind == "violation"]

    def _repr_html_(self) -> str:
        from storsim import html

        return html.hda(self)

    def __repr__(self) -> str:
        return f"<HD Audio controller {self.number} of {self.machine!r}>"


# --- building
# -----------------------------------------------------------------------------------------------------------


def codec_places(codecs: Iterable[Any] | None) -> list[tuple[int, Any]]:
    """(address, what) of each codec: its position, unless ``(address, codec)`` places it elsewhere."""
    if codecs is None:
        return [(0, None)]
    places = []
    for position, codec in enumerate(codecs):
        if isinstance(codec, tuple) and len(codec) == 2 and isinstance(codec[0], int):
            places.append((knobs.check_whole(0, 14)("codec address", codec[0]), codec[1]))
        else:
            places.append((position, codec))
    addresses = [address for address, _ in places]
    if len(set(addresses)) != len(addresses):
        raise ValueError(f"two codecs at one address: {addresses}")
    return places


def read_codec(codec: Any) -> CodecDump | None:
    """A codec given as a description, the path or text of a dump, or None (or "ideal") for the ideal one."""
    from storsim.importers.codec import CodecDump, load_codec

    if codec is None or codec == "ideal":
        return None
    if isinstance(codec, CodecDump):
        return codec
    if isinstance(codec, str | os.PathLike):
        return load_codec(codec)
    raise TypeError(
        f"a codec is a CodecDump, the path or text of a dump, or None for the ideal one, not {type(codec).__name__}"
    )


def plug(hda: Hda, address: int, dump: CodecDump | None) -> None:
    """Puts a codec on its SDI line."""
    machine = hda.machine
    if dump is None:
        machine._codec_add_ideal(hda.number, address)
    else:
        nodes = tuple(
            (node.nid, tuple(node.parameters.items()), bytes(node.connections)) for node in dump.nodes.values()
        )
        initial = tuple((node.nid, verb) for node in dump.nodes.values() for verb in node.initial)
        machine._codec_add(hda.number, address, nodes, initial, 1, dump.silent, dump.any_format, None)
    hda.codecs.append(Codec(hda, address, dump))


def make_hda(
    machine: Machine,
    *,
    render: int,
    capture: int,
    bidirectional: int,
    sdo_lines: int,
    codecs: Iterable[Any] | None,
    timing: str,
    settings: Mapping[str, Any],
) -> Hda:
    """What `Machine.add_hda` does once its keywords are together."""
    chip, bus, policies, profile = split_settings(settings)
    places = [(address, read_codec(codec)) for address, codec in codec_places(codecs)]
    chip |= {
        "render": knobs.check_whole(0, 15)("render", render),
        "capture": knobs.check_whole(0, 15)("capture", capture),
        "bidirectional": knobs.check_whole(0, 30)("bidirectional", bidirectional),
        "sdo_lines": knobs.check_whole(1, 4)("sdo_lines", sdo_lines),
        "timing": TIMINGS.index(choice("timing", timing, TIMINGS)),
    }
    if chip.get("sdi_lines", 0) == 0:
        chip["sdi_lines"] = max([4, *(address + 1 for address, _ in places)])
    number = machine._hda_add(chip)
    try:
        hda = Hda(machine, number, {**chip, **bus, **policies, "profile": profile})
        for address, dump in places:
            plug(hda, address, dump)
        machine._hdaudio_attach(number, profile, policies, bus)
    except BaseException:
        machine._hda_remove(number)
        raise
    return hda
