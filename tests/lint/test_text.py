"""What the text of the tree must show (DESIGN §2): arrows that never point up, a pure core, no host names or paths,
short files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "storsim"

#: Which rooms a room may include headers of, besides its own and machine's status header.
KNOWS: dict[str, set[str]] = {
    "machine": {
        "ddi"
    },  # the finding record names a row of the table by number; only the public table header, checked below
    "ddi": set(),
    "nt": {"machine", "ddi"},
    "hda": {"machine"},
    "nvme": {"machine"},
    "storport": {"nt", "ddi", "machine", "nvme"},
    "hdaudio": {"nt", "ddi", "machine", "hda"},
    "journal": {"machine", "ddi", "nt", "hda", "nvme", "storport", "hdaudio"},
    "python": {"machine", "ddi", "nt", "hda", "nvme", "storport", "hdaudio", "journal", "fuzz"},
    "fuzz": {"machine", "ddi", "nt", "hda", "nvme", "storport", "hdaudio", "journal"},
}
#: Public headers by the room they belong to; the rest is named after its room.
HEADER_ROOM = {"status": "machine", "operation": "machine", "stor_status": "ddi", "behaviour": "journal"}
CORE_ROOMS = ("machine", "ddi", "nt", "hda", "nvme", "storport", "hdaudio", "journal")
#: The one file that may name the C library's allocator: the hook's default.
DEFAULT_HOOK = "csrc/machine/host.c"


def _files(folder: Path, *suffixes: str) -> list[Path]:
    skipped = {"build", "__pycache__"}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in suffixes
        and path.is_file()
        and not any(part in skipped or part.startswith("build-") for part in path.parts)
    )


def _sources(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in _files(CSRC / room, ".c", ".h")]


def _code(text: str) -> str:
    """C text without comments, strings and character constants; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        found = match.group(0)
        return re.sub(r"[^\n]", " ", found) if found.startswith("/") else '""' if found.startswith('"') else "0"

    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def _lines(path: Path, pattern: str) -> Iterator[str]:
    for number, line in enumerate(_code(path.read_text(encoding="utf-8")).splitlines(), 1):
        if re.search(pattern, line):
            yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def _includes(path: Path) -> list[str]:
    return re.findall(r"^\s*#\s*include\s+[<\"]([^>\"]+)[>\"]", path.read_text(encoding="utf-8"), flags=re.M)


def _room_of_header(name: str) -> str | None:
    """Room of an included header, None for the C library."""
    parts = name.split("/")
    if parts[0] == "storsim":
        stem = Path(parts[-1]).stem
        return HEADER_ROOM.get(stem, stem.split("_")[0])
    return parts[0] if len(parts) > 1 and parts[0] in KNOWS else None


def test_there_is_something_to_look_at() -> None:
    assert len(_sources(*CORE_ROOMS)) > 20
    assert len(_files(PACKAGE, ".py")) > 5


def test_only_the_binding_knows_python() -> None:
    guilty = [path for path in _sources(*CORE_ROOMS, "include", "fuzz", "tests") if "Python.h" in _includes(path)]
    assert not guilty


@pytest.mark.parametrize("room", KNOWS)
def test_no_include_points_up(room: str) -> None:
    wrong = []
    for path in _files(CSRC / room, ".c", ".h"):
        for name in _includes(path):
            target = _room_of_header(name)
            if target is not None and target != room and target not in KNOWS[room]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
            if room == "machine" and target == "ddi" and not name.startswith("storsim/"):
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_public_headers_point_down() -> None:
    wrong = []
    for path in _files(CSRC / "include" / "storsim", ".h"):
        room = HEADER_ROOM.get(path.stem, path.stem.split("_")[0])
        for name in _includes(path):
            target = _room_of_header(name)
            if target is not None and target != room and target not in KNOWS.get(room, set()):
                wrong.append(f"{path.name} includes {name}")
    assert not wrong


def test_storport_uses_only_the_public_face_of_nvme() -> None:
    wrong = [
        f"{path.name}: {name}" for path in _sources("storport") for name in _includes(path) if name.startswith("nvme/")
    ]
    assert not wrong


def test_hardware_knows_nothing_of_windows() -> None:
    pattern = r"\bNTSTATUS\b|\bSTATUS_[A-Z]+|\bSTOR_STATUS_|\bIRP\b|\bKIRQL\b"
    wrong = [line for path in _sources("machine", "hda", "nvme") for line in _lines(path, pattern)]
    assert not wrong, "\n".join(wrong)


FORBIDDEN = {
    "host memory": r"\b(malloc|calloc|realloc|free|strdup|alloca|aligned_alloc)\s*\(",
    "input and output": r"\b(f?printf|puts|putchar|fopen|fread|fwrite|fclose|getenv|system|remove|rename|perror)\s*\(",
    "a clock": r"\b(time|clock|gettimeofday|clock_gettime|nanosleep|usleep|localtime|gmtime)\s*\(",
    "floating point": r"\b(float|double)\b",
    "random numbers of the host": r"\b(rand|srand|random|arc4random|getrandom)\s*\(",
    "stopping the host": r"\b(abort|exit|_Exit|quick_exit|raise|longjmp|setjmp)\s*\(",
    "threads": r"\b(pthread_\w+|thrd_\w+|mtx_\w+)\s*\(",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_core_is_pure(what: str) -> None:
    wrong = [
        line
        for path in _sources(*CORE_ROOMS, "include")
        for line in _lines(path, FORBIDDEN[what])
        if not (what == "host memory" and path.relative_to(ROOT).as_posix() == DEFAULT_HOOK) and "->free" not in line
    ]
    assert not wrong, "\n".join(wrong)


def test_no_includes_of_input_output_or_time() -> None:
    banned = {
        "stdio.h",
        "time.h",
        "math.h",
        "signal.h",
        "setjmp.h",
        "threads.h",
        "unistd.h",
        "sys/time.h",
        "pthread.h",
        "float.h",
    }
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _sources(*CORE_ROOMS)
        for name in _includes(path)
        if name in banned and not (name == "stdio.h" and _only_formats(path))
    ]
    assert not wrong


def _only_formats(path: Path) -> bool:
    """stdio.h may be there for snprintf, which does no input or output."""
    return bool(re.search(r"\bv?snprintf\s*\(", _code(path.read_text(encoding="utf-8"))))


def test_no_mutable_globals() -> None:
    """A heuristic: a definition at the left margin, or a static one inside a function, that is not const."""
    wrong = []
    declaration = re.compile(
        r"^(static\s+)?(?!typedef|extern|return|struct\s+\w+\s*;|enum|union|#|else|case|goto)([A-Za-z_][\w\s\*]*?)\b(\w+)\s*(\[[^\]]*\])*\s*(=|;)"
    )
    inner = re.compile(r"^\s+static\s+(?!const\b)(?!inline\b)[\w\s\*]+?\w+\s*(\[[^\]]*\])*\s*(=|;)")
    for path in [path for path in _sources(*CORE_ROOMS) if path.suffix == ".c"]:
        depth = 0
        for number, line in enumerate(_code(path.read_text(encoding="utf-8")).splitlines(), 1):
            found = (depth == 0 and declaration.match(line)) or inner.match(line)
            if (
                found
                and "const" not in line
                and "(" not in line.split("=")[0]
                and not line.lstrip().startswith(("typedef", "#", "}"))
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
            depth += line.count("{") - line.count("}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["csrc", "storsim", "tests"])
def test_files_are_short(folder: str) -> None:
    long = {
        path.relative_to(ROOT).as_posix(): length
        for path in _files(ROOT / folder, ".c", ".h", ".py")
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > 800
    }
    assert not long


#: Built from pieces, so that this file does not contain what it looks for.
PRIVATE = re.compile(
    "|".join(["/" + "work/", "/" + "tmp/", "/" + "home/", "/" + "root/", "pypi" + "-more", r"\b" + "C:" + r"\\Users"])
)


def test_no_line_names_a_machine() -> None:
    wrong = []
    texts = [
        *ROOT.glob("*.*"),
        *_files(CSRC, ".c", ".h", ".py"),
        *_files(PACKAGE, ".py", ".pyi", ".toml", ".md"),
        *_files(ROOT / "tests", ".py"),
    ]
    texts += [CSRC / "Makefile", *(ROOT / ".ci").glob("*"), *_files(ROOT / "notebooks", ".ipynb", ".py")]
    for path in texts:
        if path.is_file() and path.name != ".git" and path.suffix not in (".so", ".pyc", ".png", ".svg"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if PRIVATE.search(line):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


# -- Python ----------------------------------------------------------------------------------------------------------

#: faces ← testing ← campaign ← cli: a module may import from its own layer and those below.
LAYERS = {"testing": 1, "viz": 1, "export": 1, "campaign": 2, "cli": 3, "__main__": 3}


def _layer(module: str) -> int:
    parts = module.split(".")
    return LAYERS.get(parts[1], 0) if len(parts) > 1 else 0


def _imports(path: Path) -> Iterator[str]:
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package.split(".")[: -node.level]
                yield ".".join([*base, node.module or ""]).rstrip(".")
            elif node.module:
                yield node.module
                if node.module == "storsim":
                    yield from (f"storsim.{alias.name}" for alias in node.names)


def test_no_python_import_points_up() -> None:
    wrong = []
    for path in _files(PACKAGE, ".py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in _imports(path):
            if name.startswith("storsim") and _layer(name) > _layer(module):
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_the_package_needs_the_standard_library_only() -> None:
    import sys

    optional = {
        "matplotlib",
        "numpy",
        "rich",
        "pytest",
        "hypothesis",
        "vcd",
        "distributed",
        "dask",
        "IPython",
        "_pytest",
        "nbclient",
    }
    wrong = []
    for path in _files(PACKAGE, ".py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:  # imports at module level run for everybody
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                if (
                    top not in sys.stdlib_module_names
                    and top != "storsim"
                    and not (top in optional and _layer_of(path))
                ):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def _layer_of(path: Path) -> int:
    return _layer(".".join(path.relative_to(ROOT).with_suffix("").parts))
