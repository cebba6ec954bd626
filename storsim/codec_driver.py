"""A small HD Audio function driver: finds a converter and a pin, opens the path between them.

It speaks to the codec as a driver does, with verbs through ``TransferCodecVerbs`` of a bus interface, and knows
nothing of
the simulator's inside. Source: Intel HD Audio specification 1.0a §7.3 (verbs, parameters, widget capabilities).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from storsim.hdaudio import HDAUDIO_CODEC_TRANSFER, StreamFormat

AUDIO_OUTPUT, AUDIO_INPUT, MIXER, SELECTOR, PIN = 0, 1, 2, 3, 4
GET_PARAMETER, GET_CONNECTIONS = 0xF00, 0xF02
SET_SELECT, SET_POWER, SET_STREAM, SET_PIN, SET_EAPD = 0x701, 0x705, 0x706, 0x707, 0x70C
SET_FORMAT, SET_AMP = 0x2, 0x3
RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000, 384000)
WIDTHS = (8, 16, 20, 24, 32)


class CodecError(Exception):
    """A codec that cannot do what was asked; ``str()`` is one sentence that says what it can."""


@dataclass(frozen=True)
class Widget:
    """One node of the audio function group. channels: 1 … 16. rates in Hz, widths in bits (converters only)."""

    nid: int
    caps: int
    pin_caps: int
    connections: tuple[int, ...]
    rates: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def type(self) -> int:
        """Widget type, bits 23:20 of its capabilities."""
        return self.caps >> 20 & 0xF

    @property
    def channels(self) -> int:
        """Channels the widget carries."""
        return ((self.caps >> 13 & 7) << 1 | self.caps & 1) + 1


@dataclass(frozen=True)
class Route:
    """nodes: from the converter to the pin, in the order the sound travels for render, backwards for capture."""

    converter: Widget
    pin: Widget
    nodes: tuple[int, ...]


class CodecDriver:
    """Drives one codec through a bus interface object. address: the codec's. Every method raises CodecError when it
    is silent."""

    def __init__(self, bus: Any, address: int) -> None:
        self.bus = bus
        self.address = address
        self.group = self._find_group()
        self.widgets = {widget.nid: widget for widget in self._read_widgets()}

    # --- verbs --------------------------------------------------------------------------------------------------------

    def command(self, nid: int, verb: int, payload: int) -> int:
        """Sends one verb (12-bit verb with 8 bits of payload, or 4-bit verb with 16) and returns the 32-bit
        response."""
        low = verb << 8 | payload & 0xFF if verb > 0xF else verb << 16 | payload & 0xFFFF
        transfer = HDAUDIO_CODEC_TRANSFER(Output=self.address << 28 | nid << 20 | low)
        status = self.bus.TransferCodecVerbs(1, [transfer])
        if int(status) != 0 or not transfer.Input.IsValid:
            raise CodecError(f"codec {self.address} does not answer (verb {verb:#x} to node {nid:#04x}): is there one?")
        return int(transfer.Input.Response)

    def parameter(self, nid: int, parameter: int) -> int:
        """GET_PARAMETER."""
        return self.command(nid, GET_PARAMETER, parameter)

    # --- discovery ----------------------------------------------------------------------------------------------------

    def _find_group(self) -> int:
        nodes = self.parameter(0, 0x04)
        for nid in range(nodes >> 16 & 0xFF, (nodes >> 16 & 0xFF) + (nodes & 0xFF)):
            if self.parameter(nid, 0x05) & 0xFF == 1:
                return nid
        raise CodecError(f"codec {self.address} has no audio function group: a modem, or a codec of another kind")

    def _read_widgets(self) -> Iterator[Widget]:
        nodes = self.parameter(self.group, 0x04)
        defaults = self.parameter(self.group, 0x0A)
        for nid in range(nodes >> 16 & 0xFF, (nodes >> 16 & 0xFF) + (nodes & 0xFF)):
            caps = self.parameter(nid, 0x09)
            pcm = self.parameter(nid, 0x0A) if caps & 0x10 else 0
            pcm = pcm or defaults
            yield Widget(
                nid=nid,
                caps=caps,
                pin_caps=self.parameter(nid, 0x0C) if caps >> 20 & 0xF == PIN else 0,
                connections=tuple(self._connections(nid)) if caps & 0x100 else (),
                rates=tuple(rate for bit, rate in enumerate(RATES) if pcm >> bit & 1),
                widths=tuple(width for bit, width in enumerate(WIDTHS) if pcm >> (16 + bit) & 1),
            )

    def _connections(self, nid: int) -> Iterator[int]:
        length = self.parameter(nid, 0x0E)
        long_form, count = bool(length & 0x80), length & 0x7F
        per_answer, width, previous = (2, 16, -1) if long_form else (4, 8, -1)
        for index in range(count):
            if index % per_answer == 0:
                answer = self.command(nid, GET_CONNECTIONS, index)
            entry = answer >> (width * (index % per_answer)) & ((1 << width) - 1)
            node = entry & ((1 << (width - 1)) - 1)
            if entry >> (width - 1) and previous >= 0:
                yield from range(previous + 1, node)
            yield node
            previous = node

    # --- routes -------------------------------------------------------------------------------------------------------

    def route(self, form: StreamFormat, *, capture: bool, takes: Any) -> Route:
        """The first usable path between a converter that takes the format and a pin. takes: ``f(nid) -> bool`` for
        converters.

        Pins that are wired to something come before unconnected ones. Errors: CodecError that names what the
        converters can.
        """
        kind = AUDIO_INPUT if capture else AUDIO_OUTPUT
        converters = [w for w in self.widgets.values() if w.type == kind]
        if not converters:
            raise CodecError(f"codec {self.address} has no {'input' if capture else 'output'} converter")
        fitting = [w for w in converters if takes(w.nid)]
        if not fitting:
            raise CodecError(f"codec {self.address} cannot take {describe(form)}; {self.abilities(converters)}")
        for pin in self._pins(0x20 if capture else 0x10):
            for converter in fitting:
                start, goal = (converter, pin) if capture else (pin, converter)
                path = self._path(start.nid, goal.nid)
                if path:
                    return Route(converter, pin, tuple(path if capture else reversed(path)))
        raise CodecError(
            f"codec {self.address} has no pin that a fitting {'input' if capture else 'output'} converter reaches"
        )

    def _pins(self, direction: int) -> list[Widget]:
        """Pins that can go in the direction, the wired ones first (configuration default, port connectivity not
        'none')."""
        pins = [w for w in self.widgets.values() if w.type == PIN and w.pin_caps & direction]
        return sorted(pins, key=lambda w: (self.command(w.nid, 0xF1C, 0) >> 30 == 1, w.nid))

    def _path(self, start: int, goal: int) -> list[int]:
        """Node ids from start to goal along connection lists, shortest first; [] when there is none."""
        queue, seen = [[start]], {start}
        for path in queue:
            if path[-1] == goal:
                return path
            widget = self.widgets.get(path[-1])
            for nid in widget.connections if widget else ():
                inner = self.widgets.get(nid)
                if nid not in seen and inner and (nid == goal or inner.type in (MIXER, SELECTOR, PIN)):
                    seen.add(nid)
                    queue.append([*path, nid])
        return []

    def abilities(self, converters: Iterable[Widget]) -> str:
        """What these converters can, in words."""
        seen = []
        for widget in converters:
            text = (
                f"{'/'.join(map(str, widget.rates))} Hz, {'/'.join(map(str, widget.widths))} bit, "
                f"up to {widget.channels} channel{'s' if widget.channels > 1 else ''}"
            )
            if text not in seen:
                seen.append(text)
        return "it can: " + "; or ".join(seen)

    # --- programming --------------------------------------------------------------------------------------------------

    def open(self, route: Route, *, capture: bool, converter_format: int, stream_id: int) -> None:
        """Powers the path, selects and unmutes it, and gives the converter its format and stream."""
        self.command(self.group, SET_POWER, 0)
        listeners = route.nodes if capture else tuple(reversed(route.nodes))
        for nid in route.nodes:
            self.command(nid, SET_POWER, 0)
            self._unmute(nid)
        for nid, source in pairwise(listeners):
            connections = self.widgets[nid].connections
            if len(connections) > 1 and self.widgets[nid].type != MIXER:
                self.command(nid, SET_SELECT, connections.index(source))
        self.command(route.pin.nid, SET_PIN, 0x20 if capture else 0xC0 if route.pin.pin_caps & 8 else 0x40)
        if route.pin.pin_caps & 1 << 16:
            self.command(route.pin.nid, SET_EAPD, 2)
        self.command(route.converter.nid, SET_FORMAT, converter_format)
        self.command(route.converter.nid, SET_STREAM, stream_id << 4)

    def _unmute(self, nid: int) -> None:
        caps = self.widgets[nid].caps
        for has, parameter, direction in ((caps & 4, 0x12, 0x8000), (caps & 2, 0x0D, 0x4000)):
            if has:
                amp = self.parameter(nid if caps & 8 else self.group, parameter)
                indices = range(max(1, len(self.widgets[nid].connections)) if direction == 0x4000 else 1)
                for index in indices:
                    self.command(nid, SET_AMP, direction | 0x3000 | (index & 0xF) << 8 | amp & 0x7F)  # gain 0 dB

    def close(self, route: Route) -> None:
        """Takes the converter off its stream."""
        self.command(route.converter.nid, SET_STREAM, 0)


def describe(form: StreamFormat) -> str:
    """A stream format in words."""
    return f"{form.SampleRate} Hz, {form.ValidBitsPerSample} bit, {form.NumberOfChannels} channel" + "s" * (
        form.NumberOfChannels > 1
    )
