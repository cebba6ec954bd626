"""The package itself: quick to import, complete stubs, one table of knobs, warnings, sites, interpreters."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
import typing
import warnings
from pathlib import Path
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from storsim import _core, _generate, knobs, virtual_time


def _run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_is_light() -> None:
    loaded = _run("import sys, storsim; print(*(name for name in sys.modules if name.startswith('storsim')))").split()
    assert loaded == ["storsim"]


def test_every_public_name_is_there() -> None:
    for name in storsim.__all__:
        assert getattr(storsim, name) is not None
    assert set(storsim.__all__) <= set(dir(storsim))
    with pytest.raises(AttributeError):
        storsim.nonsense  # noqa: B018
    for name in sp.__all__:
        assert getattr(sp, name) is not None
    with pytest.raises(AttributeError):
        sp.nonsense  # noqa: B018


def test_the_stub_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generate.main(["--check"]) == 0, capsys.readouterr().out


def test_the_package_version_is_the_cores() -> None:
    assert storsim.__version__ == _core.CORE_VERSION


def test_statuses_and_versions_are_the_cores() -> None:
    assert {member.name: member.value for member in storsim.StorStatus} == _core.STOR_STATUSES
    assert {member.name: member.value for member in storsim.WindowsVersion} == _core.OS_VERSIONS
    rows = [row for row in _core.ddi_table() if row["family"] == "hdaudio"]
    used = {(status["name"], status["value"]) for row in rows for status in row["statuses"]}
    assert used <= {(member.name, member.value) for member in storsim.NtStatus}


# --- knobs ------------------------------------------------------------------------------------------------------------


def test_the_table_and_the_types_name_the_same_knobs() -> None:
    machine = set(typing.get_type_hints(knobs.MachineKnobs, vars(knobs) | {"Any": Any}))
    device = set(typing.get_type_hints(knobs.DeviceKnobs, vars(knobs) | {"Any": Any}))
    assert machine == {knob.name for knob in knobs.KNOBS}
    assert device == {knob.name for knob in knobs.KNOBS if knob.scope == "device"}


def test_the_table_has_the_cores_defaults() -> None:
    from storsim.adapter import core_config
    from storsim.machine import _kernel

    kernel = _kernel(dict(storsim.Machine("64MiB").config))
    core = _core.Machine._kernel_defaults()
    always_given = {"os", "level", "verifier", "cpus"}
    assert set(kernel) == set(core)
    assert {name: kernel[name] for name in kernel if name not in always_given} == {
        name: core[name] for name in core if name not in always_given
    }
    adapter = core_config("x", knobs.defaults("device") | {"full_duplex": True, "dump_mode": 0, "dirql": 5})
    assert adapter == _core.Machine._adapter_defaults() | {"name": "x", "device_extension_bytes": 4096} | {
        "write_combining": False  # the package gives it always: an option
    }


@pytest.mark.parametrize("knob", knobs.KNOBS, ids=lambda knob: knob.name)
def test_every_knob_explains_itself(knob: knobs.Knob) -> None:
    assert knob.values
    assert knob.source
    assert knob.meaning
    assert knob.scope in ("machine", "device")
    assert knob.check(knob.name, knob.default) == knob.default
    with pytest.raises((TypeError, ValueError)) as error:
        knob.check(knob.name, object())
    assert knob.name in str(error.value) or "object" in str(error.value)


def test_unknown_knobs_suggest_the_nearest() -> None:
    with pytest.raises(TypeError, match="did you mean 'hmb_policy'"):
        storsim.Machine("64MiB", hmb_polcy=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"pass it to storsim\.Machine"):
        storsim.Machine("64MiB").add_adapter("x", zero_pool=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("level", "verifier", "flags"),
    [
        ("release", None, 0),
        ("verifier", None, 0x8A),
        ("strict", None, 0x8A),
        ("release", {"dma", "pool_tracking"}, 0x88),
        ("verifier", {"+special_pool"}, 0x8B),
        ("strict", "special_pool", 0x1),
        ("verifier", 0, 0),
        ("verifier", 0x40001, 0x40001),
    ],
)
def test_verifier_flags(level: str, verifier: Any, flags: int) -> None:
    assert storsim.Machine("64MiB", level=level, verifier=verifier).config.verifier == flags


@pytest.mark.parametrize("verifier", [0x100, -1, {"nonsense"}, "dma pool"])
def test_unknown_verifier_flags(verifier: Any) -> None:
    with pytest.raises(ValueError, match="verifier"):
        storsim.Machine("64MiB", verifier=verifier)


def test_a_machine_prints_as_it_was_made() -> None:
    for settings in ({}, {"seed": 7}, {"level": "strict", "os": storsim.WindowsVersion.WIN7}, {"zero_pool": True}):
        pc = storsim.Machine("64MiB", **settings)  # type: ignore[arg-type]
        again = eval(repr(pc), vars(storsim) | {name: getattr(storsim, name) for name in storsim.__all__})
        assert dict(again.config) == dict(pc.config)


# --- memory sizes and time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "memory", ["", "lots", "16 parsecs", "12KiB5", "-1GiB", "0B", 0, 4096, 8193, 1.5, None, [1], [()]]
)
def test_no_memory_size(memory: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        storsim.Machine(memory)


@pytest.mark.parametrize(
    ("given", "ticks"),
    [
        ({"ticks": 5}, 5),
        ({"frames": 2}, 1000),
        ({"milliseconds": 0.1}, 2400),
        ({"milliseconds": "1/24000"}, 1),
        ({"seconds": 0.001}, 24000),
        ({"seconds": 10**9}, 24 * 10**15),
    ],
)
def test_durations_are_exact(given: dict[str, Any], ticks: int) -> None:
    arguments = {"ticks": None, "frames": None, "milliseconds": None, "seconds": None} | given
    assert virtual_time.to_ticks(**arguments) == ticks


@pytest.mark.parametrize(
    "given",
    [{"seconds": 1e-9}, {"milliseconds": 0.00001}, {"ticks": -1}, {"ticks": 0.5}, {"seconds": float("nan")},
     {"seconds": float("inf")}, {"ticks": 2**64}, {"frames": "x"}],
    ids=str,
)  # fmt: skip
def test_durations_that_are_none(given: dict[str, Any]) -> None:
    pc = storsim.Machine("64MiB")
    with pytest.raises(ValueError, match=f"{next(iter(given))}="):
        pc.advance(**given)
    assert pc.now == 0


def test_one_duration_at_a_time() -> None:
    pc = storsim.Machine("64MiB")
    for given in ({}, {"ticks": 1, "frames": 1}):
        with pytest.raises(TypeError):
            pc.advance(**given)


# --- warnings and sites -----------------------------------------------------------------------------------------------


def _breach(hba: Any) -> None:
    sp.StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 1, 0, -1, 3, 1, 0)


def test_a_violation_is_announced_once_per_site() -> None:
    hba = storsim.Machine("64MiB").add_adapter("hba")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            _breach(hba)
        sp.StorPortAllocateContiguousMemorySpecifyCacheNode(hba, 1, 0, -1, 3, 1, 0)
    assert [warning.category for warning in seen] == [storsim.ViolationWarning] * 2
    first = seen[0]
    assert Path(first.filename).name == "test_package.py"
    assert first.lineno == inspect.getsourcelines(_breach)[1] + 1
    assert isinstance(first.message, storsim.ViolationWarning)
    assert first.message.record.name == "BAD_BOUNDARY"
    assert len(hba.machine.violations) == 4


@pytest.mark.parametrize("level", ["release", "strict"])
def test_only_the_verifier_announces(level: str) -> None:
    hba = storsim.Machine("64MiB", level=level).add_adapter("hba")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            _breach(hba)
        except storsim.Violation:
            assert level == "strict"


def test_filters_may_raise() -> None:
    hba = storsim.Machine("64MiB").add_adapter("hba")
    with warnings.catch_warnings():
        warnings.simplefilter("error", storsim.ViolationWarning)
        with pytest.raises(storsim.ViolationWarning, match="BAD_BOUNDARY"):
            _breach(hba)
    assert sp.StorPortAllocatePool(hba, 64, "Test").status == sp.STOR_STATUS_SUCCESS


def test_a_site_is_the_users_line() -> None:
    pc = storsim.Machine("64MiB")
    hba = pc.add_adapter("hba")
    block = hba.pool(64)  # this line
    site = next(record.site for record in pc.allocations() if record.va == block.va)
    assert site is not None
    assert Path(site.file).name == "test_package.py"
    assert site.function == "test_a_site_is_the_users_line"
    assert "this line" in Path(site.file).read_text(encoding="utf-8").splitlines()[site.line - 1]
    assert site.caller is None


def test_sites_may_be_deeper() -> None:
    pc = storsim.Machine("64MiB", site_depth=3)
    hba = pc.add_adapter("hba")

    def helper() -> Any:
        return hba.pool(64)

    block = helper()
    site = next(record.site for record in pc.allocations() if record.va == block.va)
    assert site is not None
    assert site.caller is not None
    assert site.function.endswith("helper")
    assert site.caller.function == "test_sites_may_be_deeper"


def test_sites_are_interned() -> None:
    pc = storsim.Machine("64MiB", level="release")
    hba = pc.add_adapter("hba")
    for _ in range(100):
        hba.pool(64)
        sp.StorPortAllocatePool(hba, 64, "Test")
    assert len(pc._sites) == 3
    for number in range(200):
        eval(f"sp.StorPortAllocatePool(hba, 64, 'Test') and {number}", {"sp": sp, "hba": hba})
    assert len(pc._sites) == 203
    assert len({str(record.site) for record in pc.allocations()}) >= 3


def test_findings_pickle() -> None:
    import pickle

    pc = storsim.Machine("64MiB", level="release")
    _breach(pc.add_adapter("hba"))
    record = pc.violations[0]
    again = pickle.loads(pickle.dumps(record))
    assert (again.name, again.text, again.site, again.arguments) == (
        record.name,
        record.text,
        record.site,
        record.arguments,
    )
    error = pickle.loads(pickle.dumps(storsim.Violation(record, 5)))
    assert error.result == 5
    assert str(error) == record.text


# --- interpreters -----------------------------------------------------------------------------------------------------


if sys.version_info >= (3, 12):  # interpreters have a GIL of their own from then on

    def test_each_interpreter_has_its_own_module() -> None:
        name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
        code = (
            "import storsim\nfrom storsim.storport import *\n"
            "with storsim.Machine('64MiB', seed=3) as pc:\n"
            "    hba = pc.add_adapter('hba')\n"
            "    status, va = StorPortAllocatePool(hba, 64, 'Test')\n"
            "    StorPortFreePool(hba, va)\n"
            "    print(pc.digest(), flush=True)\n"
        )
        output = _run(f"""
            import {name} as interpreters
            code = {code!r}
            exec(code)
            for _ in range(2):
                one = interpreters.create()
                result = interpreters.run_string(one, code)
                assert result is None, result
                interpreters.destroy(one)
        """)
        assert len(set(output.split())) == 1
        assert len(output.split()) == 3
