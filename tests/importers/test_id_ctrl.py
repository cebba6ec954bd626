"""load_id_ctrl: dict, text, path; missing fields; damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from importers.samples import ID_CTRL
from storsim.importers import IdCtrl, MapError, load_id_ctrl


def test_dict_text_and_path_agree(tmp_path: Path) -> None:
    path = tmp_path / "drive.json"
    path.write_text(ID_CTRL)
    for loaded in (
        load_id_ctrl(json.loads(ID_CTRL)),
        load_id_ctrl(ID_CTRL),
        load_id_ctrl(path),
        load_id_ctrl(str(path)),
    ):
        assert (loaded.model, loaded.firmware, loaded.mdts) == ("Example 512GB", "1.0", 5)
        assert (loaded.hmpre, loaded.hmmin, loaded.hmminds, loaded.hmmaxd) == (16384, 4096, 1024, 8)
        assert (loaded.preferred_bytes, loaded.minimum_bytes) == (64 << 20, 16 << 20)
        assert loaded.minimum_range_bytes == 4 << 20
        assert loaded.transfer_bytes() == 128 << 10
        assert loaded.supports_hmb
        assert loaded.missing == ()
        assert loaded.notes == []


def test_missing_fields_mean_none_and_say_so() -> None:
    loaded = load_id_ctrl('{"mn": "X", "hmmaxd": 8}')
    assert not loaded.supports_hmb
    assert (loaded.hmpre, loaded.hmmin, loaded.mdts) == (0, 0, 0)
    assert loaded.missing == ("hmpre", "hmmin", "hmminds", "mdts")
    assert len(loaded.notes) == 4
    assert "no host memory buffer" in loaded.notes[0]
    assert loaded.transfer_bytes() is None
    assert load_id_ctrl({}).missing == ("hmpre", "hmmin", "hmminds", "hmmaxd", "mdts")


def test_minimum_without_preferred_is_ignored() -> None:
    loaded = load_id_ctrl({"hmmin": 5})
    assert loaded.hmmin == 0
    assert loaded.notes[-1] == "hmmin without hmpre is ignored"


def test_zero_is_not_missing() -> None:
    loaded = load_id_ctrl({"hmpre": 0, "hmmin": 0, "hmminds": 0, "hmmaxd": 0, "mdts": 0})
    assert loaded == IdCtrl(source="<dict>")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("", 1, "found nothing", id="empty"),
        pytest.param("{", 1, "found the end", id="cut-at-once"),
        pytest.param(ID_CTRL[:-3], 11, "found the end", id="cut"),
        pytest.param(ID_CTRL.replace('"hmpre": 16384,', '"hmpre": 16384'), 8, "column", id="comma"),
        pytest.param(ID_CTRL.replace("16384", "-1"), 7, "hmpre from 0", id="negative"),
        pytest.param(ID_CTRL.replace("16384", "16384.5"), 7, "hmpre from 0", id="fraction"),
        pytest.param(ID_CTRL.replace("16384", '"16384"'), 7, "hmpre from 0", id="text-for-number"),
        pytest.param(ID_CTRL.replace("16384", "4294967296"), 7, "4294967295", id="too-wide"),
        pytest.param(ID_CTRL.replace("16384", "true"), 7, "hmpre from 0", id="bool"),
        pytest.param(ID_CTRL.replace('"hmmaxd": 8', '"hmmaxd": 65536'), 10, "65535", id="hmmaxd-wide"),
        pytest.param(ID_CTRL.replace("4096", "16385"), 8, "hmmin not above hmpre", id="minimum-above"),
        pytest.param(ID_CTRL.replace('"hmmin"', '"hmpre"'), 8, "each field once", id="twice"),
        pytest.param(ID_CTRL.replace('"1.0     "', "10"), 5, "fr to be text", id="number-for-text"),
        pytest.param("[1, 2]\n", 1, "an object in braces", id="array"),
        pytest.param("[" * 100000 + "\n", 1, "nesting", id="deep"),
        pytest.param('{"hmpre": ' + "1" * 5000 + "}\n", 1, "digits", id="long-number"),
        pytest.param('{"hmpre": ' + "1" * 4000 + "}\n", 1, "very long number", id="longish-number"),
        pytest.param("NVME Identify Controller:\nvid       : 0x1344\nhmpre     : 16384\n", 1, "-o json", id="plain"),
    ],
)
def test_damage(text: str, line: int, says: str) -> None:
    with pytest.raises(MapError) as info:
        load_id_ctrl(text)
    assert info.value.line == line
    assert says in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("value", [True, -1, 1.0, "1", [1], 1 << 32], ids=repr)
def test_bad_values_in_a_dict(value: Any) -> None:
    with pytest.raises(MapError, match="hmpre from 0 to 4294967295") as info:
        load_id_ctrl({"hmpre": value})
    assert info.value.line is None
    assert str(info.value).startswith("<dict>: ")
