from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from research.shapes.contrast import captioned_pairs, contrastive_loss, near_misses, shows
from synpic.shapes.judge import strict
from synpic.shapes.meaning import TASKS, Meaning, illustrate, parse
from synpic.shapes.prompts import draw, split_of
from synpic.shapes.scene import Scene, Thing, to_image


@given(st.integers(0, 2**32), st.sampled_from(TASKS))
def test_a_scene_shows_what_it_was_made_for_and_no_near_miss(seed: int, task: str) -> None:
    rng = np.random.default_rng(seed)
    meaning, _ = draw(rng, task, "validation")
    scene = illustrate(meaning, rng)
    assert shows(scene, meaning)
    for what, miss in near_misses(meaning, scene):
        assert not shows(scene, miss), what
        # The judge, which knows nothing of the scene but its pixels, says the same.
        assert not strict(miss, to_image(scene)), what


@pytest.mark.parametrize(
    ("prompt", "kinds"),
    [
        ("a star", {"shape", "count", "background"}),
        ("two red stars", {"shape", "colour", "count", "background"}),
        ("a star and a cross", {"shape", "missing", "background"}),
        (
            "a red star left of a blue cross",
            {"shape", "colour", "swap", "missing", "relation", "background"},
        ),
    ],
)
def test_near_misses_differ_in_every_way_there_is(prompt: str, kinds: set[str]) -> None:
    meaning = parse(prompt)
    scene = illustrate(meaning, np.random.default_rng(0))
    assert {what for what, _ in near_misses(meaning, scene)} == kinds


def test_a_diagonal_is_left_of_and_above() -> None:
    star, cross = Thing("star", "red", 2, 2, 11), Thing("cross", "blue", 18, 18, 11)
    scene = Scene("grey", (cross, star))
    for relation, holds in [("left of", True), ("above", True), ("right of", False)]:
        assert shows(scene, parse(f"a star {relation} a cross")) is holds


def test_training_pairs_are_of_the_train_split_and_marked_rightly() -> None:
    scenes, texts, holds = captioned_pairs(np.random.default_rng(0), ["position", "two"] * 20)
    assert (len(scenes), len(texts), holds.shape) == (40, 80, (40, 80))
    meanings: list[Meaning] = [parse(text) for text in texts]
    assert {split_of(meaning) for meaning in meanings} == {"train"}
    assert holds.diagonal().all()
    assert not holds[:, 40:].diagonal().any()
    assert holds.tolist() == [[shows(s, m) for m in meanings] for s in scenes]
    assert holds.sum() > 40  # some captions are true of other pictures too


def test_the_loss_is_clips() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    own = torch.eye(5, dtype=torch.bool)
    expected = image_text_contrastive_loss(logits).item()
    assert contrastive_loss(logits, own).item() == pytest.approx(expected, abs=1e-6)


def test_what_is_true_without_being_its_own_is_no_wrong_answer() -> None:
    logits = torch.tensor([[2.0, 9.0, 1.0], [0.0, 3.0, -1.0]])
    holds = torch.tensor([[True, True, False], [False, True, False]])
    # Worked by hand: the 9 is left out of its row and of its column.
    log = torch.log
    e = torch.exp
    rows = [-(2 - log(e(torch.tensor(2.0)) + e(torch.tensor(1.0))))]
    rows.append(-(3 - log(sum(e(torch.tensor(x)) for x in (0.0, 3.0, -1.0)))))
    columns = [-(2 - log(e(torch.tensor(2.0)) + 1)), torch.tensor(0.0)]
    expected = (sum(rows) / 2 + sum(columns) / 2) / 2
    assert contrastive_loss(logits, holds).item() == pytest.approx(float(expected), abs=1e-6)
