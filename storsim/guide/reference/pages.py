"""The generated pages of the reference: the DDI map, the Python modules, the C headers. Text in, Markdown out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import storsim.data
from storsim import _core
from storsim.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Sections of the Python reference: title → modules.
MODULES: dict[str, tuple[str, ...]] = {
    "The machine": ("machine", "memory", "memory_range", "virtual_time", "event", "kernel_memory", "faults", "enums"),
    "Storage": ("adapter", "blocks", "nvme"),
    "HD Audio": ("hda", "hdaudio", "player", "codec_driver", "wav"),
    "What happened": ("records", "errors", "trace", "spans", "timeline", "watch", "report", "coverage",
                      "journal"),
    "Showing it": ("html", "viz.memory", "viz.audio", "viz.campaign", "export", "export.tables", "export.perfetto",
                   "export.waveform", "export.sound"),
    "Real machines and drives": ("importers.maps", "importers.ranges", "importers.buddyinfo", "importers.id_ctrl",
                                 "importers.codec", "importers.errors", "data"),
    "Testing drivers": ("testing.sweep", "testing.sweep_report", "testing.targets", "testing.plugin",
                        "testing.strategies", "testing.driver", "testing.storage_driver", "testing.audio_driver",
                        "testing.steps", "testing.failures", "testing.specs", "testing.rules", "testing.storage_rules",
                        "testing.audio_rules", "testing.machines", "testing.hypothesis_setup", "testing.programs"),
    "Campaigns": ("campaign.plan", "campaign.runner", "campaign.shard", "campaign.merging", "campaign.findings",
                  "campaign.report", "campaign.regression", "campaign.database"),
}  # fmt: skip
LEVELS = {0: "PASSIVE", 1: "APC", 2: "DISPATCH", 31: "any"}
DOCS = "https://learn.microsoft.com/windows-hardware/drivers/ddi"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~])")
_BLOCK = re.compile(r"/\*(?P<comment>.*?)\*/|(?P<code>[^\n]*\n)", re.S)


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)


# --- the DDI map ----------------------------------------------------------------------------------------------------


class Mentions:
    """Where the source tree names each routine: C tests and C sources. Python's tests are in `storsim.data`."""

    def __init__(self, root: Path, names: set[str]) -> None:
        self.tests: dict[str, list[str]] = {name: [] for name in names}
        self.sources: dict[str, list[str]] = {name: [] for name in names}
        words = re.compile(rf"\b({'|'.join(sorted(names, key=len, reverse=True))})\b")
        for path in sorted((root / "csrc").rglob("*.c")):
            file = path.relative_to(root).as_posix()
            found = set(words.findall(path.read_text(encoding="utf-8")))
            for name in found:
                if file.startswith("csrc/tests/"):
                    self.tests[name].append(file)
                elif not file.startswith(("csrc/python/", "csrc/fuzz/", "csrc/bench/")):
                    self.sources[name].append(file)


def irql(row: dict[str, Any]) -> str:
    """The callable levels in words; a question mark when the page does not say."""
    low, high = row["irql_min"], row["irql_max"]
    name = LEVELS.get(high, str(high))
    relation = "" if high in (0, 31) else "= " if low == high else "<= "
    return f"{relation}{name}{'' if row['irql_documented'] else ' (not documented)'}"


def os_name(number: int) -> str:
    """The name of a Windows version, or its NTDDI number."""
    names = {value: name for name, value in reversed(_core.OS_VERSIONS.items())}
    return names.get(number, f"{number:#010x}")


def link(page: str) -> str:
    """The documentation page of a routine as a link; other sources stay words."""
    found = re.match(r"(?:nf|nc|ns|ne)-(\w+)-([\w-]+)\.md(.*)", page)
    if not found:
        return escape(page)
    name = page.split(".md", 1)[0]
    return f"[{name}]({DOCS}/{found[1]}/{name}){escape(found[3])}"


def ddi_map(root: Path) -> str:
    """The page: every routine with its signature, level, first Windows, statuses, tests and sources."""
    table = [dict(row) for row in _core.ddi_table()]
    seen = Mentions(root, {row["name"] for row in table})
    parts = [
        "# DDI map",
        f"The {len(table)} routines that are simulated, from the one table that dispatch, binding and tests share. "
        "A status in *italics* is not on the routine's page: inferred, or a model choice. Tests are the functions of "
        "the conformance and audio tests, and the C test programs, that name the routine; `storsim ddis --json` lists "
        "them all.",
    ]
    for family, title in (("storport", "Storport"), ("hdaudio", "HD Audio bus interface")):
        parts.append(f"## {title}")
        parts += [_routine(row, seen) for row in table if row["family"] == family]
    return "\n\n".join(parts) + "\n"


def _routine(row: dict[str, Any], seen: Mentions) -> str:
    name = row["name"]
    statuses = [f"`{one['name']}`" if one["documented"] else f"*{escape(one['name'])}*" for one in row["statuses"]]
    lines = [
        f"### {name}",
        escape(row["summary"]),
        f"```python\n{name}{row['signature']}\n```",
        f"- First Windows: {escape(os_name(row['first_os']))}",
        f"- IRQL: {irql(row)}",
        f"- Statuses: {', '.join(statuses) or 'none'}",
        f"- Documentation: {link(row['page'])}",
        f"- Source: {', '.join(f'`{file}`' for file in seen.sources[name]) or 'the table alone'}",
        f"- Tests:{_tests(storsim.data.tested_by()[name], seen.tests[name])}",
    ]
    return "\n\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:])


def _tests(tests: storsim.data.Tests, programs: list[str]) -> str:
    lines = []
    if tests.statuses:
        lines.append(f"\n  - {len(tests.statuses)} statuses, each reached: `{next(iter(tests.statuses.values()))}` …")
    for file, names in tests.files.items():
        lines.append(f"\n  - `{file}`: {', '.join(f'`{one}`' for one in names[:4])}{_more(names)}")
    lines += [f"\n  - `{file}`" for file in programs]
    return "".join(lines) or " none names it"


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 4} more" if len(names) > 4 else ""


# --- Python ---------------------------------------------------------------------------------------------------------


def python_page(title: str) -> str:
    """A page of the Python reference."""
    parts = [f"# {title}"]
    for name in MODULES[title]:
        members = "" if name != "export" else ":no-members:\n"
        parts.append(f"## storsim.{name}\n\n```{{eval-rst}}\n.. automodule:: storsim.{name}\n{_indent(members)}\n```")
    return "\n\n".join(parts) + "\n"


def _indent(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())


def slug(title: str) -> str:
    """A file name for a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


# --- C --------------------------------------------------------------------------------------------------------------


def header_page(path: Path) -> str:
    """A public header: what its comments say, each with the declarations after it."""
    name = f"storsim/{path.name}"
    parts, comment, code = [f"# {name}"], "", ""

    def flush() -> None:
        nonlocal comment, code
        body = code.strip("\n")
        if comment:
            parts.append(comment)
        if body.strip():
            parts.append(f"```c\n{body}\n```")
        comment = code = ""

    depth = 0
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        inside = depth > 0 or bool(code.rsplit("\n", 1)[-1].strip()) or code.endswith("\\\n")
        if match["comment"] is not None and not inside:
            flush()
            words = [re.sub(r"^\s*\*? ?", "", line) for line in match["comment"].strip().splitlines()]
            text = " ".join(words).strip()
            heading = re.match(r"-{3,} (.*?) -{3,}$", text)
            comment = f"## {escape(heading[1])}" if heading else _paragraphs(words)
            continue
        piece = match.group(0)
        if match["comment"] is None and (cut := _comment_start(piece)) is not None and depth == 0:
            piece = piece[:cut] if not piece[:cut].strip() else piece
        depth += piece.count("{") - piece.count("}") if 'extern "C"' not in piece and match["comment"] is None else 0
        depth = max(0, depth)
        if not re.match(r'\s*(#|extern "C" \{|\}\s*$)', piece) or ("#define STORSIM_" in piece and "_H\n" not in piece):
            code += piece
    flush()
    return "\n\n".join(parts) + "\n"


def _comment_start(line: str) -> int | None:
    at = line.find("/*")
    return at if at >= 0 else None


def _paragraphs(lines: list[str]) -> str:
    text = "\n".join(line.strip() for line in lines)
    return "\n\n".join(escape(" ".join(part.split())) for part in re.split(r"\n\s*\n", text) if part.strip())


# --- the whole ------------------------------------------------------------------------------------------------------


def index(headers: list[str], guide: list[str]) -> str:
    """The first page."""

    def tree(caption: str, names: list[str]) -> str:
        return f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 2\n\n" + "\n".join(names) + "\n```"

    return "\n\n".join(
        [
            "# storsim",
            "A simulated PC for people who write Windows storage and audio drivers. "
            f"{len(_core.ddi_table())} routines, {len(KNOBS)} knobs of machines and adapters. "
            "Every routine with its statuses, its tests and its source is in the [DDI map](ddi-map.md).",
            tree("Routines", ["ddi-map"]),
            tree("Guide", guide),
            tree("Python", [f"python/{slug(title)}" for title in MODULES]),
            tree("C", headers),
        ]
    ) + "\n"  # fmt: skip


def write(root: Path, target: Path) -> None:
    """Writes every page into a folder. root: the source tree. Raises FileNotFoundError where there is none."""
    headers = sorted((root / "csrc" / "include" / "storsim").glob("*.h"))
    if not headers:
        raise FileNotFoundError(f"{root}: the reference is built from a source tree, with csrc/ and tests/ in it")
    (target / "python").mkdir(parents=True, exist_ok=True)
    (target / "c").mkdir(exist_ok=True)
    (target / "guide").mkdir(exist_ok=True)
    here = Path(__file__).parent
    guide = sorted(path for path in here.parent.iterdir() if path.suffix in (".md", ".svg", ".png"))
    for path in guide:
        (target / "guide" / path.name).write_bytes(path.read_bytes())
    (target / "conf.py").write_bytes((here / "conf.py").read_bytes())
    (target / "ddi-map.md").write_text(ddi_map(root), encoding="utf-8")
    for title in MODULES:
        (target / "python" / f"{slug(title)}.md").write_text(python_page(title), encoding="utf-8")
    for path in headers:
        (target / "c" / f"{path.stem}.md").write_text(header_page(path), encoding="utf-8")
    names = [f"guide/{path.stem}" for path in guide if path.suffix == ".md"]
    (target / "index.md").write_text(index([f"c/{path.stem}" for path in headers], names), encoding="utf-8")
