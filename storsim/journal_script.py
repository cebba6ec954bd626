"""`script`: a journal as a stand-alone Python program with documented names.

Raising and lowering a level, entering and leaving a callback become ``with`` blocks; a controller with its codecs and
its bus driver one ``add_hda``; host callbacks functions that do, call by call, what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from storsim import journal_values as text
from storsim.faults import HARDWARE

if TYPE_CHECKING:
    from storsim.journal import Journal, Operation

_CALL, _RETURN, _CALLBACK, _ANSWER, _STORE, _NOTE, _MACHINE = 2, 3, 4, 5, 6, 7, 1
_RESULT = 0xFF
_OUT, _LENGTH, _IN_PLACE, _HIDDEN, _OPTIONAL = 2, 16, 32, 8, 4
_OK, _BUGCHECK, _VIOLATION, _NO_CHANGE = 0, -7, -8, (-2, -5)
_ROUTINE, _CONTEXT, _STORPORT_EXTENSION = 16, 17, 0
_RANGES, _HANDLES, _FORMAT, _TRANSFERS, _INFORMATION, _AFFINITY = 19, 20, 22, 23, 24, 21
_SRB_MEMBERS = {
    3: "DataBuffer",
    4: "SrbExtension",
    5: "SenseInfoBuffer",
    6: "LuExtension",
    7: "mdl",
    8: "DataInBuffer",
    9: "DataInMdl",
}
_SG_EXECUTE = 1
Reference = tuple[int, int, int, int, int, int]


class _Block:
    """An open ``with``: what ends it."""

    def __init__(self, kind: str, back: int) -> None:
        self.kind = kind
        self.back = back
        self.line = 0  # where it was opened


class _Printer:
    def __init__(self, journal: Journal) -> None:
        from storsim.journal import _returns, operations

        self.raw = journal._core.records()
        self.links = journal._core.links()
        self.back = _returns(self.raw)
        self.rows: dict[int, Operation] = {row.id: row for row in operations()}
        self.names: dict[int, dict[int, str]] = {}
        self.behaviour: dict[int, list[tuple[int, int]]] = {}
        self.contexts: set[int] = set()
        self.cpu = 0
        self.joined: set[int] = set()
        self.handlers = self._handlers()
        self.last = max((i for i, row in enumerate(self.raw) if row[0] == _CALL and row[3] == 0), default=-1)
        self._name_outputs()
        self._find_callbacks()

    # --- names ---

    def _operation(self, index: int) -> Operation:
        return self.rows[self.raw[index][1]]

    def _name_outputs(self) -> None:
        """A variable for every output that is used later, numbered where there are several of a kind."""
        wanted: dict[tuple[int, int], str] = {}
        for record, _, output, *_ in self.links.values():
            row = self.raw[record]
            if row[0] == _CALLBACK:
                wanted[record, output] = "sg_list" if row[6][0] == _SG_EXECUTE else "value"
                continue
            operation = self.rows[row[1]]
            name = "result" if output == _RESULT else operation.parameters[output].name
            whole = operation.family is None
            wanted[record, -1 if whole else output] = text.base_name(operation.name, name)
        for index, row in enumerate(self.raw):
            if row[0] == _CALL and self.rows[row[1]].name in ("adapter_add", "hda_add", "hdaudio_query", "snapshot"):
                wanted.setdefault((index, -1), text.base_name(self.rows[row[1]].name, ""))
        counts: dict[str, int] = {}
        for base in wanted.values():
            counts[base] = counts.get(base, 0) + 1
        seen: dict[str, int] = {}
        for (record, output), base in sorted(wanted.items()):
            seen[base] = seen.get(base, 0) + 1
            name = base if counts[base] == 1 else f"{base}_{seen[base]}"
            self.names.setdefault(record, {})[output] = name

    def _find_callbacks(self) -> None:
        for index, row in enumerate(self.raw):
            if row[0] == _CALLBACK:
                self.behaviour.setdefault(row[6][1], []).append((index, self.back.get(index, index)))
            if row[0] == _CALL:
                for parameter, value in zip(self.rows[row[1]].parameters, row[6], strict=True):
                    if parameter.type == _ROUTINE and value:
                        self.behaviour.setdefault(value, [])
                    if parameter.type == _CONTEXT and value:
                        self.contexts.add(value)

    # --- expressions ---

    def _source(self, reference: Reference) -> str:
        record, by, output, element, _, offset = reference
        row = self.raw[record]
        if row[0] == _CALLBACK:
            base = self.names[record][output]
        else:
            operation = self.rows[row[1]]
            base = self._of_operation(record, operation, output)
            kind = operation.parameters[output].type if output != _RESULT else 0
            if kind == _RANGES:
                base = f"{base}[{element}].RangeStart"
            elif kind == _HANDLES:
                base = f"{base}[{element}]"
        if by == 1:
            return f"pc.physical({base}{self._plus(offset)})"
        if by == 2:
            return f"{base}.va{self._plus(offset)}"
        return f"int({base}){self._plus(offset)}" if offset and "." not in base else f"{base}{self._plus(offset)}"

    @staticmethod
    def _plus(offset: int) -> str:
        return f" + {text.number(offset)}" if offset else ""

    def _of_operation(self, record: int, operation: Operation, output: int) -> str:
        if operation.family is not None:
            return self.names[record][output]
        name = self.names[record][-1]
        if operation.name == "adapter_add":
            return {3: f"{name}.device_extension", 4: f"{name}.config"}.get(output, name)
        if operation.name == "srb_create" and output in _SRB_MEMBERS:
            return f"{name}.{_SRB_MEMBERS[output]}"
        return f"{name}.line" if operation.name == "hda_add" and output == 2 else name

    def _input(self, index: int, argument: int, value: int, element: int = 0, member: int = 0) -> str:
        reference = self.links.get((index, argument, element, member))
        if reference is not None:
            return self._source(reference)
        parameter = self._operation(index).parameters[argument]
        if parameter.type == _ROUTINE:
            return f"callback_{value}" if value else "None"
        if parameter.type == _CONTEXT:
            return f"context_{value}" if value else "None"
        return text.argument(parameter.name, parameter.type, value)

    def _array(self, index: int, argument: int, elements: tuple[tuple[int, ...], ...] | None) -> str:
        if elements is None:
            return "None"
        kind = self._operation(index).parameters[argument].type
        whole = self._whole_list(index, argument, elements)
        if whole:
            return whole
        if kind == _FORMAT:
            return f"StreamFormat({', '.join(map(str, elements[0]))})"
        if kind == _INFORMATION:
            return "HDAUDIO_DEVICE_INFORMATION_V2()" if elements[0][0] > 8 else "HDAUDIO_DEVICE_INFORMATION()"
        if kind == _HANDLES:
            return f"[{', '.join(self._input(index, argument, item[0], i) for i, item in enumerate(elements))}]"
        if kind == _TRANSFERS:
            return f"[{', '.join(f'HDAUDIO_CODEC_TRANSFER(0x{item[0]:X})' for item in elements)}]"
        shown = [
            f"ACCESS_RANGE({self._input(index, argument, item[0], i)}, {text.number(item[1])}, {item[2]})"
            for i, item in enumerate(elements)
        ]
        return f"[{', '.join(shown)}]"

    def _whole_list(self, index: int, argument: int, elements: tuple[tuple[int, ...], ...]) -> str:
        """The variable, where the list is the one an earlier call gave out."""
        found = [self.links.get((index, argument, i, 0)) for i in range(len(elements))]
        first = found[0] if found else None
        if first is None or self.raw[first[0]][0] != _CALL:
            return ""
        record, _, output, *_ = first
        same = all(
            item is not None and item[:3] == first[:3] and item[3] == i and not item[5] for i, item in enumerate(found)
        )
        given = self.raw[self.back[record]][6][output] if record in self.back else None
        if not same or not isinstance(given, tuple) or given[: len(elements)] != elements:
            return ""
        name = self.names[record][output]
        left = any(any(item) for item in given[len(elements) :])
        return f"{name}[:{len(elements)}]" if left else name

    # --- routines ---

    def _routine(self, index: int) -> list[str]:
        operation, content = self._operation(index), self.raw[index][6]
        arguments: list[str] = []
        named: list[str] = []
        spare = 0  # at the end, what may be left out
        for i, parameter in enumerate(operation.parameters[: len(content)]):
            if (operation.family == 1 and i == len(content) - 1) or parameter.flags & _HIDDEN:
                continue
            if parameter.flags & 1:
                arguments.append(self._one_argument(index, i, content))
                spare = spare + 1 if self._usual(index, i, content) else 0
            elif content[i] is None:
                named.append(f"{parameter.name}=None")
            elif isinstance(content[i], int) and content[i]:
                named.append(f"{parameter.name}={text.number(content[i])}")
        shown = [*(arguments[: len(arguments) - spare]), *named]
        return [self._assign(index, f"{self._target(index)}({', '.join(shown)})")]

    def _usual(self, index: int, i: int, content: tuple[Any, ...]) -> bool:
        """Whether an argument is what it is when it is left out."""
        parameter = self._operation(index).parameters[i]
        if not parameter.flags & _OPTIONAL:
            return False
        if parameter.flags & _LENGTH:
            arrays = [item for item in content if isinstance(item, tuple)]
            return bool(arrays) and len(arrays[0]) == content[i]
        return content[i] == 0 and (index, i, 0, 0) not in self.links

    def _one_argument(self, index: int, i: int, content: tuple[Any, ...]) -> str:
        parameter = self._operation(index).parameters[i]
        value = content[i]
        if parameter.type in (_RANGES, _HANDLES, _FORMAT, _TRANSFERS, _INFORMATION, _AFFINITY):
            return self._array(index, i, value)
        if i == 0 and parameter.type == _STORPORT_EXTENSION:
            source = self.links.get((index, 0, 0, 0))
            if source is None:
                return text.number(value)
            row = self.raw[source[0]]
            adapter = row[0] == _CALL and self.rows[row[1]].name == "adapter_add" and not source[5]
            return self.names[source[0]][-1] if adapter else self._source(source)
        return self._input(index, i, value)

    def _target(self, index: int) -> str:
        operation = self._operation(index)
        if operation.family == 1:
            client = self.links.get((index, len(operation.parameters) - 1, 0, 0))
            return (
                f"{self._source(client)}.{operation.name}"
                if client
                else f"pc._hdaudio_routine({operation.name!r}, {self.raw[index][6][-1]})"
            )
        if (
            operation.parameters
            and operation.parameters[0].type == _STORPORT_EXTENSION
            and (index, 0, 0, 0) in self.links
        ):
            return operation.name
        return f"pc.storport.{operation.name}"

    def _results(self, operation: Operation) -> list[int]:
        """What the call returns, in order: the return value, then outputs."""
        from storsim import _core

        table = {row["name"]: row for row in _core.ddi_table()}
        first = [_RESULT] if table[operation.name]["returns"] != "VOID" else []
        count = len(operation.parameters) - (operation.family == 1)
        return first + [
            i
            for i, parameter in enumerate(operation.parameters[:count])
            if parameter.flags & _OUT and not parameter.flags & (_LENGTH | _IN_PLACE)
        ]

    def _assign(self, index: int, call: str) -> str:
        used = self.names.get(index)
        if not used:
            return call
        results = self._results(self._operation(index))
        if len(results) == 1:
            return f"{used[results[0]]} = {call}"
        return f"{', '.join(used.get(item, '_') for item in results)} = {call}"

    # --- everything else ---

    def _handlers(self) -> dict[str, Callable[[int, tuple[Any, ...]], list[str]]]:
        def of(argument: int, form: str) -> Callable[[int, tuple[Any, ...]], list[str]]:
            """``form`` with {0}, {1} … the arguments; `argument` says how many."""

            def show(index: int, content: tuple[Any, ...]) -> list[str]:
                parts = [self._plain(index, i, item) for i, item in enumerate(content[:argument])]
                line = form.format(*parts)
                name = self.names.get(index, {}).get(-1)
                return [f"{name} = {line}" if name else line]

            return show

        return {
            "memory_reserve": of(2, "pc.memory.reserve({0}, {1})"),
            "memory_release": of(2, "pc.memory.release({0}, {1})"),
            "memory_fragment": of(4, "pc._memory_fragment({0}, {1}, {2}, {3})"),
            "memory_write": of(2, "pc.memory.write({0}, {1})"),
            "advance": of(1, "pc.advance({0})"),
            "run_until_interrupt": of(1, "pc.run_until_interrupt({0})"),
            "fault_add": self._fault,
            "fault_remove": of(1, "pc.faults.remove({0})"),
            "fault_clear": of(0, "pc.faults.clear()"),
            "fault_pause": lambda index, content: [f"pc._fault_pause({bool(content[0])})"],
            "snapshot": of(0, "pc.snapshot()"),
            "restore": self._restore,
            "verify_guards": of(0, "pc.check()"),
            "run_dpcs": of(0, "pc.run_dpcs()"),
            "queue_dpc": of(2, "pc._queue_dpc({0}, {1})"),
            "event_create": of(0, "pc.event()"),
            "event_destroy": of(1, "{0}.destroy()"),
            "event_set": of(1, "{0}.set()"),
            "event_clear": of(1, "{0}.clear()"),
            "read_va": of(2, "pc.read_va({0}, {1})"),
            "write_va": of(2, "pc.write_va({0}, {1})"),
            "kernel_memory_create": lambda index, content: of(
                2, f"pc.{'kernel_stack' if content[0] == 16 else 'pageable'}({{1}})"
            )(index, content),
            "kernel_memory_destroy": of(1, "{0}.free()"),
            "block_export": self._export,
            "block_unexport": of(1, "{0}.release()"),
            "adapter_add": self._adapter,
            "adapter_remove": of(1, "{0}.remove()"),
            "port_config_set": self._port_config,
            "srb_create": self._srb,
            "srb_complete": of(1, "{0}.complete()"),
            "dma_read": of(3, "{0}.dma_read({1}, {2})"),
            "dma_write": of(3, "{0}.dma_write({1}, {2})"),
            "flush": of(4, "{0}.flush({1}, {2}, to_device={3})"),
            "store_fence": of(0, "pc.store_fence()"),
            "nvme_attach": self._nvme,
            "nvme_set_features": self._features,
            "nvme_reset": of(1, "{0}.nvme.reset()"),
            "nvme_hmb_read": of(3, "{0}.nvme.hmb_read({1}, {2})"),
            "nvme_hmb_write": of(3, "{0}.nvme.hmb_write({1}, {2})"),
            "nvme_verify": of(1, "pc._nvme_verify({0}.number)"),
            "hda_add": self._controller,
            "hda_remove": lambda index, content: [] if index in self.joined else of(1, "{0}.remove()")(index, content),
            "hdaudio_remove": self._audio_remove,
            "hdaudio_surprise_remove": of(1, "pc._hdaudio_surprise_remove({0}.number)"),
            "hdaudio_query": self._query,
            "mmio_read": of(3, "{0}.mmio.read({1}, {2})"),
            "mmio_write": of(4, "{0}.mmio.write({1}, {2}, {3})"),
            "set_wall_clock": of(2, "{0}.set_wall_clock({1})"),
            "stall": of(2, "{0}.stall({1})"),
            "codec_remove": of(2, "pc._codec_remove({0}.number, {1})"),
            "codec_set": of(4, "pc._codec_set({0}.number, {1}, {2}, {3})"),
            "codec_command": of(3, "pc._codec_command({0}.number, {1}, {2})"),
            "codec_wake": of(2, "pc._codec_wake({0}.number, {1})"),
            "codec_unsolicited": of(4, "pc._codec_unsolicited({0}.number, {1}, {2}, {3})"),
            "codec_jack": of(4, "pc._codec_jack({0}.number, {1}, {2}, {3})"),
            "codec_played_clear": of(3, "pc._codec_played_clear({0}.number, {1}, {2})"),
            "codec_keep": of(4, "pc._codec_keep({0}.number, {1}, {2}, {3})"),
            "codec_record": of(4, "pc._codec_record({0}.number, {1}, {2}, {3})"),
            "codec_feed": of(4, "pc._codec_feed({0}.number, {1}, {2}, {3})"),
            "codec_source": of(4, "pc._codec_source({0}.number, {1}, {2}, {3})"),
        }

    def _plain(self, index: int, i: int, item: Any) -> str:
        """One argument of an operation that is no routine; of bytes that come out, how many."""
        if isinstance(item, bytes):
            comes_out = not self._operation(index).parameters[i].flags & 1
            return text.number(len(item)) if comes_out else text.data(item)
        return self._input(index, i, item) if isinstance(item, int) else "" if isinstance(item, tuple) else repr(item)

    def _fault(self, index: int, content: tuple[Any, ...]) -> list[str]:
        members = self._operation(index).parameters[0].members
        rule = dict(zip(members, content[0][0], strict=True))
        routine = repr(self.rows[rule["routine"]].name) if rule["routine"] in self.rows else "None"
        more = [f", tag={text.tag(rule['tag'])}"] if rule["match_tag"] else []
        more += [
            f", {name}={text.number(rule[name])}"
            for name in ("minimum_bytes", "maximum_bytes", "not_before")
            if rule[name]
        ]
        tail = "".join(more)
        line = {
            1: f"pc.faults.fail_nth({routine}, {rule['first']}{tail})",
            2: f"pc.faults.fail_range({routine}, {rule['first']}, {rule['last']}{tail})",
            3: f"pc.faults.fail_when(callback_{rule['predicate']}, {routine}{tail})",
            4: f"pc.faults.fail_probability({rule['chances'] / 10000}, {routine}, seed={rule['seed']}{tail})",
            5: f"pc.faults.hardware({HARDWARE[rule['hardware']]!r}, device={rule['device']}, count={rule['first']})",
        }[rule["kind"]]
        name = self.names.get(index, {}).get(-1)
        return [f"{name} = {line}" if name else line]

    def _restore(self, index: int, content: tuple[Any, ...]) -> list[str]:
        if content[1] is not None:
            return [f"pc.restore(storsim._core.Snapshot({text.data(content[1])}))"]
        for earlier in range(index, -1, -1):
            row = self.raw[earlier]
            taken = row[0] == _CALL and self.rows[row[1]].name == "snapshot" and earlier in self.back
            if taken and self.raw[self.back[earlier]][6][0] == content[0]:
                return [f"pc.restore({self.names[earlier][-1]})"]
        return [f"# a snapshot nobody has was restored here: {content[0]:#x}"]

    def _export(self, index: int, content: tuple[Any, ...]) -> list[str]:
        name = self.names.get(index, {}).get(-1, "view")
        address = self._input(index, 0, content[0])
        physical = self._input(index, 1, content[1])
        block = f"storsim._core.Block(pc, {address}, {physical}, pc.allocation_at({address}).size)"
        return [f"{name} = memoryview({block})"]

    def _adapter(self, index: int, content: tuple[Any, ...]) -> list[str]:
        parameter = self._operation(index).parameters[1]
        config = dict(zip(parameter.members, content[1][0], strict=True))
        given = text.adapter_keywords(config, text.adapter_defaults())
        if config["hmb_policy_routine"]:
            given["hmb_policy"] = f"callback_{config['hmb_policy_routine']}"
        shown = f", {text.keywords(given)}" if given else ""
        return [f"{self.names[index][-1]} = pc.add_adapter({content[0]!r}{shown})"]

    def _port_config(self, index: int, content: tuple[Any, ...]) -> list[str]:
        from storsim import _core

        member = _core.PORT_CONFIG_FIELDS[content[1]]
        return [f"{self._input(index, 0, content[0])}.config.{member} = {text.number(content[2])}"]

    def _srb(self, index: int, content: tuple[Any, ...]) -> list[str]:
        config = dict(zip(self._operation(index).parameters[1].members, content[1][0], strict=True))
        given = {name: str(config[name]) for name in ("fragments", "offset") if config[name]}
        given |= {"write": "False"} if not config["write"] else {}
        given |= {"lu_extension": str(config["lu_extension_bytes"])} if config["lu_extension_bytes"] else {}
        given |= {"data_in": str(config["data_in_length"])} if config["data_in_length"] else {}
        shown = f", {text.keywords(given)}" if given else ""
        name = self.names.get(index, {}).get(-1)
        call = f"{self._input(index, 0, content[0])}.srb({text.number(config['length'])}{shown})"
        return [f"{name} = {call}" if name else call]

    def _nvme(self, index: int, content: tuple[Any, ...]) -> list[str]:
        facts = dict(zip(self._operation(index).parameters[1].members, content[1][0], strict=True))
        shift = facts.pop("memory_page_shift")
        more = f", page_shift={shift}" if shift not in (0, 12) else ""
        shown = {name: value for name, value in facts.items() if value}
        return [f"{self._input(index, 0, content[0])}.attach_nvme({shown!r}{more})"]

    def _features(self, index: int, content: tuple[Any, ...]) -> list[str]:
        words = {f"cdw{11 + i}": text.number(item[0]) for i, item in enumerate(content[2]) if item[0]}
        shown = f", {text.keywords(words)}" if words else ""
        return [f"{self._input(index, 0, content[0])}.nvme.set_features({text.number(content[1])}{shown})"]

    def _controller(self, index: int, content: tuple[Any, ...]) -> list[str]:
        """The controller, its codecs and its bus driver."""
        from storsim.knobs_hda import TIMINGS

        chip = dict(zip(self._operation(index).parameters[0].members, content[0][0], strict=True))
        codecs: list[str] = []
        ideal = True
        for later in range(index + 1, len(self.raw)):
            row = self.raw[later]
            name = self.rows[row[1]].name if row[0] == _CALL else ""
            if (
                name not in ("codec_add", "codec_add_ideal", "hdaudio_attach")
                or self.links.get((later, 0, 0, 0), (-1,))[0] != index
            ):
                continue
            self.joined.add(later)
            if name == "hdaudio_attach":
                chip |= dict(zip(self.rows[row[1]].parameters[1].members, row[6][1][0], strict=True))
                break
            ideal = ideal and name == "codec_add_ideal" and row[6][1] == 0
            what = "None" if name == "codec_add_ideal" else text.codec_text([item[0] for item in row[6][2]])
            codecs.append(f"({row[6][1]}, {what})")
        given = {
            name: str(chip[name])
            for name, usual in (("render", 4), ("capture", 4), ("bidirectional", 0), ("sdo_lines", 1))
            if chip[name] != usual
        }
        given |= {"timing": repr(TIMINGS[chip["timing"]])} if chip["timing"] else {}
        given |= {} if ideal and len(codecs) == 1 else {"codecs": f"[{', '.join(codecs)}]"}
        given |= text.chip_keywords(chip)
        return [f"{self.names[index][-1]} = pc.add_hda({text.keywords(given)})"]

    def _audio_remove(self, index: int, content: tuple[Any, ...]) -> list[str]:
        """hda.remove() is two operations."""
        for later in range(index + 1, len(self.raw)):
            row = self.raw[later]
            if row[0] == _CALL and row[3] == self.raw[index][3]:
                if self.rows[row[1]].name == "hda_remove":
                    self.joined.add(later)
                    return [f"{self._input(index, 0, content[0])}.remove()"]
                break
        return [f"pc._hdaudio_remove({self._input(index, 0, content[0])}.number)"]

    def _query(self, index: int, content: tuple[Any, ...]) -> list[str]:
        from storsim.hdaudio import TABLES

        table = next((row for row in TABLES if row.bytes == content[1]), None)
        client = f", {content[4]}" if content[4] else ""
        if table is None:
            return [f"# an interface nobody knows was asked for: {content[1]!r}"]
        if content[2] != table.size:
            client += f", size={content[2]}"
        if content[3] != table.version:
            client += f", version={content[3]}"
        return [f"{self.names[index][-1]} = {self._input(index, 0, content[0])}.query_interface({table.name}{client})"]

    # --- statements ---

    def _statement(self, index: int) -> list[str]:
        operation, content = self._operation(index), self.raw[index][6]
        if index in self.joined:
            return []
        if operation.family is not None:
            return self._routine(index)
        handler = self.handlers.get(operation.name)
        if handler is None:
            return (
                []
                if operation.flags & 1
                or operation.name in ("codec_add", "codec_add_ideal", "hdaudio_attach", "nvme_detach")
                else [f"# {operation.name}{content}"]
            )
        return handler(index, content)

    def _guarded(self, index: int) -> list[str]:
        """A statement that raised is allowed to, unless it is the end."""
        lines = self._statement(index)
        status = self.raw[self.back[index]][4] if index in self.back else _OK
        if status == _OK or not lines or index == self.last:
            return lines
        kind = {_BUGCHECK: "storsim.BugCheck", _VIOLATION: "storsim.Violation"}.get(status, "Exception")
        return [f"with contextlib.suppress({kind}):", *(f"    {line}" for line in lines)]

    def body(self, first: int, end: int) -> list[str]:
        """The records [first, end) of one level."""
        lines: list[str] = []
        blocks: list[_Block] = []
        index = first
        while index < end:
            row = self.raw[index]
            if row[0] == _CALL:
                self._one(index, lines, blocks)
                index = self.back.get(index, end)
            elif row[0] == _STORE:
                view, start, stored = row[6]
                name = self._source(self.links[index, 0, 0, 0]) if (index, 0, 0, 0) in self.links else f"view_{view}"
                lines.append("    " * len(blocks) + f"{name}[{start}:{start + len(stored)}] = {text.data(stored)}")
            index += 1
        if lines and lines[-1].endswith(":") and lines[-1].lstrip().startswith("with "):
            lines.append("    " * len(blocks) + "pass")
        return lines

    def _one(self, index: int, lines: list[str], blocks: list[_Block]) -> None:
        name, content = self._operation(index).name, self.raw[index][6]
        done = self.raw[self.back[index]] if index in self.back else None
        opened = self._opens(index, name, content, done)
        if self._closes(name, content, blocks):
            if done is not None and done[4] != _OK and index != self.last:  # the block ended in an exception
                opening = lines[blocks[-1].line]
                lines[blocks[-1].line] = opening.replace("with ", "with contextlib.suppress(Exception), ", 1)
            if lines and lines[-1].rstrip().endswith(":"):
                lines.append("    " * len(blocks) + "pass")
            blocks.pop()
        elif opened is not None:
            opened[1].line = len(lines)
            lines.append("    " * len(blocks) + opened[0])
            blocks.append(opened[1])
        elif name == "set_cpu" and content[0] == self.cpu:
            return
        elif name not in ("set_irql", "set_cpu", "callback_enter", "callback_leave"):
            lines += ["    " * len(blocks) + line for line in self._guarded(index)]
        else:
            shown = {"set_irql": "pc._set_irql({})", "set_cpu": "pc._set_cpu({})"}.get(name, "pc._callback_leave()")
            lines.append("    " * len(blocks) + shown.format(*content[:1]))

    def _opens(self, index: int, name: str, content: tuple[Any, ...], done: Any) -> tuple[str, _Block] | None:
        if done is None or done[4] != _OK:
            return None
        if name == "set_irql" and done[6][1] is not None and content[0] > done[6][1]:
            return f"with pc.at_irql({content[0]}):", _Block("irql", done[6][1])
        if name == "callback_enter":
            from storsim import _core

            control = f", {content[2]!r}" if content[2] else ""
            hba = self._input(index, 0, content[0])
            return f"with {hba}.callback({_core.CALLBACK_CONTEXTS[content[1] - 1]!r}{control}):", _Block("callback", 0)
        if name == "set_cpu" and content[0] != self.cpu:
            block = _Block("cpu", self.cpu)
            self.cpu = content[0]
            return f"with pc.on_cpu({content[0]}):", block
        return None

    def _closes(self, name: str, content: tuple[Any, ...], blocks: list[_Block]) -> bool:
        top = blocks[-1] if blocks else None
        if top is None:
            return False
        if name == "set_cpu" and top.kind == "cpu" and content[0] == top.back:
            self.cpu = top.back
            return True
        return (name == "set_irql" and top.kind == "irql" and content[0] == top.back) or (
            name == "callback_leave" and top.kind == "callback"
        )

    def callbacks(self) -> list[str]:
        """A function per callable, with what it did each time."""
        lines: list[str] = []
        for token in sorted(self.contexts):
            lines.append(f"context_{token} = 'context {token}'")
        for token, invocations in sorted(self.behaviour.items()):
            lines += ["", "", *self._function(token, invocations)]
        return lines

    def _function(self, token: int, invocations: list[tuple[int, int]]) -> list[str]:
        from storsim.journal import _CALLBACKS

        kind = _CALLBACKS[self.raw[invocations[0][0]][6][0]] if invocations else "never called"
        lines = [f"def callback_{token}(*arguments):", f'    """{kind}."""']
        steps: list[str] = []
        assigned: list[str] = []
        for count, (begin, end) in enumerate(invocations):
            body = self._invocation(begin, end)
            if body:
                steps.append(f"    {'if' if not steps else 'elif'} call == {count}:")
                steps += [f"        {line}" for line in body]
            for inner in range(begin, end):
                assigned += self.names.get(inner, {}).values()
        if assigned:
            lines.append(f"    global {', '.join(sorted(set(assigned)))}")
        if steps:
            lines += [f"    call = next(calls_{token})", *steps]
        elif not invocations:
            lines.append("    return 0")
        counter = [f"calls_{token} = itertools.count()", "", ""] if steps else []
        return [*counter, *lines]

    def _invocation(self, begin: int, end: int) -> list[str]:
        lines = [f"{name} = arguments[{value}]" for value, name in self.names.get(begin, {}).items()]
        lines += self.body(begin + 1, end)
        answer = self.raw[end] if end != begin else None
        if answer is not None and answer[4] != _OK:
            lines.append("raise RuntimeError('as recorded')")
        elif answer is not None and answer[6][1]:
            lines.append(f"arguments[2][:{len(answer[6][1])}] = {text.data(answer[6][1])}")
            lines.append(f"return {answer[6][0]}")
        elif answer is not None and answer[6][0]:
            lines.append(f"return {answer[6][0]}")
        return lines

    # --- the whole ---

    def machine(self) -> str:
        for row in self.raw:
            if row[0] == _NOTE and row[6][0] == "python.machine":
                noted = row[6][1].decode()
                noted = re.sub(r"<[\w.]*?(\w+)\.(\w+): \d+>", r"\1.\2", noted)
                noted = re.sub(r", \w+=<[^>]*>", "", noted)
                return re.sub(
                    r"(?<![\w.])(Machine|MemoryRange|Placement|WindowsVersion)\b(?=[(.])", r"storsim.\1", noted
                )
        first = self.raw[0][6]
        numbers = [item[0] for item in first[5]]
        ranges = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        hardware = dict(
            zip(("nodes", "placement", "allow_cross_node", "seed", "trace_entries"), first[:5], strict=True)
        )
        kernel: dict[str, int] = {}
        for row in self.raw:
            if row[0] == _CALL and self.rows[row[1]].name == "nt_boot":
                kernel = dict(zip(self.rows[row[1]].parameters[0].members, row[6][0][0], strict=True))
        return text.machine_text(ranges, hardware, kernel)


def script(journal: Journal) -> str:
    """The program. Raises ValueError when the journal cannot be replayed."""
    printer = _Printer(journal)
    end = len(printer.raw)
    # the machine's own configuration is what Machine(...) does
    body = printer.body(1, end)
    callbacks = printer.callbacks()
    used = "\n".join([*callbacks, *body])
    found = journal.shrunk.key if journal.shrunk else None
    what = (
        f"Meets the {found.kind} {found.name}" + (f" of {found.routine}." if found.routine else ".")
        if found
        else "What was done to a machine."
    )
    lines = [f'"""{what}\n\nPrinted from a storsim journal."""', ""]
    lines += [f"import {name}" for name in ("contextlib", "itertools") if f"{name}." in used]
    lines += ["", "import storsim"] if lines[-1] else ["import storsim"]
    lines += ["from storsim.hdaudio import *"] if ".query_interface(" in used else []
    lines += ["from storsim.importers.codec import CodecDump, CodecNode"] if "CodecDump(" in used else []
    lines += ["from storsim.storport import *"] if "StorPort" in used or "ACCESS_RANGE" in used else []
    lines += [
        "",
        f"pc = {printer.machine()}",
        *callbacks,
        "",
        *([""] if any(line.startswith("def ") for line in callbacks) else []),
        *body,
    ]
    if found is not None:
        lines += ["", f"assert {found.name!r} in [finding.name for finding in pc.findings]"]
    return "\n".join(lines) + "\n"
