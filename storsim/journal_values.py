"""Values of a journal as Python text: numbers, structures, names of variables. Used by `storsim.journal_script`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: What a variable is called after the routine (or operation) and parameter that gave its value.
_NAMES = {
    ("StorPortAllocatePool", "BufferPointer"): "pool",
    ("StorPortAllocateDmaMemory", "BufferPointer"): "dma",
    ("StorPortAllocateDmaMemory", "PhysicalAddress"): "dma_pa",
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", "BufferPointer"): "contiguous",
    ("StorPortGetUncachedExtension", "result"): "uncached",
    ("StorPortGetPhysicalAddress", "result"): "pa",
    ("StorPortGetVirtualAddress", "result"): "va",
    ("StorPortAllocateRegistryBuffer", "result"): "registry",
    ("AllocateRenderDmaEngine", "Handle"): "render",
    ("AllocateCaptureDmaEngine", "Handle"): "capture",
    ("AllocateContiguousDmaBuffer", "DataBuffer"): "data",
    ("AllocateContiguousDmaBuffer", "BdlBuffer"): "bdl",
    ("adapter_add", ""): "hba",
    ("hda_add", ""): "hda",
    ("hdaudio_query", ""): "bus",
    ("srb_create", ""): "srb",
    ("event_create", ""): "event",
    ("kernel_memory_create", ""): "stack",
    ("block_export", ""): "view",
    ("snapshot", ""): "snapshot",
    ("fault_add", ""): "rule",
}
_BY_PARAMETER = {
    "BufferPointer": "buffer",
    "PhysicalAddress": "pa",
    "PhysicalAddressRanges": "ranges",
    "Mdl": "mdl",
    "BufferMdl": "mdl",
    "SgList": "sg_list",
    "ScatterGatherList": "sg_list",
    "Handle": "engine",
    "SystemAddress": "address",
    "Position": "position",
    "result": "value",
}
_CACHES = ("MmNonCached", "MmCached", "MmWriteCombined")


def base_name(operation: str, output: str) -> str:
    """What to call the variable that holds an output."""
    named = _NAMES.get((operation, output)) or _NAMES.get((operation, ""))
    return (
        named or _BY_PARAMETER.get(output) or "".join(f"_{c.lower()}" if c.isupper() else c for c in output).strip("_")
    )


def number(value: int) -> str:
    """A number as people write it."""
    if value == 2**64 - 1:
        return "2**64 - 1"
    if value >= 1 << 20 and value & (value - 1) == 0:
        return f"1 << {value.bit_length() - 1}"
    return str(value) if value < 0x10000 else f"0x{value:X}"


def tag(value: int) -> str:
    """A pool tag as text where it is text."""
    raw = value.to_bytes(4, "little").rstrip(b"\0")
    text = raw.decode("latin-1")
    return repr(text) if raw and text.isprintable() and text.isascii() and 0 not in raw else number(value)


def argument(name: str, kind: int, value: int) -> str:
    """An argument of a routine by the type of its parameter (storsim/ddi.h)."""
    if kind == 5:
        return tag(value)
    if name == "CacheType" and value < len(_CACHES):
        return _CACHES[value]
    if name == "PreferredNode" and value == 0x8000_0000:
        return "MM_ANY_NODE_OK"
    if kind == 6 and value >= 1 << 63:
        return str(value - (1 << 64))
    return str(bool(value)) if kind == 2 and value < 2 else number(value)


def data(value: bytes) -> str:
    """Bytes, repetitions written as such."""
    if len(value) > 8 and len(set(value)) == 1:
        return f"{value[:1]!r} * {len(value)}"
    if len(value) > 48:
        body, last = value.rstrip(value[-1:]), value[-1:]
        if len(body) < len(value) - 16:
            return f"{body!r} + {last!r} * {len(value) - len(body)}"
        return f"bytes.fromhex({value.hex()!r})"
    return repr(value)


def keywords(items: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """``a=1, b=2``."""
    pairs = items.items() if isinstance(items, Mapping) else items
    return ", ".join(f"{name}={text}" for name, text in pairs)


def adapter_defaults() -> dict[str, Any]:
    """What `Machine.add_adapter` gives the core when it is told nothing."""
    from storsim import knobs
    from storsim.adapter import core_config

    usual = {knob.name: knob.default for knob in knobs.KNOBS if knob.scope == "device"}
    return core_config("", usual | {"full_duplex": True, "dump_mode": 0, "dirql": 5})


def changed(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, int]:
    """Members that are not what they are by default; defaults the table does not know are left out."""
    return {
        name: value
        for name, value in config.items()
        if name in defaults and isinstance(defaults[name], int) and int(defaults[name]) != value
    }


def adapter_keywords(config: Mapping[str, int], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Knobs of an adapter, from the core's configuration."""
    given: dict[str, str] = {}
    limits = ("map_registers", "contig_cap", "pool_cap", "hmb_cap")
    for name, value in changed(config, defaults).items():
        if name == "hmb_policy_routine":
            continue
        if name == "hmb_free_exact":
            given["hmb_free_match"] = repr("exact")
        elif name == "sg_delivery":
            given[name] = repr(("immediate", "deferred", "random")[value])
        elif name in limits and value == 2**64 - 1:
            given[name] = "None"
        else:
            given[name] = str(bool(value)) if isinstance(defaults[name], bool) else number(value)
    return given


def machine_text(ranges: Iterable[tuple[int, int, int]], hardware: Mapping[str, int], kernel: Mapping[str, int]) -> str:
    """``Machine(…)`` of a journal whose recorder left no note of its settings."""
    from storsim import _core
    from storsim.enums import Placement

    memory = ", ".join(f"storsim.MemoryRange(0x{a:X}, 0x{n:X}, {node})" for a, n, node in ranges)
    given: dict[str, str] = {"seed": number(hardware["seed"])}
    if hardware["placement"]:
        given["placement"] = f"storsim.Placement.{Placement(hardware['placement']).name}"
    if hardware["allow_cross_node"]:
        given["allow_cross_node"] = "True"
    words = {
        "node_strict": ("node_policy", "'strict'"),
        "address_check_pfn": ("address_check", "'pfn'"),
        "contig_pool_only": ("contig_at_dispatch", "'pool_only'"),
        "zero_tag_fail": ("zero_tag", "'fail'"),
        "dpc_manual": ("dpc", "'manual'"),
    }
    defaults = _core.Machine._kernel_defaults()
    for name, value in changed(kernel, defaults).items():
        if name == "level":
            given[name] = repr(("release", "verifier", "strict")[value])
        elif name in words:
            given[words[name][0]] = words[name][1]
        elif name != "verifier" and not name.startswith("low_resources_tag"):
            given[name] = str(bool(value)) if isinstance(defaults[name], bool) else number(value)
    usual = {0: 0, 1: 0x8A, 2: 0x8A}  # what the level alone brings
    if kernel.get("verifier", 0) != usual[kernel.get("level", 1)]:
        given["verifier"] = number(kernel.get("verifier", 0))
    return f"storsim.Machine([{memory}], {keywords(given)})"


def chip_keywords(config: Mapping[str, int]) -> dict[str, str]:
    """Knobs of an HD Audio controller, from the core's configuration of chip and bus driver."""
    from storsim import _core
    from storsim.knobs_hda import HDA_KNOBS, PERSONALITIES

    given: dict[str, str] = {}
    choices = {name: words.split("|") for name, words, _ in _core.HDAUDIO_POLICIES}
    for knob in HDA_KNOBS:
        value = config.get(f"policy.{knob.name}" if knob.scope == "policy" else knob.name)
        if value is None or knob.name == "sdi_lines":
            continue
        if knob.scope == "policy":
            if value != 0:
                given[knob.name] = repr(choices[knob.name][value])
        elif knob.check(knob.name, knob.default) != value:
            texts = {"personality": repr(PERSONALITIES[value % 2])}
            given[knob.name] = texts.get(knob.name, number(value))
    return given


def codec_text(words: list[int]) -> str:
    """``CodecDump(…)`` from the words of a recorded description (hda/operations.c)."""
    nodes, initial, _answers, _frames, silent, any_format = words[:6]
    at, lists = 6, []
    for _ in range(nodes):
        nid, parameters, connections = words[at : at + 3]
        at += 3
        pairs = {words[at + 2 * i]: words[at + 2 * i + 1] for i in range(parameters)}
        at += 2 * parameters
        lists.append((nid, pairs, words[at : at + connections]))
        at += connections
    verbs: dict[int, list[int]] = {}
    for i in range(initial):
        verbs.setdefault(words[at + 2 * i], []).append(words[at + 2 * i + 1])
    text = ", ".join(
        f"{nid}: CodecNode({nid}, '', parameters={pairs!r}, connections={tuple(connections)!r}, "
        f"initial={verbs.get(nid, [])!r})"
        for nid, pairs, connections in lists
    )
    vendor = next((pairs.get(0, 0) for nid, pairs, _ in lists if nid == 0), 0)
    return (
        f"CodecDump('codec', 0, 0x{vendor:08X}, 0, 0, {{{text}}}, 'journal', "
        f"silent={bool(silent)}, any_format={bool(any_format)})"
    )
