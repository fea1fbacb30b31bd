from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from huggingface_hub import ModelCard

from synpic.release.cards.model_card import load_lines, render_card, without_warning
from synpic.train.settings import parse_train_recipe
from tests.hub_server.cards import check_card
from tests.release.cards.facts import BASE, about

EVIL = "a`|b\n# x <img src=x onerror=1> ```\n---\n[y](javascript:z) {{ 7 * 7 }}"


def head(text: str) -> dict[str, Any]:
    return ModelCard(text).data.to_dict()


def test_the_head_is_what_the_hub_reads() -> None:
    text = render_card(about())
    assert check_card(text) == ([], [])
    assert head(text) == {
        "base_model": BASE,
        "base_model_relation": "adapter",
        "datasets": ["user/set"],
        "library_name": "diffusers",
        "license": "unknown",
        "pipeline_tag": "text-to-image",
        "tags": [
            *("synpic", "text-to-image", "diffusers", "rlhf", "rankdpo", "lora"),
            "arxiv:2410.18013",
        ],
    }


def test_a_pipeline_of_folders_names_nothing_on_the_hub() -> None:
    local = {**about()["dataset"], "name": "release", "commit": None}
    model = {"checkpoint": "./weights", "sha256": "b" * 64, "variant": None}
    text = render_card(about(of="shapes", saved="pipeline", dataset=local, model=model))
    found = head(text)
    assert not {"base_model", "base_model_relation", "datasets"} & found.keys()
    assert "lora" not in found["tags"]
    assert "huggingface.co" not in text


def test_its_title_names_model_and_objective() -> None:
    body = render_card(about()).partition("\n---\n")[2].strip()
    assert body.startswith("# stable-diffusion-xl-base-1.0, fine-tuned by RankDPO\n")
    assert ", fine-tuned by RankDPO on the ranked images of [user/set" in body


def test_an_unknown_license_is_stated_first_and_only_then() -> None:
    text = render_card(about())
    body = text.partition("\n---\n")[2].strip().splitlines()
    assert body[2] == "> [!WARNING]"
    assert body[3].startswith("> **License: unknown.**")
    plain = without_warning(text)
    assert "License: unknown" not in plain
    assert check_card(plain) == ([], [])
    assert without_warning(plain) == plain


def test_samples_are_shown_where_they_are_part_of_the_model() -> None:
    facts = about()
    assert "samples.png" not in render_card(facts)
    files = {**facts["files"], "samples.png": {"bytes": 1, "sha256": "c" * 64}}
    assert "](samples.png)" in render_card({**facts, "files": files})


def test_data_labels_and_citation_are_named() -> None:
    facts = about()
    ranked = {**facts["dataset"], "rewards": {"hpsv2": "f", "mine": "f"}}
    text = render_card({**facts, "dataset": ranked}, "user/My-Model")
    assert "[user/set\\@v1.0.0](https://huggingface.co/datasets/user/set/tree/aaaa" in text
    assert "The model was taught to please hpsv2, mine." in text
    assert "@misc{my-model,\n" in text
    assert "url          = {https://huggingface.co/user/My-Model}" in text
    assert "<details>\n<summary>The recipe</summary>" in text
    assert "@misc" not in render_card(facts)


def test_what_is_trained_and_measured_is_said() -> None:
    text = render_card(about())
    for words in (
        "| objective | RankDPO, β = 5000 |",
        "| prompts a step | 1,024 |",
        "| prompts left out: no image is preferred | 3 |",
        "| trained | adapters of rank 64 |",
        "| pairs that the model orders as the ranking does | 57.1% |",
        "at `aaaaaaaaaaaa`",
        "arXiv:2410.18013",
        "arXiv:2311.12908",
    ):
        assert words in text
    assert "the same of the model it was made from" not in text  # it was not measured
    facts = about()
    assert "all images are one picture" not in text
    same = render_card({**facts, "dataset": {**facts["dataset"], "same_picture": 2}})
    assert "| prompts left out: all images are one picture | 2 |" in same
    plain = render_card(about("rankdpo-sdxl", "objective.name=sft", metrics={}))
    assert "| objective | supervised fine-tuning on the winners |" in plain
    assert "| minimised | the mean error of the images of rank 1 |" in plain
    assert "objective's code" not in plain
    assert "Over the last steps" not in plain


@pytest.mark.parametrize(
    ("name", "recorded", "words"),
    [
        ("hinge", {"package": "synpic-x", "version": "0.2"}, "hinge of synpic-x 0.2"),
        ("mine:loss", {"source": "ab" * 32}, "mine:loss, whose code has the SHA-256 abab"),
    ],
)
def test_an_objective_that_is_not_installed_here_has_a_card(
    name: str, recorded: dict[str, str], words: str
) -> None:
    facts = about()
    chosen = {"name": name, "beta": 3.0}
    declared = {"title": "Hinge | of mine", "summary": "a\nb", "uses_beta": True, **recorded}
    recipe = {**facts["recipe"], "objective": chosen}
    text = render_card({**facts, "recipe": recipe, "objective": declared})
    assert "| objective | Hinge \\| of mine, β = 3 |" in text
    assert "| minimised | a b |" in text
    assert f"| objective's code | {words}" in text
    assert check_card(text) == ([], [])
    assert (name in head(text)["tags"]) is (":" not in name)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("published", "the published preference"),
        ("random", "chance"),
        ('["hpsv2", "mps"]', "the wins under hpsv2, mps"),
    ],
)
def test_what_ranked_is_said(labels: str, words: str) -> None:
    assert f"| labels | {words}" in render_card(about("rankdpo-sdxl", f"data.labels={labels}"))


def test_the_recipe_in_the_card_is_the_recipe() -> None:
    facts = about()
    (text,) = re.findall(r"```toml\n(.*?)```", render_card(facts), re.DOTALL)
    assert parse_train_recipe(text).model_dump(mode="json") == facts["recipe"]


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        (
            about(),
            [f"from_pretrained('{BASE}', revision='{'0' * 40}', variant='fp16')",
             "pipeline.load_lora_weights('here')"],
        ),
        (
            about(lora_mixin=False),
            ["from peft import PeftModel", "from_pretrained(pipeline.transformer, 'here')"],
        ),
        (about(saved="pipeline"), ["DiffusionPipeline.from_pretrained('here')"]),
        (about(saved="pipeline", absent=["t5"]), ["from_pretrained('here', t5=None)"]),
        (
            about(model={"checkpoint": "weights", "sha256": "b", "variant": "fp16"}),
            ["is a folder: give the path", "from_pretrained('weights', variant='fp16')"],
        ),
        (
            about(model={"checkpoint": "package:a.b/c", "sha256": "b"}),
            ["from synpic.hub.checkpoints import load_unlocked",
             "from_pretrained(load_unlocked('package:a.b/c', None)[0])"],
        ),
    ],
)  # fmt: skip
def test_how_to_load_is_python(facts: dict[str, Any], lines: list[str]) -> None:
    text = load_lines(facts, "here")
    ast.parse(text)
    for line in lines:
        assert line in text


def test_a_repository_is_named_in_its_own_card() -> None:
    assert "load_lora_weights('.')" in render_card(about())
    assert "load_lora_weights('user/model')" in render_card(about(), "user/model")


def test_text_of_strangers_does_nothing() -> None:
    dataset = {**about()["dataset"], "name": EVIL, "config": EVIL, "split": EVIL, "version": EVIL}
    model = {"checkpoint": EVIL, "repository": EVIL, "commit": "0" * 40}
    facts = about(dataset=dataset, model=model)
    facts["recipe"]["data"]["dataset"] = EVIL
    text = render_card(facts)
    assert check_card(text) == ([], [])
    assert head(text)["base_model"] == EVIL
    prose = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text.partition("\n---\n")[2], flags=re.M | re.S)
    assert "<img" not in prose
    assert re.search(r"(?<!\\)\]\(javascript", prose) is None
    assert "49" not in prose
    assert "\n# x" not in prose
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        ast.parse(block)
