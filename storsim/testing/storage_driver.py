"""`StorageDriverMachine`: fuzz a Storport miniport in 30 lines.

class Mine(StorageDriverMachine):
    def bring_up(self):                       # HwStorPassiveInitializeRoutine
        self.driver = MyDriver(self.hba)
        return self.driver.start()

    def request(self, request):               # HwStorStartIo
        return self.driver.start_io(request)  # the pieces (address, bytes) that the device is told, or False: busy

    def complete(self, request):              # HwStorDpcRoutine
        self.driver.done(request)

    def remove(self):                         # HwStorFreeAdapterResources
        self.driver.stop()

TestMine = Mine.TestCase
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from storsim._core import Pointer
from storsim.errors import StorsimError
from storsim.testing import strategies
from storsim.testing.driver import REFUSED, DriverMachine, default_hooks, is_up
from storsim.testing.specs import AdapterConfig, MachineConfig, Transfer
from storsim.testing.steps import swarms

if TYPE_CHECKING:
    from storsim.adapter import Adapter
    from storsim.storport import SCSI_REQUEST_BLOCK

#: Hook → miniport callback and, for HwStorAdapterControl, the control type. Source: spec storport-memory §2.8
CONTEXTS: dict[str, tuple[str, str | None]] = {
    "find_adapter": ("HwStorFindAdapter", None),
    "bring_up": ("HwStorPassiveInitializeRoutine", None),
    "build": ("HwStorBuildIo", None),
    "request": ("HwStorStartIo", None),
    "interrupt": ("HwStorInterrupt", None),
    "complete": ("HwStorDpcRoutine", None),
    "timer": ("HwStorTimer", None),
    "reset": ("HwStorResetBus", None),
    "abort": ("HwStorStartIo", None),
    "power": ("HwStorAdapterControl", "ScsiAdapterPower"),
    "stop": ("HwStorAdapterControl", "ScsiStopAdapter"),
    "restart": ("HwStorAdapterControl", "ScsiRestartAdapter"),
    "surprise_remove": ("HwStorAdapterControl", "ScsiAdapterSurpriseRemoval"),
    "work": ("HwStorWorkItem", None),
    "remove": ("HwStorFreeAdapterResources", None),
}


class Request:
    """One request as the hooks see it. A driver may add attributes of its own (its SRB extension, in Python).

    srb: the SCSI_REQUEST_BLOCK, live until the request is completed. number: 1, 2, … over the whole test case.
    length: bytes. write: data goes to the device. elements: what the device was told, (address, bytes) pieces in order;
    set from the result of `request`, or by the driver later; None: the device moves nothing. ready: set it to False
    while the driver keeps the request queued, to True when the device has it; only then can the device finish it.
    live: not completed yet.
    """

    def __init__(self, machine: StorageDriverMachine, srb: SCSI_REQUEST_BLOCK, number: int, length: int, write: bool):
        self._machine = machine
        self.srb = srb
        self.number = number
        self.length = length
        self.write = write
        self.elements: Iterable[Any] | None = None
        self.ready = True
        self.live = True
        self.data = b""

    def complete(self) -> None:
        """StorPortNotification(RequestComplete) by the driver, from any hook; the SRB is gone afterwards. After the
        hook `complete` the testing machine does it by itself."""
        self._machine._complete(self)

    def __repr__(self) -> str:
        return f"<request {self.number}: {'write' if self.write else 'read'} of {self.length} bytes>"


def pattern(number: int, length: int) -> bytes:
    """Data of a request: every 8 bytes tell the request and the offset, so that a piece in the wrong place shows."""
    words = array("Q", range(number << 32, (number << 32) + -(-length // 8)))
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()[:length]


def started(self: Any) -> bool:
    """Precondition: the device has a request that it can finish."""
    return bool(self.up and any(request.ready for request in self.outstanding))


class StorageDriverMachine(DriverMachine):
    """A fuzzed Storport miniport. Fill at least `bring_up`, `request` and `remove`; see the module for the shape.

    Attributes for hooks: `hba` (the Adapter), `outstanding` (requests the driver has accepted and not completed, oldest
    first), and those of `DriverMachine`. Hooks run in the callback that `contexts` names, at its IRQL; change it, or
    enter further callbacks with ``self.hba.callback(name)``.

    adapter_settings: keywords of ``pc.add_adapter`` that stay as given. most_outstanding, most_bytes: limits of what
    the port driver sends. reads, writes: False leaves one direction out. verify_data: False when the pieces that
    `request` returns are not where the data goes. late_completions: True also calls `complete` for requests that
    `reset` or `abort` has taken back (their `live` is False): the device had finished them, and its DPC was still to
    run.

    The order of calls is the port driver's: `find_adapter`, `bring_up`; then in D0 any number of `build` + `request`,
    `interrupt` + `complete` in any order of requests, `timer`, `work`, `reset`, `abort`, `stop` … `restart`,
    `power(D3)` … `power(D0)`; then `remove`, or `surprise_remove` and `remove`. Before `power(D3)`, `stop` and an
    orderly `remove` every outstanding request is finished, oldest first.
    """

    adapter_settings: ClassVar[dict[str, Any]] = {}
    contexts: ClassVar[dict[str, tuple[str, str | None] | None]] = {}
    most_outstanding: ClassVar[int] = 8
    most_bytes: ClassVar[int] = 128 << 10
    reads: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    verify_data: ClassVar[bool] = True
    late_completions: ClassVar[bool] = False
    weights: ClassVar[dict[str, int]] = {"submit": 4, "finish": 2}
    first_rules: ClassVar[tuple[str, ...]] = (
        *DriverMachine.first_rules, "submit", "finish", "abort_request", "bus_reset", "spurious_interrupt", "work_item",
        "restart_adapter", "stop_adapter",
    )  # fmt: skip
    _rule_hooks: ClassVar[dict[str, str]] = DriverMachine._rule_hooks | {
        "bus_reset": "reset", "abort_request": "abort", "pull_out": "surprise_remove", "stop_adapter": "stop",
        "restart_adapter": "restart", "spurious_interrupt": "interrupt", "work_item": "work",
        "late_completion": "complete",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.hba: Adapter = None  # type: ignore[assignment]  # until begin
        self.adapter = AdapterConfig()
        self.outstanding: list[Request] = []
        self.stopped = False
        self._late: list[Request] = []
        self._number = 0

    # --- hooks -------------------------------------------------------------------------------------------------------

    def find_adapter(self, config: Any) -> object:
        """HwStorFindAdapter, PASSIVE_LEVEL: sets members of PORT_CONFIGURATION_INFORMATION, takes the uncached
        extension. False: not found (`bring_up` and `remove` are not called)."""

    def build(self, request: Request) -> None:
        """HwStorBuildIo, DISPATCH_LEVEL: before `request`. False refuses the request."""

    def request(self, request: Request) -> object:
        """HwStorStartIo, DISPATCH_LEVEL: starts a request. Returns the pieces that the device was told, (address,
        bytes) in order, for example a list's `elements`; None when it tells none; False (or a StatusError that leaves
        it): refused, and nothing was kept."""
        raise NotImplementedError(f"{type(self).__name__} needs a request()")

    def interrupt(self, request: Request | None) -> None:
        """HwStorInterrupt, DIRQL: the device has finished a request; None: another device on the line interrupted."""

    def complete(self, request: Request) -> None:
        """HwStorDpcRoutine, DISPATCH_LEVEL: the device has finished a request; afterwards the port has it back."""

    def reset(self) -> None:
        """HwStorResetBus, DISPATCH_LEVEL: the device forgets every request. Afterwards the port has all of them back,
        `complete` is called for none."""

    def abort(self, request: Request) -> None:
        """One request is taken back, DISPATCH_LEVEL: the device forgets it. Afterwards the port has it back."""

    def work(self) -> None:
        """HwStorWorkItem, PASSIVE_LEVEL."""

    def stop(self) -> None:
        """ScsiStopAdapter, DIRQL: nothing is under way. Then `restart` or `remove`."""

    def restart(self) -> None:
        """ScsiRestartAdapter, DIRQL, after `stop`."""

    def surprise_remove(self) -> None:
        """ScsiAdapterSurpriseRemoval, PASSIVE_LEVEL: the device is gone. Afterwards the port has every request back;
        then `remove` is called."""

    # --- calling -----------------------------------------------------------------------------------------------------

    def context(self, hook: str) -> AbstractContextManager[Any]:
        """The miniport callback that a hook runs in."""
        where = self.contexts[hook] if hook in self.contexts else CONTEXTS.get(hook)
        return super().context(hook) if where is None else self.hba.callback(*where)

    def call(self, hook: str, *arguments: Any, fail: int = 0) -> Any:
        """See `DriverMachine.call`; hooks that are not overridden are not called."""
        if getattr(getattr(self, hook), "__storsim_default__", False):
            return None
        return super().call(hook, *arguments, fail=fail)

    def _attach(self) -> None:
        self.hba = self.pc.add_adapter("hba0", **(self.adapter.settings() | self.adapter_settings))
        self._attached = True
        self.outstanding = []
        self._late = []
        self.stopped = False

    def _bring_up(self, fail: int) -> bool:
        self.fail_left = fail
        found = self.call("find_adapter", self.hba.config, fail=fail)
        return found is not REFUSED and found is not False and super()._bring_up(self.fail_left)

    def _detach(self) -> None:
        self._attached = False
        with self._taking_out():
            if not self.pc._dead:
                self.hba.remove()

    def _drain(self) -> None:
        """The device finishes every request it has; what a driver keeps queued is aborted. No DPC is left."""
        self._late.clear()
        while self.outstanding:
            ready = [request for request in self.outstanding if request.ready]
            if ready:
                self._finish(ready[0], 0)
            else:
                self._give_back(self.outstanding[0])

    def _give_back(self, request: Request) -> None:
        if not request.live:
            self.outstanding = [other for other in self.outstanding if other is not request]
            return
        self._complete(request)

    def _complete(self, request: Request) -> None:
        if not request.live:
            self.fail("COMPLETED_TWICE", f"{request!r} was completed twice; the port driver had it back already.")
        request.live = False
        if request in self.outstanding:
            self.outstanding.remove(request)
        if request.srb.live and not self.pc._dead:
            request.srb.complete()

    def _finish(self, request: Request, fail: int) -> None:
        """The device does its part, then the driver is told."""
        seen = self._move_data(request)
        self.call("interrupt", request)
        self.call("complete", request, fail=fail)
        if seen and request.live and not request.write:
            self._compare(request, bytes(request.srb), "the request's buffer holds other data than the device sent")
        if request.live:
            self._complete(request)

    def _checked(self, result: Any) -> Iterable[Any]:
        """What request() returned, as pieces; a list keeps its address: its memory is looked at when it is used."""
        if (isinstance(result, Pointer) and not result.address) or result == 0:
            self.fail(
                "NULL_LIST",
                "request() gave the device a NULL scatter/gather list. The routine that makes the list can fail: "
                "refuse the request then (return False).",
            )
        if not hasattr(result, "elements") and not isinstance(result, Iterable):
            raise TypeError(f"request() returns (address, bytes) pieces, None or False, not {result!r}")
        return result  # type: ignore[no-any-return]

    def _pieces(self, request: Request) -> list[tuple[int, int]]:
        elements: Any = getattr(request.elements, "elements", request.elements)
        return [(int(piece[0]), int(piece[1])) for piece in elements]

    def device_read(self, address: int, length: int) -> bytes:
        """The device fetches bytes by itself, such as a command from its ring; an address without memory behind it is a
        finding (DEVICE_DMA_NOT_RAM), as what `dma_read` records is."""
        try:
            return self.hba.dma_read(address, length)
        except (ValueError, StorsimError) as error:
            self._refused(address, error)
            raise

    def device_write(self, address: int, data: bytes) -> None:
        """The device stores bytes by itself, such as a status or an event. See `device_read`."""
        try:
            self.hba.dma_write(address, data)
        except (ValueError, StorsimError) as error:
            self._refused(address, error)
            raise

    def _refused(self, address: int, error: Exception) -> None:
        """The device could not: an IOMMU or the level stopped it, or there is no memory."""
        self._failed = True
        self._look(error)
        if isinstance(error, ValueError) and self.hba.live:
            self.fail(
                "DEVICE_DMA_NOT_RAM",
                f"the device was told {address:#x}: {error}. Check how the address got to the device, and how many "
                "bits of it.",
            )

    def _move_data(self, request: Request) -> bool:
        """The device reads or writes the pieces it was told; whether there were any."""
        if request.elements is None or not request.length:
            return False
        pieces = self._pieces(request)
        if not request.write:
            request.data = pattern(request.number, request.length)
        at, heard = 0, []
        for address, length in pieces:
            if request.write:
                heard.append(self.device_read(address, length))
            else:
                self.device_write(address, request.data[at : at + length].ljust(length, b"\0"))
            at += length
        self._look(None)
        if self.verify_data and at < request.length:
            self.fail(
                "SHORT_TRANSFER",
                f"the device was told {at} bytes in {len(pieces)} pieces for a request of {request.length} bytes.",
            )
        if request.write:
            self._compare(request, b"".join(heard), "the device read other data than the request holds")
        return True

    def _compare(self, request: Request, found: bytes, what: str) -> None:
        if not self.verify_data or found[: request.length] == request.data:
            return
        at = next(i for i in range(request.length) if found[i : i + 1] != request.data[i : i + 1])
        self.fail(
            "DATA_MISMATCH",
            f"{what}: the first difference is at byte {at} of {request.length}. Check the pieces that the device was "
            "told, and what is copied where.",
        )

    # --- rules -------------------------------------------------------------------------------------------------------

    @initialize(machine=strategies.machines(), adapter=strategies.adapters(), without=swarms())
    def begin(self, machine: MachineConfig, adapter: AdapterConfig, without: tuple[str, ...]) -> None:
        """A machine, and settings for its adapter. without: rules that this test case leaves out."""
        self.adapter = adapter
        self._start(machine, without)

    @precondition(lambda self: is_up(self) and not self.stopped and len(self.outstanding) < self.most_outstanding)
    @rule(transfer=strategies.transfers(), fail=strategies.nth_failures())
    def submit(self, transfer: Transfer, fail: int) -> None:
        """The port driver sends a request."""
        length = min(transfer.length, self.most_bytes // 512 * 512)
        write = self.writes and (transfer.write or not self.reads)
        offset = transfer.offset
        pages = -(-(offset + length) // strategies.PAGE)
        try:
            srb = self.hba.srb(length, write, min(transfer.fragments, pages), offset=offset)
        except (MemoryError, ValueError):  # no room for the request: the port driver waits
            return
        self._number += 1
        request = Request(self, srb, self._number, length, write)
        if write and self.verify_data and length:
            request.data = pattern(request.number, length)
            with memoryview(srb) as view:
                view[:] = request.data
        self.outstanding.append(request)
        if self.guided:
            self._most_bytes = max(self._most_bytes, sum(each.length for each in self.outstanding))
        self.fail_left = fail
        result = self.call("build", request, fail=fail)
        if result is not REFUSED and result is not False:
            result = self.call("request", request, fail=self.fail_left)
        if result is REFUSED or result is False:
            if request.live:
                self._complete(request)
        elif result is not None and result is not True:
            request.elements = self._checked(result)
        self._step_done()

    @precondition(started)
    @rule(which=st.integers(0, 7), fail=strategies.nth_failures(4))
    def finish(self, which: int, fail: int) -> None:
        """The device finishes one of its requests; which: 0 is the oldest."""
        ready = [request for request in self.outstanding if request.ready]
        self._finish(ready[which % len(ready)], fail)
        self._step_done()

    @precondition(is_up)
    @rule(fail=strategies.nth_failures(4))
    def bus_reset(self, fail: int) -> None:
        """The device forgets everything."""
        self._late += [request for request in self.outstanding if request.ready]
        self.call("reset", fail=fail)
        for request in list(self.outstanding):
            self._give_back(request)
        self._step_done()

    @precondition(lambda self: is_up(self) and bool(self.outstanding))
    @rule(which=st.integers(0, 7), fail=strategies.nth_failures(4))
    def abort_request(self, which: int, fail: int) -> None:
        """The port driver takes one request back."""
        request = self.outstanding[which % len(self.outstanding)]
        self._late += [request] * request.ready
        self.call("abort", request, fail=fail)
        self._give_back(request)
        self._step_done()

    @precondition(lambda self: self.late_completions and is_up(self) and bool(self._late))
    @rule(which=st.integers(0, 7))
    def late_completion(self, which: int) -> None:
        """The DPC of a request that was taken back runs; which: 0 is the oldest."""
        self.call("complete", self._late.pop(which % len(self._late)))
        self._step_done()

    @precondition(lambda self: self.up)
    @rule(fail=strategies.nth_failures(4))
    def pull_out(self, fail: int) -> None:
        """Somebody pulls the device out."""
        self.call("surprise_remove", fail=fail)
        for request in list(self.outstanding):
            self._give_back(request)
        self._die()

    @precondition(lambda self: is_up(self) and not self.stopped)
    @rule(fail=strategies.nth_failures(2))
    def stop_adapter(self, fail: int) -> None:
        """Resources are taken away for a moment."""
        self._drain()
        self.stopped = True
        self.call("stop", fail=fail)
        self._step_done()

    @precondition(lambda self: is_up(self) and self.stopped)
    @rule(fail=strategies.nth_failures(2))
    def restart_adapter(self, fail: int) -> None:
        """Resources are back."""
        self.call("restart", fail=fail)
        self.stopped = False
        self._step_done()

    @precondition(is_up)
    @rule()
    def spurious_interrupt(self) -> None:
        """Another device on the interrupt line."""
        self.call("interrupt", None)
        self._step_done()

    @precondition(is_up)
    @rule(fail=strategies.nth_failures(4))
    def work_item(self, fail: int) -> None:
        """A work item runs."""
        self.call("work", fail=fail)
        self._step_done()


default_hooks(
    StorageDriverMachine.find_adapter, StorageDriverMachine.build, StorageDriverMachine.interrupt,
    StorageDriverMachine.complete, StorageDriverMachine.reset, StorageDriverMachine.abort, StorageDriverMachine.work,
    StorageDriverMachine.stop, StorageDriverMachine.restart, StorageDriverMachine.surprise_remove,
)  # fmt: skip
