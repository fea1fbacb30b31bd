"""Intervals against what is known of them; figures and tables by hand; the cells' bookkeeping.

The script itself runs end to end in a slow test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from research.ablation import cells as cells_module
from research.ablation.cells import ARMS, IMAGES, PROMPTS, Cell, Cells
from research.ablation.data import recipe_of
from research.ablation.files import locked
from research.ablation.measures import REWARDS, Bootstrap, figures, interval, outcomes
from research.ablation.report import fill, final_figures, picture, sweep_figures
from research.ablation.study import (
    OTHER_TRIES,
    PAIRWISE_TRIES,
    QUICK,
    WHICH,
    Scale,
    Study,
    main,
    running,
)
from research.ablation.tables import PENDING, filled, places, tables
from synpic.errors import TrainingDiverged, TrainingError
from synpic.shapes.meaning import TASKS, illustrate, parse
from synpic.shapes.scene import to_image

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "ablation.md"
METHOD = ROOT / "docs" / "ablation-method.md"


# -- intervals ---------------------------------------------------------------------------------


def half(of: Any) -> float:
    return float(of.high - of.low) / 2


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    passed = (np.arange(400) < 120).astype(np.float64)[None]
    found = interval(passed, ["all"] * 400, [str(i) for i in range(400)])
    assert found.mean == 0.3
    assert half(found) == pytest.approx(1.96 * np.sqrt(0.3 * 0.7 / 400), rel=0.05)
    assert (found.low + found.high) / 2 == pytest.approx(0.3, abs=0.003)


def test_two_pictures_of_two_prompts_have_four_resamples() -> None:
    # (0, 0), (0, 1), (1, 0), (1, 1) are equally likely: a quarter of the means is 0, a quarter 1.
    found = interval(np.array([[0.0, 1.0]]), ["all"] * 2, ["a", "b"])
    assert (found.low, found.high) == (0.0, 1.0)
    # With 40 of each kind of one task, means of 0 and 1 are not among the middle 95 %.
    many = interval(np.array([[0.0, 1.0] * 40]), ["all"] * 80, [str(i) for i in range(80)])
    assert 0.3 < many.low < 0.45
    assert 0.55 < many.high < 0.7


def test_pictures_of_one_prompt_are_one_draw() -> None:
    # 100 prompts drawn four times each, all four alike: 400 pictures that know what 100 do.
    passed = np.repeat(np.random.default_rng(0).random(100) < 0.5, 4).astype(np.float64)[None]
    prompts = np.repeat([str(i) for i in range(100)], 4).tolist()
    together = interval(passed, ["all"] * 400, prompts)
    apart = interval(passed, ["all"] * 400, [str(i) for i in range(400)])
    assert half(together) == pytest.approx(2 * half(apart), rel=0.06)


def test_tasks_are_not_resampled() -> None:
    # All right in one task, all wrong in the other: nothing is left to chance.
    passed = np.array([[1.0] * 50 + [0.0] * 50])
    tasks = ["one"] * 50 + ["two"] * 50
    texts = [str(i) for i in range(100)]
    found = interval(passed, tasks, texts)
    assert found.low == found.high == pytest.approx(0.5)
    assert half(interval(passed, ["all"] * 100, texts)) > 0.08
    by_task = Bootstrap(tasks, texts).by_task(passed)
    assert {name: one.mean for name, one in by_task.items()} == {"one": 1.0, "two": 0.0}


def test_seeds_that_disagree_widen_the_interval() -> None:
    texts = [str(i) for i in range(300)]
    alike = np.ones((3, 300)) * 0.5
    apart = alike + np.array([[-0.1], [0.0], [0.1]])
    assert half(interval(alike, ["all"] * 300, texts)) == pytest.approx(0, abs=1e-9)
    found = interval(apart, ["all"] * 300, texts)
    # Of 27 equally likely draws of three seeds one has the least mean, and one the greatest.
    assert (found.low, found.high) == (pytest.approx(0.4), pytest.approx(0.6))


def test_a_picture_by_picture_difference_is_surer_than_two_shares() -> None:
    rng = np.random.default_rng(0)
    base = (rng.random(600) < 0.5).astype(np.float64)[None]
    better = np.maximum(base, rng.random(600) < 0.05)
    texts = [str(i) for i in range(600)]
    both = [interval(one, ["all"] * 600, texts) for one in (base, better)]
    change = interval(better - base, ["all"] * 600, texts)
    assert change.mean == pytest.approx(both[1].mean - both[0].mean)
    assert both[1].low < both[0].high
    assert change.low > 0


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    # Prompts differ in how hard they are, and are drawn three times each.
    rng = np.random.default_rng(0)
    texts = np.repeat([str(i) for i in range(60)], 3).tolist()
    hits = 0
    for _ in range(200):
        hard = np.repeat(rng.beta(2, 3, 60), 3)
        passed = (rng.random(180) < hard).astype(np.float64)[None]
        found = interval(passed, ["all"] * 180, texts, resamples=400)
        hits += found.low <= 0.4 <= found.high
    assert 0.89 <= hits / 200 <= 0.99


# -- figures and tables ------------------------------------------------------------------------


def run(strict: Sequence[float], things: float = 2.0) -> pl.DataFrame:
    """Outcomes of pictures that take turns over the tasks."""
    count = len(strict)
    return pl.DataFrame(
        {
            "task": [TASKS[i % len(TASKS)] for i in range(count)],
            "text": [f"prompt {i}" for i in range(count)],
            "strict": [bool(one) for one in strict],
            "lenient": [True] * count,
            "blank": [False] * count,
            "things": [things] * count,
            "things_asked": [2] * count,
            "purity": [None, *[0.5] * (count - 1)],
            **{f"score_{name}": [0.25] * count for name in REWARDS},
        }
    )


HALF, ALL, NONE = [1.0, 0.0] * 6, [1.0] * 12, [0.0] * 12


def studied() -> dict[str, Any]:
    """Figures as a report has them."""
    found = figures(
        {
            "base": {-1: run(HALF)},
            "dpo": {0: run(ALL), 1: run(HALF)},
            "rankdpo": {0: run(ALL), 1: run(ALL, things=2.5)},
            "random": {7: run(NONE)},
        }
    )
    for row in found["arms"]:
        row["settings"] = row["training"] = None
        if row["arm"] != "base":
            row["settings"] = {"learning_rate": 5e-5, "beta": 500.0, "steps": 3}
            row["training"] = {"error": 0.5, "reference_error": 0.4, "accuracy": 0.625}
    tried = {"strict": 0.5, "lenient": 0.6, "things": 2.0, "accuracy": None, "steps": 3}
    tries = [
        {"learning_rate": 1e-5, "beta": None, **tried},
        {"learning_rate": 1e-4, "beta": None, **tried, "strict": 0.75},
        {"learning_rate": 3e-4, "beta": None, **tried, "strict": 0.0, "lenient": None},
    ]
    chosen = {"base": 0.5, "sft": {"chosen": tries[1], "tries": tries}}
    return {**found, "sweep": sweep_figures(chosen, {**tried, "seconds": {}})}


def test_arms_are_set_against_the_base_and_the_best_picture_by_picture() -> None:
    found = {row["arm"]: row for row in studied()["arms"]}
    assert found["base"]["to_base"] is None
    assert found["rankdpo"]["behind"] is None
    assert found["base"]["strict"]["mean"] == 0.5
    assert found["base"]["behind"]["mean"] == 0.5
    assert found["dpo"]["by_seed"] == {"0": 1.0, "1": 0.5}
    assert found["dpo"]["to_base"]["strict"]["mean"] == 0.25
    # Seed 0: nothing between them; seed 1: half of the pictures. Four draws of two seeds.
    assert found["dpo"]["behind"] == {"mean": 0.25, "low": 0.0, "high": 0.5}
    assert found["rankdpo"]["things"] == 2.25
    assert found["rankdpo"]["to_base"]["things"]["mean"] == 0.25
    assert found["rankdpo"]["purity"] == 0.5  # a picture without a thing has none
    assert found["random"]["behind"] is None  # they share no seed
    assert found["random"]["by_task"]["single"]["high"] == 0.0
    assert found["random"]["scores"] == dict.fromkeys(REWARDS, 0.25)


def cells_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]


def arms_column(figures: Mapping[str, Any]) -> list[str]:
    return [row[0] for row in cells_of(tables(figures)["arms"])[2:]]


def test_what_the_tables_say() -> None:
    told = tables(json.loads(json.dumps(studied())))
    found = {name: cells_of(text) for name, text in told.items()}
    for name, rows in found.items():
        assert len({len(row) for row in rows}) == 1, name
    arms = {row[0]: row[1:] for row in found["arms"]}
    assert arms["`rankdpo`"] == [
        "**100.0 % (100.0–100.0)**",
        "+50.0 (+50.0 … +50.0)",
        "–",
        "100.0 · 100.0",
    ]
    assert arms["`dpo`"][1:3] == ["+25.0 (+0.0 … +50.0)", "+25.0 (+0.0 … +50.0)"]
    assert arms["`random`"][1:3] == ["−50.0 (−50.0 … −50.0)", "–"]
    assert arms["`base`"][1] == "–"
    drawn = {row[0]: row[1:] for row in found["drawn"]}
    assert drawn["`rankdpo`"][3] == "2.25 of 2.00"
    assert drawn["`rankdpo`"][4] == "+0.25 (+0.00 … +0.50)"
    assert ["`dpo`", "5e-5", "500", "62.5 %", "–", "1.2500"] in found["training"]
    assert not any(row[0] == "`base`" for row in found["training"])
    assert [row[:4] for row in found["sweep"][2:]] == [
        ["`base`", "–", "–", "50.0 %"],
        ["`sft`", "1e-5", "–", "50.0 %"],
        ["`sft`", "1e-4", "–", "**75.0 %**"],
        ["`sft`", "3e-4", "–", "failed"],
    ]


def test_a_report_fills_its_page_and_no_other_place(tmp_path: Path) -> None:
    page = tmp_path / "ablation.md"
    names = ("mmdit_small arms", "pixart arms", "mmdit_small picture")
    page.write_text("\n".join(f"a\n<!-- table: {name} -->\nold\n<!-- end -->" for name in names))
    (tmp_path / "ablation-figures.md").write_text(
        "<!-- table: mmdit_small drawn -->\nold\n<!-- end -->"
    )
    fill(page, "mmdit_small", studied(), Image.new("RGB", (4, 4)))
    held = places(page.read_text())
    assert held["mmdit_small arms"] == tables(studied())["arms"]
    assert held["pixart arms"] == PENDING
    beside = (tmp_path / "ablation-figures.md").read_text()
    assert places(beside) == {"mmdit_small drawn": tables(studied())["drawn"]}
    assert held["mmdit_small picture"] == "![Pictures of the models](pictures/ablation.png)"
    assert (tmp_path / "pictures/ablation.png").exists()
    known = json.loads((tmp_path / "ablation.json").read_text())
    assert filled(page.read_text(), known) == page.read_text()
    assert page.read_text().count("a\n<!--") == 3
    fill(page, "pixart", studied(), None)
    held = places(page.read_text())
    assert held["pixart arms"] == held["mmdit_small arms"]


def test_a_report_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = Cells(tmp_path)
    cell = Cell("mmdit_small", "rankdpo", "test", 12, 3, 1, 0, 5e-5, 500.0)
    base = Cell("mmdit_small", "base", "test", 12, 3, 1)
    arms = {
        "base": [base],
        "rankdpo": [cell, replace(cell, seed=1), replace(cell, seed=2)],
        "random": [replace(cell, arm="random")],
        "dpo": [replace(cell, arm="dpo"), replace(cell, arm="dpo", seed=1)],
    }
    assert final_figures(cells, arms) == {}
    for accuracy, one in enumerate([base, *arms["rankdpo"][:2], *arms["random"]]):
        folder = cells.folder(one)
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"accuracy": float(accuracy)}))
        run(HALF).write_parquet(folder / "outcomes.parquet")
        Image.new("RGB", (10, 4), (0, 80 * accuracy, 0)).save(folder / "pictures.png")
    for one in arms["dpo"]:
        failed = cells.folder(one)
        failed.mkdir()
        (failed / "result.json").write_text('{"failed": "it went wrong", "strict": 0.0}')
    capsys.readouterr()
    report = final_figures(cells, arms)
    found = {row["arm"]: row for row in report["arms"]}
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"not measured yet: {arms['rankdpo'][2].name}",
        f"failed: {arms['dpo'][0].name}: it went wrong",
        f"failed: {arms['dpo'][1].name}: it went wrong",
    ]
    assert list(found) == ["base", "rankdpo", "random"]
    assert found["base"]["settings"] is None
    assert found["rankdpo"]["settings"] == {"learning_rate": 5e-5, "beta": 500.0, "steps": 3}
    assert found["rankdpo"]["training"] == {"accuracy": 1.5}
    assert found["rankdpo"]["by_seed"] == {"0": 0.5, "1": 0.5}
    written = {
        name: [row[0] for row in cells_of(text)[2:]]
        for name, text in tables(json.loads(json.dumps(report))).items()
    }
    partial = "`rankdpo` (2 of 3 seeds)"
    assert written["arms"] == ["`base`", partial, "`random`", "`dpo` (0 of 2 seeds, 2 diverged)"]
    assert written["drawn"] == written["tasks"] == ["`base`", partial, "`random`"]
    one = replace(arms["rankdpo"][2], arm="random")  # beside a seed that was measured
    cells.folder(one).mkdir()
    (cells.folder(one) / "result.json").write_text('{"failed": "it went wrong", "strict": 0.0}')
    told = arms_column(final_figures(cells, {**arms, "random": [*arms["random"], one]}))
    assert told[2] == "`random` (1 of 2 seeds, 1 diverged)"

    shown = picture(cells, arms)
    assert shown is not None
    assert shown.size == (10, 3 * 4 + 2 * 2)
    greens = [shown.getpixel((0, height)) for height in (0, 6, 12)]
    assert greens == [(0, 0, 0), (0, 80, 0), (0, 240, 0)]
    assert picture(cells, {name: its for name, its in arms.items() if name != "random"}) is None


def test_the_page_shows_its_figures() -> None:
    beside = PAGE.with_suffix(".json")
    pages = [path.read_text() for path in (PAGE, PAGE.with_name("ablation-figures.md"))]
    figures = json.loads(beside.read_text())
    assert [filled(page, figures) for page in pages] == pages
    possible = {*tables(studied()), "picture"}
    held = [list(places(page)) for page in pages]
    assert all(held)
    for name in [*held[0], *held[1]]:
        arch, table = name.split()
        assert arch in WHICH
        assert table in possible


def test_the_page_says_the_settings() -> None:
    said = {row[0]: row[1] for row in cells_of(METHOD.read_text()) if len(row) == 2}
    scale = Scale()
    assert said["steps"].startswith(f"{scale.steps}, ")
    assert f"{scale.warmup} of warm-up" in said["steps"]
    assert said["images a step"] == f"{PROMPTS * IMAGES}: {PROMPTS} prompts, {IMAGES} images each"
    assert said["settings tried"].startswith(f"{scale.tries} ")
    for rate, beta in PAIRWISE_TRIES + OTHER_TRIES:
        assert f"{rate:.0e}".replace("e-0", "e-") in said["settings tried"]
        assert beta is None or f"β {beta:g}" in said["settings tried"]
    assert f"{scale.sweep_pictures} pictures" in said["setting chosen"]
    assert f"{scale.final_pictures:,} pictures" in said["measured"]


def test_outcomes_are_the_judges() -> None:
    rng = np.random.default_rng(0)
    asked = [("single", "a star"), ("single", "a star"), ("two", "a circle and a star")]
    shown = ["a star", "two stars", "a circle"]
    found = outcomes(asked, [to_image(illustrate(parse(text), rng)) for text in shown])
    assert found["strict"].to_list() == [True, False, False]
    assert found["lenient"].to_list() == [True, True, False]
    assert found["things"].to_list() == [1, 2, 1]
    assert found["things_asked"].to_list() == [1, 1, 2]
    best = found["score_shapes_alignment"].to_list()
    assert best[0] > max(best[1:])


# -- cells and stages --------------------------------------------------------------------------


class Fake:
    """Training and measuring that take no time; the strict rate is the learning rate's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.strict: Mapping[float | None, float] = {None: 0.5, 1e-5: 0.4, 3e-5: 0.6}
        monkeypatch.setattr(Cells, "_train", self.train)
        monkeypatch.setattr(Cells, "_measure", self.measure)

    def train(self, cell: Cell) -> dict[str, float]:
        if cell.learning_rate == 1e-4 and cell.beta is None:
            raise TrainingDiverged("it went wrong")
        # As the log of a run that ends at a rate of zero has it: not what was tried.
        return {"accuracy": 0.75, "learning_rate": 0.0}

    def measure(self, cell: Cell, model: Path) -> dict[str, float]:
        self.done.append(cell.name)
        return {"strict": self.strict.get(cell.learning_rate, 0.1), "lenient": 0.7, "things": 2.0}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(monkeypatch)


def study(root: Path, *arms: str) -> Study:
    return Study(root, "mmdit_small", arms, replace(QUICK, tries=3))


def test_a_cell_is_done_once(tmp_path: Path, fake: Fake) -> None:
    mine = study(tmp_path, "base", "sft")
    mine.sweep()
    assert len(fake.done) == 1 + 2  # the base, three tries, of which one fails
    mine.sweep()
    study(tmp_path, "base", "sft").sweep()
    assert len(fake.done) == 3


def test_a_cell_that_somebody_works_on_is_left_to_the_end(tmp_path: Path, fake: Fake) -> None:
    mine = study(tmp_path, "sft")
    one, other = mine.tries("sft")[:2]
    with locked(tmp_path / "cells" / f"{one.name}.lock") as held:
        assert held
        with locked(tmp_path / "cells" / f"{one.name}.lock", wait=False) as again:
            assert not again
        seen: list[str] = []
        real = locked

        def watched(path: Path, wait: bool = True) -> Any:
            if wait:  # the other process ends: it has measured its cell
                seen.extend(fake.done)
                (mine.cells.folder(one)).mkdir(parents=True, exist_ok=True)
                (mine.cells.folder(one) / "result.json").write_text('{"strict": 0.3}')
                return real(path.with_name("free.lock"), wait)
            return real(path, wait)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells_module, "locked", watched)
            mine.cells.run([one, other])
    assert seen == [other.name]
    assert fake.done == [other.name]
    assert mine.cells.result(one)["strict"] == 0.3


def test_the_best_by_the_strict_rate_is_chosen_and_of_equals_the_first(
    tmp_path: Path, fake: Fake
) -> None:
    mine = study(tmp_path, "sft", "rankdpo", "random")
    mine.sweep()
    chosen = json.loads((tmp_path / "chosen.json").read_text())["mmdit_small"]
    assert chosen["base"] == 0.5
    assert chosen["sft"]["chosen"]["learning_rate"] == 3e-5
    assert [one["lenient"] for one in chosen["sft"]["tries"]] == [0.7, 0.7, None]
    # All of RankDPO come to the same.
    best = chosen["rankdpo"]["chosen"]
    assert (best["learning_rate"], best["beta"]) == PAIRWISE_TRIES[0]
    assert "random" not in chosen
    final = mine.final_cells([0, 1])
    assert [cell.seed for cell in final["random"]] == [0, 1]
    assert final["random"][0].learning_rate == best["learning_rate"]
    assert final["random"][0].split == "test"
    assert [cell.seed for cell in final["base"]] == [-1]


def test_every_objective_has_as_many_tries(tmp_path: Path) -> None:
    mine = Study(tmp_path, "mmdit_small", list(ARMS), Scale())
    swept = [arm for arm in ARMS if ARMS[arm].objective and not ARMS[arm].settings_of]
    assert {len(mine.tries(arm)) for arm in swept} == {Scale().tries}
    assert len({cell.name for arm in swept for cell in mine.tries(arm)}) == Scale().tries * len(
        swept
    )


def test_the_test_split_waits_for_a_choice(tmp_path: Path, fake: Fake) -> None:
    with pytest.raises(SystemExit, match="has nothing for sft: run the stage `sweep` first"):
        study(tmp_path, "base", "sft").final([0])
    assert fake.done == []


@pytest.mark.parametrize("user", ["rankdpo", "random"])
def test_a_choice_that_was_tested_stays(tmp_path: Path, fake: Fake, user: str) -> None:
    fake.strict = {5e-5: 0.6, 1e-4: 0.2}
    mine = study(tmp_path, "rankdpo", "random")
    mine.sweep()
    before = (tmp_path / "chosen.json").read_text()
    first = mine.tries("rankdpo")[0]
    result = mine.cells.folder(first) / "result.json"
    told = json.loads(result.read_text())
    # Nothing was tested yet: what is measured anew is chosen anew.
    result.write_text(json.dumps({**told, "strict": 0.1}))
    mine.sweep()
    assert (tmp_path / "chosen.json").read_text() != before
    result.write_text(json.dumps(told))
    mine.sweep()
    assert (tmp_path / "chosen.json").read_text() == before
    mine.cells.run(mine.final_cells([0])[user])
    mine.sweep()  # the same again is no change
    result.write_text(json.dumps({**told, "strict": 0.1}))
    with pytest.raises(SystemExit, match="rankdpo was chosen otherwise"):
        mine.sweep()
    assert (tmp_path / "chosen.json").read_text() == before


def test_an_objective_that_always_fails_is_no_choice(tmp_path: Path, fake: Fake) -> None:
    mine = study(tmp_path, "sft")
    for cell in mine.tries("sft"):
        folder = mine.cells.folder(cell)
        folder.mkdir(parents=True)
        (folder / "result.json").write_text('{"failed": "no data", "strict": 0.0}')
    with pytest.raises(SystemExit, match="sft: every try failed; the first: no data"):
        mine.sweep()
    assert not (tmp_path / "chosen.json").exists()


def test_training_that_cannot_begin_is_no_result(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Cells, cell: Cell) -> dict[str, float]:
        raise TrainingError("no dataset", hint="make it")

    for setting in ("set_num_threads", "set_flush_denormal"):  # they would outlive the test
        monkeypatch.setattr(torch, setting, lambda value: None)
    command = ["--dir", str(tmp_path), "--quick", "--stage", "sweep", "--arms", "sft"]
    with monkeypatch.context() as patch:
        patch.setattr(Cells, "_train", broken)
        with pytest.raises(SystemExit) as ended:
            main(command)
    assert ended.value.code == TrainingError.exit_code
    assert capsys.readouterr().err.splitlines()[-2:] == ["no dataset", "make it"]
    assert [path.parent.name for path in tmp_path.glob("cells/*/result.json")] == [
        "mmdit_small-base-validation-12"
    ]
    main(command)  # what was wrong was mended
    assert len(list(tmp_path.glob("cells/*/result.json"))) == 1 + QUICK.tries


def released(root: Path, prompts: int, **more: Any) -> None:
    """A dataset as far as a study looks at it."""
    folder = root / "mixed/release"
    folder.mkdir(parents=True, exist_ok=True)
    text = recipe_of("mixed", prompts)
    (root / "mixed/recipe.toml").write_text(text)
    (folder / "manifest.json").write_text(json.dumps({"recipe": text, **more}))


def test_a_quick_study_and_a_full_one_do_not_share_a_folder(tmp_path: Path, fake: Fake) -> None:
    released(tmp_path, QUICK.prompts)
    quick = study(tmp_path, "base", "sft")
    quick.data()  # nothing is missing
    quick.sweep()
    done = list(fake.done)
    full = Study(tmp_path, "mmdit_small", ["base", "sft"], Scale())
    for stage in (full.data, full.sweep, lambda: full.final([0]), lambda: full.report([0])):
        with pytest.raises(
            SystemExit, match=r"`count = 12`, and wanted is `count = 3000`\n.*--dir"
        ):
            stage()
    # So is a workspace that has no release yet, and a release whose workspace was begun anew.
    (tmp_path / "mixed/release/manifest.json").unlink()
    with pytest.raises(SystemExit, match=r"recipe\.toml: made by another recipe"):
        full.sweep()
    released(tmp_path, QUICK.prompts)
    (tmp_path / "mixed/recipe.toml").write_text(recipe_of("mixed", Scale().prompts))
    with pytest.raises(SystemExit, match=r"manifest\.json: made by another recipe"):
        full.sweep()
    assert fake.done == done
    assert Study(tmp_path, "mmdit_small", ["base"], Scale())._datasets() == []


def test_a_result_says_what_it_was_made_with(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path, QUICK.prompts, digest="one")
    mine = study(tmp_path, "base", "control", "sft")
    mine.sweep()
    good, failed = mine.tries("sft")[0], mine.tries("sft")[2]
    control = mine.tries("control")[0]
    told = mine.cells.result(good)["made_with"]
    assert len(told.pop("release")) == 64
    assert told == {"warmup": 1, "prompts_per_step": PROMPTS, "images_per_prompt": IMAGES}
    assert "failed" in mine.cells.result(failed)
    assert mine.cells.result(failed)["made_with"] == mine.cells.result(good)["made_with"]
    assert mine.cells.result(control)["made_with"] == told  # it sees no release

    with pytest.raises(SystemExit, match="made with warmup 1, and wanted is 2\n"):
        mine.cells.done(replace(good, warmup=2))
    with monkeypatch.context() as patch:
        patch.setattr(cells_module, "PROMPTS", 4)
        with pytest.raises(SystemExit, match="prompts_per_step 8, and wanted is 4"):
            mine.sweep()
    released(tmp_path, QUICK.prompts, digest="two")
    assert mine.cells.done(control)
    for cell in (good, failed):
        with pytest.raises(
            SystemExit, match=r"made with release .*\nchoose another --dir, or delete"
        ):
            mine.cells.run([cell])
    # Where the release is gone, and of cells from before this was kept, it is not known.
    (tmp_path / "mixed/release/manifest.json").unlink()
    assert mine.cells.done(good)
    released(tmp_path, QUICK.prompts, digest="two")
    path = mine.cells.folder(good) / "result.json"
    path.write_text(json.dumps({"strict": 0.25}))
    assert mine.cells.result(good)["strict"] == 0.25
    with pytest.raises(FileNotFoundError):
        mine.cells.result(replace(good, seed=1))


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_at_its_side_that_fails_is_told(code: int, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    fine = [sys.executable, "-c", f"open({str(ended)!r}, 'w')"]
    other = [sys.executable, "-c", f"raise SystemExit({code})"]
    said = r"1 of 2 processes at its side failed, with exit code 3\n"
    seen = []
    with pytest.raises(SystemExit, match=said) if code else nullcontext(), running([other, fine]):
        seen.append("worked")
    assert seen == ["worked"]
    assert ended.exists()  # it was waited for
    with pytest.raises(ValueError, match="my own"), running([other]):
        raise ValueError("my own")


def test_arms_differ_in_what_they_are_named_for_alone(tmp_path: Path) -> None:
    cells = Cells(tmp_path)
    cell = Cell("mmdit_small", "rankdpo", "test", 12, 3, 1, 0, 5e-5, 500.0)
    told = {
        arm: cells.recipe(replace(cell, arm=arm)).model_dump(mode="json")
        for arm in ("rankdpo", "dpo", "random", "one-reward", "own")
    }

    def changed(arm: str) -> dict[str, Any]:
        return {
            f"{table}.{key}": value
            for table, its in told[arm].items()
            if isinstance(its, dict)
            for key, value in its.items()
            if told["rankdpo"][table][key] != value
        }

    assert changed("dpo") == {"objective.name": "dpo"}
    assert changed("random") == {"data.labels": "random"}
    assert changed("one-reward") == {"data.labels": ["shapes_alignment"]}
    assert changed("own") == {"data.dataset": str(tmp_path / "own/release")}


@pytest.mark.slow
def test_from_nothing_to_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table: mmdit_small arms -->\n\n<!-- end -->\n")
    command = [
        *(sys.executable, "-m", "research.ablation.study", "--quick"),
        *("--dir", str(tmp_path / "study"), "--arms", "base", "control", "rankdpo"),
        *("--seeds", "0", "--into", str(page)),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    rows = cells_of(places(page.read_text())["mmdit_small arms"])
    assert [row[0] for row in rows[2:]] == ["`base`", "`control`", "`rankdpo`"]
    done = list((tmp_path / "study/cells").glob("*/result.json"))
    assert len(done) == 2 + 2 * 2 + 2  # base on both splits, two tries each, one seed each
    assert not list((tmp_path / "study/cells").glob("*/run/model"))
    assert not (tmp_path / "study/own").exists()
    again = subprocess.run([*command, "--jobs", "2"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert ": strict" in ended.stdout
    assert ": strict" not in again.stdout  # nothing is done twice
