"""How Python values become arguments, and results come back: names, order, ranges, NULL, outputs (rulings R1 to R8)."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from storsim import _core

ALL_ONES = 2**64 - 1


@pytest.fixture
def hba() -> Any:
    """An adapter of a small machine at release, where bad pointers are not fatal for the extension argument."""
    return storsim.Machine("64MiB", level="release").add_adapter("hba")


def test_positional_named_and_mixed_are_the_same(hba: Any) -> None:
    by_position = sp.StorPortAllocatePool(hba, 64, "Test")
    by_name = sp.StorPortAllocatePool(Tag="Test", NumberOfBytes=64, HwDeviceExtension=hba)
    mixed = sp.StorPortAllocatePool(hba, Tag="Test", NumberOfBytes=64)
    assert by_position.status == by_name.status == mixed.status == sp.STOR_STATUS_SUCCESS
    assert len({by_position.BufferPointer, by_name.BufferPointer, mixed.BufferPointer}) == 3


def test_names_built_at_run_time_match(hba: Any) -> None:
    keywords = {"".join(["Number", "Of", "Bytes"]): 64, "".join(["T", "ag"]): "Test"}
    assert sp.StorPortAllocatePool(hba, **keywords).status == sp.STOR_STATUS_SUCCESS


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "HwDeviceExtension"),
        ((64,), {}, "Tag"),
        ((64, "Test", 1), {}, "at most 3 positional"),
        ((64, "Test"), {"NumberOfBytes": 1}, "two values"),
        ((64, "Test"), {"numberofbytes": 1}, "no parameter"),
        ((64, "Test"), {"Größe": 1}, "no parameter"),
    ],
)
def test_wrong_arguments_are_explained(hba: Any, args: tuple[Any, ...], kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        sp.StorPortAllocatePool(*((hba,) if args else ()), *args, **kwargs)
    assert not hba.machine.violations


@pytest.mark.parametrize("value", [-1, 2**32, 2**64, -(2**64), 2**200])
def test_a_ulong_is_checked_before_the_call(hba: Any, value: int) -> None:
    digest = hba.machine.digest()
    with pytest.raises(OverflowError, match=r"NumberOfBytes is a ULONG: pass a number from 0 to 0xFFFFFFFF"):
        sp.StorPortAllocatePool(hba, value, "Test")
    assert hba.machine.digest() == digest


@pytest.mark.parametrize("value", [1.0, "64", None, b"sixty", [64], object()])
def test_what_is_no_number_is_a_type_error(hba: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="NumberOfBytes is a ULONG"):
        sp.StorPortAllocatePool(hba, value, "Test")


def test_index_objects_are_numbers(hba: Any) -> None:
    class Size:
        def __index__(self) -> int:
            return 64

    class Bad:
        def __index__(self) -> int:
            raise LookupError("no size")

    assert sp.StorPortAllocatePool(hba, Size(), "Test").status == sp.STOR_STATUS_SUCCESS
    with pytest.raises(LookupError):
        sp.StorPortAllocatePool(hba, Bad(), "Test")


@pytest.mark.parametrize(
    ("value", "fine"), [(0, True), (ALL_ONES, True), (-1, True), (-2, False), (2**64, False), (True, True)]
)
def test_physical_addresses(hba: Any, value: int, fine: bool) -> None:
    arguments = (4096, 0, value, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    if fine:
        sp.StorPortAllocateDmaMemory(hba, *arguments)
    else:
        with pytest.raises(OverflowError, match="PHYSICAL_ADDRESS"):
            sp.StorPortAllocateDmaMemory(hba, *arguments)


@pytest.mark.parametrize(("value", "fine"), [(-1, True), (2**31 - 1, True), (2**31, False), (-(2**31) - 1, False)])
def test_enumerations_are_signed(hba: Any, value: int, fine: bool) -> None:
    arguments = (4096, 0, -1, 0, value, sp.MM_ANY_NODE_OK)
    if fine:
        assert sp.StorPortAllocateDmaMemory(hba, *arguments).status == sp.STOR_STATUS_INSUFFICIENT_RESOURCES
    else:
        with pytest.raises(OverflowError, match="enumeration"):
            sp.StorPortAllocateDmaMemory(hba, *arguments)


@pytest.mark.parametrize("tag", ["Ünïc", "", "12345", b"Tests", 1.5, None, ["T"]])
def test_what_is_no_tag(hba: Any, tag: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="tag"):
        sp.StorPortAllocatePool(hba, 64, tag)


def test_out_parameters_hold_what_they_held(hba: Any) -> None:
    machine = storsim.Machine("64MiB", os="WIN7", level="release")
    old = machine.add_adapter("old")
    arguments = (4096, 0, -1, 0, 1, 0)
    assert tuple(sp.StorPortAllocateDmaMemory(old, *arguments))[1:] == (None, None)
    assert tuple(sp.StorPortAllocateDmaMemory(old, *arguments, BufferPointer=5))[1:] == (5, None)
    marker = 2**64 - 1
    assert sp.StorPortAllocateDmaMemory(old, *arguments, PhysicalAddress=marker).PhysicalAddress == marker


def test_null_out_parameter(hba: Any) -> None:
    result = sp.StorPortAllocatePool(hba, 64, "Test", BufferPointer=None)
    assert result.status == sp.STOR_STATUS_INVALID_PARAMETER
    assert result.BufferPointer is None


def test_results_are_named_tuples(hba: Any) -> None:
    result = sp.StorPortAllocateDmaMemory(hba, 4096, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    status, va, pa = result
    assert isinstance(result, tuple)
    assert result._fields == ("status", "BufferPointer", "PhysicalAddress")
    assert (result.status, result.BufferPointer, result.PhysicalAddress) == (status, va, pa)
    assert isinstance(status, sp.StorStatus)
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert type(again) is type(result)


def test_single_results_are_bare(hba: Any) -> None:
    assert sp.StorPortFreePool(hba, 0) is sp.STOR_STATUS_INVALID_PARAMETER
    assert sp.StorPortValidateRange(hba, 0, 0, 0, 0, False) is True
    assert hba.machine.storport.StorPortMoveMemory(hba.pool(16), hba.pool(16), 16) is None


def test_extension_forms(hba: Any) -> None:
    machine = hba.machine
    extension = hba.device_extension
    assert isinstance(extension, int)
    assert extension.machine is machine
    for form in (hba, extension):
        assert sp.StorPortAllocatePool(form, 64, "Test").status == sp.STOR_STATUS_SUCCESS
        assert machine.storport.StorPortAllocatePool(form, 64, "Test").status == sp.STOR_STATUS_SUCCESS
    assert machine.storport.StorPortAllocatePool(int(extension), 64, "Test").status == sp.STOR_STATUS_SUCCESS
    for wrong in (int(extension), extension + 0, 0, None, "hba", object()):
        with pytest.raises(TypeError, match=r"machine\.storport\.StorPortAllocatePool"):
            sp.StorPortAllocatePool(wrong, 64, "Test")


def test_an_adapter_of_another_machine(hba: Any) -> None:
    other = storsim.Machine("64MiB").add_adapter("other")
    with pytest.raises(ValueError, match="another machine"):
        hba.machine.storport.StorPortAllocatePool(other, 64, "Test")


def test_an_extension_without_machine(hba: Any) -> None:
    bare = _core.DeviceExtension(int(hba.device_extension))
    with pytest.raises((TypeError, AttributeError)):
        sp.StorPortAllocatePool(bare, 64, "Test")
    bare.machine = "no machine"  # type: ignore[assignment]
    with pytest.raises(TypeError):
        sp.StorPortAllocatePool(bare, 64, "Test")


def test_routines_without_extension_need_a_machine() -> None:
    with pytest.raises(TypeError, match=r"machine\.storport\.StorPortMoveMemory"):
        sp.StorPortMoveMemory(1, 2, 3)
    machine = storsim.Machine("64MiB")
    assert machine.storport.StorPortConvertUlongToPhysicalAddress(0x1234) == 0x1234


def test_typed_pointers_and_blocks_stand_for_addresses(hba: Any) -> None:
    block = hba.pool(4096)
    mdl = sp.StorPortAllocateMdl(hba, block, 4096).Mdl
    assert isinstance(mdl, sp.MDL)
    assert int(mdl) == mdl.address == mdl
    assert hash(mdl) == hash(int(mdl))
    assert sp.StorPortBuildMdlForNonPagedPool(hba, int(mdl)) == sp.STOR_STATUS_SUCCESS
    assert len(mdl.pages) == 1
    assert mdl.built
    assert sp.StorPortFreeMdl(hba, mdl) == sp.STOR_STATUS_SUCCESS
    with pytest.raises(ValueError, match="no live MDL"):
        mdl.pages  # noqa: B018
    assert sp.StorPortFreePool(hba, block) == sp.STOR_STATUS_SUCCESS


class TestAccessRange:
    """ACCESS_RANGE: mutable, comparable, unpackable."""

    def test_members(self) -> None:
        item = sp.ACCESS_RANGE(0x1000, RangeLength=0x2000, RangeInMemory=True)
        start, length, in_memory = item
        assert (start, length, in_memory) == (0x1000, 0x2000, True) == tuple(item)
        item.RangeLength -= 0x1000
        assert item == sp.ACCESS_RANGE(0x1000, 0x1000, True) == (0x1000, 0x1000, True)
        assert item != sp.ACCESS_RANGE(0x1000, 0x1000, False)
        assert eval(repr(item), {"ACCESS_RANGE": sp.ACCESS_RANGE}) == item
        assert pickle.loads(pickle.dumps(item)) == item
        assert len(item) == 3
        assert item[1] == 0x1000
        with pytest.raises(IndexError):
            item[3]

    @pytest.mark.parametrize(
        "change",
        [("RangeStart", 2**64), ("RangeStart", -1), ("RangeLength", 2**32), ("RangeInMemory", 256)],
    )
    def test_ranges(self, change: tuple[str, int]) -> None:
        item = sp.ACCESS_RANGE()
        with pytest.raises(OverflowError):
            setattr(item, *change)
        assert item == (0, 0, False)

    @pytest.mark.parametrize(("args", "kwargs"), [((1, 2, 3, 4), {}), ((1,), {"RangeStart": 1}), ((), {"Start": 1})])
    def test_construction_errors(self, args: Any, kwargs: Any) -> None:
        with pytest.raises(TypeError):
            sp.ACCESS_RANGE(*args, **kwargs)

    def test_members_stay(self) -> None:
        item = sp.ACCESS_RANGE()
        with pytest.raises(AttributeError):
            del item.RangeStart
        with pytest.raises(AttributeError):
            item.Other = 1  # type: ignore[attr-defined]
        with pytest.raises(TypeError):
            hash(item)

    @pytest.mark.parametrize("ranges", [[1], [(1, 2)], [None], "ab", 5, [(0, 0, 0, 0)], {1: 2}.items()])
    def test_lists_of_something_else(self, hba: Any, ranges: Any) -> None:
        with pytest.raises(TypeError):
            sp.StorPortFreeHostMemoryBuffer(hba, ranges)

    def test_tuples_serve(self, hba: Any) -> None:
        ranges = sp.StorPortAllocateHostMemoryBuffer(hba, 0, 1 << 20, 0, 0, 0, -1, 0, 4).PhysicalAddressRanges
        assert sp.StorPortFreeHostMemoryBuffer(hba, [tuple(item) for item in ranges]) == sp.STOR_STATUS_SUCCESS

    def test_a_huge_count_costs_nothing(self, hba: Any) -> None:
        result = sp.StorPortAllocateHostMemoryBuffer(hba, 0, 1 << 20, 0, 0, 0, -1, 0, 2**32 - 1)
        assert result.status == sp.STOR_STATUS_SUCCESS
        assert len(result.PhysicalAddressRanges) == 1


class TestRoutineObjects:
    """Routines look like functions."""

    @pytest.mark.parametrize("name", sorted(_core.routines()))
    def test_signature_and_text(self, name: str) -> None:
        routine = getattr(sp, name)
        signature = inspect.signature(routine)
        row = next(row for row in _core.ddi_table() if row["name"] == name and row["family"] == "storport")
        assert {parameter.strip("*") for parameter in signature.parameters} == {
            parameter["name"] for parameter in row["params"]
        }
        assert routine.__name__ == routine.__qualname__ == name
        assert routine.__module__ == "storsim.storport"
        for part in (row["summary"], row["page"], "IRQL", *(parameter["name"] for parameter in row["params"])):
            assert part in routine.__doc__

    def test_identity(self) -> None:
        routine = sp.StorPortAllocatePool
        assert pickle.loads(pickle.dumps(routine)) is routine
        assert repr(routine) == "storsim.storport.StorPortAllocatePool"
        machine = storsim.Machine("64MiB")
        bound = machine.storport.StorPortAllocatePool
        assert bound == machine.storport.StorPortAllocatePool
        assert bound != routine
        assert hash(bound) == hash(machine.storport.StorPortAllocatePool)
        assert "StorPortAllocatePool" in dir(machine.storport)
        with pytest.raises(TypeError):
            pickle.dumps(bound)
        with pytest.raises(AttributeError):
            machine.storport.StorPortAllocateNothing  # noqa: B018

    def test_as_class_attribute_it_does_not_bind(self, hba: Any) -> None:
        class Miniport:
            allocate = sp.StorPortAllocatePool

        assert Miniport().allocate(hba, 64, "Test").status == sp.STOR_STATUS_SUCCESS

    def test_they_are_made_by_the_module_only(self) -> None:
        for made in (_core.Routine, _core.Routines, _core.Sites):
            with pytest.raises(TypeError):
                made()
