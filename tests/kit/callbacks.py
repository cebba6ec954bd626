"""A machine that calls back: Python callables inside it, and other threads that come meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import storsim
import storsim.storport as sp

PAGE = 4096


class Bench:
    """An adapter with a built MDL, ready for scatter/gather lists, whose routine the machine calls back."""

    def __init__(self, **knobs: Any) -> None:
        self.pc = storsim.Machine("64MiB", level="release", **knobs)
        self.hba = self.pc.add_adapter("hba")
        self.va = sp.StorPortAllocatePool(self.hba, PAGE, "Data").BufferPointer
        self.mdl = sp.StorPortAllocateMdl(self.hba, self.va, PAGE).Mdl
        sp.StorPortBuildMdlForNonPagedPool(self.hba, self.mdl)
        self.buffer = sp.StorPortAllocatePool(self.hba, 256, "List").BufferPointer

    def build(self, routine: Any, context: Any = None) -> Any:
        """Builds a list at DISPATCH and returns the status."""
        with self.pc.at_irql(2):
            return sp.StorPortBuildScatterGatherList(
                self.hba, self.mdl, self.va, PAGE, routine, context, True, self.buffer, 256
            )

    def inside(self, action: Callable[[], Any]) -> None:
        """Runs a function inside a callback of the machine; raises what it raises."""
        self.build(lambda *_: action() and None)

    def meanwhile(self, action: Callable[[], Any], *, waits: bool) -> Any:
        """What a function comes to in another thread that starts while this one is inside a callback."""
        order: list[str] = []
        answers: list[Any] = []
        began = threading.Event()

        def other() -> None:
            began.set()
            try:
                answers.append(action())
            except Exception as error:
                answers.append(error)
            order.append("other")

        thread = threading.Thread(target=other)

        def callback() -> None:
            thread.start()
            assert began.wait(30)
            if waits:
                time.sleep(0.03)
            else:
                thread.join(30)
                assert not thread.is_alive(), "it waited for the callback"
            order.append("callback")

        self.inside(callback)
        thread.join(30)
        assert order == (["callback", "other"] if waits else ["other", "callback"])
        return answers[0]
