"""`AudioDriverMachine`: fuzz an HD Audio function driver in 30 lines.

class Mine(AudioDriverMachine):
    def bring_up(self):
        self.driver = MyDriver(self.bus)

    def open(self, stream):          # engine and buffer for stream.format, or False
        return self.driver.open(stream)

    def start(self, stream):
        self.driver.run(stream)

    def pause(self, stream):
        self.driver.pause(stream)

    def close(self, stream):         # from any state: stop, free the buffer, free the engine
        self.driver.close(stream)

    def remove(self): ...

TestMine = Mine.TestCase
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from storsim import hdaudio
from storsim.errors import NtStatusError
from storsim.testing import strategies
from storsim.testing.driver import REFUSED, DriverMachine, PowerState, default_hooks, is_up
from storsim.testing.specs import MachineConfig, StreamSpec
from storsim.testing.steps import swarms

if TYPE_CHECKING:
    from storsim.hda import Hda


class Stream:
    """One stream as the hooks see it. A driver adds attributes of its own (handle, MDL, event …).

    number: 1, 2, … over the whole test case. capture: from the codec. format: StreamFormat. buffer_bytes: size to ask
    for. notifications: 1 or 2 per buffer. state: "open", "running", "paused" or "closed". codec: codec address.
    """

    def __init__(
        self, number: int, capture: bool, format: hdaudio.StreamFormat, buffer_bytes: int, notifications: int
    ) -> None:
        self.number = number
        self.capture = capture
        self.format = format
        self.buffer_bytes = buffer_bytes
        self.notifications = notifications
        self.codec = 0
        self.state = "open"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __repr__(self) -> str:
        return f"<stream {self.number}: {'capture' if self.capture else 'render'}, {self.state}>"


class AudioDriverMachine(DriverMachine):
    """A fuzzed HD Audio function driver. Fill at least `open`, `close` and `remove`; see the module for the shape.

    Attributes for hooks: `hda` (the Hda), `bus` (the interface that was queried for the driver; its reference is given
    back after `remove`), `streams` (open ones, oldest first), and those of `DriverMachine`. Hooks run at PASSIVE_LEVEL;
    the driver's own callbacks and ISRs run when time passes.

    interface: table that is queried. hda_settings: keywords of ``pc.add_hda`` that stay as given. most_streams: open at
    a time. renders, captures: False leaves one direction out. hardware_faults: names of ``pc.faults.hardware`` that may
    happen, such as ``("timeout", "codec_silent", "fifo_error", "late_dpc", "descriptor_error")``: none by default.

    The order of calls is the audio stack's: `bring_up`; then in D0 any number of `open`, and for each open stream
    `start` (from open, paused), `pause` (from running), `change_format` (from open), `close` (from any state);
    `power(D3)` when no stream runs … `power(D0)`; then every open stream is closed and `remove` is called.
    `surprise_remove` comes at any time; then the same end with a controller that is gone.
    """

    interface: ClassVar[hdaudio.GUID] = hdaudio.HDAUDIO_BUS_INTERFACE_V2
    hda_settings: ClassVar[dict[str, Any]] = {}
    most_streams: ClassVar[int] = 4
    renders: ClassVar[bool] = True
    captures: ClassVar[bool] = True
    hardware_faults: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[dict[str, int]] = {"wait": 2, "open_stream": 2, "start_stream": 3}
    first_rules: ClassVar[tuple[str, ...]] = (
        *DriverMachine.first_rules, "send_verb", "open_stream", "start_stream", "refill_stream", "pause_stream",
        "reformat_stream", "close_stream", "hardware_fault",
    )  # fmt: skip
    _rule_hooks: ClassVar[dict[str, str]] = DriverMachine._rule_hooks | {
        "start_stream": "start", "pause_stream": "pause", "reformat_stream": "change_format",
        "pull_out": "surprise_remove", "send_verb": "verb", "refill_stream": "refill",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.hda: Hda = None  # type: ignore[assignment]  # until begin
        self.bus: Any = None
        self.streams: list[Stream] = []
        self.gone = False
        self._number = 0

    # --- hooks -------------------------------------------------------------------------------------------------------

    def bring_up(self) -> object:
        """The driver starts with `bus` and `hda`. See `DriverMachine.bring_up`."""
        return None

    def open(self, stream: Stream) -> object:
        """Makes a stream ready: engine and buffer. False (or a StatusError that leaves it): refused, nothing kept."""
        raise NotImplementedError(f"{type(self).__name__} needs an open()")

    def start(self, stream: Stream) -> object:
        """Lets an open or paused stream run. False: it could not; the stream stays as it was."""

    def pause(self, stream: Stream) -> object:
        """Holds a running stream. False: it could not; the stream still runs."""

    def close(self, stream: Stream) -> None:
        """Ends a stream from whatever state it is in, and gives back all it has."""
        raise NotImplementedError(f"{type(self).__name__} needs a close()")

    def refill(self, stream: Stream) -> None:
        """The client has data for (or takes data from) a running stream."""

    def change_format(self, stream: Stream, format: hdaudio.StreamFormat) -> object:
        """Another format for an open stream that was not started yet. False: refused, the old one stays."""

    def verb(self, command: int) -> None:
        """Sends a codec command (HDAUDIO_CODEC_COMMAND) with TransferCodecVerbs."""

    def surprise_remove(self) -> None:
        """The controller is gone: routines fail from now on. Then each stream is closed and `remove` is called."""

    # --- calling -----------------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        self.hda = self.pc.add_hda(**({"render": 2, "capture": 2} | self.hda_settings))
        try:
            self.bus = self.hda.query_interface(self.interface)
        except NtStatusError:  # no memory for the bus driver
            self.hda.remove()
            raise
        self._attached = True
        self.streams = []
        self.gone = False

    def _detach(self) -> None:
        self._attached = False
        with self._taking_out():
            if not self.pc._dead:
                self.bus.InterfaceDereference()
        with self._taking_out():
            if not self.pc._dead:
                self.hda.remove()

    def _drain(self) -> None:
        while self.streams:
            self._close(self.streams[0], 0)

    def _close(self, stream: Stream, fail: int) -> None:
        self.streams.remove(stream)
        self.call("close", stream, fail=fail)
        stream.state = "closed"

    def _pick(self, which: int, *states: str) -> Stream | None:
        able = [stream for stream in self.streams if stream.state in states]
        return able[which % len(able)] if able else None

    # --- rules -------------------------------------------------------------------------------------------------------

    @initialize(machine=strategies.machines(), without=swarms())
    def begin(self, machine: MachineConfig, without: tuple[str, ...]) -> None:
        """A machine. without: rules that this test case leaves out."""
        self._start(machine, without)

    @precondition(lambda self: is_up(self) and len(self.streams) < self.most_streams)
    @rule(spec=strategies.streams(), fail=strategies.nth_failures())
    def open_stream(self, spec: StreamSpec, fail: int) -> None:
        """A client opens a stream."""
        self._number += 1
        capture = self.captures and (spec.capture or not self.renders)
        form = copy(spec.format) if spec.format else hdaudio.StreamFormat()
        stream = Stream(self._number, capture, form, spec.buffer_bytes, spec.notifications)
        result = self.call("open", stream, fail=fail)
        if result is not REFUSED and result is not False:
            self.streams.append(stream)
        self._step_done()

    @precondition(lambda self: is_up(self) and any(s.state != "running" for s in self.streams))
    @rule(which=st.integers(0, 3), fail=strategies.nth_failures(4))
    def start_stream(self, which: int, fail: int) -> None:
        """The client lets a stream run; which: 0 is the oldest that does not."""
        self._change(self._pick(which, "open", "paused"), "start", "running", fail)

    @precondition(lambda self: is_up(self) and any(s.state == "running" for s in self.streams))
    @rule(which=st.integers(0, 3), fail=strategies.nth_failures(4))
    def pause_stream(self, which: int, fail: int) -> None:
        """The client holds a stream."""
        self._change(self._pick(which, "running"), "pause", "paused", fail)

    def _change(self, stream: Stream | None, hook: str, state: str, fail: int) -> None:
        if stream is None:
            return
        result = self.call(hook, stream, fail=fail)
        if result is not REFUSED and result is not False:
            stream.state = state
        self._step_done()

    @precondition(lambda self: is_up(self) and bool(self.streams))
    @rule(which=st.integers(0, 3), fail=strategies.nth_failures(4))
    def close_stream(self, which: int, fail: int) -> None:
        """The client closes a stream, in whatever state it is."""
        self._close(self.streams[which % len(self.streams)], fail)
        self._step_done()

    @precondition(lambda self: is_up(self) and any(s.state == "running" for s in self.streams))
    @rule(which=st.integers(0, 3))
    def refill_stream(self, which: int) -> None:
        """The client brings or takes data."""
        stream = self._pick(which, "running")
        if stream is not None:
            self.call("refill", stream)
        self._step_done()

    @precondition(lambda self: is_up(self) and any(s.state == "open" for s in self.streams))
    @rule(which=st.integers(0, 3), format=strategies.stream_formats(), fail=strategies.nth_failures(4))
    def reformat_stream(self, which: int, format: hdaudio.StreamFormat, fail: int) -> None:
        """The client changes the format of a stream that was not started yet."""
        stream = self._pick(which, "open")
        if stream is not None:
            result = self.call("change_format", stream, format, fail=fail)
            if result is not REFUSED and result is not False:
                stream.format = format
        self._step_done()

    @precondition(is_up)
    @rule(command=strategies.verbs(), fail=strategies.nth_failures(4))
    def send_verb(self, command: hdaudio.HDAUDIO_CODEC_COMMAND, fail: int) -> None:
        """A codec command."""
        self.call("verb", command, fail=fail)
        self._step_done()

    @precondition(lambda self: is_up(self) and not any(s.state == "running" for s in self.streams))
    @rule(fail=strategies.nth_failures())
    def sleep(self, fail: int) -> None:
        """Power goes to D3; streams may be open, none runs."""
        self.power_state = PowerState.D3
        self.call("power", PowerState.D3, fail=fail)
        self._step_done()

    @precondition(lambda self: bool(self.up and self.hardware_faults))
    @rule(which=st.integers(0, 7))
    def hardware_fault(self, which: int) -> None:
        """The next occasion of one of `hardware_faults` happens."""
        self.hda.inject(self.hardware_faults[which % len(self.hardware_faults)])

    @precondition(lambda self: bool(self.up and not self.gone))
    @rule()
    def pull_out(self) -> None:
        """Somebody pulls the device out."""
        self.gone = True
        self.hda.inject("removed")
        self.call("surprise_remove")
        self._die()


default_hooks(
    AudioDriverMachine.start, AudioDriverMachine.pause, AudioDriverMachine.refill, AudioDriverMachine.change_format,
    AudioDriverMachine.verb, AudioDriverMachine.surprise_remove,
)  # fmt: skip
