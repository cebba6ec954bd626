"""``pc.event()``: a KEVENT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storsim.machine import Machine


class Event:
    """A KEVENT in simulated nonpaged memory; stands for its address wherever a PKEVENT is expected."""

    __slots__ = ("_address", "_machine")

    def __init__(self, machine: Machine, address: int) -> None:
        self._machine = machine
        self._address = address

    @property
    def address(self) -> int:
        """Kernel address of the event."""
        return self._address

    @property
    def signaled(self) -> bool:
        """Whether it is signaled."""
        return self._machine._event_signaled(self._address)

    def set(self) -> None:
        """Signals it. Raises ValueError after `destroy`."""
        self._machine._event_set(self._address)

    def clear(self) -> None:
        """Makes it not signaled. Raises ValueError after `destroy`."""
        self._machine._event_clear(self._address)

    def destroy(self) -> None:
        """Frees its memory. Raises ValueError when done twice."""
        self._machine._event_destroy(self._address)

    def __index__(self) -> int:
        return self._address

    def __repr__(self) -> str:
        return f"<KEVENT at 0x{self._address:x}>"
