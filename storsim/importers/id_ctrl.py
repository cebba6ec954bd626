"""What a drive says about its Host Memory Buffer: ``nvme id-ctrl -o json``.

A field that is missing was not seen: it means none, and a note says so. HMPRE, HMMIN and HMMINDS count units of 4096
bytes whatever page size the controller runs with. Source: NVMe base specification, Identify Controller.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storsim.importers.errors import MapError, quote
from storsim.importers.text import Text, read_text

UNIT = 4096
WHAT = "the JSON of nvme id-ctrl"
LIMITS = {"hmpre": (1 << 32) - 1, "hmmin": (1 << 32) - 1, "hmminds": (1 << 32) - 1, "hmmaxd": 65535, "mdts": 255}
MISSING = {
    "hmpre": "hmpre is missing: taken as 0, the drive asks for no host memory buffer",
    "hmmin": "hmmin is missing: taken as 0, any size will do",
    "hmminds": "hmminds is missing: taken as 0, no smallest useful range",
    "hmmaxd": "hmmaxd is missing: taken as 0, no limit on the number of ranges",
    "mdts": "mdts is missing: taken as 0, no limit on a transfer",
}
PLAIN = re.compile(r"^\s*(vid|ssvid|sn|mn|fr|hmpre|hmmin)\s+:\s", re.MULTILINE)


@dataclass(frozen=True)
class IdCtrl:
    """The fields of Identify Controller that decide how a driver gives the drive memory.

    model, firmware: as printed, without padding; "" when missing.
    hmpre, hmmin: preferred and minimum buffer, in units of 4096 bytes; hmpre 0 means no buffer is supported.
    hmminds: smallest useful range, in units of 4096 bytes; 0 no hint. hmmaxd: most ranges; 0 no limit.
    mdts: largest transfer as a power of two of the controller's page size; 0 no limit.
    missing: which of the five numbers the input did not have. notes: one sentence about each of those.
    """

    model: str = ""
    firmware: str = ""
    hmpre: int = 0
    hmmin: int = 0
    hmminds: int = 0
    hmmaxd: int = 0
    mdts: int = 0
    missing: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    source: str = "<dict>"

    @property
    def supports_hmb(self) -> bool:
        """Whether the drive asks for a Host Memory Buffer at all."""
        return self.hmpre != 0

    @property
    def preferred_bytes(self) -> int:
        """HMPRE in bytes."""
        return self.hmpre * UNIT

    @property
    def minimum_bytes(self) -> int:
        """HMMIN in bytes."""
        return self.hmmin * UNIT

    @property
    def minimum_range_bytes(self) -> int:
        """HMMINDS in bytes."""
        return self.hmminds * UNIT

    def transfer_bytes(self, page_size: int = UNIT) -> int | None:
        """MDTS in bytes for a controller page size in bytes; None when there is no limit."""
        return page_size << self.mdts if self.mdts else None


def load_id_ctrl(id_ctrl: Mapping[str, Any] | str | os.PathLike[str]) -> IdCtrl:
    """Reads a drive's Identify Controller data: the dict, the JSON text, or the path of a file with it.

    Errors: MapError for JSON that is none, a field that is no integer of its width, or HMMIN above HMPRE (with the line
    number where there are lines); OSError when a path cannot be read.
    """
    if isinstance(id_ctrl, Mapping):
        return _build(dict(id_ctrl), None)
    text = read_text(id_ctrl, WHAT, ("{", "[", '"'))
    return _build(_parse_json(text), text)


def _parse_json(text: Text) -> dict[str, Any]:
    if PLAIN.search(text.content) and not text.content.lstrip().startswith("{"):
        raise text.error("expected JSON, found the plain listing of nvme id-ctrl: run it with -o json", 1)
    try:
        value = json.loads(text.content, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        around = text.content[error.pos : error.pos + 20].split("\n")[0]
        found = quote(around) if around else "the end"
        message = f"expected {WHAT}, found {found} at column {error.colno} ({error.msg})"
        raise text.error(message, error.lineno) from None
    except _RepeatedKey as error:
        message = f"expected each field once, found {quote(error.key)} again"
        raise text.error(message, _line_of(text, error.key)) from None
    except RecursionError:
        raise text.error(f"expected {WHAT}, found too many levels of nesting", 1) from None
    except ValueError:
        raise text.error(f"expected {WHAT}, found a number with thousands of digits", 1) from None
    if not isinstance(value, dict):
        raise text.error(f"expected {WHAT}, an object in braces, found {type(value).__name__}", 1)
    return value


class _RepeatedKey(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _RepeatedKey(key)
        result[key] = value
    return result


def _line_of(text: Text | None, key: str) -> int | None:
    """The last line that has the field, 1 when it cannot be found, None when there are no lines."""
    if text is None:
        return None
    last = 1
    pattern = re.compile(rf'"{re.escape(key)}"\s*:')
    for number, line in text.lines():
        if pattern.search(line):
            last = number
    return last


def _build(fields: dict[str, Any], text: Text | None) -> IdCtrl:
    source = text.source if text is not None else "<dict>"
    numbers = {name: _number(fields, name, text, source) for name in LIMITS}
    missing = tuple(name for name, value in numbers.items() if value is None)
    values = {name: value or 0 for name, value in numbers.items()}
    if values["hmmin"] > values["hmpre"] and "hmpre" not in missing:
        message = f"expected hmmin not above hmpre, found {values['hmmin']} and {values['hmpre']}"
        raise MapError(message, source, _line_of(text, "hmmin"))
    notes = [MISSING[name] for name in missing]
    if "hmpre" in missing and values["hmmin"]:
        values["hmmin"] = 0
        notes.append("hmmin without hmpre is ignored")
    return IdCtrl(
        model=_string(fields, "mn", text, source),
        firmware=_string(fields, "fr", text, source),
        missing=missing,
        notes=notes,
        source=source,
        **values,
    )


def _number(fields: dict[str, Any], name: str, text: Text | None, source: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LIMITS[name]:
        shown = quote(str(value)) if not isinstance(value, int) or value.bit_length() < 200 else "a very long number"
        raise MapError(f"expected {name} from 0 to {LIMITS[name]}, found {shown}", source, _line_of(text, name))
    return value


def _string(fields: dict[str, Any], name: str, text: Text | None, source: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise MapError(f"expected {name} to be text, found {type(value).__name__}", source, _line_of(text, name))
    return value.strip()
