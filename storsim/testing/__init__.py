"""Tools for testing drivers.

`StorageDriverMachine` and `AudioDriverMachine` fuzz a driver with Hypothesis, `storsim.testing.strategies` draws what a
driver meets, `storsim.testing.sweep` fails every allocation once, `storsim.testing.plugin` is for pytest.

Nothing is imported before it is used; the plugin module is loaded by every pytest run in the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storsim.testing.audio_driver import AudioDriverMachine, Stream
    from storsim.testing.driver import DriverMachine, PowerState
    from storsim.testing.failures import DriverFinding
    from storsim.testing.programs import ProgramRun, digest_bytes, make_program, run_bytes, seed_corpus
    from storsim.testing.storage_driver import Request, StorageDriverMachine

_HOMES = {
    "AudioDriverMachine": "audio_driver",
    "DriverFinding": "failures",
    "DriverMachine": "driver",
    "PowerState": "driver",
    "ProgramRun": "programs",
    "Request": "storage_driver",
    "StorageDriverMachine": "storage_driver",
    "Stream": "audio_driver",
    "digest_bytes": "programs",
    "make_program": "programs",
    "run_bytes": "programs",
    "seed_corpus": "programs",
}

__all__ = [
    "AudioDriverMachine",
    "DriverFinding",
    "DriverMachine",
    "PowerState",
    "ProgramRun",
    "Request",
    "StorageDriverMachine",
    "Stream",
    "digest_bytes",
    "make_program",
    "run_bytes",
    "seed_corpus",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "hypothesis":
            raise ModuleNotFoundError(
                f"storsim.testing.{name} needs Hypothesis: pip install storsim[testing]", name=error.name
            ) from None
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
