"""What the friendly face hands out: memory with ``.va .pa .size .free()``, usable as a context manager and as a
buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storsim import _core
from storsim import storport as sp
from storsim.errors import StorsimError, StorStatusError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from storsim.adapter import Adapter


class Block(_core.Block):
    """Memory of one adapter. Leaving a ``with`` block frees it; ``memoryview(block)`` is its bytes; it stands for its
    address.
    """

    __slots__ = ("_freed", "adapter")
    adapter: Adapter
    _freed: bool

    def __new__(cls, adapter: Adapter, va: int, pa: int, size: int, **more: Any) -> Self:
        self = super().__new__(cls, adapter.machine, va, pa, size)
        self.adapter = adapter
        self._freed = False
        return self

    def _free(self) -> Any:
        raise NotImplementedError

    def free(self) -> None:
        """Gives the memory back through the documented routine.

        Raises StorStatusError when it refuses. Freeing twice is the driver's mistake it looks like: the routine is
        called again.
        """
        status = self._free()
        if status != sp.STOR_STATUS_SUCCESS:
            raise StorStatusError(status, f"{type(self).__name__}.free")
        self._freed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        machine = self.adapter.machine
        if self._freed or machine.closed or machine._dead:
            return
        try:
            self.free()
        except StorsimError:
            if kind is None:  # an exception already under way is never replaced
                raise

    def _repr_html_(self) -> str:
        from storsim import html

        return html.block(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} va 0x{self.va:x} pa 0x{self.pa:x}, {self.size} bytes of {self.adapter.name}>"


class PoolBlock(Block):
    """A block from StorPortAllocatePool. ``pa`` is the address of its first byte; the rest need not follow."""

    __slots__ = ("tag",)
    tag: str | bytes | int

    def __new__(cls, adapter: Adapter, va: int, pa: int, size: int, *, tag: str | bytes | int) -> Self:
        self = super().__new__(cls, adapter, va, pa, size)
        self.tag = tag
        return self

    def _free(self) -> Any:
        return sp.StorPortFreePool(self.adapter, self.va)


class ContiguousBlock(Block):
    """A block from StorPortAllocateContiguousMemorySpecifyCacheNode. cache: its MEMORY_CACHING_TYPE."""

    __slots__ = ("cache",)
    cache: int

    def __new__(cls, adapter: Adapter, va: int, pa: int, size: int, *, cache: int) -> Self:
        self = super().__new__(cls, adapter, va, pa, size)
        self.cache = cache
        return self

    def _free(self) -> Any:
        return sp.StorPortFreeContiguousMemorySpecifyCache(self.adapter, self.va, self.size, self.cache)


class DmaBlock(ContiguousBlock):
    """A block from StorPortAllocateDmaMemory. ``pa`` is what the device must use."""

    __slots__ = ()

    def _free(self) -> Any:
        return sp.StorPortFreeDmaMemory(self.adapter, self.va, self.size, self.cache, self.pa)


class HostMemoryBuffer(Block):
    """A buffer from StorPortAllocateHostMemoryBuffer. ranges: its ACCESS_RANGEs. It has no virtual address: ``va`` is
    0.
    """

    __slots__ = ("ranges",)
    ranges: list[_core.ACCESS_RANGE]

    def __new__(cls, adapter: Adapter, va: int, pa: int, size: int, *, ranges: list[_core.ACCESS_RANGE]) -> Self:
        self = super().__new__(cls, adapter, va, pa, size)
        self.ranges = ranges
        return self

    def _free(self) -> Any:
        return sp.StorPortFreeHostMemoryBuffer(self.adapter, self.ranges)

    def _repr_html_(self) -> str:
        from storsim import html

        return html.ranges(self)
