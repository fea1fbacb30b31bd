"""From logits to objects: against an independent port, and against a brute-force reading."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file

from synpic.prompts.suites.objects import CLASSES
from synpic.score.judges.detection.instances import SeenObject, Sizes, instances
from synpic.score.judges.detection.specifications import specification
from synpic.score.judges.geneval import THRESHOLD, confident, judge_objects
from synpic.score.judges.judge import Requirement

FIXTURE = Path(__file__).parents[3] / "parity" / "fixtures" / "geneval"
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
TENSORS = load_file(FIXTURE / "outputs.safetensors")
CASES = ORACLE["cases"]


def sizes(case: dict[str, Any]) -> Sizes:
    return Sizes(*(tuple(case[key]) for key in ("image", "resized", "padded")))


def found(name: str, least: float) -> list[SeenObject]:
    classes, masks = TENSORS[f"{name}.classes"], TENSORS[f"{name}.masks"]
    return instances(classes, masks, sizes(CASES[name]), CLASSES, least)


def rows(objects: list[SeenObject]) -> list[list[float]]:
    """Class, box, score, area: in an order that no rounding changes."""
    made = [[CLASSES.index(one.name), *one.box, one.score, int(one.mask.sum())] for one in objects]
    return sorted(made)


@pytest.mark.parametrize("name", CASES)
def test_is_what_an_independent_port_finds(name: str) -> None:
    expected = torch.cat(
        [
            TENSORS[f"{name}.labels"][:, None].double(),
            TENSORS[f"{name}.boxes"].double(),
            TENSORS[f"{name}.areas"][:, None].double(),
        ],
        dim=1,
    ).tolist()
    ours = rows(found(name, -1.0))
    assert len(ours) == len(expected) == 100
    for one, other in zip(ours, sorted(expected), strict=True):
        assert one[:5] == other[:5]
        assert one[5] == pytest.approx(other[5], abs=1e-4)
        assert one[6] == other[6]
    assert sum(row[5] > 0.9 for row in ours) > 10


@pytest.mark.parametrize("name", CASES)
def test_what_counts_and_what_is_decided_is_the_port_s(name: str) -> None:
    """The cut at 16, the threshold for counting, and every clause."""
    objects = found(name, THRESHOLD)
    sixteen = 0
    for asked, verdict in zip(ORACLE["specifications"], CASES[name]["verdicts"], strict=True):
        counted = {key: len(some) for key, some in confident(objects, asked["tag"]).items()}
        assert counted == verdict["counted"]
        sixteen += 16 in counted.values()
        wanted = specification(Requirement("", asked["tag"], {"objects": without_tag(asked)}))
        assert judge_objects(wanted, objects, lambda _: "blue").correct is verdict["correct"]
    assert sixteen, "no class has more than 16"


def without_tag(asked: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != "tag"}


def test_the_threshold_leaves_out_what_is_not_above_it() -> None:
    for name in CASES:
        every = [one for one in found(name, -1.0) if one.score > THRESHOLD]
        assert rows(found(name, THRESHOLD)) == rows(every)
        assert 0 < len(every) < 100


def test_a_score_of_three_tenths_in_float32_is_not_above_it() -> None:
    """Its neighbours above are; as float64 the first would be above 0.3 as well."""
    edge = np.float32(0.3)
    assert float(edge) > 0.3
    found = {}
    for value in (edge, np.nextafter(edge, np.float32(1))):
        # One class of this probability, "nothing" of the rest, and a mask that is sure: 64 pixels
        # of 1 over 64 + 1e-6 are 1 in float32.
        tries = torch.full((4000, 81), -200.0)
        tries[:, 3] = torch.linspace(0, 1, 4000)
        tries[:, 80] = tries[:, 3] + math.log((1 - float(value)) / float(value))
        exact = tries.softmax(-1)[:, 3] == float(value)
        classes = tries[exact][:1]
        assert len(classes) == 1
        objects = instances(classes, torch.full((1, 8, 8), 200.0), square(8), CLASSES, THRESHOLD)
        found[float(value)] = [one.score for one in objects]
    assert list(found.values()) == [[], [0.30000004]]


def square(side: int) -> Sizes:
    return Sizes((side, side), (side, side), (side, side))


def brute(
    classes: NDArray[np.float64], masks: NDArray[np.float64]
) -> list[tuple[int, tuple[int, ...], float]]:
    """Class, box and score of every pair of query and class, pixel by pixel."""
    pairs = []
    for query, logits in enumerate(classes):
        share = [math.exp(one - max(logits)) for one in logits]
        for label in range(len(logits) - 1):
            pairs.append((share[label] / sum(share), query, label))
    pairs.sort(reverse=True)
    made = []
    for share_of, query, label in pairs[:100]:
        inside = [
            (y, x, 1 / (1 + math.exp(-value)))
            for (y, x), value in np.ndenumerate(masks[query])
            if value > 0
        ]
        if inside:
            ys, xs = [one[0] for one in inside], [one[1] for one in inside]
            box = (min(xs), min(ys), max(xs) + 1, max(ys) + 1)
            mean = sum(one[2] for one in inside) / (len(inside) + 1e-6)
        else:
            box, mean = (0, 0, 0, 0), 0.0
        made.append((label, box, share_of * mean))
    return sorted(made)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 6), st.integers(2, 4))
def test_is_what_a_pixel_by_pixel_reading_finds(
    seed: int, queries: int, side: int, labels: int
) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.normal(0, 3, (queries, labels + 1))
    masks = rng.normal(-1, 2, (queries, side, side))
    names = CLASSES[:labels]
    ours = sorted(
        (names.index(one.name), tuple(map(int, one.box)), one.score)
        for one in instances(
            torch.from_numpy(classes), torch.from_numpy(masks), square(side), names, -1.0
        )
    )
    expected = brute(classes, masks)
    assert [one[:2] for one in ours] == [one[:2] for one in expected]
    assert [one[2] for one in ours] == pytest.approx([one[2] for one in expected], abs=1e-5)


def test_outputs_that_are_no_numbers_are_refused() -> None:
    classes, masks = torch.zeros(2, 81), torch.zeros(2, 4, 4)
    masks[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="not all numbers"):
        instances(classes, masks, square(4), CLASSES, 0.3)
