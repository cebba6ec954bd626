"""The ``storsim`` command itself, ``info`` and ``ddis``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
import re
import shlex
import subprocess
import sys

import pytest

import storsim
import storsim.data
from storsim import _core, cli
from storsim.cli import main, text
from storsim.cli.parser import Parser
from storsim.cli.progress import progress
from storsim.memory_range import MemoryRange


def test_version_is_the_package_and_the_core(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(["--version"])
    assert info.value.code == 0
    assert capsys.readouterr().out == f"storsim {storsim.__version__}\n"
    assert storsim.__version__ == importlib.metadata.version("storsim") == _core.CORE_VERSION


@pytest.mark.parametrize("name", ["", *cli.COMMANDS, "campaign run", "campaign merge", "campaign report"])
def test_help_fits_a_screen_and_suffices(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main([*name.split(), "--help"])
    assert info.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    if name:
        (at,) = (number for number, line in enumerate(lines) if line == "example:")
        examples = lines[at + 1 :]
        assert examples
        for example in examples:
            words = shlex.split(re.split("[|>]", example)[0])
            assert words[0] == "storsim"
            assert cli.build_parser().parse_args(words[1:]).command == name.split()[0]
    else:
        assert all(any(line.startswith(f"  {one} ") for line in lines) for one in cli.COMMANDS)
        assert "exit codes, of every command:" in lines


def test_every_argument_is_explained() -> None:
    for module in cli.commands():
        parser = Parser(prog=f"storsim {module.NAME}")
        module.add_arguments(parser)
        for action in parser._actions:
            assert action.help, f"{module.NAME}: {action.dest} has no help"


def test_every_command_keeps_the_registry_contract() -> None:
    for name, module in zip(cli.COMMANDS, cli.commands(), strict=True):
        assert name == module.NAME
        assert module.HELP
        assert module.__doc__
        module.add_arguments(Parser())
        assert callable(module.run)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: COMMAND; see storsim --help"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (
            ["demo", "--jsn"],
            "storsim demo: error: unrecognized arguments: --jsn (did you mean --json?); see storsim demo",
        ),
        (["demo", "--seed", "x"], "argument --seed: invalid int value: 'x'; see storsim demo --help"),
        (["play"], "storsim play: error: the following arguments are required: FILE.wav"),
        (["play", "x.wav", "--ring", "-5"], "expected 0 to 10000 milliseconds, got -5"),
        (["export", "x.py:y"], "required: -o/--out"),
        (["info", "more"], "unrecognized arguments: more"),
    ],
    ids=" ".join,
)
def test_wrong_use_says_what_to_do_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert says in captured.err


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_silent_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, quiet in ((io.StringIO(), False), (_Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress("runs", quiet=quiet) as step:
            step(1, 2)
        assert stream.getvalue() == ""


def test_progress_on_a_terminal_with_and_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", with_rich := _Terminal())
    with progress("runs") as step:
        step(1, 2)
        step(2, 2)
    if importlib.util.find_spec("rich"):
        assert "runs" in with_rich.getvalue()
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "stderr", plain := _Terminal())
    with progress("runs") as step:
        step(1, 12)
        step(12, 12)
    assert plain.getvalue() == f"\r1 of 12 runs\r12 of 12 runs\r{'':13}\r"


def test_entry_points_agree() -> None:
    (entry,) = (item for item in importlib.metadata.entry_points(group="console_scripts") if item.name == "storsim")
    assert entry.load() is main
    run = subprocess.run(
        [sys.executable, "-P", "-m", "storsim.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"storsim {storsim.__version__}\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -P -m storsim.cli ddis --json | head -1; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("storsim.cli.info.collect", interrupted)
    assert main(["info"]) == 130


def test_info_names_every_machine_drive_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    for name in [*storsim.data.machines(), *storsim.data.drives()]:
        assert name in output
    assert main(["info", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["version"] == storsim.__version__
    assert all(item["source"] for item in result["machines"] + result["drives"])


def test_ddis_lists_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ddis"]) == 0
    output = capsys.readouterr().out
    table = _core.ddi_table()
    assert f"{len(table)} routines\n" in output
    for row in table:
        assert row["name"] in output
        assert row["page"] in " ".join(output.split())
    assert main(["ddis", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [row["name"] for row in table]


def test_ddis_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ddis", "*AllocateDmaMemory"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("StorPortAllocateDmaMemory\n")
    assert "WIN10_1803" in output
    assert "STOR_STATUS_NOT_IMPLEMENTED" in output
    assert main(["ddis", "freepool"]) == 0
    assert "1 routine" in capsys.readouterr().out
    assert main(["ddis", "nothing-like-this"]) == 1
    assert "no routine matches" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (4095, "4095 B"),
        (4096, "4 KiB"),
        (1536, "1536 B"),
        (100_000, "97.66 KiB"),
        (1 << 20, "1 MiB"),
        (3 << 40, "3 TiB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert text.size(count) == shown


def test_strips_are_to_scale_and_split_at_4_gib() -> None:
    ranges = [MemoryRange(1 << 20, (2 << 30) - (1 << 20), 0), MemoryRange(4 << 30, 4 << 30, 1)]
    lines = text.strips(ranges, [(1 << 30, 4096, "D"), (7 << 30, 1 << 30, "H")])
    assert lines[0] == "  0 B to 4 GiB, 64 MiB per column"
    assert lines[1] == f"  [{'0' * 16}D{'0' * 15}{'.' * 32}]"
    assert lines[2] == "  4 GiB to 8 GiB, 64 MiB per column"
    assert lines[3] == f"  [{'1' * 48}{'H' * 16}]"


def test_tables_align() -> None:
    assert text.table(("a", "bb"), [("long", "1"), ("x", "22")], "lr") == ["  a     bb", "  long   1", "  x     22"]
