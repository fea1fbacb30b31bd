"""Ports beside a reward, with a fake port in the present environment; the tables of the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from research.ports import page, run
from research.ports.pictures import KINDS, picture, pictures_hash
from research.ports.port import Port, rows
from synpic.errors import RewardError
from synpic.score.two_stage import TwoStageReward
from tests.research.ports.fake_port import mean

ROOT = Path(__file__).parents[3]
FAKE = Path(__file__).parent / "fake_port.py"
FOUND = json.loads((ROOT / "docs" / "ports.json").read_text())

PAGES = {"ports.md": ("ports", "mechanisms"), "ports-jpeg.md": ("jpeg",)}


class Bright(TwoStageReward):
    """The fake port's own formula, by the interface of synpic's rewards."""

    preprocessing: Hashable = "bright"

    def pixels(self, image: Image.Image) -> float:
        return mean(image.convert("L"))

    def side_by_side(self, pixels: Sequence[Any]) -> list[Any]:
        return list(pixels)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        return list(pixels)


class Here(Port):
    """A port in the environment that is there."""

    def python(self) -> Path:
        return Path(sys.executable)


def fake(name: str, **more: Any) -> Port:
    return Here(
        f"fake/{name}", "fake 1", "bright", f"{FAKE}:{name}", "", (), lambda _: Bright(), **more
    )


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [picture(kind, seed, 48, 40) for seed in range(3) for kind in KINDS]
    monkeypatch.setattr(run, "pictures", lambda: found)


def test_a_port_that_is_equal_is_equal(tmp_path: Path) -> None:
    row = run.run(fake("Bright"), tmp_path)
    assert row["largest"] < 1e-12
    assert (row["turned"], row["pairs"]) == (0, 3 * 36)
    assert row["versions"]["pillow"]


def test_a_port_that_deviates_is_reported_and_its_mechanism_explains_it(tmp_path: Path) -> None:
    class Reddish(Bright):
        def pixels(self, image: Image.Image) -> float:
            return mean(image.getchannel("R"))

    row = run.run(fake("Red", alike=lambda _: Reddish(), mechanisms="red alone"), tmp_path)
    assert row["largest"] > 0.1
    assert row["turned"] > 0
    assert row["left"] < 1e-12
    assert f"{row['turned']} of 108 pairs turned" in page.line(row)


def test_a_factor_turns_no_pair(tmp_path: Path) -> None:
    assert run.run(fake("TimesTen", scale=10.0), tmp_path)["largest"] < 1e-12
    row = run.run(fake("TimesTen"), tmp_path)
    assert row["largest"] > 1
    assert row["turned"] == 0


def test_prompts_can_share_a_batch(tmp_path: Path) -> None:
    alone = run.run(fake("BestOfBatch"), tmp_path)
    together = run.run(fake("BestOfBatch", together=True), tmp_path)
    assert alone["largest"] < 1e-12 < together["largest"]


def test_a_port_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RewardError, match=r"fake/Failing failed(.|\n)*no such weights") as caught:
        run.run(fake("Failing"), tmp_path)
    assert sys.executable in (caught.value.hint or "")


def test_rows_are_prompts_and_columns_pictures() -> None:
    images = [picture("smooth", seed, 8, 8) for seed in range(8)]
    found = rows(Bright(), ["a", "b"], images)
    assert found == [[mean(image.convert("L")) for image in images]] * 2
    assert rows(Bright(), ["a", "b"], images, together=True) == found


def test_pictures_are_the_same_for_everyone() -> None:
    made = [picture(kind, seed, 224, 160) for seed, kind in enumerate(KINDS)]
    assert pictures_hash(made)[:16] == "54d01451bd6b139a"


# -- the page ----------------------------------------------------------------------------------


def test_the_tables_of_the_pages_are_up_to_date() -> None:
    for name, tables in PAGES.items():
        text = (ROOT / "docs" / name).read_text()
        assert text == page.with_tables(text, FOUND), "run `make docs`"
        assert all(text.count(f"<!-- {table} -->") == 1 for table in tables)
    assert {table for tables in PAGES.values() for table in tables} == FOUND.keys()
    with pytest.raises(ValueError, match="2 places for the table 'ports'"):
        page.with_tables(2 * "<!-- ports -->\n<!-- end -->", FOUND)


def test_every_row_of_the_page_was_run() -> None:
    assert not [row for row in FOUND["ports"] if "error" in row]
    for row in FOUND["ports"]:
        assert 0 <= row["turned"] <= row["pairs"]
        if row["largest"] > 1e-4:
            assert row["mechanisms"] != "none", row["port"]


def test_rows_take_the_place_of_those_of_their_name(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    page.put(file, "ports", [{"port": "a", "x": 1}, {"port": "b", "x": 1}])
    page.put(file, "ports", [{"port": "a", "x": 2}, {"port": "c", "x": 2}])
    assert json.loads(file.read_text()) == {
        "ports": [{"port": "a", "x": 2}, {"port": "b", "x": 1}, {"port": "c", "x": 2}]
    }
