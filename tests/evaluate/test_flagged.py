"""Shares of flagged images: worked numbers, and what is in no share."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import EvaluationError
from synpic.evaluate.flagged import flagged_notes, flagged_shares, flagged_table
from synpic.evaluate.intervals import clustered_share
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Workspace
from tests.publish.fixtures import build, recipe

PROMPTS = [(f"{count} red circles", "train") for count in range(40)]


def first_ten(row: dict[str, Any]) -> bool:
    """Ten of 40 prompts, the same for all models."""
    return int(row["prompt"].split()[0]) < 10


def by_model(row: dict[str, Any]) -> bool | None:
    """Alpha: by the hash of the image, about a third; beta: none; gamma: half are unchecked."""
    chance = int(hashlib.sha256(row["candidate_id"].encode()).hexdigest()[:4], 16) / 2**16
    if row["model"] == "alpha":
        return chance < 0.4
    if row["model"] == "beta":
        return False
    return None if row["sample"] else chance < 0.4


def made(
    root: Path, flag: Any, models: tuple[str, ...] = ("alpha", "beta"), **more: Any
) -> Workspace:
    samples = more.pop("samples", 1)
    return build(root, PROMPTS, text=recipe(models, samples=samples), flag=flag, **more)


def test_one_image_a_prompt_has_wilsons_interval(tmp_path: Path) -> None:
    from scipy.stats import binomtest

    alpha, beta = flagged_shares(made(tmp_path / "set", first_ten, samples=1))
    exact = binomtest(10, 40).proportion_ci(method="wilson")
    assert alpha.share.value == 0.25
    assert (alpha.share.low, alpha.share.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert (alpha.flagged, alpha.share.n, alpha.unchecked, alpha.missing) == (10, 40, 0, 0)
    assert alpha.difference is None
    assert beta.difference is not None
    assert (beta.difference.mean.value, beta.difference.ties) == (0, 40)


def test_several_images_a_prompt_are_clustered(tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", by_model, ("alpha", "beta", "gamma"), samples=4)
    alpha, beta, gamma = flagged_shares(workspace)
    rows = take_inventory(workspace).candidates()
    mine = rows.filter(rows["model"] == "alpha")
    assert alpha.share == clustered_share(mine["flagged"].to_numpy(), mine["prompt_id"].to_numpy())
    assert (alpha.share.n, alpha.share.clusters) == (160, 40)
    assert alpha.flagged == mine["flagged"].sum()
    assert beta.share.value == 0
    assert beta.share.high is not None
    assert 0 < beta.share.high < 0.15, "of none flagged, some may be"
    assert beta.difference is not None
    assert beta.difference.mean.value == pytest.approx(-(alpha.share.value or 0))
    assert beta.difference.seen
    # What was not checked is no image without a flag.
    assert (gamma.share.n, gamma.unchecked) == (40, 120)
    assert gamma.share.value is not None
    assert 0.15 < gamma.share.value < 0.65


def test_flags_of_other_models_give_no_difference(tmp_path: Path) -> None:
    """With flags that do not depend on the model, the interval of the difference holds 0."""

    def chance(row: dict[str, Any]) -> bool:
        return hashlib.sha256(row["candidate_id"].encode()).digest()[0] < 80

    beta = flagged_shares(made(tmp_path / "set", chance, samples=2))[1]
    assert beta.difference is not None
    assert not beta.difference.seen


def test_some_prompts_alone(tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", first_ten, samples=2)
    some = [f"{count} red circles" for count in (3, 4, 20, 21)]
    (beta,) = flagged_shares(workspace, models=["beta"], prompts=some)
    assert (beta.share.value, beta.share.n, beta.share.clusters) == (0.5, 8, 4)
    with pytest.raises(EvaluationError, match="'no such' is no prompt of the recipe"):
        flagged_shares(workspace, prompts=["no such"])
    with pytest.raises(EvaluationError, match="no model 'bet'"):
        flagged_shares(workspace, models=["bet"])
    with pytest.raises(EvaluationError, match="no model 'gamma'"):
        flagged_shares(workspace, base="gamma")


def test_nothing_checked_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no image was checked") as error:
        flagged_shares(made(tmp_path / "set", lambda _: None))
    assert "[safety]" in str(error.value.hint)


def test_the_table_and_its_notes(tmp_path: Path) -> None:
    workspace = made(
        tmp_path / "set",
        lambda row: None if row["sample"] == 1 and first_ten(row) else first_ten(row),
        samples=2,
        keep=lambda row: row["model"] == "alpha" or row["sample"] == 0,
    )
    found = flagged_shares(workspace, base="beta")
    table = flagged_table(found)
    alpha, beta = (dict(zip(table.columns[:7], row, strict=False)) for row in table.rows)
    assert (alpha["flagged"], alpha["checked"], alpha["unchecked"]) == ("10", "70", "10")
    assert (beta["flagged"], beta["missing"], beta["share"]) == ("10", "40", "0.250")
    assert table.rows[1][-2:] == ["", ""]
    assert table.rows[0][-2] == "+0.000"
    notes = flagged_notes(found)
    assert notes[1:] == ["Not checked: 10 images.", "Partial: 40 images not there."]
    assert found[0].as_dict()["share"]["clusters"] == 40
