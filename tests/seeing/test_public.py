"""What is public has help, a signature and completion, register names included."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import pydoc
import rlcompleter
from collections.abc import Iterator
from typing import Any

import storsim
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V3


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(storsim.__path__, "storsim."):
        if "__main__" not in found.name and not found.name.startswith("storsim.guide"):
            yield importlib.import_module(found.name)


def _public() -> Iterator[tuple[str, Any]]:
    for module in _modules():
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and not name.startswith("_") and (inspect.isclass(value) or callable(value)):
                yield f"{module.__name__}.{name}", value
                for inner in vars(value) if inspect.isclass(value) else ():
                    if not inner.startswith("_") and callable(getattr(value, inner)):
                        yield f"{module.__name__}.{name}.{inner}", getattr(value, inner)
    for name in dir(storsim.storport):
        if name.startswith("StorPort"):
            yield name, getattr(storsim.storport, name)


def _built_by_python(value: Any) -> bool:
    """Classes whose constructor is that of a builtin: exceptions, enums, typed dictionaries."""
    return inspect.isclass(value) and issubclass(value, (BaseException, dict, int, str))


def test_help_and_signatures() -> None:
    found = dict(_public())
    assert len(found) > 600
    for name, value in found.items():
        assert getattr(value, "__name__", name) in pydoc.plain(pydoc.render_doc(value)), name
        if not _built_by_python(value) and not name.startswith("storsim._core."):
            assert inspect.signature(value) is not None, name
    assert "value" not in str(inspect.signature(storsim.hdaudio.HDAUDIO_CODEC_COMMAND))


def test_completion() -> None:
    with storsim.Machine("64MiB") as pc:
        hda = pc.add_hda()
        bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V3)
        completer = rlcompleter.Completer({"hda": hda, "bus": bus, "pc": pc, "storsim": storsim})
        for start, expected in {
            "hda.regs.SD4L": {"hda.regs.SD4LPIB", "hda.regs.SD4LPIBA", "hda.regs.SD4LVI"},
            "hda.regs.GC": {"hda.regs.GCAP", "hda.regs.GCTL"},
            "bus.GetL": {"bus.GetLinkPositionRegister("},
            "pc.run_": {"pc.run_dpcs()", "pc.run_until_interrupt("},
            "storsim.Viol": {"storsim.Violation(", "storsim.ViolationWarning("},
            "storsim.storport.StorPortAllocateD": {"storsim.storport.StorPortAllocateDmaMemory("},
        }.items():
            matches: set[str] = set()
            while (match := completer.complete(start, len(matches))) is not None:
                matches.add(match)
            assert matches == expected
        names = {row.name for row in hda.regs}
        assert names <= set(dir(hda.regs))
