"""Memory of the kernel that is no allocation of a driver: stacks and pageable memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from storsim.machine import Machine


class KernelMemory:
    """A kernel stack or pageable memory; stands for its address. va: kernel address. size: bytes. pageable: which of
    the two.

    Building an MDL over it with StorPortBuildMdlForNonPagedPool is a mistake, touching pageable memory at
    DISPATCH_LEVEL too.
    """

    __slots__ = ("_machine", "pageable", "size", "va")

    def __init__(self, machine: Machine, pageable: bool, size: int) -> None:
        self._machine = machine
        self.pageable = pageable
        self.size = size
        self.va = machine._kernel_memory(pageable, size)

    def free(self) -> None:
        """Gives it back. Raises ValueError when done twice."""
        self._machine._kernel_memory_free(self.va)

    def __index__(self) -> int:
        return self.va

    def __int__(self) -> int:
        return self.va

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._machine.closed and not self._machine._dead:
            self.free()

    def __repr__(self) -> str:
        return f"<{'pageable memory' if self.pageable else 'kernel stack'} at 0x{self.va:x}, {self.size} bytes>"
