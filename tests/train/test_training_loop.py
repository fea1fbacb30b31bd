"""Training as a user sees it: a recipe in; a log, pictures, checkpoints and a model out."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from synpic.engine.progress import Event
from synpic.errors import MissingExtra, Stopped, SynpicError, TrainingError
from synpic.publish import publish_to
from synpic.train import model_in_training, training_loop, training_steps
from synpic.train.trainable_checkpoint import Reference
from synpic.train.training_loop import train
from tests.generate.tiny import ALWAYS, SIDE
from tests.grids import slow_but
from tests.publish.fixtures import build, picture
from tests.train.conftest import Wanted
from tests.train.families.opening import FAMILY_NAMES, KINDS, put_adapters
from tests.train.runs import FULL, LORA, mean_difference, rows, same, weights

PROMPTS = ["two BLUE squares", "a red circle 1"]
PICTURES = [f"samples.prompts={json.dumps(PROMPTS)}", "samples.every=2"]
FAST = "optimizer.learning_rate=0.1"
"""So that two steps are seen in a picture."""


def drawn(pipeline: Any, kind: str) -> np.ndarray:
    """What a stock pipeline draws of PROMPTS, as the recipe of these tests says; side by side."""
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        PROMPTS,
        num_inference_steps=2,
        guidance_scale=2.0,
        width=SIDE,
        height=SIDE,
        generator=[torch.Generator().manual_seed(3 + i) for i in range(len(PROMPTS))],
        **ALWAYS.get(kind, {}),
    ).images
    return np.concatenate([np.asarray(image, dtype=int) for image in images], axis=1)


def samples_of(out: Path, step: int) -> np.ndarray:
    """The pictures of a step side by side, in the order of the prompts."""
    found = []
    for number in range(len(PROMPTS)):
        with Image.open(out / "samples" / f"step-{step:08d}" / f"{number}.png") as image:
            found.append(np.asarray(image, dtype=int))
    return np.concatenate(found, axis=1)


def opened(folder: str | Path) -> Any:
    absent = json.loads((Path(folder) / "model_index.json").read_text())
    parts = dict.fromkeys(name for name, value in absent.items() if value == [None, None])
    return diffusers.DiffusionPipeline.from_pretrained(folder, **parts)


EVERY = [(kind, tuning) for kind in KINDS for tuning in (LORA, FULL)]


@pytest.mark.parametrize(
    ("kind", "tuning"),
    slow_but([("sd", LORA), ("sd3_without_t5", FULL), ("pixart_sigma", LORA)], EVERY),
)
def test_what_comes_out_draws_in_stock_diffusers_what_the_trainer_saw_it_draw(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path
) -> None:
    scaled = ["tuning.rank=4", "tuning.alpha=12"] if tuning == LORA else []
    recipe = wanted(kind, tuning, *scaled, FAST, *PICTURES)
    made = train(recipe, tmp_path)
    assert made.folder == tmp_path / "model"
    assert json.loads((made.folder / "training.json").read_text()) == made.about
    assert (made.folder / "README.md").read_text().startswith("---\n")

    first, second = rows(tmp_path)
    assert first["accuracy"] == 0.5  # it is its reference still
    assert first["kendall"] == 0
    assert first["error"] == first["reference_error"]
    assert second["error"] != second["reference_error"]
    assert [first["step"], second["step"]] == [1, 2]

    base = opened(str(recipe.model.checkpoint))
    assert np.abs(drawn(base, kind) - samples_of(tmp_path, 0)).max() <= 1
    if tuning == FULL:
        base = opened(made.folder)
        denoiser = base.unet if hasattr(base, "unet") else base.transformer
        assert same(dict(denoiser.named_parameters()), weights(tmp_path))
    else:
        put_adapters(base, made.folder)
    after = drawn(base, kind)
    assert np.abs(after - samples_of(tmp_path, 2)).max() <= 1
    assert np.abs(samples_of(tmp_path, 2) - samples_of(tmp_path, 0)).max() > 3, (
        "two steps hardly change the image: make the weights of the tiny pipeline larger"
    )


@pytest.mark.parametrize("kind", slow_but({"sd3_without_t5", "pixart_sigma"}, KINDS))
def test_adapters_may_be_merged_into_a_pipeline(kind: str, wanted: Wanted, tmp_path: Path) -> None:
    recipe = wanted(kind, LORA, "tuning.alpha=32", "run.save=pipeline", FAST, *PICTURES)
    pipeline = opened(train(recipe, tmp_path).folder)
    assert np.abs(drawn(pipeline, kind) - samples_of(tmp_path, 2)).max() <= 1
    assert np.abs(drawn(pipeline, kind) - samples_of(tmp_path, 0)).max() > 3


@pytest.mark.parametrize("kind", slow_but({"sdxl"}, FAMILY_NAMES))
def test_adapters_switched_off_are_as_good_a_reference_as_a_copy(
    kind: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = wanted(kind, LORA, FAST, "run.steps=3")
    train(recipe, tmp_path / "off")
    monkeypatch.setattr(
        model_in_training, "Reference", lambda model, _, dtype: Reference(model, "full", dtype)
    )
    train(recipe, tmp_path / "copy")
    assert rows(tmp_path / "off") == rows(tmp_path / "copy")
    assert same(weights(tmp_path / "off"), weights(tmp_path / "copy"))


@pytest.mark.parametrize(("tuning", "optimizer"), [(LORA, "adamw"), (FULL, "adafactor")])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    tuning: str, optimizer: str, wanted: Wanted, tmp_path: Path
) -> None:
    more = ["data.flip=true", "data.caption_dropout=0.3", "optimizer.schedule=cosine"]
    recipe = wanted("sd", tuning, "run.steps=6", f"optimizer.name={optimizer}", *more)
    train(recipe, tmp_path / "whole")

    stop = threading.Event()

    def after_three(event: Event) -> None:
        if event.stage == "train" and event.done == 3:
            stop.set()

    with pytest.raises(Stopped, match="step 3 of 6"):
        train(recipe, tmp_path / "halves", listener=after_three, stop=stop)
    assert not (tmp_path / "halves" / "model").exists()
    train(recipe, tmp_path / "halves")
    assert rows(tmp_path / "whole") == rows(tmp_path / "halves")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))


def test_rows_of_steps_that_were_lost_are_taken_back(wanted: Wanted, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def at_four(event: Event) -> None:
        if event.stage == "train" and event.done == 4:
            raise Killed

    recipe = wanted("sd", "run.steps=5", "run.save_every=2")
    train(recipe, tmp_path / "whole")
    with pytest.raises(Killed):
        train(recipe, tmp_path / "killed", listener=at_four)  # before the checkpoint of step 4
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "lo')
    assert [row["step"] for row in rows(tmp_path / "whole")] == [1, 2, 3, 4, 5]
    train(recipe, tmp_path / "killed")
    assert rows(tmp_path / "whole") == rows(tmp_path / "killed")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


def test_more_steps_may_be_added_and_none_may_be_asked_back(wanted: Wanted, tmp_path: Path) -> None:
    train(wanted("sd", "run.steps=4"), tmp_path / "whole")
    train(wanted("sd", "run.steps=2"), tmp_path / "longer")
    assert train(wanted("sd", "run.steps=4"), tmp_path / "longer").about["steps"] == 4
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "longer"))
    with pytest.raises(TrainingError, match=r"step-00000004 is beyond run\.steps = 3"):
        train(wanted("sd", "run.steps=3"), tmp_path / "longer")


def test_a_run_that_is_done_is_left_as_it_is(wanted: Wanted, tmp_path: Path) -> None:
    recipe = wanted("sd", *PICTURES)
    first = train(recipe, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[cs]*/**/*")}
    log, model = rows(tmp_path), load_file(tmp_path / "model/pytorch_lora_weights.safetensors")
    assert train(recipe, tmp_path).about == first.about
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("[cs]*/**/*")} == before
    assert rows(tmp_path) == log
    assert same(load_file(tmp_path / "model/pytorch_lora_weights.safetensors"), model)


def test_a_finished_run_without_its_weights_makes_them_again(
    wanted: Wanted, tmp_path: Path
) -> None:
    recipe = wanted("sd")
    first = train(recipe, tmp_path)
    file = first.folder / "pytorch_lora_weights.safetensors"
    data, tensors = file.read_bytes(), load_file(file)
    (tmp_path / "checkpoints" / "old").mkdir()
    for harm in (None, data[:-1] + bytes([data[-1] ^ 1])):
        if harm is None:
            file.unlink()
        else:
            file.write_bytes(harm)
        notes: list[str] = []
        made = train(recipe, tmp_path, listener=lambda event: notes.append(str(event.note)))  # noqa: B023
        assert same(load_file(file), tensors)
        assert f"{file}" in notes[-1]
        assert "the model is made again" in notes[-1]
        assert "not read: old" in notes[-1]
    # Cut, its facts are named; without them the model is made again.
    facts = made.folder / "training.json"
    facts.write_bytes(facts.read_bytes()[:500])
    with pytest.raises(TrainingError, match=r"training\.json: not JSON") as caught:
        train(recipe, tmp_path)
    assert f"delete {made.folder}" in str(caught.value.hint)
    shutil.rmtree(made.folder)
    assert train(recipe, tmp_path).about["metrics"] == first.about["metrics"]
    assert same(load_file(file), tensors)


@pytest.mark.parametrize(
    "change", ["objective.beta=7", "seed=4", "run.batch_size=3", "data.count=6"]
)
def test_a_run_is_not_gone_on_with_under_other_settings(
    change: str, wanted: Wanted, tmp_path: Path
) -> None:
    train(wanted("sd", "run.steps=1"), tmp_path)
    key = change.partition("=")[0].rpartition(".")[2]
    with pytest.raises(TrainingError, match=key) as caught:
        train(wanted("sd", "run.steps=2", change), tmp_path)
    assert "--out" in str(caught.value.hint)


def test_another_dataset_under_the_same_name_is_another_run(
    wanted: Wanted, encoded: Path, tmp_path: Path
) -> None:
    def published(seed: str) -> None:
        workspace = build(
            tmp_path / seed,
            [(f"{seed} {n}", "train") for n in range(6)],
            draw=lambda row: picture(row, SIDE),
        )
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        made = publish_to(workspace, tmp_path / f"{seed}-out", configs=["ranked"]).directory
        shutil.copytree(made, tmp_path / "set")

    one = f"data.dataset={(tmp_path / 'set').as_posix()}"
    published("a")
    train(wanted("sd", one, "run.steps=1"), tmp_path / "run")
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "set", moved)
    train(wanted("sd", f"data.dataset={moved.as_posix()}", "run.steps=2"), tmp_path / "run")
    published("b")
    with pytest.raises(TrainingError, match=r"dataset\.content was"):
        train(wanted("sd", one, "run.steps=3"), tmp_path / "run")


def test_fine_tuning_keeps_no_reference(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a reference was made")

    monkeypatch.setattr(model_in_training, "Reference", refuse)
    for name in ("sft", "weighted-sft"):
        train(wanted("sd", FULL, f"objective.name={name}", "objective.beta="), tmp_path / name)
        assert "reference_error" not in rows(tmp_path / name)[0]


def test_small_batches_add_up_to_a_large_one(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same prompts, times and noise, one at a time."""
    common = ["sd3_without_t5", FULL, "run.steps=3"]
    train(wanted(*common), tmp_path / "large")
    large = training_loop.open_data(*_opening(wanted(*common), tmp_path / "unused")).batches

    class Halves:
        def __getitem__(self, number: int) -> Any:
            return _prompt(large[number // 2], number % 2)

    plain = training_steps._batches

    def halved(recipe: Any, data: Any, done: int) -> Any:
        return plain(recipe, replace(data, batches=Halves()), done)

    monkeypatch.setattr(training_steps, "_batches", halved)
    train(wanted(*common, "run.batch_size=1", "run.accumulation=2"), tmp_path / "small")
    for one, other in zip(rows(tmp_path / "large"), rows(tmp_path / "small"), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)
    assert mean_difference(weights(tmp_path / "large"), weights(tmp_path / "small")) < 1e-6


def _opening(recipe: Any, out: Path) -> tuple[Any, ...]:
    checkpoint = training_loop.find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    return (
        recipe,
        checkpoint,
        family,
        training_loop.open_accelerator(recipe, out),
        None,
        None,
        None,
        None,
    )


def _prompt(batch: Any, number: int) -> Any:
    """One prompt of a batch, as a batch."""
    mine = batch.owner == number
    whole = slice(number, number + 1)
    labels = type(batch.labels)(
        *(getattr(batch.labels, name)[whole] for name in ("preference", "rank", "present"))
    )
    return type(batch)(
        **{name: getattr(batch, name)[mine] for name in ("latents", "noise", "times", "crops")},
        encoded={name: value[whole] for name, value in batch.encoded.items()},
        owner=batch.owner[mine] - number,
        labels=labels,
    )


def test_all_captions_dropped_leaves_the_empty_one(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    plain = training_steps.loss_of_batch

    def watched(family: Any, model: Any, reference: Any, batch: Any, *others: Any) -> Any:
        seen.append(batch.encoded["words"])
        return plain(family, model, reference, batch, *others)

    monkeypatch.setattr(training_steps, "loss_of_batch", watched)
    train(wanted("sd", "data.caption_dropout=1.0"), tmp_path / "dropped")
    pipeline = opened(str(wanted("sd").model.checkpoint))
    empty = pipeline.encode_prompt("", "cpu", 1, False)[0]
    assert len(seen) == 2
    for words in seen:
        assert torch.allclose(words, empty.expand_as(words), atol=1e-6)
    seen.clear()
    train(wanted("sd"), tmp_path / "kept")
    assert not torch.allclose(seen[0], empty.expand_as(seen[0]), atol=1e-3)


HALF = [("sdxl", LORA), ("pixart_sigma", FULL), ("sdxl", FULL), ("sd3_without_t5", FULL)]


@pytest.mark.parametrize(("kind", "tuning"), slow_but(HALF[:2], HALF))
def test_half_precision_learns_and_draws(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path
) -> None:
    recipe = wanted(kind, tuning, "run.precision=bf16", "run.steps=2", *PICTURES)
    made = train(recipe, tmp_path)
    assert all(value.dtype == torch.float32 for value in weights(tmp_path).values())
    assert rows(tmp_path)[0]["accuracy"] == 0.5  # the reference rounds as the model does
    assert rows(tmp_path)[0]["error"] == rows(tmp_path)[0]["reference_error"]
    exact = tmp_path / "exact"
    train(wanted(kind, tuning, "run.steps=2"), exact)
    for half, full in zip(rows(tmp_path), rows(exact), strict=True):
        assert half["error"] == pytest.approx(full["error"], rel=0.02)
        assert half["norm"] > 0
    assert (
        np.abs(samples_of(tmp_path, 0) - drawn(opened(str(recipe.model.checkpoint)), kind)) < 12
    ).all()
    assert made.about["recipe"]["run"]["precision"] == "bf16"


def test_activations_computed_twice_give_the_same_step(wanted: Wanted, tmp_path: Path) -> None:
    for method in (LORA, FULL):
        train(wanted("sd", method), tmp_path / method / "kept")
        train(wanted("sd", method, "run.gradient_checkpointing=true"), tmp_path / method / "twice")
        once, twice = weights(tmp_path / method / "kept"), weights(tmp_path / method / "twice")
        assert mean_difference(once, twice) < 1e-6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('data.labels=["nonsense"]', "nonsense"),
        ("data.dataset=/nowhere/at/all", "/nowhere/at/all"),
        ("tuning.targets=[\"to_q\", \"to_quark\"]", "to_quark"),
        ('run.track=["tensorboard"]', "tensorboard"),
        ('run.track=["wandb"]', "wandb"),
        ("optimizer.name=adamw-8bit", "bitsandbytes"),
        ("noise.shift=3.0", "noise.shift"),
        ("data.split=test", "test"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_opened(
    change: str, said: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr("synpic.train.trainable_checkpoint.TrainableCheckpoint.denoiser", refuse)
    monkeypatch.setattr("synpic.train.data.training_data.encode_all", refuse)
    monkeypatch.setattr("synpic.train.track.get_available_trackers", list)
    monkeypatch.setattr("synpic.train.optimizers.find_spec", lambda name: None)
    with pytest.raises(SynpicError, match=said) as caught:
        train(wanted("sd", change), tmp_path / "out")
    assert caught.value.hint
    if "tuning.targets" in change:
        assert "to_out.0" in caught.value.hint
    if said in ("tensorboard", "wandb", "bitsandbytes"):
        assert isinstance(caught.value, MissingExtra)
    assert not (tmp_path / "out").exists()


def test_rankings_that_prefer_nothing_are_refused(
    wanted: Wanted, encoded: Path, tmp_path: Path
) -> None:
    workspace = build(
        tmp_path / "set", [("a", "train"), ("b", "train")], score=lambda reward, row: 0.5
    )
    tied = publish_to(workspace, tmp_path / "tied", configs=["ranked"]).directory
    with pytest.raises(TrainingError, match="none of 2 prompts prefers") as caught:
        train(wanted("sd", f"data.dataset={tied.as_posix()}"), tmp_path / "out")
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["flux", "ddpm"])
def test_a_model_that_nobody_knows_how_to_train_is_refused(
    kind: str, wanted: Wanted, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="cannot train"):
        train(wanted(kind), tmp_path)


def test_processes_that_read_ahead_change_nothing(wanted: Wanted, tmp_path: Path) -> None:
    train(wanted("sd"), tmp_path / "alone")
    train(wanted("sd", "run.workers=1"), tmp_path / "helped")
    assert same(weights(tmp_path / "alone"), weights(tmp_path / "helped"))
