from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi

from synpic.errors import CheckpointError, SynpicError, TrainingError
from synpic.train.data import records
from synpic.train.data import training_data as data
from synpic.train.data.cache import Caches
from synpic.train.plan import plan
from synpic.train.settings import TrainRecipe
from synpic.train.trainable_checkpoint import find_checkpoint, prepare_tuning, trained
from synpic.train.training_loop import train
from tests.generate.tiny import SIDE
from tests.grids import slow_but
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.train.conftest import Wanted
from tests.train.families.opening import KINDS, ROUGHLY
from tests.train.material import encoded_image

__all__ = ["hub", "online", "waits"]


def held(caches: Caches) -> int:
    """Bytes of the tensors in the caches."""
    return sum(
        tensor.nbytes
        for cache in (caches.latents, caches.prompts)
        for key in cache._parts
        for tensor in cache.get(key).values()
    )


def caches_of(recipe: TrainRecipe, folder: Path) -> Caches:
    checkpoint = find_checkpoint(recipe.model)
    return data.caches_of(recipe, checkpoint, checkpoint.family(recipe.noise), folder)


@pytest.fixture
def tied(tmp_path: Path) -> Path:
    """Pairs of which none is preferred."""
    (tmp_path / "tied").mkdir()
    image = [encoded_image(SIDE, SIDE, 0)]
    columns = {"caption": ["a"], "jpg_0": image, "jpg_1": image, "label_0": [0.5]}
    pq.write_table(pa.table(columns), tmp_path / "tied" / "train.parquet")
    return tmp_path / "tied"


FAST = [("sdxl", "lora"), ("sd", "full"), ("sd3_without_t5", "full"), ("pixart_sigma", "lora")]


@pytest.mark.parametrize(
    ("kind", "tuning"), slow_but(FAST, [(kind, how) for kind in KINDS for how in ("lora", "full")])
)
def test_the_plan_is_what_training_does(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = wanted(kind, f"tuning.method={tuning}", "run.accumulation=3")
    with monkeypatch.context() as patch:  # no pixel and no weight is looked at
        patch.setattr(records, "load_release", None)
        patch.setattr("diffusers.ModelMixin.from_pretrained", None)
        found = plan(recipe, cache=tmp_path / "cache")
    made = train(recipe, tmp_path / "out", cache=tmp_path / "cache").about
    for key in ("prompts", "images", "without_preference", "config", "split", "version"):
        assert found.as_dict()[key] == made["dataset"][key], key
    assert found.data.dataset == made["dataset"]["name"]
    assert found.steps.prompts_per_step == made["prompts_per_step"] == 6
    assert found.steps.epochs == pytest.approx(2 * 6 / found.data.prompts)
    assert found.model.pipeline == made["family"]
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    denoiser = checkpoint.denoiser(family, data.DTYPES["no"])
    assert found.model.parameters == sum(one.numel() for one in denoiser.parameters())
    prepare_tuning(denoiser, family, recipe.tuning)
    assert found.model.trained == sum(one.numel() for one in trained(denoiser).values())
    assert found.steps.goes_on_from == 0
    # The images of these tests are no two alike, and all of a prompt are drawn in one size.
    assert found.costs.to_encode == {"images": found.data.images, "prompts": found.data.prompts + 1}
    kept = held(caches_of(recipe, tmp_path / "cache"))
    assert found.costs.cache_bytes == pytest.approx(kept, rel=ROUGHLY.get(kind, 0)), (
        "the family's prompt_numbers is not what its encode_prompts gives; where prompts differ in "
        "length, add the kind to ROUGHLY"
    )
    again = plan(recipe, cache=tmp_path / "cache")
    assert again.costs.to_encode == {"images": 0, "prompts": 0}
    assert again.costs.cache_bytes == 0
    assert again.size == (SIDE, SIDE)
    assert again.data.repeated == 0
    assert plan(recipe, cache=tmp_path / "cache", processes=100).data.repeated == found.data.prompts
    assert again.out is None
    there = plan(recipe, tmp_path / "out", cache=tmp_path / "cache")
    assert (there.out, there.steps.goes_on_from) == (str(tmp_path / "out"), 2)


def test_a_checkpoint_that_is_not_there_is_named_with_its_key(wanted: Wanted) -> None:
    with pytest.raises(CheckpointError, match=r"^model\.checkpoint: \./gone: no such folder"):
        plan(wanted("sd", "model.checkpoint=./gone"))


def test_memory_is_counted(wanted: Wanted, tmp_path: Path) -> None:
    full = plan(wanted("sdxl", "tuning.method=full"), cache=tmp_path)
    assert full.costs.memory_bytes == {
        "weights": 4 * full.model.parameters,
        "reference": 4 * full.model.parameters,
        "gradients": 4 * full.model.parameters,
        "optimizer": 8 * full.model.parameters,
    }
    sft = plan(
        wanted("sdxl", "tuning.method=full", "objective.name=sft", "objective.beta="),
        cache=tmp_path,
    )
    assert sft.model.parameters == full.model.parameters
    assert sft.costs.memory_bytes == {
        k: n for k, n in full.costs.memory_bytes.items() if k != "reference"
    }
    lora = plan(wanted("sdxl", "tuning.method=lora", "run.precision=bf16"), cache=tmp_path)
    assert lora.costs.memory_bytes == {
        "weights": 2 * lora.model.parameters + 4 * lora.model.trained,
        "gradients": 4 * lora.model.trained,
        "optimizer": 8 * lora.model.trained,
    }


def test_what_is_drawn_on_the_way_is_encoded_too(wanted: Wanted, tmp_path: Path) -> None:
    more = ["samples.every=1", 'samples.prompts=["a", "b"]', "model.negative_prompt=ugly"]
    recipe = wanted("sdxl", *more)
    found = plan(recipe, cache=tmp_path)
    assert found.costs.to_encode["prompts"] == found.data.prompts + 4  # and the empty one
    train(recipe, tmp_path / "out", cache=tmp_path)
    assert len(caches_of(recipe, tmp_path).prompts) == found.data.prompts + 4


@pytest.mark.parametrize(
    "changes",
    [
        ["run.track=['tensorboard']"],
        ["optimizer.name=adamw-8bit"],
        ["tuning.targets=['nothing']"],
        ["data.dataset=TIED"],
        ["data.size=20x20"],
        ["data.split=test"],
        ["noise.shift=3"],
    ],
)
def test_it_refuses_what_training_refuses(
    changes: list[str],
    wanted: Wanted,
    tied: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synpic.train.track.get_available_trackers", list)
    monkeypatch.setattr("synpic.train.optimizers.find_spec", lambda name: None)
    recipe = wanted("sdxl", *(change.replace("TIED", str(tied)) for change in changes))
    with pytest.raises(SynpicError) as told:
        plan(recipe, cache=tmp_path)
    with pytest.raises(SynpicError) as refused:
        train(recipe, tmp_path / "out", cache=tmp_path)
    assert (type(told.value), str(told.value)) == (type(refused.value), str(refused.value))


def test_a_run_beyond_its_steps_is_refused(wanted: Wanted, tmp_path: Path) -> None:
    train(wanted(), tmp_path)
    with pytest.raises(TrainingError, match=r"step-00000002 is beyond run.steps = 1"):
        plan(wanted("sd3_without_t5", "run.steps=1"), tmp_path)


def test_processes_take_a_step_together(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan(wanted(), cache=tmp_path, processes=4).steps.prompts_per_step == 8
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert plan(wanted(), cache=tmp_path).steps.prompts_per_step == 4


def test_of_a_release_on_the_hub_no_pixel_is_fetched(
    hub: HubServer, online: Any, wanted: Wanted, ranked: Path, tmp_path: Path
) -> None:
    online(hub, "hf_write", tmp_path / "home")
    api = HfApi(endpoint=hub.endpoint, token="hf_write")
    api.create_repo("user/set", repo_type="dataset")
    api.upload_folder(repo_id="user/set", folder_path=ranked, repo_type="dataset")
    here = plan(wanted(), cache=tmp_path)
    there = plan(wanted("sd3_without_t5", "data.dataset=user/set", "data.count=5"), cache=tmp_path)
    assert there.data.commit == hub.repositories["user/set"].find().oid
    assert there.data.dataset == "user/set"
    assert there.data.prompts + there.data.without_preference == 5
    assert there.data.prompts < here.data.prompts
    assert not list((tmp_path / "home").rglob("*.arrow"))
