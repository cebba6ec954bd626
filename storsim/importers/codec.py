"""HD Audio codec dumps: what Linux prints in ``/proc/asound/card*/codec#*``.

The result is plain data: nodes with the answers to GET_PARAMETER, connection lists, and the set-verbs whose effect
is the
state the dump shows. The address in the dump is kept but decides nothing: where a codec sits is the user's choice.
Source: Intel HD Audio specification 1.0a §7.3 (verbs and parameters); the text layout is Linux' proc output.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from storsim.importers.errors import quote
from storsim.importers.text import Text, read_text

WHAT = "a codec dump (/proc/asound/card*/codec#*)"
POWER_BITS = {"D0": 0, "D1": 1, "D2": 2, "D3": 3, "D3cold": 4, "S3D3cold": 29, "CLKSTOP": 30, "EPSS": 31}
POWER_SETTINGS = {"D0": 0, "D1": 1, "D2": 2, "D3": 3, "D3cold": 4}

VENDOR, REVISION, SUBNODES, FUNCTION_TYPE, WIDGET_CAPS, PCM, FORMATS = 0x00, 0x02, 0x04, 0x05, 0x09, 0x0A, 0x0B
PIN_CAPS, AMP_IN_CAPS, CONNECTION_LENGTH, POWER_STATES, PROCESSING, GPIO, AMP_OUT_CAPS, VOLUME_KNOB = (
    0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x13,
)  # fmt: skip

NODE = re.compile(r"^Node 0x([0-9a-fA-F]+) \[([^\]]*)\] wcaps 0x([0-9a-fA-F]+)")
HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]{1,8})")
AMP = re.compile(r"ofs=0x([0-9a-fA-F]+), nsteps=0x([0-9a-fA-F]+), stepsize=0x([0-9a-fA-F]+), mute=([01])")
PAIR = re.compile(r"\[([^\]]*)\]")
GPIO_LINE = re.compile(r"io=(\d+), o=(\d+), i=(\d+), unsolicited=([01]), wake=([01])")
GPIO_IO = re.compile(
    r"IO\[(\d+)\]: enable=([01]), dir=([01]), wake=([01]), sticky=([01]), data=([01])(?:, unsol=([01]))?"
)


@dataclass
class CodecNode:
    """One node. parameters: GET_PARAMETER id → answer (32 bits). connections: node ids, ranges expanded.

    initial: set-verbs (the low 20 bits of a command) that bring the node into the state the dump shows.
    """

    nid: int
    kind: str
    parameters: dict[int, int] = field(default_factory=dict)
    connections: tuple[int, ...] = ()
    initial: list[int] = field(default_factory=list)


@dataclass
class CodecDump:
    """A codec as data. name: as printed. address: as printed, decides nothing. nodes: by node id, root included.

    unread: lines that say something this importer does not use (jack names, ALSA controls are left out silently).
    silent: never answers. any_format: converters take every format, whatever their parameters say.
    """

    name: str
    address: int
    vendor_id: int
    revision_id: int
    subsystem_id: int
    nodes: dict[int, CodecNode]
    source: str
    unread: list[str] = field(default_factory=list)
    silent: bool = False
    any_format: bool = False

    @property
    def converters(self) -> list[CodecNode]:
        """Audio output and audio input widgets."""
        return [node for node in self.nodes.values() if node.kind in ("Audio Output", "Audio Input")]

    @property
    def pins(self) -> list[CodecNode]:
        """Pin complexes."""
        return [node for node in self.nodes.values() if node.kind == "Pin Complex"]

    def __repr__(self) -> str:
        return f"<CodecDump {self.name!r} {self.vendor_id:#010x}, {len(self.nodes)} nodes from {self.source}>"


def load_codec(path_or_text: str | os.PathLike[str]) -> CodecDump:
    """Reads one codec dump: a path or the text itself.

    Errors: MapError with the line number for text that is none, a line that lacks its numbers, a node twice, or a
    second codec in the same text; OSError when a path cannot be read.
    """
    return _Parser(read_text(path_or_text, WHAT, ("Codec:",))).parse()


class _Parser:
    """Reads line by line; `node` is the node the indented lines belong to."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.number = 0
        self.head: dict[str, str] = {}
        self.root = CodecNode(0, "Root")
        self.nodes: dict[int, CodecNode] = {0: self.root}
        self.groups: dict[int, CodecNode] = {}
        self.node: CodecNode | None = None
        self.section = ""
        self.unread: list[str] = []
        self.wanted_connections: tuple[CodecNode, int, int] | None = None
        self.function_type = 0
        self.default = CodecNode(1, "Function Group")  # what the dump says of the audio function group before naming it
        self.gpio: dict[str, int] | None = None

    def parse(self) -> CodecDump:
        for number, line in self.text.lines():
            self.number = number
            if line.strip():
                self._line(line)
        self._connections_done()
        for name in ("Codec", "Vendor Id", "Revision Id"):
            if name not in self.head:
                raise self.text.error(f"expected {WHAT} with a line '{name}: …', found none", self.number)
        return self._finish()

    # --- one line -----------------------------------------------------------------------------------------------------

    def _line(self, line: str) -> None:
        if self.wanted_connections is not None and re.match(r"^\s+0x", line):
            self._connection_list(line)
            return
        self._connections_done()
        match = NODE.match(line)
        if match:
            self._new_node(int(match[1], 16), match[2], int(match[3], 16))
        elif not line.startswith(" "):
            self._head_line(line)
        elif self.node is not None or self.section:
            self._body_line(line.strip())
        else:
            raise self._error("expected 'Codec: …' first", line)

    def _error(self, expected: str, line: str) -> Exception:
        return self.text.error(f"{expected}, found {quote(line.strip())}", self.number)

    def _head_line(self, line: str) -> None:
        key, colon, value = line.partition(":")
        if not colon:
            if line == "No Modem Function Group found":
                return
            raise self._error("expected 'name: value' or 'Node 0x… [kind] wcaps 0x…'", line)
        value = value.strip()
        self.node, self.section = None, ""
        if key.startswith("State of AFG node"):
            self._new_group(self._hex(key), self.function_type or 1)
        elif key in ("AFG Function Id", "MFG Function Id", "Function Id"):
            self._function_id(key, value)
        elif key == "Modem Function Group":
            self._new_group(self._hex(value), 2)
        elif key == "GPIO":
            self._gpio(value)
        elif key.startswith("Default "):
            self.section = key
            if "caps" in key:
                self._amp_caps(self.default, AMP_IN_CAPS if "In" in key else AMP_OUT_CAPS, value)
        elif key in ("Codec", "Address", "Vendor Id", "Subsystem Id", "Revision Id"):
            if key in self.head:
                raise self._error("expected one codec in the text: split it before each 'Codec:' line", line)
            self.head[key] = value
            if key != "Codec":
                self._number(value)
        else:
            self.section = key
            self.unread.append(line)

    def _number(self, text: str) -> int:
        try:
            number = int(text.split()[0], 0)
        except (ValueError, IndexError):
            raise self._error("expected a number", text) from None
        if not 0 <= number < 1 << 32:
            raise self._error("expected a 32-bit number", text)
        return number

    def _hex(self, text: str) -> int:
        match = HEXADECIMAL.search(text)
        if match is None:
            raise self._error("expected a hexadecimal number 0x…", text)
        return int(match[1], 16)

    # --- function groups
    # ------------------------------------------------------------------------------------------------

    def _function_id(self, key: str, value: str) -> None:
        kind = self._hex(value)
        unsolicited = re.search(r"unsol ([01])", value)
        answer = kind | (0x100 if unsolicited and unsolicited[1] == "1" else 0)
        if key == "MFG Function Id":
            self.head["MFG type"] = str(answer)
        else:
            self.function_type = answer

    def _new_group(self, nid: int, function_type: int) -> CodecNode:
        if not 0 < nid < 256:
            raise self._error("expected a function group node from 0x1 to 0xff", hex(nid))
        if nid not in self.nodes:
            node = CodecNode(nid, "Function Group", {FUNCTION_TYPE: function_type})
            self.nodes[nid] = self.groups[nid] = node
        self.node = self.nodes[nid]
        return self.node

    def _gpio(self, value: str) -> None:
        match = GPIO_LINE.search(value)
        if match is None:
            raise self._error("expected 'io=N, o=N, i=N, unsolicited=N, wake=N'", value)
        io, out, inputs = (int(match[i]) & 0xFF for i in (1, 2, 3))
        self.default.parameters[GPIO] = io | out << 8 | inputs << 16 | int(match[4]) << 30 | int(match[5]) << 31
        self.section = "GPIO"
        self.gpio = {"enable": 0, "dir": 0, "wake": 0, "sticky": 0, "data": 0, "unsol": 0}

    def _gpio_line(self, line: str) -> None:
        match = GPIO_IO.match(line)
        if match is None or self.gpio is None:
            raise self._error("expected 'IO[n]: enable=…, dir=…, wake=…, sticky=…, data=…'", line)
        bit = 1 << (int(match[1]) & 7)
        for place, name in enumerate(self.gpio, start=2):
            if match[place] == "1":
                self.gpio[name] |= bit

    # --- widgets
    # --------------------------------------------------------------------------------------------------------

    def _new_node(self, nid: int, kind: str, caps: int) -> None:
        if not 0 < nid < 256 or caps >= 1 << 32:
            raise self._error("expected a node from 0x1 to 0xff with 32-bit wcaps", hex(nid))
        if nid in self.nodes:
            raise self._error("expected each node once", f"Node {nid:#04x} again")
        self.node = self.nodes[nid] = CodecNode(nid, kind, {WIDGET_CAPS: caps})
        self.section = ""

    def _target(self) -> CodecNode:
        return self.default if self.node is None or self.node.kind == "Function Group" else self.node

    def _body_line(self, line: str) -> None:
        node = self._target()
        key, _, value = line.partition(":")
        if line.startswith("rates ["):
            node.parameters[PCM] = node.parameters.get(PCM, 0) & 0xFFFF0000 | self._hex(line) & 0xFFFF
        elif line.startswith("bits ["):
            node.parameters[PCM] = node.parameters.get(PCM, 0) & 0xFFFF | (self._hex(line) & 0xFFFF) << 16
        elif line.startswith("formats ["):
            node.parameters[FORMATS] = self._hex(line)
        elif line.startswith("IO["):
            self._gpio_line(line)
        elif line.startswith("Pincap "):
            node.parameters[PIN_CAPS] = self._hex(key)
        elif line.startswith("Pin Default "):
            self._bytes(node, 0x71C, self._hex(key))
        elif line.startswith("EAPD "):
            node.initial.append(0x70C00 | self._hex(key) & 0xFF)
        elif key in ("Amp-In caps", "Amp-Out caps"):
            self._amp_caps(node, AMP_IN_CAPS if key == "Amp-In caps" else AMP_OUT_CAPS, value)
        elif key in ("Amp-In vals", "Amp-Out vals"):
            self._amp_values(node, key == "Amp-In vals", value)
        else:
            self._property(node, key, value.strip(), line)

    def _property(self, node: CodecNode, key: str, value: str, line: str) -> None:
        if key == "Power states":
            node.parameters[POWER_STATES] = sum(1 << POWER_BITS[word] for word in value.split() if word in POWER_BITS)
        elif key == "Power":
            match = re.search(r"setting=(\w+)", value)
            if match and match[1] in POWER_SETTINGS:
                node.initial.append(0x70500 | POWER_SETTINGS[match[1]])
        elif key == "Converter":
            match = re.search(r"stream=(\d+), channel=(\d+)", value)
            if match is None:
                raise self._error("expected 'stream=N, channel=N'", line)
            node.initial.append(0x70600 | (int(match[1]) & 15) << 4 | int(match[2]) & 15)
        elif key == "SDI-Select":
            node.initial.append(0x70400 | self._number(value) & 0xF)
        elif key == "Digital category":
            node.initial.append(0x70E00 | self._hex(value) & 0x7F)
        elif key == "Digital":
            node.initial.append(0x70D00 | self._digital(value))
        elif key == "Pin-ctls":
            node.initial.append(0x70700 | self._hex(value) & 0xFF)
        elif key == "Unsolicited":
            match = re.search(r"tag=([0-9a-fA-F]+), enabled=([01])", value)
            if match is None:
                raise self._error("expected 'tag=XX, enabled=N'", line)
            node.initial.append(0x70800 | int(match[2]) << 7 | int(match[1], 16) & 0x3F)
        elif key == "Processing caps":
            match = re.search(r"benign=([01]), ncoeff=(\d+)", value)
            if match:
                node.parameters[PROCESSING] = int(match[1]) | (int(match[2]) & 0xFF) << 8
        elif key == "Volume-Knob":
            match = re.search(r"delta=([01]), steps=(\d+), direct=([01]), val=(\d+)", value)
            if match:
                node.parameters[VOLUME_KNOB] = int(match[1]) << 7 | int(match[2]) & 0x7F
                node.initial.append(0x70F00 | int(match[3]) << 7 | int(match[4]) & 0x7F)
        elif key == "Connection":
            self.wanted_connections = (node, self._number(value), self.number)
            node.connections = ()
        elif key == "In-driver Connection":
            self.wanted_connections = (CodecNode(-1, "ignored"), self._number(value), self.number)
        elif key.split(" ")[0] not in KNOWN_AND_UNUSED:
            self.unread.append(line)

    @staticmethod
    def _digital(value: str) -> int:
        """SPDIF control bits, low byte of the digital converter verb."""
        bits = {"Enabled": 0, "Validity": 1, "ValidityCfg": 2, "Preemphasis": 3, "Non-Copyright": 4, "Non-Audio": 5,
                "Pro": 6, "GenLevel": 7}  # fmt: skip
        return sum(1 << bits[word] for word in value.split() if word in bits)

    def _amp_caps(self, node: CodecNode, parameter: int, value: str) -> None:
        if "N/A" in value or not value.strip():
            return
        match = AMP.search(value)
        if match is None:
            raise self._error("expected 'ofs=0x…, nsteps=0x…, stepsize=0x…, mute=N' or N/A", value)
        offset, steps, size = (int(match[i], 16) & 0x7F for i in (1, 2, 3))
        node.parameters[parameter] = offset | steps << 8 | size << 16 | int(match[4]) << 31

    def _amp_values(self, node: CodecNode, is_input: bool, value: str) -> None:
        for index, group in enumerate(PAIR.findall(value)):
            gains = [int(text, 16) for text in HEXADECIMAL.findall(group)]
            if not 1 <= len(gains) <= 2 or index > 15:
                raise self._error("expected up to 16 '[0x… 0x…]'", value)
            sides = [0x2000, 0x1000] if len(gains) == 2 else [0x3000]
            for side, gain in zip(sides, gains, strict=True):
                node.initial.append(0x30000 | (0x4000 if is_input else 0x8000) | side | index << 8 | gain & 0xFF)

    @staticmethod
    def _bytes(node: CodecNode, first_verb: int, value: int) -> None:
        """A 32-bit value that is set byte by byte with four consecutive verbs."""
        node.initial.extend((first_verb + i) << 8 | value >> 8 * i & 0xFF for i in range(4))

    # --- connections
    # ----------------------------------------------------------------------------------------------------

    def _connection_list(self, line: str) -> None:
        assert self.wanted_connections is not None
        node, count, start = self.wanted_connections
        for word in line.split():
            match = re.fullmatch(r"0x([0-9a-fA-F]{1,2})(\*?)", word)
            if match is None:
                raise self._error("expected connections like '0x0c* 0x0d'", line)
            if match[2]:
                node.initial.append(0x70100 | len(node.connections))
            node.connections += (int(match[1], 16),)
        self.wanted_connections = (node, count, start)

    def _connections_done(self) -> None:
        if self.wanted_connections is not None:
            node, count, start = self.wanted_connections
            self.wanted_connections = None
            if len(node.connections) != count:
                raise self.text.error(f"expected {count} connections below, found {len(node.connections)}", start)
            if count > 127:
                raise self.text.error(f"expected at most 127 connections, found {count}", start)

    # --- the whole
    # ------------------------------------------------------------------------------------------------------

    def _finish(self) -> CodecDump:
        groups = list(self.groups.values())
        if not groups and (self.function_type or len(self.nodes) > 1):
            groups = [self._new_group(1, self.function_type or 1)]
        audio = next((group for group in groups if group.parameters.get(FUNCTION_TYPE, 0) & 0xFF == 1), None)
        if audio is not None:
            audio.parameters = {**self.default.parameters, **audio.parameters}
            audio.initial = self.default.initial + audio.initial
            self._place_widgets(audio)
        subsystem = self._number(self.head.get("Subsystem Id", "0"))
        for group in groups:
            group.parameters.setdefault(SUBNODES, 0)
            self._bytes(group, 0x720, subsystem)
            if self.gpio is not None and group is audio:
                for verb, name in ((0x716, "enable"), (0x717, "dir"), (0x715, "data"), (0x718, "wake"),
                                   (0x719, "unsol"), (0x71A, "sticky")):  # fmt: skip
                    group.initial.append(verb << 8 | self.gpio[name])
        ids = sorted(group.nid for group in groups)
        self.root.parameters = {
            VENDOR: self._number(self.head["Vendor Id"]),
            REVISION: self._number(self.head["Revision Id"]),
            SUBNODES: (ids[0] << 16 | ids[-1] - ids[0] + 1) if ids else 0,
        }
        return CodecDump(
            name=self.head["Codec"],
            address=self._number(self.head.get("Address", "0")),
            vendor_id=self.root.parameters[VENDOR],
            revision_id=self.root.parameters[REVISION],
            subsystem_id=subsystem,
            nodes=dict(sorted(self.nodes.items())),
            source=self.text.source,
            unread=self.unread,
        )

    def _place_widgets(self, audio: CodecNode) -> None:
        widgets = list(self._widgets())
        if widgets:
            first, last = min(widgets), max(widgets)
            audio.parameters[SUBNODES] = first << 16 | last - first + 1
        for nid in widgets:
            node = self.nodes[nid]
            node.parameters[CONNECTION_LENGTH] = len(node.connections)

    def _widgets(self) -> Iterator[int]:
        return (nid for nid, node in self.nodes.items() if nid and node.kind != "Function Group")


# First words of lines that repeat what a number already said, or speak of ALSA rather than of the codec.
KNOWN_AND_UNUSED = frozenset(
    {"Control", "ControlAmp", "Device", "Devices", "Dev", "PCM", "Vref", "Delay", "IEC", "Conn", "DefAssociation",
     "Misc", "Coefficient", "Processing", "Power-Map"}
)  # fmt: skip
