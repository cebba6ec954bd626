"""The ``storsim`` command itself, ``info`` and ``ddis``."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys

import pytest

import storsim
import storsim.data
from storsim import _core, cli
from storsim.cli import main, text
from storsim.memory_range import MemoryRange


def test_version_is_the_package_and_the_core(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(["--version"])
    assert info.value.code == 0
    assert capsys.readouterr().out == f"storsim {storsim.__version__}\n"
    assert storsim.__version__ == importlib.metadata.version("storsim") == _core.CORE_VERSION


def test_help_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], *([name, "--help"] for name in cli.COMMANDS)):
        with pytest.raises(SystemExit) as info:
            main(arguments)
        assert info.value.code == 0
        output = capsys.readouterr().out
        assert "exit codes:" in output
        assert "a file could not be read or understood" in output
    main_help = cli.build_parser().format_help()
    assert all(name in main_help for name in cli.COMMANDS)


def test_every_command_keeps_the_registry_contract() -> None:
    for name, module in zip(cli.COMMANDS, cli.commands(), strict=True):
        assert name == module.NAME
        assert module.HELP
        assert module.__doc__
        module.add_arguments(argparse.ArgumentParser())
        assert callable(module.run)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["demo", "--nonsense"], ["demo", "--seed", "x"]], ids=repr)
def test_wrong_use_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 2
    assert "usage: storsim" in capsys.readouterr().err


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
