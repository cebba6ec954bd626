"""H1 … H13, the findings of the HD Audio bus interface: a program that shows each, and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.audio import Client, Rig
from storsim.hdaudio import *


@dataclass(frozen=True)
class Check:
    """One row. kind: violation (raised at strict) or note (never raised)."""

    id: str
    name: str
    bad: Callable[[Rig], object]
    good: Callable[[Rig], object]
    kind: str = "violation"
    settings: dict[str, Any] = field(default_factory=dict)


def leave(client: Client) -> None:
    """Gives back every reference of a client's four tables."""
    for _ in range(4):
        client.v1.InterfaceDereference()


def engine_left(rig: Rig) -> None:
    rig.client.render()
    leave(rig.client)


def engine_freed(rig: Rig) -> None:
    rig.client.release(rig.client.render())
    leave(rig.client)


def buffer_left(rig: Rig) -> None:
    rig.client.engine("RD")
    leave(rig.client)


def buffer_freed(rig: Rig) -> None:
    rig.client.release(rig.client.engine("RD"))
    leave(rig.client)


def registration(left: bool) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        _status, tag = rig.client.v1.RegisterEventCallback(lambda response, context: None, None)
        if not left:
            rig.client.v1.UnregisterEventCallback(tag)
        leave(rig.client)

    return act


def freed_paused(rig: Rig) -> None:
    handle = rig.client.engine("SD")
    assert rig.client.v1.FreeDmaEngine(handle) == IDR


def freed_reset(rig: Rig) -> None:
    rig.client.release(rig.client.engine("SD"))


def dead_context(rig: Rig) -> None:
    leave(rig.client)
    rig.client.v1.AllocateRenderDmaEngine(DVD, 0)


def live_context(rig: Rig) -> None:
    rig.client.release(rig.client.render())


def list_changed(state: str) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        handle = rig.client.engine("SB")
        if state == "R":
            assert rig.client.state(handle, to=ResetState) == OK
        rig.client.entries(handle, [(0, 4096, 1), (4096, 4096, 0)])
        if state == "S":
            rig.client.state(handle, to=RunState)

    return act


def register_stored(store: bool) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        handle = rig.client.engine("SD")
        position = rig.client.position(handle)
        if store:
            rig.pc.write_va(position.address, b"\0\0\0\0")
        else:
            rig.pc.read_va(position.address, 4)
        rig.client.release(handle)

    return act


def interface_left(rig: Rig) -> None:
    rig.hda.remove()


def interface_returned(rig: Rig) -> None:
    leave(rig.client)
    rig.hda.remove()


def running(fault: str | None) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        handle = rig.client.engine("XN")
        if fault is not None:
            rig.hda.inject(fault)
        rig.pc.advance(frames=4096)
        rig.client.state(handle, to=PauseState)
        rig.client.release(handle)

    return act


def handshake(fault: bool) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        handle = rig.client.engine("SD")
        if fault:
            rig.hda.inject("timeout")
        rig.client.state(handle, to=ResetState)

    return act


def unsolicited(known: bool) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        _status, tag = rig.client.v1.RegisterEventCallback(lambda response, context: None, None)
        rig.hda.codecs[0].unsolicited(tag if known else tag ^ 1, 5)
        rig.pc.advance(frames=10)
        rig.client.v1.UnregisterEventCallback(tag)

    return act


def verb(answered: bool) -> Callable[[Rig], object]:
    def act(rig: Rig) -> None:
        if not answered:
            rig.hda.inject("codec_silent")
        transfer = HDAUDIO_CODEC_TRANSFER(0x000F0000)
        rig.client.v1.TransferCodecVerbs(1, [transfer])

    return act


CHECKS = [
    Check("H1", "ENGINE_LEAK", engine_left, engine_freed),
    Check("H2", "BUFFER_LEAK", buffer_left, buffer_freed),
    Check("H3", "REGISTRATION_LEAK", registration(True), registration(False)),
    Check("H4", "ENGINE_NOT_RESET", freed_paused, freed_reset),
    Check("H5", "DEAD_CONTEXT", dead_context, live_context),
    Check("H6", "BDL_CHANGED", list_changed("S"), list_changed("R")),
    Check("H7", "REGISTER_WRITTEN", register_stored(True), register_stored(False)),
    Check("H8", "INTERFACE_LEAK", interface_left, interface_returned),
    Check("H9", "FIFO_ERROR_LOGGED", running("fifo_error"), running(None), "note"),
    Check("H10", "DESCRIPTOR_ERROR_LOGGED", running("descriptor_error"), running(None), "note"),
    Check("H11", "HARDWARE_TIMEOUT", handshake(True), handshake(False), "note"),
    Check("H12", "UNSOLICITED_DROPPED", unsolicited(False), unsolicited(True), "note"),
    Check("H13", "CODEC_LOST", verb(False), verb(True), "note"),
]


def found(rig: Rig, kind: str) -> list[str]:
    return [record.name for record in (rig.pc.violations if kind == "violation" else rig.pc.notes)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_violating(check: Check) -> None:
    rig = Rig(**check.settings)
    check.bad(rig)
    assert check.name in found(rig, check.kind)
    record = next(record for record in rig.pc.findings if record.name == check.name)
    assert record.kind == check.kind
    assert record.rule
    assert record.fix
    assert record.source


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_conforming(check: Check) -> None:
    rig = Rig(**check.settings)
    check.good(rig)
    assert check.name not in found(rig, check.kind)


@pytest.mark.parametrize("check", [c for c in CHECKS if c.kind == "violation"], ids=lambda check: check.id)
def test_raised_at_strict(check: Check) -> None:
    rig = Rig(machine={"level": "strict"}, **check.settings)
    with pytest.raises(storsim.Violation):
        check.bad(rig)
    assert check.name in found(rig, "violation")


@pytest.mark.parametrize("check", [c for c in CHECKS if c.kind == "note"], ids=lambda check: check.id)
def test_notes_are_never_raised(check: Check) -> None:
    rig = Rig(machine={"level": "strict"}, **check.settings)
    check.bad(rig)
    assert check.name in found(rig, "note")


def test_a_buffer_touched_after_its_free() -> None:
    rig = Rig()
    handle = rig.client.engine("RC")
    _status, data, _bdl = rig.client.buffers[handle]
    rig.client.release(handle)
    rig.pc.write_va(int(data), b"late")
    assert rig.names() == ["USE_AFTER_FREE"]
