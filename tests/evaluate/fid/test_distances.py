"""FID of a workspace's models: on scenes of the embedded world, whose truth is known."""

from __future__ import annotations

import io
import pickle
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from synpic.errors import EvaluationError, MissingExtra, RewardError, UnknownName
from synpic.evaluate.fid.distance_tables import distance_notes, distance_table
from synpic.evaluate.fid.distances import FrechetDistance, frechet_distances
from synpic.evaluate.fid.features import InceptionFeatures
from synpic.pipeline.inventory import take_inventory
from synpic.shapes.prompts import prompts
from synpic.shapes.references import scene_of
from synpic.workspace import Workspace
from tests.publish.fixtures import build, encoded, recipe

PROMPTS = [(text, "test") for text, _ in prompts(60, 0, "test")]


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def drawn(row: dict[str, Any]) -> bytes:
    """Alpha draws true scenes, beta those of prompts beside, gamma grey scenes."""
    image = scene_of(row["prompt"], 100 + row["sample"])
    if row["model"] == "beta":
        places = [text for text, _ in PROMPTS]
        image = scene_of(places[(places.index(row["prompt"]) + 7) % 60], 200 + row["sample"])
    if row["model"] == "gamma":
        image = image.convert("L").convert("RGB")
    return as_png(image)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("fid") / "set"
    return build(root, PROMPTS, text=recipe(samples=2), draw=drawn)


@pytest.fixture(scope="module")
def found(workspace: Workspace) -> list[FrechetDistance]:
    return frechet_distances(workspace, "world:shapes", features="shapes_clip", device="cpu")


def pixels(image: Image.Image) -> NDArray[Any]:
    """Eight numbers of an image, as features."""
    small = np.asarray(image.resize((2, 2), Image.Resampling.BOX), np.float64).reshape(-1)
    return small[:8]


class Means:
    """Features of a test's own."""

    name, resize = "means", "2 x 2"

    def ready(self, image: Image.Image) -> NDArray[Any]:
        return pixels(image)

    def of(self, ready: Sequence[Any]) -> NDArray[Any]:
        return np.stack(list(ready))


def test_what_draws_other_things_is_farther(found: list[FrechetDistance]) -> None:
    assert [one.model for one in found] == ["alpha", "beta", "gamma"]
    alpha, beta, gamma = (one.value for one in found)
    assert gamma > 3 * alpha
    # A distance of distributions does not see whose image is whose.
    assert beta == pytest.approx(alpha, rel=0.5)
    assert {(one.n, one.n_reference) for one in found} == {(120, 120)}
    assert found[0].features.startswith("shapes_clip (package:")
    assert found[0].references == "scenes of the world shapes"


def test_is_torch_fidelitys_on_transformers_features(
    workspace: Workspace, found: list[FrechetDistance]
) -> None:
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )
    from transformers import AutoImageProcessor, CLIPModel

    folder = Path(__file__).parents[3] / "synpic" / "shapes" / "weights" / "clip"
    model = CLIPModel.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def seen(images: list[Image.Image]) -> dict[str, Any]:
        with torch.inference_mode():
            values = processor(images=images, return_tensors="pt").pixel_values
            features = model.get_image_features(values).pooler_output.double()
        return dict(fid_features_to_statistics(features))

    data = encoded(workspace)
    rows = take_inventory(workspace).candidates()
    base = seen([scene_of(text, at) for text, _ in PROMPTS for at in range(2)])
    for one in found:
        mine = rows.filter(rows["model"] == one.model)["candidate_id"]
        own = seen([Image.open(io.BytesIO(data[key])) for key in mine])
        theirs = fid_statistics_to_metric(own, base, False)[KEY_METRIC_FID]
        assert one.value == pytest.approx(theirs, rel=1e-4)


def folder_of(workspace: Workspace, model: str, root: Path) -> Path:
    """A folder with the images of a model, some of them in a folder within it."""
    data = encoded(workspace)
    rows = take_inventory(workspace).candidates()
    (root / "more").mkdir(parents=True)
    for at, key in enumerate(rows.filter(rows["model"] == model)["candidate_id"]):
        (root / ("more" if at % 3 else "") / f"{key}.png").write_bytes(data[key])
    (root / "notes.txt").write_text("no image")
    return root


def test_a_folder_of_the_same_images_is_at_0(workspace: Workspace, tmp_path: Path) -> None:
    folder = folder_of(workspace, "beta", tmp_path / "refs")
    own = frechet_distances(workspace, folder, features=Means(), batch_size=7)
    values = {one.model: one.value for one in own}
    assert values["beta"] < 1e-9
    assert values["gamma"] > values["alpha"] > 1e-3
    assert own[0].references == f"the folder {folder}"


def test_a_workspace_is_a_reference(workspace: Workspace, tmp_path: Path) -> None:
    other = build(tmp_path / "other", PROMPTS, text=recipe(("beta",), samples=2), draw=drawn)
    values = frechet_distances(
        workspace, other.folder, models=["gamma", "beta"], features=Means(), batch_size=50
    )
    assert [one.model for one in values] == ["gamma", "beta"]
    assert values[1].value < 1e-9
    assert values[1].n_reference == 120


def test_remarks_say_what_keeps_values_from_being_compared(
    found: list[FrechetDistance], tmp_path: Path
) -> None:
    wide = found[0]
    assert wide.width == 96
    assert wide.remarks == tuple(
        f"120 images of {name} are few: the bias, which is about in proportion to 1/n, is not small"
        for name in ("alpha", "scenes of the world shapes")
    )
    unequal = build(
        tmp_path / "set",
        PROMPTS[:30],
        text=recipe(("alpha", "beta"), samples=2),
        draw=drawn,
        keep=lambda row: row["model"] == "alpha" or row["sample"] == 0,
    )
    some = frechet_distances(unequal, "world:shapes", features="shapes_clip", device="cpu")
    assert "60 images of alpha have a singular covariance in 96 dimensions" in some[0].remarks
    assert some[0].remarks[-1].startswith("models have different numbers of images (30, 60)")
    table = distance_table(some)
    assert table.columns == ["model", "FID", "images", "references"]
    assert [row[2] for row in table.rows] == ["60", "30"]
    notes = distance_notes(some)
    assert "shapes_clip" in notes[0]
    assert "Images: as shapes_clip makes images ready." in notes[0]
    assert "1/n" in notes[1]
    assert sum("singular" in note for note in notes) == 3
    assert distance_notes([]) == []


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ("nowhere", "nowhere: there is no such folder of references"),
        ("empty", "empty holds no image"),
        ("single", "the folder .*single: 1 image, and a distance takes two"),
        ("broken", r"broken/b\.png cannot be read"),
    ],
)
def test_references_that_are_none(
    workspace: Workspace, tmp_path: Path, references: str, message: str
) -> None:
    image = as_png(scene_of("a star", 0))
    for name in ("empty", "single", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "a.txt").write_text("")
    for name in ("single", "broken"):
        (tmp_path / name / "a.png").write_bytes(image)
    (tmp_path / "broken" / "b.png").write_bytes(image[:-30])
    with pytest.raises(EvaluationError, match=message):
        frechet_distances(workspace, tmp_path / references, features=Means())


def test_a_damaged_candidate_a_model_and_a_world_are_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match="no model 'alpa'") as error:
        frechet_distances(workspace, "world:shapes", models=["alpa"], features=Means())
    assert "alpha" in str(error.value.message)
    with pytest.raises(UnknownName, match="unknown world 'oceans'"):
        frechet_distances(workspace, "world:oceans", features=Means())
    with pytest.raises(EvaluationError, match="reward 'shapes_quality' has no features"):
        frechet_distances(workspace, "world:shapes", features="shapes_quality")
    empty = build(tmp_path / "set", PROMPTS[:2], keep=lambda _: False)
    with pytest.raises(EvaluationError, match="no model has images"):
        frechet_distances(empty, "world:shapes", features=Means())


def test_features_that_are_no_numbers_are_named(workspace: Workspace) -> None:
    class Broken(Means):
        def of(self, ready: Sequence[Any]) -> NDArray[Any]:
            found = super().of(ready)
            found[3, 5] = np.nan
            return found

    with pytest.raises(EvaluationError, match=r"scene \d of '.*' has features that are no finite"):
        frechet_distances(workspace, "world:shapes", features=Broken())


def test_without_torch_fidelity_or_a_network_it_says_so(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(url: str, *_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(
        EvaluationError, match=r"cannot be fetched from https://.*6726825d"
    ) as error:
        frechet_distances(workspace, "world:shapes", device="cpu")
    assert str(tmp_path) in str(error.value.hint)
    assert "shapes_clip" in str(error.value.hint)
    other = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    other.write_bytes(b"other weights")
    with pytest.raises(EvaluationError, match=r"is not Inception's weights: its SHA-256"):
        frechet_distances(workspace, "world:shapes", device="cpu")
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(MissingExtra) as missing:
        frechet_distances(workspace, "world:shapes", device="cpu")
    assert missing.value.hint == "pip install 'synpic[fid]'"


class Runs:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('it ran')",))


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"fc.weight": Runs()}, protocol=2))
    with pytest.raises(RewardError, match=r"it is refused|cannot be read"):
        InceptionFeatures("cpu", path)


@pytest.mark.slow
def test_with_inception_it_is_what_torch_fidelity_computes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From images to the distance, with random weights of Inception's own shapes."""
    import torch_fidelity
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.manual_seed(0)
    weights = tmp_path / "weights-12345678.pth"
    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr(
            "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url",
            lambda *_, **__: None,
        )
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], verbose=False)
    torch.save(network.state_dict(), weights)
    small = build(
        tmp_path / "set",
        PROMPTS[:4],
        text=recipe(("alpha", "gamma"), samples=2),
        draw=drawn,
    )
    refs = folder_of(small, "gamma", tmp_path / "refs")
    (mine, _) = frechet_distances(small, refs, weights=weights, device="cpu", batch_size=3)
    assert mine.width == 2048
    assert "torch-fidelity" in mine.features
    assert mine.features.endswith("12345678)")
    assert "without antialiasing" in mine.resize
    shutil.rmtree(refs)
    for model in ("alpha", "gamma"):
        folder_of(small, model, tmp_path / model)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "alpha"),
        input2=str(tmp_path / "gamma"),
        samples_find_deep=True,
        fid=True,
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(weights),
        cache=False,
        batch_size=4,
    )
    assert mine.value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
