"""Small drivers for campaigns: a queue of requests with a planted bug, its twin, one that ends the process."""

from __future__ import annotations

import os
import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

import storsim
from storsim.storport import *
from storsim.testing import StorageDriverMachine


class QueueDriver:
    """Keeps one block per request; the buggy one frees a block again when it is cancelled after completion."""

    def __init__(self, pc: storsim.Machine, buggy: bool) -> None:
        self.hba = pc.add_adapter("nvme0")
        self.buggy = buggy
        self.blocks: dict[int, int] = {}
        self.number = 0

    def submit(self, size: int) -> int:
        status, va = StorPortAllocatePool(self.hba, size, "Queu")
        self.number += 1
        if status == 0:
            self.blocks[self.number] = va
        return self.number

    def complete(self, number: int) -> None:
        va = self.blocks.get(number)
        if va:
            StorPortFreePool(self.hba, va)
            if not self.buggy:
                del self.blocks[number]

    def cancel(self, number: int) -> None:
        va = self.blocks.pop(number, None)
        if va:
            StorPortFreePool(self.hba, va)

    def drain(self) -> None:
        for number in list(self.blocks):
            self.cancel(number)


class Queue(RuleBasedStateMachine):
    """Requests come, complete and are cancelled."""

    requests = Bundle("requests")
    buggy = True

    def __init__(self) -> None:
        super().__init__()
        self.pc = storsim.Machine("64MiB", level="verifier")
        self.driver = QueueDriver(self.pc, self.buggy)

    @rule(target=requests, size=st.integers(1, 4096))
    def submit(self, size: int) -> int:
        return self.driver.submit(size)

    @rule(request=requests)
    def complete(self, request: int) -> None:
        self.driver.complete(request)

    @rule(request=requests)
    def cancel(self, request: int) -> None:
        self.driver.cancel(request)

    @invariant()
    def few_blocks(self) -> None:
        assert len(self.driver.blocks) < 1000

    def teardown(self) -> None:
        try:
            if not self.pc._dead:
                self.driver.drain()
                self.driver.hba.remove()
        finally:
            self.pc.close()


class MendedQueue(Queue):
    """The twin without the bug."""

    buggy = False


class Aborting(Queue):
    """Ends the process when three requests were cancelled in a row."""

    buggy = False

    def __init__(self) -> None:
        super().__init__()
        self.row = 0

    @rule(target=Queue.requests, size=st.integers(1, 64))
    def submit(self, size: int) -> int:
        self.row = 0
        return self.driver.submit(size)

    @rule(request=Queue.requests)
    def cancel(self, request: int) -> None:
        self.row += 1
        if self.row == 3:
            os.abort()
        self.driver.cancel(request)


class Hanging(Queue):
    """Never comes back from the second completion."""

    buggy = False

    @rule(request=Queue.requests)
    def complete(self, request: int) -> None:
        self.driver.complete(request)
        if self.driver.number >= 2:
            threading.Event().wait()


def forgets_on_failure(pc: storsim.Machine) -> bool:
    """Forgets its first block when the second cannot be had."""
    hba = pc.add_adapter("nvme0")
    status, first = StorPortAllocatePool(hba, 100, "One1")
    if status:
        return False
    status, second = StorPortAllocatePool(hba, 200, "Two2")
    if status:
        return False
    StorPortFreePool(hba, second)
    StorPortFreePool(hba, first)
    return True


@given(size=st.integers(0, 100_000), number=st.integers(0, 10))
def test_big_requests(size: int, number: int) -> None:
    """Does not think of more than 64 KiB."""
    with storsim.Machine("64MiB") as pc:
        hba = pc.add_adapter("nvme0")
        for _ in range(number):
            status, va = StorPortAllocatePool(hba, max(1, size), "BigR")
            if status == 0:
                StorPortFreePool(hba, va)
            assert size <= 0x10000


class Leaky(StorageDriverMachine):
    """A whole driver that forgets what it allocated when it came up."""

    def bring_up(self) -> bool:
        status, self.block = StorPortAllocatePool(self.hba, 64, "Leak")
        return bool(status == 0)

    def request(self, request: object) -> bool:
        return False

    def remove(self) -> None:
        self.block = 0


HERE = 5


class Opaque(Queue):
    """Draws inside a rule, which no text tells."""

    buggy = False

    @rule(target=Queue.requests, data=st.data())
    def submit(self, data: Any) -> int:
        size = data.draw(st.integers(1, 4096))
        assert size < 2000
        return self.driver.submit(size)


class Sleepy(RuleBasedStateMachine):
    """Must be awake to work; leaks what it works on when it was asleep before. Mended, it does not sleep at all."""

    def __init__(self) -> None:
        super().__init__()
        self.pc = storsim.Machine("64MiB")
        self.hba = self.pc.add_adapter("nvme0")
        self.asleep = self.slept = False
        self.started = False

    @initialize()
    def begin(self) -> None:
        self.started = True

    @rule()
    def sleep(self) -> None:
        self.asleep = self.slept = True

    @precondition(lambda self: self.asleep)
    @rule(after=st.integers(0, 9))
    def wake(self, after: int) -> None:
        assert self.started
        assert self.asleep, "called although it does not apply"
        self.asleep = False

    @precondition(lambda self: not self.asleep)
    @rule()
    def work(self) -> None:
        status, va = StorPortAllocatePool(self.hba, 64, "Work")
        if status == 0 and not self.slept:
            StorPortFreePool(self.hba, va)

    def teardown(self) -> None:
        try:
            self.hba.remove()
        finally:
            self.pc.close()


class Masked(RuleBasedStateMachine):
    """Fails with a block in its hands, so that its teardown fails, too."""

    def __init__(self) -> None:
        super().__init__()
        self.pc = storsim.Machine("64MiB")
        self.hba = self.pc.add_adapter("nvme0")

    @rule()
    def work(self) -> None:
        StorPortAllocatePool(self.hba, 64, "Work")
        raise AssertionError("the cause")

    def teardown(self) -> None:
        try:
            self.hba.remove()
        finally:
            self.pc.close()
