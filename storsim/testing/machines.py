"""Ready rule machines: compositions of the mix-ins of `storage_rules` and `audio_rules`, at most 25 rules each.

Run one as a test with ``TestPool = StoragePool.TestCase``, or subclass it and add rules.
"""

from __future__ import annotations

from storsim.testing.audio_rules import EngineRules, NotificationRules, StreamRules, VerbRules
from storsim.testing.rules import FaultRules, IrqlRules, TimeRules
from storsim.testing.storage_rules import ContiguousRules, DmaRules, HmbRules, MdlRules, PoolRules, RequestRules


class StoragePool(PoolRules, IrqlRules, FaultRules):
    """Pool with faults at both levels."""


class StorageContiguous(ContiguousRules, DmaRules, IrqlRules, FaultRules):
    """Contiguous and DMA memory that compete for the same pages."""


class StorageHmb(HmbRules, DmaRules, FaultRules):
    """The Host Memory Buffer beside DMA memory."""


class StorageMdl(MdlRules, PoolRules, RequestRules, FaultRules):
    """MDLs, lists and requests over pool."""


class StorageAll(
    PoolRules, ContiguousRules, DmaRules, HmbRules, MdlRules, RequestRules, IrqlRules, FaultRules, TimeRules
):
    """Every storage routine together."""


class AudioEngines(EngineRules, VerbRules, IrqlRules, FaultRules):
    """Engines and bandwidth."""


class AudioStreams(StreamRules, IrqlRules, TimeRules):
    """Buffers, and streams that run."""


class AudioAll(StreamRules, NotificationRules, VerbRules, IrqlRules, FaultRules, TimeRules):
    """The whole bus interface together."""


READY = (
    StoragePool, StorageContiguous, StorageHmb, StorageMdl, StorageAll,
    AudioEngines, AudioStreams, AudioAll,
)  # fmt: skip
