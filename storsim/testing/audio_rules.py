"""Small rule machines for the HD Audio bus interface: engine, buffer, stream, notification, verb.

Each is a mix-in over `RuleMachine`; all share one controller, `hda`, and its interface, `bus`. An engine may be called
with anything in any state: the rules know the status that the documented table gives. Source: spec hdaudio-dma §4.2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, precondition, rule

from storsim import hdaudio
from storsim.enums import NtStatus
from storsim.hdaudio import PauseState, ResetState, RunState, StreamFormat
from storsim.testing import strategies
from storsim.testing.rules import Resource, RuleMachine, at_passive

if TYPE_CHECKING:
    from storsim.hda import Hda

OK = (NtStatus.STATUS_SUCCESS,)
REFUSED = (NtStatus.STATUS_INVALID_DEVICE_REQUEST,)
MAYBE = (NtStatus.STATUS_SUCCESS, NtStatus.STATUS_INSUFFICIENT_RESOURCES, NtStatus.STATUS_BUFFER_TOO_SMALL)


class AudioRules(RuleMachine):
    """What the audio mix-ins share: controller and interface. hda_settings: keywords of ``pc.add_hda``."""

    hda_settings: ClassVar[dict[str, Any]] = {}
    interface: ClassVar[hdaudio.GUID] = hdaudio.HDAUDIO_BUS_INTERFACE_V2
    hda: Hda
    bus: Any

    def attach(self) -> None:
        """Adds the controller and queries the interface."""
        super().attach()
        self.hda = self.pc.add_hda(**self.hda_settings)
        self.bus = self.hda.query_interface(self.interface)

    def detach(self) -> None:
        """Gives the interface back and removes the controller: what is left is a leak."""
        self.bus.InterfaceDereference()
        self.hda.remove()
        super().detach()


class Engine(Resource):
    """A DMA engine. capture: from the codec. format: StreamFormat."""

    def __init__(self, number: int, capture: bool = False, format: StreamFormat | None = None, handle: int = 0) -> None:
        self.number, self.capture, self.format, self.handle = number, capture, format or StreamFormat(), handle
        self.state = ResetState
        self.buffer: Buffer | None = None
        self.events: list[Any] = []

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What is not the simplest."""
        named: dict[str, Any] = {"capture": True} if self.capture else {}
        if self.format != StreamFormat():
            named["format"] = Format(self.format)
        return (), named

    def release(self, machine: Any) -> None:
        """Pause, reset, the buffer, the registrations, the engine."""
        for state in (PauseState, ResetState)[self.state != RunState if self.buffer else 2 :]:
            machine.expect(machine.bus.SetDmaEngineState(state, [self.handle]), OK, "SetDmaEngineState")
        if self.buffer is not None:
            self.buffer.free(machine, self, OK)
        for event in self.events:
            machine.bus.UnregisterNotificationEvent(self.handle, event)
            event.destroy()
        machine.expect(machine.bus.FreeDmaEngine(self.handle), OK, "FreeDmaEngine")


class Format:
    """A StreamFormat that prints as a short call."""

    def __init__(self, format: StreamFormat) -> None:
        self.format = format

    def __repr__(self) -> str:
        form = self.format
        numbers = (form.SampleRate, form.ValidBitsPerSample, form.ContainerSize, form.NumberOfChannels)
        return f"StreamFormat({', '.join(map(str, numbers))})"


class Buffer:
    """The buffer of an engine. notifications: 0 for AllocateDmaBuffer."""

    def __init__(self, mdl: Any, size: int, notifications: int) -> None:
        self.mdl, self.size, self.notifications = mdl, size, notifications

    def free(self, machine: Any, engine: Engine, allowed: tuple[NtStatus, ...]) -> None:
        """The Free routine that belongs to it."""
        if self.notifications:
            status = machine.bus.FreeDmaBufferWithNotification(engine.handle, self.mdl, self.size)
        else:
            status = machine.bus.FreeDmaBuffer(engine.handle)
        machine.expect(status, allowed, "the buffer's free routine")


class EngineRules(AudioRules):
    """Engines come and go; bandwidth is what limits them."""

    engines: Bundle[Engine] = Bundle("engines")

    @precondition(at_passive)
    @rule(target=engines, format=strategies.stream_formats(), capture=st.booleans())
    def open_engine(self, format: StreamFormat, capture: bool) -> Any:
        """A render or capture engine, or a refusal for want of engines, bandwidth or FIFO."""
        if capture:
            status, handle, _ = self.bus.AllocateCaptureDmaEngine(0, format)
        else:
            status, handle, _ = self.bus.AllocateRenderDmaEngine(format)
        self.expect(status, MAYBE, "Allocate…DmaEngine")
        self.look()
        if status:
            return multiple()
        engine = Engine(self.number(), capture, format, handle)
        self.live[engine.number] = engine
        return engine

    @precondition(at_passive)
    @rule(engine=engines, format=strategies.stream_formats())
    def change_format(self, engine: Engine, format: StreamFormat) -> None:
        """Another format: in reset and without a buffer."""
        free = engine.state == ResetState and engine.buffer is None
        status, _ = self.bus.ChangeBandwidthAllocation(engine.handle, format)
        self.expect(status, MAYBE if free else REFUSED, "ChangeBandwidthAllocation")
        if not status:
            engine.format = format
        self.look()

    @precondition(at_passive)
    @rule(engine=consumes(engines))
    def close_engine(self, engine: Engine) -> None:
        """From whatever state: everything it has is given back in order."""
        del self.live[engine.number]
        engine.release(self)
        self.look()


class BufferRules(EngineRules):
    """Cyclic buffers: one per engine, in reset."""

    @precondition(at_passive)
    @rule(engine=EngineRules.engines, bytes=strategies.buffer_sizes(), notifications=st.sampled_from([0, 1, 2]))
    def allocate_buffer(self, engine: Engine, bytes: int, notifications: int) -> None:
        """With or without notification; refused when the engine has one or is not in reset."""
        if notifications:
            result = self.bus.AllocateDmaBufferWithNotification(engine.handle, notifications, bytes)
        else:
            result = self.bus.AllocateDmaBuffer(engine.handle, bytes)
        self.expect(result[0], MAYBE if engine.buffer is None else REFUSED, "AllocateDmaBuffer…")
        if not result[0]:
            engine.buffer = Buffer(result[1], result[2], notifications)
        self.look()

    @precondition(at_passive)
    @rule(engine=EngineRules.engines)
    def free_buffer(self, engine: Engine) -> None:
        """Refused while the stream is not in reset."""
        if engine.buffer is None:
            self.expect(self.bus.FreeDmaBuffer(engine.handle), REFUSED, "FreeDmaBuffer")
        elif engine.state != ResetState:
            engine.buffer.free(self, engine, REFUSED)
        else:
            engine.buffer.free(self, engine, OK)
            engine.buffer = None
        self.look()

    @rule(engine=EngineRules.engines, value=st.sampled_from([0, 0x55]))
    def fill_buffer(self, engine: Engine, value: int) -> None:
        """The driver stores into the buffer through its MDL."""
        if engine.buffer is not None and not engine.capture:
            with memoryview(engine.buffer.mdl) as view:
                view[: engine.buffer.size] = bytes([value]) * min(engine.buffer.size, len(view))
        self.look()


class StreamRules(BufferRules):
    """Reset, pause, run: each step as the state table says."""

    def _set(self, engine: Engine, state: int, legal: bool) -> None:
        status = self.bus.SetDmaEngineState(state, [engine.handle])
        self.expect(status, OK if legal else REFUSED, "SetDmaEngineState")
        if legal:
            engine.state = state
        self.look()

    @rule(engine=EngineRules.engines)
    def run(self, engine: Engine) -> None:
        """From pause, not from reset."""
        self._set(engine, RunState, engine.buffer is not None and engine.state != ResetState)

    @rule(engine=EngineRules.engines)
    def pause(self, engine: Engine) -> None:
        """From reset with a buffer, or from run."""
        self._set(engine, PauseState, engine.buffer is not None)

    @rule(engine=EngineRules.engines)
    def reset(self, engine: Engine) -> None:
        """From pause, not from run."""
        self._set(engine, ResetState, engine.state != RunState)

    @rule(engine=EngineRules.engines)
    def read_position(self, engine: Engine) -> None:
        """The link position lies within the buffer."""
        status, position = self.bus.GetLinkPositionRegister(engine.handle)
        self.expect(status, OK, "GetLinkPositionRegister")
        where = int(position)
        assert where == 0 or (engine.buffer is not None and where <= engine.buffer.size)
        self.look()


class NotificationRules(EngineRules):
    """Notification events (tables V2 and V3)."""

    @precondition(at_passive)
    @rule(engine=EngineRules.engines)
    def register_event(self, engine: Engine) -> None:
        """An event that each notification sets."""
        event = self.pc.event()
        status = self.bus.RegisterNotificationEvent(engine.handle, event)
        self.expect(status, MAYBE, "RegisterNotificationEvent")
        if status:
            event.destroy()
        else:
            engine.events.append(event)
        self.look()

    @precondition(at_passive)
    @rule(engine=EngineRules.engines)
    def unregister_event(self, engine: Engine) -> None:
        """The oldest of an engine's events."""
        if engine.events:
            event = engine.events.pop(0)
            self.expect(self.bus.UnregisterNotificationEvent(engine.handle, event), OK, "UnregisterNotificationEvent")
            event.destroy()
        self.look()

    @rule(engine=EngineRules.engines)
    def clear_events(self, engine: Engine) -> None:
        """The driver waits for the next notification."""
        for event in engine.events:
            event.clear()
        self.look()


class VerbRules(AudioRules):
    """Codec commands."""

    @rule(command=strategies.verbs())
    def transfer_verb(self, command: hdaudio.HDAUDIO_CODEC_COMMAND) -> None:
        """One command without a callback: the response is there when the call returns (PASSIVE_LEVEL)."""
        if self.level == 0:
            transfer = hdaudio.HDAUDIO_CODEC_TRANSFER(command)
            self.expect(
                self.bus.TransferCodecVerbs(1, [transfer]), (*MAYBE, NtStatus.STATUS_NO_MEMORY), "TransferCodecVerbs"
            )
        self.look()
