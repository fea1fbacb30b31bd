"""What a run leaves draws a dataset: as an adapter, as a component, as a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest

from synpic.train.training_loop import train
from tests.generate.by_recipe import by_hand, make, pictures, rows
from tests.generate.tiny import ALWAYS
from tests.grids import slow_but
from tests.train.conftest import Wanted
from tests.train.families.opening import FAMILY_NAMES, put_adapters
from tests.train.runs import FULL

Folder = Callable[[str], Path]

SIZES = {"width": 16, "height": 16, "num_inference_steps": 2}
STRONG = "optimizer.learning_rate=0.3"


def equal(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", slow_but({"sd", "pixart_sigma"}, FAMILY_NAMES))
def test_adapters(kind: str, wanted: Wanted, saved: Folder, tmp_path: Path) -> None:
    made = train(wanted(kind, "tuning.rank=4", "tuning.alpha=12", STRONG), tmp_path / "run")
    base = {"checkpoint": saved(kind), "family": kind, "steps": 2, "sizes": ["16x16"]}
    lora = {"checkpoint": made.folder}
    workspace = make(
        tmp_path / "set",
        plain=base,
        trained={**base, "adapters": [lora]},
        half={**base, "adapters": [{**lora, "scale": 0.5}]},
        none={**base, "adapters": [{**lora, "scale": 0.0}]},
    )
    assert equal(pictures(workspace, "none"), pictures(workspace, "plain"))
    assert not equal(pictures(workspace, "trained"), pictures(workspace, "plain"))
    assert not equal(pictures(workspace, "trained"), pictures(workspace, "half"))

    pipeline = diffusers.DiffusionPipeline.from_pretrained(saved(kind))
    put_adapters(pipeline, made.folder)
    call: dict[str, Any] = {**SIZES, **ALWAYS.get(kind, {})}
    table = rows(workspace, "trained")
    assert equal(pictures(workspace, "trained"), by_hand(pipeline, table, **call))


def test_two_adapters_where_the_pipeline_takes_none(
    wanted: Wanted, saved: Folder, tmp_path: Path
) -> None:
    kind = "pixart_sigma"
    runs = [
        train(wanted(kind, STRONG, *more), tmp_path / str(number)).folder
        for number, more in enumerate([[], ["seed=4"]])
    ]
    base = {"checkpoint": saved(kind), "family": kind, "steps": 2, "sizes": ["16x16"]}
    first, second = ({"checkpoint": folder} for folder in runs)
    workspace = make(
        tmp_path / "set",
        one={**base, "adapters": [first]},
        both={**base, "adapters": [first, second]},
        first={**base, "adapters": [first, {**second, "scale": 0.0}]},
    )
    assert equal(pictures(workspace, "one"), pictures(workspace, "first"))
    assert not equal(pictures(workspace, "one"), pictures(workspace, "both"))


@pytest.mark.parametrize(
    ("kind", "part"), slow_but([("sd", "unet")], [("sd", "unet"), ("sd3", "transformer")])
)
def test_a_pipeline_and_its_denoiser(
    kind: str, part: str, wanted: Wanted, saved: Folder, tmp_path: Path
) -> None:
    made = train(wanted(kind, FULL), tmp_path / "run")
    base = {"checkpoint": saved(kind), "family": kind, "steps": 2, "sizes": ["16x16"]}
    workspace = make(
        tmp_path / "set",
        plain=base,
        component={**base, "components": {part: {"checkpoint": made.folder}}},
        whole={**base, "checkpoint": made.folder},
    )
    trained = diffusers.DiffusionPipeline.from_pretrained(made.folder)
    wanted_pictures = by_hand(trained, rows(workspace, "whole"), **SIZES)
    assert equal(pictures(workspace, "whole"), wanted_pictures)
    assert equal(pictures(workspace, "component"), wanted_pictures)
    assert not equal(pictures(workspace, "plain"), wanted_pictures)
