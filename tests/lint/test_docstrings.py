"""Every public thing explains itself; every routine names the page it is documented on."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import storsim
import storsim.storport as sp

PACKAGE = Path(__file__).resolve().parents[2] / "storsim"
ROUTINES = sorted(name for name in dir(sp) if name.startswith("StorPort"))


def test_there_are_routines() -> None:
    assert len(ROUTINES) >= 30


@pytest.mark.parametrize("name", ROUTINES)
def test_routine_names_its_source(name: str) -> None:
    text = inspect.getdoc(getattr(sp, name)) or ""
    assert "Source" in text
    assert f"nf-storport-{name.lower()}" in text.lower() or "§" in text or "model choice" in text


@pytest.mark.parametrize("name", [name for name in ROUTINES if name != "StorPortExtendedFunction"])
def test_routine_has_a_signature(name: str) -> None:
    signature = inspect.signature(getattr(sp, name))
    assert list(signature.parameters)
    assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in signature.parameters.values())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_public_functions_and_classes_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body, "the module says what it is for"
    missing = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not child.name.startswith(
                "_"
            ):
                if not ast.get_docstring(child) and not _is_overload(child):
                    missing.append(prefix + child.name)
                if isinstance(child, ast.ClassDef):
                    visit(child, prefix + child.name + ".")

    visit(tree, "")
    assert not missing


def _is_overload(node: ast.AST) -> bool:
    return any(
        "overload" in ast.unparse(decorator) or "setter" in ast.unparse(decorator)
        for decorator in getattr(node, "decorator_list", [])
    )


@pytest.mark.parametrize(
    "name", sorted(name for name in getattr(storsim, "__all__", dir(storsim)) if not name.startswith("_"))
)
def test_public_names_are_documented(name: str) -> None:
    value = getattr(storsim, name)
    if callable(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)


def test_the_names_of_the_contract_are_there() -> None:
    for name in (
        "Machine",
        "MemoryRange",
        "WindowsVersion",
        "Placement",
        "Irql",
        "BugCheck",
        "Violation",
        "ViolationWarning",
        "MachineStopped",
        "StatusError",
        "StorStatusError",
        "NtStatusError",
    ):
        assert hasattr(storsim, name), name
    for name in (
        "StorStatus",
        "ACCESS_RANGE",
        "MmCached",
        "MmNonCached",
        "MmWriteCombined",
        "MM_ANY_NODE_OK",
        "STOR_STATUS_SUCCESS",
    ):
        assert hasattr(sp, name), name
    assert storsim.__version__
