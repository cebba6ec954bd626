"""Rows about HD Audio: fifteen stereo streams at 48 kHz, and what a notification costs until Python has it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import storsim
from storsim.hdaudio import (
    HDAUDIO_BUS_INTERFACE_BDL,
    HDAUDIO_CODEC_TRANSFER,
    PauseState,
    RunState,
    StreamFormat,
)
from tests.bench.measure import Ratio, Row, Timed, loop, ratios, rounds

STREAMS = 15
BYTES_A_SECOND = STREAMS * 48_000 * 4
PIECE = 1920  # 10 ms
ENTRIES = 8
LONG, LONG_ENTRIES = 19200, 2  # 100 ms
KEPT = 65_536


class Rig:
    """A controller whose streams run: `entries` entries of `piece` bytes, heard by the ideal codec or by nobody."""

    def __init__(
        self,
        streams: int,
        heard: bool,
        ioc: int,
        routine: Callable[[Any, int], None],
        piece: int = PIECE,
        entries: int = ENTRIES,
    ) -> None:
        self.pc = storsim.Machine("16GiB")
        self.hda = self.pc.add_hda(render=15, capture=0, keep_bytes=KEPT)
        bus = self.hda.query_interface(HDAUDIO_BUS_INTERFACE_BDL)
        handles = []
        for index in range(streams):
            _, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
            _, buffer, bdl = bus.AllocateContiguousDmaBuffer(handle, piece * entries)
            self.pc.write_va(buffer, bytes(range(256)) * (piece * entries // 256))
            for entry in range(entries):
                bdl[entry] = (self.pc.physical(buffer) + entry * piece, piece, ioc)
            _, tag, _ = bus.SetupDmaEngineWithBdl(handle, piece * entries, entries - 1, routine, 0)
            if heard:
                node = 0x10 + index
                verbs = (node << 20 | 0x70600 | tag << 4, node << 20 | 0x20011)
                bus.TransferCodecVerbs(2, [HDAUDIO_CODEC_TRANSFER(verb) for verb in verbs])
            handles.append(handle)
        for state in (PauseState, RunState):
            if handles and bus.SetDmaEngineState(state, handles) != 0:
                raise RuntimeError("the streams do not start")
        self.pc.advance(seconds=1)

    def second(self) -> Timed:
        """One second of virtual time per call."""
        return loop(lambda: self.pc.advance(seconds=1))


def _ignore(context: Any, mask: int) -> None:
    """An empty service routine."""


def _notifications(
    each: list[float], callback: list[float], entries: int, times: int, core_ns: Callable[[], float] | None
) -> list[Row]:
    """What an interrupt adds to an entry, in seconds of virtual time `each`, against a loop that calls `callback`."""
    what = "an interrupt of an entry, its service and deferred routine, delivered to a Python callback"
    yardstick = "the same callback called from an empty C loop"
    one, base = [value / entries for value in each], [value / times for value in callback]
    detail = {"ns": Ratio.of(one).median * 1e9, "yard_ns": Ratio.of(base).median * 1e9}
    rows = [
        Row("audio.notification.whole", f"{what}, core included", yardstick, None, ratios(one, base), detail=detail)
    ]
    if core_ns is not None:
        core = sorted(core_ns() for _ in range(3))[1]
        net = [max(value - core * 1e-9, 0.0) for value in one]
        what += ", without the core's own cost (the same with a C function as callback, recorded alike)"
        row = Row("audio.notification", what, yardstick, 4.0, ratios(net, base), detail=detail | {"core_ns": core})
        rows.insert(0, row)
    return rows


def streams(yard: ModuleType, count: int, core_ns: Callable[[], float] | None) -> list[Row]:
    """Bytes delivered, entries without bytes, an idle second, notifications. core_ns: what one costs in the core."""
    heard, long = Rig(STREAMS, True, 0, _ignore), Rig(STREAMS, True, 0, _ignore, LONG, LONG_ENTRIES)
    silent = Rig(STREAMS, False, 0, _ignore)
    told = Rig(STREAMS, False, 1, _ignore)
    idle = Rig(0, False, 0, _ignore)
    memory, cold = bytearray(STREAMS * PIECE * ENTRIES), (bytearray(BYTES_A_SECOND * 8), bytearray(BYTES_A_SECOND * 8))
    rings, longer = bytearray(STREAMS * KEPT), bytearray(STREAMS * LONG * LONG_ENTRIES)
    times = BYTES_A_SECOND // PIECE
    arms: dict[str, Timed] = {
        "heard": heard.second(),
        "long": long.second(),
        "silent": silent.second(),
        "told": told.second(),
        "idle": idle.second(),
        "memcpy": loop(lambda: yard.copies(rings, memory, PIECE, times)),
        "memcpy long": loop(lambda: yard.copies(rings, longer, LONG, BYTES_A_SECOND // LONG)),
        "memcpy cold": loop(lambda: yard.copies(*cold, PIECE, times * 8)),
        "callback": loop(lambda: yard.callbacks(_ignore, 0, 1, times)),
    }
    found = rounds(arms, count, 0.02, least=2)
    cold_second = [value / 8 for value in found["memcpy cold"]]
    entries = STREAMS * 100
    each = [(told - silent) for told, silent in zip(found["told"], found["silent"], strict=True)]
    micro = {name: Ratio.of(values).median * 1e6 for name, values in found.items()}
    return [
        Row(
            "audio.bytes",
            "15 streams, 48 kHz stereo, entries of 10 ms, every byte delivered",
            "memcpy of the same bytes, piece by piece, all in the cache",
            2.0,
            ratios(found["heard"], found["memcpy"]),
            detail={"second_us": micro["heard"], "memcpy_us": micro["memcpy"]},
        ),
        Row(
            "audio.bytes.long",
            "the same with entries of 100 ms",
            "memcpy of the same bytes, piece by piece, all in the cache",
            2.0,
            ratios(found["long"], found["memcpy long"]),
            detail={"second_us": micro["long"], "memcpy_us": micro["memcpy long"]},
        ),
        Row(
            "audio.bytes.cold",
            "entries of 10 ms again",
            "memcpy of the same bytes through memory that is not in the cache",
            2.0,
            ratios(found["heard"], cold_second),
            detail={"memcpy_us": micro["memcpy cold"] / 8},
        ),
        Row(
            "audio.entry",
            "an entry of a descriptor list, nobody listens",
            "absolute",
            150.0,
            Ratio.of([value / entries * 1e9 for value in found["silent"]]),
            unit="ns",
        ),
        Row(
            "audio.idle",
            "a frame in which nothing runs",
            "absolute",
            0.5,
            Ratio.of([value / 48_000 * 1e9 for value in found["idle"]]),
            unit="ns",
        ),
        *_notifications(each, found["callback"], entries, times, core_ns),
    ]
