"""The interface and the controller in lock-step with the naive model of `model.audio`: random calls of several
clients through all tables, random time steps; after each step states, positions, completions, memory and the
bytes on the link are compared.

Then: time run by events is time run frame by frame, for any split of an interval.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kit.audio import *
from kit.audio import Client
from model.audio import ACTIVE, CONTAINERS, Audio, Engine, Format
from storsim.hdaudio import HDAUDIO_CODEC_TRANSFER, RATES, PauseState, ResetState, RunState, StreamFormat

STATUS = {"OK": OK, "IH": IH, "IP": IP, "IDR": IDR, "BTS": BTS, "IR": IR}
FIFO = {8: 192, 16: 192, 32: 192, 20: 256, 24: 256}


@st.composite
def formats(draw: st.DrawFn) -> Format:
    """Mostly valid ones, small so that many frames make a lap."""
    rate = draw(st.sampled_from([48000, 44100, *RATES]))
    bits = draw(st.sampled_from(sorted(CONTAINERS)))
    wrong = draw(st.integers(0, 30)) == 0
    return Format(rate + wrong, bits, CONTAINERS[bits], draw(st.sampled_from((1, 2, 2, 2, 3, 6, 8, 16))))


def stream_format(form: Format) -> StreamFormat:
    return StreamFormat(form.rate, form.bits, form.container, form.channels)


class Lockstep(RuleBasedStateMachine):
    """Two clients, an engine of each kind, two SDO lines."""

    timing = "ideal"
    captures = True

    @initialize(
        chosen=st.lists(
            st.tuples(formats(), st.booleans(), st.sampled_from("DNBNB"), st.integers(0, 5000)), min_size=1, max_size=4
        ),
        steps=st.lists(st.integers(0, 3), max_size=10),
    )
    def start(self, chosen: list[tuple[Format, bool, str, int]], steps: list[int]) -> None:
        counts = {"render": 2, "capture": 2 if self.captures else 0, "bidirectional": 1, "sdo_lines": 2}
        self.rig = Rig(timing=self.timing, codecs=[None, None], machine={"level": "strict"}, **counts)
        self.clients: list[Client] = [self.rig.client, self.rig.another()]
        fifo = FIFO if self.timing == "controller" else {}
        self.model = Audio(sdi_lines=4, fifo=fifo, **counts)
        self.handles: list[int] = [0x7777, 0]
        self.log: dict[int, list[int]] = {}
        self.converters: dict[tuple[int, int], tuple[int, int]] = {}
        self.dice = random.Random(5)
        self.seen = self.rig.pc.now
        self.phase = (self.rig.pc.now - self.rig.hda.regs.WALCLK) % FRAME
        for number, (form, capture, _, _) in enumerate(chosen):
            if capture and self.captures:
                self.allocate_capture(form, number % 2, number % 2)
            else:
                self.allocate_render(form, number % 2, False)
        for step in steps:
            for number, (_, _, kind, wanted) in enumerate(chosen):
                if number <= step:
                    self.further(number, kind, wanted, number + 1)

    # --- helpers ----------------------------------------------------------------------------------

    def boundaries(self) -> list[int]:
        """Frame boundaries that have passed since the last look."""
        now = self.rig.pc.now
        first = self.seen + FRAME - (self.seen - self.phase) % FRAME
        self.seen = now
        return list(range(first, now + 1, FRAME))

    def catch_up(self) -> None:
        for boundary in self.boundaries():
            self.model.tick(boundary)

    def pick(self, index: int) -> tuple[int, Engine | None]:
        """Mostly a live engine; from 45 on, any handle that ever was."""
        pool = list(self.model.engines) if index < 45 and self.model.engines else self.handles
        handle = pool[index % len(pool)]
        return handle, self.model.engines.get(handle)

    def owner(self, engine: Engine | None, stray: int) -> tuple[Client, Engine | None]:
        """The client that calls: now and then the wrong one, for whom the handle is none."""
        if engine is None or stray == 0:
            number = 0 if engine is None else 1 - engine.client
            return self.clients[number], None
        return self.clients[engine.client], engine

    def tuned(self, handle: int, engine: Engine) -> None:
        """Gives the buffer content, the converter its format and tag."""
        engine.ring = bytearray(self.dice.randbytes(engine.size))
        self.clients[engine.client].write(handle, bytes(engine.ring))
        codec = self.rig.hda.codecs[engine.codec if engine.capture else 0]
        nid = (0x20 if engine.capture else 0x10) + engine.stream_id
        converter = self.rig.info(handle)["converter_format"]  # type: ignore[index]
        codec.command(nid << 20 | 0x20000 | converter)
        codec.command(nid << 20 | 0x70600 | engine.stream_id << 4)
        place, now = (codec.address, nid), (converter, engine.stream_id)
        if self.converters.get(place) != now:  # writing what is there already starts nothing anew
            engine.frame = 0
        self.converters[place] = now
        if not engine.capture:  # tags of the two directions are separate name spaces
            codec.clear(engine.stream_id)
            engine.heard.clear()

    def untuned(self, engine: Engine) -> None:
        codec = self.rig.hda.codecs[engine.codec if engine.capture else 0]
        nid = (0x20 if engine.capture else 0x10) + engine.stream_id
        codec.command(nid << 20 | 0x70600)
        del self.converters[codec.address, nid]

    def note(self, handle: int) -> Any:
        def notify(context: object, counter: int) -> None:
            self.log[handle].append(counter)

        return notify

    # --- productive steps: what a driver does to get music ----------------------------------------

    @rule(index=st.integers(0, 44), kind=st.sampled_from("DNBNB"), wanted=st.integers(0, 5000), cut=st.integers(1, 5))
    def further(self, index: int, kind: str, wanted: int, cut: int) -> None:
        """The next step of an engine on its way to Running."""
        handle, engine = self.pick(index)
        if engine is None:
            return
        if engine.state == "R0" and kind == "D":
            self.allocate_buffer(index, wanted, 1)
        elif engine.state == "R0" and kind == "N":
            self.allocate_with_notification(index, wanted, 1 + wanted % 2, 1)
        elif engine.state == "R0":
            self.allocate_contiguous(index, wanted + 600, 1)
        elif engine.state == "RC":
            self.setup(index, [(wanted % 389 // i + 1, (wanted + i) % 3 > 0) for i in range(1, cut + 2)])
        elif engine.running == "R":
            self.change_state(engine.client, [handle], [engine], PauseState)
        elif engine.running == "S":
            self.change_state(engine.client, [handle], [engine], RunState)
        elif engine.capture:
            self.feed(index, wanted)

    # --- engines ----------------------------------------------------------------------------------

    @rule(form=formats(), client=st.integers(0, 1), stripe=st.booleans())
    def allocate_render(self, form: Format, client: int, stripe: bool) -> None:
        answer, engine = self.model.allocate(form, capture=False, client=client, stripe=stripe)
        result = self.clients[client].v1.AllocateRenderDmaEngine(stream_format(form), stripe)
        self.allocated(answer, engine, result)

    @precondition(lambda self: self.captures)
    @rule(form=formats(), client=st.integers(0, 1), codec=st.sampled_from((0, 0, 1, 1, 3, 4)))
    def allocate_capture(self, form: Format, client: int, codec: int) -> None:
        if codec == 3:
            codec = 1
        answer, engine = self.model.allocate(form, capture=True, client=client, codec=codec)
        result = self.clients[client].v1.AllocateCaptureDmaEngine(codec, stream_format(form))
        self.allocated(answer, engine, result)

    def allocated(self, answer: str, engine: Engine | None, result: Any) -> None:
        assert result[0] == STATUS[answer]
        if engine is not None:
            handle = int(result[1])
            assert handle not in self.handles
            self.handles.append(handle)
            self.model.engines[handle] = engine
            self.log[handle] = []

    @rule(index=st.integers(0, 50), form=formats(), stray=st.integers(0, 9))
    def change(self, index: int, form: Format, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        assert (
            client.v1.ChangeBandwidthAllocation(handle, stream_format(form))[0]
            == STATUS[self.model.change(engine, form)]
        )

    @rule(index=st.integers(0, 50), stray=st.integers(0, 9))
    def free_engine(self, index: int, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        answer = self.model.free(engine)
        if engine is not None and engine.running == "S":
            return  # ENGINE_NOT_RESET is raised at strict; the total table has the case
        assert client.v1.FreeDmaEngine(handle) == STATUS[answer]
        if answer == "OK":
            del self.model.engines[handle]

    # --- buffers ----------------------------------------------------------------------------------

    @rule(index=st.integers(0, 50), wanted=st.integers(0, 9000), stray=st.integers(0, 9))
    def allocate_buffer(self, index: int, wanted: int, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        answer = self.model.attach(engine, "D", wanted)
        result = client.v1.AllocateDmaBuffer(handle, wanted)
        self.catch_up()
        assert result[0] == STATUS[answer]
        if answer == "OK" and engine is not None:
            assert result[2:4] == (engine.size, engine.stream_id)
            self.tuned(handle, engine)

    @rule(
        index=st.integers(0, 50),
        wanted=st.integers(0, 9000),
        count=st.sampled_from((1, 2, 1, 2, 0, 3)),
        stray=st.integers(0, 9),
    )
    def allocate_with_notification(self, index: int, wanted: int, count: int, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        answer = self.model.attach(engine, "N", wanted, count)
        result = client.v2.AllocateDmaBufferWithNotification(handle, count, wanted)
        self.catch_up()
        assert result[0] == STATUS[answer]
        if answer == "OK" and engine is not None:
            assert (result[2], result[4]) == (engine.size, engine.stream_id)
            client.buffers[handle] = result
            notify = self.note(handle)
            client.buffers[handle, "notify"] = notify  # type: ignore[index]
            assert client.v3.RegisterNotificationCallback(handle, 1, notify, None) == OK
            self.tuned(handle, engine)

    @rule(index=st.integers(0, 50), wanted=st.integers(0, 6000), stray=st.integers(0, 9))
    def allocate_contiguous(self, index: int, wanted: int, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        answer = self.model.attach(engine, "C", wanted)
        result = client.bdl.AllocateContiguousDmaBuffer(handle, wanted)
        self.catch_up()
        assert result[0] == STATUS[answer]
        if answer == "OK" and engine is not None:
            client.buffers[handle] = result
            engine.size = 0
            engine.requested = wanted

    @rule(
        index=st.integers(0, 50),
        lengths=st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=1, max_size=9),
    )
    def setup(self, index: int, lengths: list[tuple[int, bool]]) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, 1)
        requested = engine.requested if engine is not None else 0
        block = engine.form.block if engine is not None else 4
        fragments, at = [], 0
        for length, ioc in lengths:
            if fragments and at + length > requested:
                break
            fragments.append((at, length, ioc))
            at = (at + length + 127) // 128 * 128
        total = sum(length for _, length, _ in fragments)
        last = fragments[-1]
        fragments[-1] = (last[0], last[1] + -total % block, last[2])
        size = total + -total % block
        inside = fragments[-1][0] + fragments[-1][1] <= requested
        if engine is not None and engine.state in ("RC", "RB") and not inside:
            return
        answer = self.model.setup(engine, requested, [(length, ioc) for _, length, ioc in fragments])
        if answer == "OK":
            client.entries(handle, [(place, length, int(ioc)) for place, length, ioc in fragments])
        self.log.setdefault(handle, [])
        result = client.bdl.SetupDmaEngineWithBdl(
            handle, size, len(fragments) - 1, lambda context, mask: self.log[context].append(self.rig.pc.now), handle
        )
        self.catch_up()
        assert result[0] == STATUS[answer]
        if answer == "OK" and engine is not None:
            assert result[1] == engine.stream_id
            self.tuned(handle, engine)

    @rule(index=st.integers(0, 50), which=st.sampled_from("DNC"), stray=st.integers(0, 9))
    def free_buffer(self, index: int, which: str, stray: int) -> None:
        handle, engine = self.pick(index)
        client, engine = self.owner(engine, stray)
        had = engine.kind if engine is not None else "0"
        answer = self.model.detach(engine, {"D": "D", "N": "N", "C": "CB"}[which])
        if which == "D":
            got = client.v1.FreeDmaBuffer(handle)
        elif which == "C":
            got = client.bdl.FreeContiguousDmaBuffer(handle)
        else:
            stored = client.buffers.get(handle)
            mdl, size = (stored[1], stored[2]) if stored and len(stored) > 4 else (0xFFFF800000001000, 4096)
            got = client.v2.FreeDmaBufferWithNotification(handle, mdl, size)
            if got == OK:
                notify = client.buffers.pop((handle, "notify"))  # type: ignore[call-overload]
                assert client.v3.UnregisterNotificationCallback(handle, notify, None) == OK
        self.catch_up()
        assert got == STATUS[answer]
        if answer == "OK" and engine is not None and had != "C":
            self.untuned(engine)

    # --- states and time --------------------------------------------------------------------------

    @rule(
        indices=st.lists(st.integers(0, 50), max_size=4),
        state=st.sampled_from((ResetState, PauseState, RunState, PauseState, RunState, RunState, 3)),
        stray=st.integers(0, 12),
    )
    def set_state(self, indices: list[int], state: int, stray: int) -> None:
        picked = [self.pick(index) for index in indices]
        number = next((engine.client for _, engine in picked if engine), 0) ^ (stray == 0)
        own = [engine if engine is not None and engine.client == number else None for _, engine in picked]
        self.change_state(number, [handle for handle, _ in picked], own, state)

    @rule(state=st.sampled_from((PauseState, RunState, ResetState)), client=st.integers(0, 1))
    def set_all(self, state: int, client: int) -> None:
        """Every engine of a client that may."""
        mine = [
            (h, e) for h, e in self.model.engines.items() if e.client == client and self.model.may([e], state) == "OK"
        ]
        self.change_state(client, [handle for handle, _ in mine], [engine for _, engine in mine], state)

    def change_state(self, number: int, handles: list[int], engines: list[Any], state: int) -> None:
        self.catch_up()
        answer = self.model.may(engines, state)
        assert self.clients[number].v1.SetDmaEngineState(state, handles) == STATUS[answer]
        ended = self.boundaries()
        if answer != "OK":
            assert not ended
            return
        stopping = [engine for engine in engines if engine.running == "X" and state == PauseState]
        starting = [engine for engine in engines if engine.running == "S" and state == RunState]
        if state == ResetState:
            for engine in engines:
                self.model.put(engine, state, self.rig.pc.now)
        for boundary in ended:  # a pause takes effect at the end of the frame; which of the frames that passed, we look
            for engine in stopping:
                if engine.running == "X" and self.stands(engine):
                    engine.running = "S"
            self.model.tick(boundary)
        for engine in stopping:
            engine.running = "S"
        if state != ResetState:
            for engine in starting or engines:
                self.model.put(engine, state, self.rig.pc.now)
        for engine in starting:
            engine.completions = [min(time, self.rig.pc.now) for time in engine.completions]

    def stands(self, engine: Engine) -> bool:
        handle = next(handle for handle, other in self.model.engines.items() if other is engine)
        return int(self.clients[engine.client].position(handle)) == engine.position

    @rule(ticks=st.integers(0, 40 * FRAME) | st.integers(0, 6).map(lambda n: n * FRAME) | st.integers(0, 700 * FRAME))
    def advance(self, ticks: int) -> None:
        self.rig.pc.advance(ticks=ticks)
        self.catch_up()

    @rule(index=st.integers(0, 50), place=st.integers(0, 9000), count=st.integers(1, 300))
    def write(self, index: int, place: int, count: int) -> None:
        """The driver's stores, at any time: each byte is heard as it was when its frame came."""
        handle, engine = self.pick(index)
        if engine is not None and engine.size:
            place %= engine.size
            data = self.dice.randbytes(min(count, engine.size - place))
            engine.ring[place : place + len(data)] = data
            self.clients[engine.client].write(handle, data, place)

    @precondition(lambda self: self.captures)
    @rule(index=st.integers(0, 50), count=st.integers(1, 3000))
    def feed(self, index: int, count: int) -> None:
        _, engine = self.pick(index)
        if engine is not None and engine.capture and engine.size and not engine.fed:
            data = self.dice.randbytes(count // engine.form.block * engine.form.block)
            engine.fed += data
            self.rig.hda.codecs[engine.codec].feed(engine.stream_id, data)

    # --- what always holds ------------------------------------------------------------------------

    @invariant()
    def the_same(self) -> None:
        if not hasattr(self, "rig"):
            return
        live = {engine["handle"]: engine for engine in self.rig.hda.engines()}
        assert set(live) == set(self.model.engines)
        for handle, engine in self.model.engines.items():
            info = live[handle]
            assert info["state"] == engine.state
            assert (info["stream_id"], info["descriptor"]) == (engine.stream_id, engine.descriptor)
            assert info["link_bits"] == engine.bits
            assert info["format"] == (engine.form.rate, engine.form.bits, engine.form.container, engine.form.channels)
            if engine.kind in "DNB":
                assert [(n, bool(i)) for _, n, i in self.rig.hda.bdl(handle)] == engine.entries
                assert int(self.clients[engine.client].position(handle)) == engine.position
                if engine.kind in "NB":
                    assert self.log[handle] == engine.completions
                if engine.capture:
                    assert self.clients[engine.client].read(handle) == engine.ring
                else:
                    assert self.rig.hda.codecs[0].played(engine.stream_id) == engine.heard
            else:
                assert int(self.clients[engine.client].position(handle)) == 0
        used, capacity = self.rig.hda.bandwidth()
        assert used == sum(engine.bits for engine in self.model.engines.values() if not engine.capture) <= capacity
        for codec in range(2):
            used, capacity = self.rig.hda.bandwidth(codec)
            mine = [e.bits for e in self.model.engines.values() if e.capture and e.codec == codec]
            assert used == sum(mine) <= capacity
        for capture in (False, True):
            ids = [engine.stream_id for engine in self.model.engines.values() if engine.capture is capture]
            assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        """Freeing everything returns the bandwidth."""
        if hasattr(self, "rig"):
            for handle, engine in list(self.model.engines.items()):
                client = self.clients[engine.client]
                notify = client.buffers.pop((handle, "notify"), None)  # type: ignore[call-overload]
                if notify is not None:
                    assert client.v3.UnregisterNotificationCallback(handle, notify, None) == OK
                client.release(handle)
            assert self.rig.hda.bandwidth() == (0, 960)
            assert self.rig.pc.violations == []


class ControllerTiming(Lockstep):
    """Render only: how far a capture engine lags behind the link within its FIFO is not fixed by the specification."""

    timing = "controller"
    captures = False


TestIdealTiming = Lockstep.TestCase
TestControllerTiming = ControllerTiming.TestCase


# --- any split of an interval ---------------------------------------------------------------------


def concert(timing: str, seed: int, *, verbs: bool = False) -> tuple[Rig, list[Any]]:
    """Several engines of several clients running, of every kind, in formats drawn by the seed; verbs: commands of both
    clients under way, and codecs that speak unasked.
    """
    dice = random.Random(seed)
    rig = Rig(timing=timing, codecs=[None, None], capture=3, render=5)
    clients, log = [rig.client, rig.another()], []
    for number in range(6):
        client = clients[number % 2]
        bits = dice.choice(sorted(CONTAINERS))
        form = StreamFormat(dice.choice(RATES), bits, CONTAINERS[bits], dice.choice((1, 2, 4)))
        capture = number >= 4
        codec = number % 2
        status, handle, converter = (
            client.v1.AllocateCaptureDmaEngine(codec, form) if capture else client.v1.AllocateRenderDmaEngine(form)
        )
        if status != OK:
            continue
        kind = dice.choice(("D", "N", "N1", "B"))
        size = 1 << dice.randrange(10, 13)
        client.v3.RegisterNotificationCallback(handle, 1, lambda c, t: log.append((c, t, rig.pc.now)), number)
        block = CONTAINERS[bits] // 8 * form.NumberOfChannels
        if kind == "B":
            client.buffer(handle, "C", 4 * size)
            place = size // 3 // block * block
            client.entries(handle, [(0, place, 1), (2 * size, size - place - (size % block), 1)])
            total = size - size % block
            answer = client.bdl.SetupDmaEngineWithBdl(
                handle, total, 1, lambda c, m: log.append((c, m, rig.pc.now)), number
            )
            assert answer[0] == OK
        else:
            client.buffer(handle, kind, size)
        info = rig.info(handle)
        assert info is not None
        client.write(handle, dice.randbytes(info["buffer_bytes"] if kind != "B" else total))
        nid = (0x20 if capture else 0x10) + info["stream_id"]
        codec_at = rig.hda.codecs[codec if capture else 0]
        codec_at.command(nid << 20 | 0x20000 | converter)
        codec_at.command(nid << 20 | 0x70600 | info["stream_id"] << 4)
        if capture:
            codec_at.feed(info["stream_id"], dice.randbytes(20000 * block))
        client.state(handle, to=PauseState)
        client.state(handle, to=RunState)
        rig.pc.advance(ticks=dice.randrange(3000))
    for number in range(30 if verbs else 0):
        client, address = clients[number % 2], dice.randrange(4)
        commands = [HDAUDIO_CODEC_TRANSFER(address << 28 | 0xF0000 | 2 * i) for i in range(dice.randrange(1, 4))]
        status = client.v1.TransferCodecVerbs(
            len(commands), commands, lambda t, c: log.append((c, int(t.Input), rig.pc.now)), number
        )
        assert status == OK
        tag = client.v1.RegisterEventCallback(lambda r, c: log.append((c, int(r), rig.pc.now)), -number)[1]
        rig.hda.codecs[number % 2].unsolicited(tag, number)
    return rig, log


def outcome(rig: Rig, log: list[Any]) -> tuple[Any, ...]:
    heard = [rig.hda.codecs[c].played(tag) for c in range(2) for tag in range(1, 9)]
    positions = [rig.hda.position(n) for n in range(8)]
    return rig.pc.now, rig.pc.digest(), list(log), heard, positions


@settings(max_examples=12)
@given(
    seed=st.integers(0, 1000),
    timing=st.sampled_from(("controller", "ideal", "emulator")),
    cuts=st.lists(st.integers(0, 1_200_000), max_size=12),
    looks=st.booleans(),
)
def test_any_split_is_the_same_time(seed: int, timing: str, cuts: list[int], looks: bool) -> None:
    total = 1_200_000
    rig, log = concert(timing, seed, verbs=True)
    rig.pc.advance(ticks=total)
    whole = outcome(rig, log)
    assert len(log) >= 20  # enough happened to compare
    other, notes = concert(timing, seed, verbs=True)
    places = [0, *sorted(cuts), total]
    for a, b in pairwise(places):
        other.pc.advance(ticks=b - a)
        if looks:
            for engine in other.hda.engines():
                other.hda.bdl(engine["handle"])
            other.pc.digest()
            other.hda.mmio.read(0x80 + 0x20 * 4 + 4)
    assert outcome(other, notes) == whole


@settings(max_examples=4)
@given(seed=st.integers(0, 1000), timing=st.sampled_from(("controller", "ideal")))
def test_frame_by_frame_is_the_same_time(seed: int, timing: str) -> None:
    rig, log = concert(timing, seed)
    rig.pc.advance(frames=1500)
    whole = outcome(rig, log)
    other, notes = concert(timing, seed)
    for _ in range(1500):
        other.pc.advance(frames=1)
    assert outcome(other, notes) == whole


@settings(max_examples=4)
@given(seed=st.integers(0, 1000), at=st.integers(0, 600_000))
def test_from_a_snapshot_it_goes_on_the_same(seed: int, at: int) -> None:
    rig, log = concert("controller", seed)
    rig.pc.advance(ticks=at)
    snapshot = rig.pc.snapshot()
    length = len(log)
    rig.pc.advance(ticks=700_000)
    first = outcome(rig, log)
    rig.pc.restore(snapshot)
    del log[length:]
    rig.pc.advance(ticks=300_000)
    rig.pc.advance(ticks=400_000)
    assert outcome(rig, log) == first


def test_the_model_has_the_cadence_of_the_specification() -> None:
    assert len(ACTIVE) == 160
    assert sum(ACTIVE) == 147
    for rate in RATES:
        form = Format(rate, 16, 16, 2)
        assert form.ratio is not None
        frames = 160 * form.ratio[2]
        assert sum(form.blocks_in_frame(i) for i in range(frames)) * 48000 == rate * frames
