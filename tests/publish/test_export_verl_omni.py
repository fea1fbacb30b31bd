"""Exports for verl-omni: pairs encoded by a tiny Stable Diffusion 3 of random weights."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from synpic.errors import PublishError, Stopped, TrainingError
from synpic.publish.export import export, plan_export
from synpic.publish.write_verl_omni import scores_of
from synpic.train.data.pair_tensors import PairTensors, open_pair_tensors
from synpic.workspace import Workspace
from tests.generate import tiny
from tests.publish.fixtures import build, encoded
from tests.release.conftest import PROMPTS, files_of, ragged
from tests.train.material import encoded_image


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sd3")
    torch.manual_seed(0)
    tiny.sd3().save_pretrained(folder)
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", PROMPTS, keep=ragged)


@pytest.fixture
def opened(checkpoint: Path, tmp_path: Path) -> Any:
    def open_again(**options: Any) -> PairTensors:
        return open_pair_tensors(str(checkpoint), folder=tmp_path / "cache", **options)

    return open_again


def loaded(data: bytes) -> torch.Tensor:
    found = torch.load(io.BytesIO(data), weights_only=True)
    assert isinstance(found, torch.Tensor)
    return found


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


def test_tensors_are_what_the_pipeline_makes(
    made: Workspace, checkpoint: Path, opened: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = export(made, "verl-omni", out, tensors=opened())
    assert {path.stem for path in out.glob("*.parquet")} == set(done.rows)
    pipeline = tiny.sd3().from_pretrained(checkpoint)
    pixels = encoded(made)
    for split, number in done.rows.items():
        rows = rows_of(out / f"{split}.parquet")
        assert len(rows) == number
        for row in rows[:2]:
            about = row["extra_info"]
            assert row["win_score"] > row["lose_score"]
            assert row["prompt"] == about["raw_prompt"]
            words, _, pooled, _ = pipeline.encode_prompt(
                row["prompt"], None, None, do_classifier_free_guidance=False
            )
            assert torch.allclose(loaded(row["prompt_embeds"]).float(), words[0], atol=0.02)
            assert torch.allclose(loaded(row["pooled_prompt_embeds"]).float(), pooled[0], atol=0.02)
            mask = loaded(row["prompt_embeds_mask"])
            assert (mask.dtype, mask.tolist()) == (torch.int32, [1] * words.shape[1])
            assert loaded(row["negative_prompt_embeds"]).shape == words[0].shape
            for side, name in (("win", "chosen"), ("lose", "rejected")):
                data = pixels[about[f"{name}_id"]]
                assert (out / row[f"img_{side}"]).read_bytes() == data
                # 24 pixels are cut to 16, a multiple of what the model takes.
                image = Image.open(io.BytesIO(data)).convert("RGB").resize((16, 16), 1)
                unit = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
                with torch.no_grad():
                    latents = pipeline.vae.encode(unit).latent_dist.mode()
                config = pipeline.vae.config
                latents = (latents - config.shift_factor) * config.scaling_factor
                found = loaded(row[f"img_{side}_latents"])
                assert torch.allclose(found.float(), latents[0], atol=0.01)


def test_labelled_pairs_score_one_and_zero() -> None:
    row = {"strategy": "own", "chosen_preference": 0.2, "rejected_preference": 0.4}
    assert scores_of(row) == (1.0, 0.0)


def test_a_second_export_opens_no_model_and_has_the_same_bytes(
    made: Workspace, opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(made, "verl-omni", tmp_path / "one", tensors=opened())
    monkeypatch.setattr("synpic.train.trainable_checkpoint.TrainableCheckpoint.encoders", None)
    export(made, "verl-omni", tmp_path / "two", tensors=opened())
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_stopped_it_leaves_no_folder_and_goes_on(
    made: Workspace, opened: Any, tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped, match="are kept"):
        export(made, "verl-omni", tmp_path / "out", tensors=opened(stop=stop))
    assert not (tmp_path / "out").exists()
    export(made, "verl-omni", tmp_path / "out", tensors=opened())


def test_a_plan_says_about_how_many_bytes(made: Workspace, opened: Any, tmp_path: Path) -> None:
    planned = plan_export(made, "verl-omni", tensors=opened(size="16x16"), split="train")
    assert not (tmp_path / "cache").exists()
    done = export(made, "verl-omni", tmp_path / "x", tensors=opened(size="16x16"), split="train")
    assert planned.rows == done.rows
    assert planned.bytes > sum(
        len(row[name])
        for row in rows_of(tmp_path / "x/train.parquet")
        for name in ("img_win_latents", "img_lose_latents")
    )


def test_mistakes(made: Workspace, opened: Any, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="a model has to make them"):
        plan_export(made, "verl-omni")
    with pytest.raises(PublishError, match="--to folders has no room"):
        plan_export(made, "folders", tensors=opened())
    with pytest.raises(TrainingError, match="this model takes multiples of 16 pixels"):
        opened(size="24x24")
    with pytest.raises(TrainingError, match="a size is WIDTHxHEIGHT"):
        opened(size="24")
    with pytest.raises(TrainingError, match="too large"):
        opened(size="4096x4096")


def test_images_of_several_sizes_are_refused_before_anything_is_encoded(opened: Any) -> None:
    images = {"one": encoded_image(32, 32, 1), "two": encoded_image(32, 64, 2)}

    def read(keys: Sequence[tuple[str, str]]) -> list[bytes]:
        return [images[name] for name, _ in keys]

    with pytest.raises(TrainingError, match="2 sizes, as 32x32, 64x32") as error:
        opened().prepare(["a"], [("one", "1"), ("two", "2")], read)
    assert "--size" in str(error.value.hint)
    tensors = opened(size="32x16")
    tensors.prepare(["a"], [("one", "1"), ("two", "2")], read)
    assert loaded(tensors.of_image("1")).shape == loaded(tensors.of_image("2")).shape == (4, 8, 16)


def test_another_family_is_refused(tmp_path: Path) -> None:
    tiny.sd().save_pretrained(tmp_path / "sd")
    with pytest.raises(TrainingError, match="is a StableDiffusionPipeline"):
        open_pair_tensors(str(tmp_path / "sd"), folder=tmp_path / "cache")
