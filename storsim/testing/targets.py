"""What a sweep runs: a function that takes a fresh machine, a script, or a pytest node.

A target is run again and again in one process; every machine it makes while it runs is observed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import runpy
import sys
from collections.abc import Callable, Mapping
from typing import Any


class TargetError(ValueError):
    """A target that cannot be found; ``str()`` is one line that says what is expected."""


def resolve(target: str, settings: Mapping[str, Any]) -> Callable[[], None]:
    """A callable that runs the target once. settings: keywords of the Machine that a function target gets.

    ``module:function`` and ``file.py:function`` name a function whose only argument is a Machine; ``script.py`` is
    run as ``__main__``; ``tests/test_x.py::test_y`` is a pytest node id. Raises TargetError.
    """
    if "::" in target:
        return _pytest_node(target)
    head, colon, name = target.rpartition(":")
    if colon and head and not os.path.exists(target):
        return _function(_module(head), name, target, settings)
    if os.path.isfile(target):
        return lambda: _script(target)
    raise TargetError(
        f"{target}: expected module:function, file.py:function, a script, or a pytest node id such as test_x.py::test_y"
    )


def _module(head: str) -> Any:
    if not head.endswith(".py"):
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            return importlib.import_module(head)
        except ImportError as error:
            raise TargetError(f"{head}: {error}") from error
    if not os.path.isfile(head):
        raise TargetError(f"{head}: no such file")
    folder = os.path.dirname(os.path.abspath(head))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = os.path.splitext(os.path.basename(head))[0]
    spec = importlib.util.spec_from_file_location(name, head)
    if spec is None or spec.loader is None:
        raise TargetError(f"{head}: Python cannot load this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load(target: str, folder: str = "") -> Any:
    """The object that ``module:name`` or ``file.py:name`` names. folder: where a relative path starts, and the first
    place to look for a module. Raises TargetError.
    """
    head, _, name = target.rpartition(":")
    folder = folder or os.getcwd()
    if head.endswith(".py"):
        head = os.path.join(folder, head)
    elif folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = _module(head)
    except TargetError:
        raise
    except Exception as error:  # whatever the user's file does while it is imported
        text = " ".join(str(error).split())
        raise TargetError(f"{target}: importing it raised {type(error).__name__}: {text}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise TargetError(f"{target}: the module has no {name}") from None


def _function(module: Any, name: str, target: str, settings: Mapping[str, Any]) -> Callable[[], None]:
    function = getattr(module, name, None)
    if not callable(function):
        raise TargetError(f"{target}: the module has no function {name}")

    def run() -> None:
        from storsim import Machine

        with Machine(**settings) as pc:
            function(pc)

    return run


def _script(path: str) -> None:
    saved = sys.argv
    sys.argv = [path]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as exit:
        if exit.code not in (None, 0):
            raise RuntimeError(f"the script ended with {exit.code!r}") from None
    finally:
        sys.argv = saved


class PytestFailed(RuntimeError):
    """A pytest node that failed in a way of its own (not by a finding of the machine)."""


def _pytest_node(node: str) -> Callable[[], None]:
    def run() -> None:
        import pytest

        class Keep:
            """Keeps the exception of the test itself."""

            error: BaseException | None = None
            ran = 0

            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
                if call.when == "call":
                    Keep.ran += 1
                if call.excinfo is not None and Keep.error is None:
                    Keep.error = call.excinfo.value
                return (yield)

        keep = Keep()
        # the plugin goes by its module's name as an entry point too, so that naming it twice is naming it once
        options = ["-p", "storsim.testing.plugin", "-p", "no:cacheprovider", "--capture=no", "-W", "ignore"]
        code = pytest.main([node, *options], plugins=[keep])
        if Keep.error is not None:
            raise Keep.error
        if Keep.ran == 0:
            raise TargetError(f"{node}: pytest found no such test (exit code {int(code)})")

    return run
