"""``storsim play`` and ``storsim record`` as commands: files, interfaces, refusals, exit codes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from kit.dumps import STEREO_ONLY
from storsim.cli import EXIT_DONE, EXIT_FOUND, EXIT_INPUT, EXIT_USAGE, main
from storsim.wav import WavFormat, read_wav, write_wav

STEREO = WavFormat(48000, 16, 2, 2)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return saved(tmp_path / "song.wav", STEREO, 24000)


def saved(path: Path, form: WavFormat, frames: int) -> Path:
    data = bytearray(random.Random(7).randbytes(frames * form.frame_bytes))
    if form.packed == 3:
        data[0::4] = bytes(len(data) // 4)
    write_wav(path, bytes(data), form)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize("interface", ["v1", "v2", "v3", "bdl"])
def test_play(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path, interface: str) -> None:
    out = tmp_path / "heard.wav"
    code, text, error = run(capsys, "play", song, "--interface", interface, "--out", out)
    assert (code, error) == (EXIT_DONE, "")
    assert "identical" in text
    assert out.read_bytes() == song.read_bytes()


@pytest.mark.parametrize(
    "form",
    [WavFormat(8000, 8, 1, 1), WavFormat(44100, 24, 2, 3), WavFormat(192000, 32, 16, 4), WavFormat(11025, 20, 3, 3),
     WavFormat(6000, 24, 5, 4), WavFormat(176400, 16, 8, 2)],
    ids=str,
)  # fmt: skip
def test_play_and_record_any_format(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: WavFormat) -> None:
    source = saved(tmp_path / "in.wav", form, form.rate // 10)
    out = tmp_path / "out.wav"
    assert run(capsys, "play", source, "--out", out, "--quiet")[0] == EXIT_DONE
    assert out.read_bytes() == source.read_bytes()
    assert run(capsys, "record", out, "--in", source, "--quiet")[0] == EXIT_DONE
    assert out.read_bytes() == source.read_bytes()


def test_progress_is_printed(capsys: pytest.CaptureFixture[str], song: Path) -> None:
    _, text, _ = run(capsys, "play", song)
    assert "interrupt" in text
    assert "position" in text
    assert "slack" in text
    quiet = run(capsys, "play", song, "--quiet")[1]
    assert "slack" not in quiet.splitlines()[0]
    assert len(quiet.splitlines()) < len(text.splitlines())


def test_late(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path) -> None:
    out = tmp_path / "heard.wav"
    code, text, error = run(capsys, "play", song, "--late", 30, "--out", out)
    assert (code, error) == (EXIT_FOUND, "")
    assert "LATE" in text
    assert "something else" in text
    assert read_wav(out).data != read_wav(song).data


@pytest.mark.parametrize("command", ["play", "record"])
def test_json(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path, command: str) -> None:
    target = [song] if command == "play" else [tmp_path / "o.wav", "--in", song]
    code, text, _ = run(capsys, command, *target, "--json")
    found = json.loads(text)
    assert code == EXIT_DONE
    assert found["identical"] is True
    assert found["format"] == {"rate": 48000, "bits": 16, "channels": 2}
    assert found["late"] == 0
    assert found["bytes"] == 96000
    late, text, _ = run(capsys, command, *target, "--json", "--late", "35")
    assert late == EXIT_FOUND
    assert json.loads(text)["identical"] is False
    assert json.loads(text)["late"] > 0


def test_codec_dump(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path) -> None:
    dump = tmp_path / "codec#0"
    dump.write_text(STEREO_ONLY, encoding="utf-8")
    assert run(capsys, "play", song, "--codec", dump)[0] == EXIT_DONE
    wide = saved(tmp_path / "wide.wav", WavFormat(96000, 24, 6, 3), 100)
    code, text, error = run(capsys, "play", wide, "--codec", dump)
    assert (code, text) == (EXIT_INPUT, "")
    assert error.count("\n") == 1
    assert "44100/48000 Hz" in error
    assert "Traceback" not in error
    code, _, error = run(capsys, "record", tmp_path / "x.wav", "--codec", dump)
    assert code == EXIT_INPUT
    assert "input converter" in error
    assert not (tmp_path / "x.wav").exists()


@pytest.mark.parametrize("arguments", [["--late", "-1"], ["--late", "x"], ["--ring", "20000"], ["--interface", "v4"]])
def test_wrong_use(capsys: pytest.CaptureFixture[str], song: Path, arguments: list[str]) -> None:
    code, _, error = run(capsys, "play", song, *arguments)
    assert code == EXIT_USAGE
    assert arguments[0] in error


@pytest.mark.parametrize(
    ("name", "content"), [("empty.wav", b""), ("text.wav", b"hello"), ("cut.wav", b"RIFF\0\0\0\0WAVEfmt ")]
)
def test_files_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for arguments in (["play", path], ["record", tmp_path / "o.wav", "--in", path]):
        code, text, error = run(capsys, *arguments)
        assert (code, text) == (EXIT_INPUT, "")
        assert error.startswith("storsim: error: ")
        assert error.count("\n") == 1
        assert name in error


def test_files_that_are_not_there(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path) -> None:
    for arguments in (["play", tmp_path / "no.wav"], ["play", song, "--codec", tmp_path / "none"],
                      ["play", song, "--out", tmp_path / "no" / "where.wav"]):  # fmt: skip
        code, _, error = run(capsys, *arguments)
        assert code == EXIT_INPUT
        assert error.count("\n") == 1
        assert "Traceback" not in error


def test_damaged_dump(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path) -> None:
    dump = tmp_path / "codec"
    dump.write_text(STEREO_ONLY.replace("Connection: 1", "Connection: x"), encoding="utf-8")
    code, _, error = run(capsys, "play", song, "--codec", dump)
    assert code == EXIT_INPUT
    assert "line 17" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("interface", ["v1", "v2", "v3", "bdl"])
def test_record(capsys: pytest.CaptureFixture[str], song: Path, tmp_path: Path, interface: str) -> None:
    out = tmp_path / "taken.wav"
    code, text, _ = run(capsys, "record", out, "--in", song, "--interface", interface)
    assert code == EXIT_DONE
    assert "identical" in text
    assert out.read_bytes() == song.read_bytes()


def test_record_silence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "taken.wav"
    code, _, _ = run(
        capsys, "record", out, "--seconds", 0.25, "--rate", 44100, "--bits", 24, "--channels", 3, "--quiet"
    )
    assert code == EXIT_DONE
    wav = read_wav(out)
    assert wav.format == WavFormat(44100, 24, 3, 3)
    assert wav.data == bytes(11025 * 12)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rate", "47999"],
        ["--rate", "0"],
        ["--rate", "-8000"],
        ["--seconds", "-1"],
        ["--seconds", "nan"],
        ["--seconds", "0"],
    ],
)
def test_record_of_what_cannot_be(capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]) -> None:
    code, _, error = run(capsys, "record", tmp_path / "o.wav", *arguments)
    assert code in (EXIT_INPUT, EXIT_USAGE)
    assert "Traceback" not in error
    assert error
    assert not (tmp_path / "o.wav").exists()


def test_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    for command, options in (("play", ("--codec", "--interface", "--out", "--late", "--ring", "--timing", "--json")),
                             ("record", ("--in", "--seconds", "--rate", "--bits", "--channels"))):  # fmt: skip
        code, text, _ = run(capsys, command, "--help")
        assert code == 0
        assert all(option in text for option in options)


@pytest.mark.parametrize("late", ["0.1", "0.3333", "1e-7", "7.7777777"])
def test_any_length_of_time(capsys: pytest.CaptureFixture[str], song: Path, late: str) -> None:
    """A duration that is no whole number of ticks is rounded, not refused."""
    assert run(capsys, "play", song, "--late", late, "--ring", "33.3333")[0] == EXIT_DONE
