from __future__ import annotations

import html
import inspect
import json
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from synpic.errors import PublishError
from synpic.publish import publish_to
from synpic.publish.card.card import _settings, render_card
from synpic.publish.card.yaml_head import TAGS
from synpic.publish.draft import prepare
from synpic.publish.previous import NOTHING, parse_previous
from synpic.publish.table.features import IMAGE
from synpic.publish.table.records import ConfigRows
from synpic.publish.table.shards import ShardFile
from synpic.rank import AGGREGATIONS
from synpic.recipe import PublishSettings
from synpic.release.cards.markdown import fence, markdown_text
from synpic.release.cards.words import NO_WORDS, AuthorWords, read_words
from synpic.release.compare import Level, compare
from synpic.release.manifest import Manifest, read_manifest
from synpic.train.data.records import read_records
from synpic.train.presets import preset as training_recipe
from synpic.train.settings import parse_train_recipe
from synpic.workspace.storage import Store
from tests.cli.conftest import in_process
from tests.publish.fixtures import build, recipe
from tests.release.manifests import as_manifest

Render = Callable[..., str]

HOSTILE = [
    "---\nlicense: evil\n---",
    "<script>alert(1)</script> <img src=x onerror=alert(1)>",
    "| a | b |\n|---|---|\n```\n# heading\n* item\n1. one",
    "[x](javascript:alert(1)) ![x](http://example.org/x.png) <http://a.b> www.example.org",
    "{{ 7 * 7 }} {% for x in y %} `code` **bold** _em_ ~~gone~~ $x$ &amp; &lt; \\",
    "\u202eright to left\u2028next\x00\x1b[31m\ttab",
    "'\": - ? , & * ! | > % @ #",
    "<!-- synpic:yours -->\nmine\n<!-- /synpic:yours -->\n",
    "<!-- /synpic:changes v1.0.0 -->\n<!-- synpic:changes v9.9.9 -->",
]

# What GitHub and the Hub render: CommonMark with tables, strike-through and bare links.
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> str:
    """What a reader should see of ``text``: one line, without what does not print."""
    joiners = "\u200c\u200d"
    return " ".join("".join(c if c.isprintable() or c in joiners else " " for c in text).split())


TEXTS = st.one_of(
    st.text(), st.text("\\`*_{}[]()#+-.!|<>&~$:@=\"'/ \n1a"), st.sampled_from(HOSTILE)
)


PLACES = [
    "{}",
    "# {}",
    "- {}",
    "1. {}",
    "x {} y",
    "({}), [{}](https://example.org), **{}**: {}; {}",
    "| a | b |\n|---|---|\n| {} | {} |",
    "<details>\n<summary>x</summary>\n\n{}\n\n</details>",
]
"""Where a card has texts of others; some twice, so that one could end what the other begins."""


@given(TEXTS)
@example("#")
@example("x\\")
@example("a_b _c_ * d *e")
@example("&am &amp &#38 &nosuch;")
def test_text_shows_as_it_is_and_stays_in_its_place(text: str) -> None:
    cell = html.escape(shown(text)).replace("&#x27;", "'")
    for place in PLACES if cell else ():
        expected = MARKDOWN.render(place.replace("{}", "words")).replace("words", cell)
        assert MARKDOWN.render(place.replace("{}", markdown_text(text))) == expected


@given(TEXTS)
def test_text_makes_no_link_where_links_need_no_brackets(text: str) -> None:
    escaped = re.sub(r"\\[!-/:-@\[-`{-~]", " ", markdown_text(text))
    assert not re.search(r"://|\bwww\.\w|[\w.+-]@[\w-]+\.\w|(?i:mailto:|xmpp:)", escaped)


@pytest.mark.parametrize(
    "text",
    [
        "package:synpic.shapes/weights/mmdit_small@1feda1a8",
        "32×32, 20 steps, guidance 3.0, max_sequence_length = 1",
        "a cat (masterpiece:1.2) -- 50 % off, 2 < 3 > 1, R&D #1!",
        'v1.2.0, Apache-2.0, {a: b}, ^x, 3 * 4, it\'s "so"',
    ],
)
def test_text_is_readable_raw(text: str) -> None:
    assert markdown_text(text) == text


@given(TEXTS)
@example("````\n```")
def test_a_fence_holds(text: str) -> None:
    tokens = MARKDOWN.parse(fence(text, "toml") + "\n\nend\n")
    assert tokens[0].type == "fence"
    assert tokens[-2].content == "end"
    assert len(tokens) == 4


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("card")
    publish_to(build(root / "set"), root / "out", configs=["ranked", "scores"])
    loaded: dict[str, Any] = json.loads((root / "out" / "manifest.json").read_text())
    return loaded


@settings(max_examples=50)
@given(text=TEXTS)
def test_no_text_breaks_the_head(manifest: dict[str, Any], text: str) -> None:
    counts = {**manifest["counts"], "failed": {text: 1}}
    told = {**manifest, "prompts": {text: 1}, "recipe": text, "counts": counts}
    publish = PublishSettings(title=text, description=text, license=text, tags=[text])
    publish = publish.model_copy(update={"authors": [text, text], "limits": text, "terms": text})
    author = read_words(publish, Store("nowhere")) if shown(text) else NO_WORDS
    more: dict[str, Any] = {"tag": "v1.0.0", "changes": [text], "words": author}
    card = DatasetCard(_card(told, publish, [text], **more))
    found = parse_previous(card.content)
    assert list(found.changes) == ["v1.0.0"]
    assert found.prose == parse_previous(_card(manifest, PublishSettings(), [])).prose
    assert card.data.pretty_name == (shown(text) or "A ranked preference dataset")
    assert card.data.license == (shown(text) or "unknown")
    assert tuple(card.data.tags[: len(TAGS)]) == TAGS
    plain = {**told, "prompts": {"x": 1}, "recipe": "x", "counts": {**counts, "failed": {"x": 1}}}
    words = PublishSettings(title="x", description="x", license="x", tags=["x"], authors=["x"])
    more |= {"changes": ["x"], "words": AuthorWords({"limits": "x", "terms": "x"})}
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    if len(paragraphs) == 1 and shown(text):
        expected = DatasetCard(_card(plain, words, ["x"], **more)).text
        assert _outline(card.text) == _outline(expected)


def test_the_head_is_what_the_hub_reads(tmp_path: Path) -> None:
    more = (
        '[publish]\ntitle = "Shapes: ranked"\ndescription = "First.\\n\\nSecond & last."\n'
        'license = "cc-by-4.0"\nlanguage = ["en", "no"]\ntags = ["shapes"]\n'
    )
    workspace = build(tmp_path / "set", text=recipe(more=more))
    publish_to(workspace, tmp_path / "out", configs=["scores", "ranked"])
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.pretty_name == "Shapes: ranked"
    assert card.data.license == "cc-by-4.0"
    assert card.data.language == ["en", "no"]  # YAML 1.1 would read a bare no as false
    assert card.data.tags == [*TAGS, "shapes"]
    assert card.data.size_categories == "n<1K"
    configs = {config["config_name"]: config for config in card.data.configs}
    assert configs["ranked"]["default"] is True
    assert "default" not in configs["scores"]
    assert configs["ranked"]["data_files"] == [
        {"split": "train", "path": "ranked/train-*-of-00001.parquet"},
        {"split": "validation", "path": "ranked/validation-*-of-00001.parquet"},
    ]
    info = {one["config_name"]: one for one in card.data.dataset_info}["ranked"]
    features = {feature["name"]: feature for feature in info["features"]}
    assert features["image_0"]["dtype"] == "image"
    assert features["models"]["sequence"] == "string"
    assert [split["num_examples"] for split in info["splits"]] == [3, 2]
    assert "Second & last." in card.text
    assert "pictures/examples.png" in card.text


def test_what_it_says_of_the_ranking(tmp_path: Path) -> None:
    text = recipe(more='[ranking]\nrewards = ["redness"]\nties = "ordinal"\n')
    publish_to(build(tmp_path / "set", text=text), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "taught to please `redness`." in card
    assert re.search(r"`greenness` \|.*\| does not rank \|", card)
    assert "Tied images are put in order of `candidate_id`" in card
    assert "Agreement of the rewards" not in card
    assert fence(text, "toml") in card


def test_what_it_says_of_a_reward(tmp_path: Path) -> None:
    text = recipe().replace("fixtures:greenness", "fixtures:Brightness")
    publish_to(build(tmp_path / "set", text=text), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert re.search(r"\| `greenness` \| .* \| none \| 1 \| no \| mit \|", card)
    assert re.search(r"\| `redness` \| .* \| none \| 1 \| not stated \| not stated \|", card)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_it_states_the_aggregation(tmp_path: Path, aggregation: str) -> None:
    text = recipe(more=f'[ranking]\naggregation = "{aggregation}"\n')
    publish_to(build(tmp_path / "set", text=text), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"The aggregation is `{aggregation}`." in card
    what = inspect.getdoc(AGGREGATIONS[aggregation].function)
    assert what
    section = MARKDOWN.render(card.partition("### Ranking")[2].partition("###")[0])
    plain = re.sub(r"<.*?>", "", html.unescape(section))
    assert " ".join(what.replace("``", "").split()) in " ".join(plain.split())


def test_without_ranked_it_does_not_speak_of_it(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", [("one", "train")])
    publish_to(workspace, tmp_path / "out", configs=["pickapic"])
    card = (tmp_path / "out" / "README.md").read_text().partition("## Make it again")[0]
    assert "`ranked`" not in card
    assert "image_<i>" not in card
    assert "`pickapic`" in card
    publish_to(workspace, tmp_path / "out", configs=["ranked"])
    assert "In `ranked`, images stand" in (tmp_path / "out" / "README.md").read_text()


def test_one_is_not_many(tmp_path: Path) -> None:
    text = recipe(["alpha"], samples=2, more='[ranking]\nrewards = ["redness"]\n')
    publish_to(build(tmp_path / "set", [("one", "train")], text=text), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert (
        "Images for 1 prompt, drawn by 1 text-to-image model and ranked by 1 reward model: "
        "2 images in all."
    ) in card
    assert "0 of 1 prompt have a tie." in card


@pytest.mark.parametrize("rewards", [2, 3])
def test_the_table_of_agreement(manifest: dict[str, Any], rewards: int) -> None:
    names = ["redness", "greenness", "blueness"][:rewards]
    agreement = {
        "rewards": [
            {"reward_a": a, "reward_b": b, "tau": 1.0 if a == b else -0.001, "prompts": 1}
            for a in names
            for b in names
        ],
        "leave_one_out": [{"reward": name, "tau": -0.25, "prompts": 1} for name in names],
    }
    card = _card({**manifest, "agreement": agreement}, PublishSettings(), [])
    section = card.partition("### Agreement of the rewards")[2].partition("\n## ")[0]
    table = MARKDOWN.render(section[section.index("| |") :])
    heads = re.findall(r"<th.*?>(.*?)</th>", table)
    cells = re.findall(r"<td.*?>(.*?)</td>", table)
    # Of two, the others together are the other one, and its number stands there already.
    others = ["the others"] if rewards > 2 else []
    assert heads == ["", *(f"<code>{name}</code>" for name in names), *others]
    expected = []
    for name in names:
        expected += [f"<code>{name}</code>", *("1.00" if name == one else "0.00" for one in names)]
        expected += ["-0.25"] if others else []
    assert cells == expected
    assert ("all the others together" in section) is bool(others)


def test_its_lines_of_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    publish_to(build(tmp_path / "set"), tmp_path / "out", configs=["ranked", "scores"])
    card = (tmp_path / "out" / "README.md").read_text().partition("## Purpose")[0]
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    names: dict[str, Any] = {}
    ran = []
    for language, code in re.findall(r"```(\w+)\n(.*?)```", card, re.DOTALL):
        if language == "python":
            exec(code, names)
            continue
        _, *words = shlex.split(code)
        ran.append(words[0])
        if words[0] == "export":
            assert in_process(*words).exit_code == 0
        else:
            changes = [words[words.index("--set") + 1]]
            recipe = parse_train_recipe(training_recipe(words[2]), words[2], changes)
            assert read_records(recipe.data).table.height == 3
    assert ran == ["train", "export"]
    row = names["ranked"][0]
    assert row[f"image_{row['best']}"].size == (24, 24)
    assert {"caption", "jpg_0", "jpg_1", "label_0"} <= set(names["pairs"].column_names)
    assert len(names["pairs"]) == 2  # those of one prompt are tied
    described = re.findall(r"``(row\[.*?)``", card)
    assert [eval(code, {"row": row}).size for code in described] == [(24, 24)]


def test_the_authors_words_stand_beside_what_is_known(tmp_path: Path) -> None:
    more = """[publish]
title = "Ünused {hats} & 50 %"
authors = ["Ada Lovelace", "Hats and Co"]
year = 2026
license = "cc-by-4.0"
purpose = "To *try* it.\\n\\nNot for hats."
limits = "limits.md"
"""
    workspace = build(tmp_path / "set", text=recipe(more=more))
    (tmp_path / "set" / "limits.md").write_text("See [this](https://example.org).\n\n#### More\n")
    publish_to(workspace, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    purpose, limits, terms = (
        card.partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip()
        for title in ("Purpose", "Limits and biases", "Licences")
    )
    assert purpose.startswith("To \\*try\\* it.\n\nNot for hats.\n\nEach prompt has images")
    assert limits.startswith("See [this](https://example.org).\n\n#### More\n\n**What labelled")
    assert terms.startswith("*Not stated by the author.*\n\n- This dataset, as its publisher")
    assert "cc-by-4.0" in terms
    assert "License: unknown" not in card
    assert (
        """@misc{nused-hats-50,
  title  = {Ünused \\{hats\\} \\& 50 \\%},
  author = {Ada Lovelace and {Hats and Co}},
  year   = {2026}
}"""
        in card
    )
    manifest = read_manifest(tmp_path / "out")
    assert isinstance(manifest, Manifest)
    assert list(manifest.words) == ["limits"]
    # Other words are another release: the manifest alone is compared.
    (tmp_path / "set" / "limits.md").write_text("None.")
    (change,) = compare(manifest, prepare(workspace).manifest)
    assert (change.level, "`words`" in change.text) == (Level.PATCH, True)


def test_how_a_release_is_cited(release: Render) -> None:
    card = release(repository="someone/My.Set", tag="v1.2.0")
    assert (
        """@misc{my-set-v1.2.0,
  title        = {A ranked preference dataset},
  author       = {someone},
  version      = {v1.2.0},
  howpublished = {Hugging Face},
  url          = {https://huggingface.co/datasets/someone/My.Set}
}"""
        in card
    )


def test_a_license_that_is_unknown_is_said_first(release: Render) -> None:
    card = release()
    body = card.partition("\n---\n")[2].strip().splitlines()
    assert body[2:4] == ["> [!WARNING]", body[3]]
    assert body[3].startswith("> **License: unknown.**")
    assert "License: unknown" not in release(PublishSettings(license="mit"))
    kept = parse_previous(card.replace("license: unknown", "license: cc-by-4.0"))
    assert "License: unknown" not in release(previous=kept)


def test_what_is_long_is_folded_and_nothing_is_listed_that_is_zero(release: Render) -> None:
    card = release()
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert len(head.splitlines()) < 60
    folded = body.partition("<details>")[2].partition("</details>")[0]
    assert "[rewards.redness]" in folded
    assert body.count("[rewards.redness]") == 1
    counts = body.partition("### Counts\n")[2].partition("\n## ")[0]
    assert "| images ranked | 15 |" in counts
    assert "| 0 |" not in counts
    for row in re.findall(r"^\|(.*)\|\n\|[-:|]+\|$", body, re.M):
        assert not {"is", "are"} & set(re.findall(r"\w+", row))


def test_what_rewards_are_worth_has_its_source(manifest: dict[str, Any]) -> None:
    section = "### Rewards against people"
    card = _card(manifest, PublishSettings(), [])
    assert "| `redness` | – | not measured | – |" in card.partition(section)[2]
    known = {"set": "HPDv2", "what": "a | b", "percent": 83.3, "source": "a paper"}
    of_ours = {"low": 80.0, "high": 86.25, "pairs": 1, "prompts": 1200}
    told = {**manifest, "people": {"redness": [known, {**known, **of_ours}]}}
    table = _card(told, PublishSettings(), []).partition(section)[2].partition("\n## ")[0]
    assert "| `redness` | HPDv2: a \\| b | 83.3 % | a paper |" in table
    assert "a \\| b; 1 pair of 1,200 prompts | 83.3 % (80.0 … 86.2) | a paper |" in table
    assert "| `greenness` | – | not measured | – |" in table


def test_hostile_prompts_publish(tmp_path: Path, load: Any) -> None:
    workspace = build(tmp_path / "set", [(text, "train") for text in HOSTILE])
    publish_to(workspace, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert head["license"] == "unknown"
    assert "<script" not in card
    assert "<img" not in card
    assert set(load(tmp_path / "out", split="train")["prompt"]) == set(HOSTILE)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """A small release's card, as a publisher renders it; everything but ``changes`` is given."""
    root = tmp_path_factory.mktemp("release")
    more = '[records]\npairs = "all"\nconfigs = ["ranked", "pairwise"]\n'
    workspace = build(root / "set", text=recipe(more=more))
    publish_to(workspace, root / "out")
    draft = prepare(workspace)
    manifest = read_manifest(root / "out")
    assert isinstance(manifest, Manifest)

    def render(settings: PublishSettings = draft.settings, **more: Any) -> str:
        return render_card(manifest, draft.shards, settings, **more)

    return render


def test_how_to_load_a_tag(release: Render) -> None:
    card = release(repository="someone/set", tag="v1.2.0")
    line = 'ranked = load_dataset("someone/set", "ranked", split="train"'
    assert f'{line}, revision="v1.2.0")\n' in card
    assert "synpic train --preset rankdpo-sdxl --set data.dataset=someone/set@v1.2.0" in card
    assert "synpic export --to pickapic pairs someone/set@v1.2.0\n" in card
    assert "`synpic verify someone/set@v1.2.0`" in card
    untagged = release(repository="someone/set")
    assert f"{line})\n" in untagged
    assert "## Changes" not in untagged
    assert "`synpic remake someone/set@v1.2.0 --sample 1%`" in card
    assert "synpic remake" not in untagged
    assert release(repository="someone/set", tag="v1.2.0") == card


def test_it_counts_bytes_shards_ties_and_unseen_images(tmp_path: Path) -> None:
    text = recipe(more='[records]\npairs = "all"\nconfigs = ["ranked", "pairwise"]\n')

    def score(reward: str, row: dict[str, Any]) -> float:
        # Everyone is tied but for the model that comes first.
        return float(row["model"] == "alpha")

    publish_to(build(tmp_path / "set", text=text, score=score), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    # Of three pairs a prompt, that of beta and gamma is tied.
    assert manifest["pairs"] == {"pairwise": {"strategy": "all", "picked": 15, "tied": 5}}
    assert "| pairs that `all` picks for `pairwise` | 15 |\n| … left out: tied | 5 |" in card
    assert "5 of 5 prompts have a tie." in card
    assert "| images that no safety check has seen | 15 |" in card
    size = (tmp_path / "out" / "ranked" / "train-00000-of-00001.parquet").stat().st_size
    assert f"| `ranked` | `train` | 3 | {size / 1000:.1f} kB | 1 |" in card


def test_pictures_are_shown_where_they_are(release: Render, tmp_path: Path) -> None:
    card = release()
    assert "](pictures/scores.png)" in card
    assert "](pictures/agreement.png)" in card
    publish_to(build(tmp_path / "set"), tmp_path / "out")
    published = (tmp_path / "out" / "README.md").read_text()
    for path in re.findall(r"\]\((pictures/.*?)\)", published):
        assert (tmp_path / "out" / path).exists()


def test_a_checkpoint_on_the_hub_has_its_page(manifest: dict[str, Any]) -> None:
    commit = "1a2b3c4d" * 5
    entry = {"kind": "model", "source": "some/model", "revision": None, "identity": commit}
    hostile = {**entry, "source": "some/mo)del", "identity": commit}
    model = {**manifest["models"][0], "checkpoint": "some/model@1a2b3c4d"}
    told = {**manifest, "lock": [hostile, entry], "models": [model]}
    card = _card(told, PublishSettings(), [])
    assert f"[some/model@1a2b3c4d](https://huggingface.co/some/model/tree/{commit})" in card
    assert "mo)del" not in card


def test_changes_pile_up(release: Render) -> None:
    first = release(tag="v1.0.0", changes=["First release."])
    second = release(tag="v1.1.0", changes=["| 3 | *prompts*"], previous=parse_previous(first))
    # Whoever mends an older entry by hand finds it mended.
    mended = second.replace("First release.", "First release, of **two** models.")
    assert mended != second
    third = release(tag="v2.0.0", previous=parse_previous(mended))
    changes = third.partition("## Changes\n")[2].partition("\n## ")[0]
    shown = re.sub(r"<!--.*?-->", "", changes)
    assert [line for line in shown.splitlines() if line] == [
        "**v2.0.0**",
        "**v1.1.0**",
        r"- \| 3 \| \*prompts\*",
        "**v1.0.0**",
        "- First release, of **two** models.",
    ]
    # Without a tag nothing is added, and with the same tag its entry is written anew.
    again = parse_previous(release(previous=parse_previous(third)))
    assert again.changes == parse_previous(third).changes
    anew = parse_previous(release(tag="v1.1.0", previous=again)).changes
    assert list(anew) == ["v1.1.0", "v2.0.0", "v1.0.0"]
    assert anew["v1.1.0"] == "**v1.1.0**\n"


def test_a_tag_that_would_break_a_mark(release: Render) -> None:
    with pytest.raises(PublishError, match="cannot be the tag"):
        release(tag="v1 --> <b>")


def test_the_head_keeps_what_others_wrote(release: Render) -> None:
    card = release().replace("license: unknown", "license: cc-by-4.0")
    card = card.replace("pretty_name: A ranked preference dataset", "pretty_name: By hand")
    mine = "arxiv: 2410.18010  # ends in 0\nviewer: no\nextra_gated_fields:\n  Name: text\n"
    card = card.replace("tags:\n", f"{mine}train-eval-index: []\ntags:\n- mine\n", 1)
    kept = release(previous=parse_previous(card))
    assert mine in kept
    data = DatasetCard(kept).data
    assert data.license == "cc-by-4.0"
    assert data.pretty_name == "By hand"
    assert "# By hand\n" in kept
    assert data.tags == [*TAGS, "mine"]
    assert data.train_eval_index == []
    assert [config["config_name"] for config in data.configs] == ["ranked", "pairwise"]
    # What the recipe says has the last word.
    said = release(PublishSettings(title="Said", license="mit"), previous=parse_previous(card))
    assert DatasetCard(said).data.pretty_name == "Said"
    assert DatasetCard(said).data.license == "mit"


@settings(max_examples=30)
@given(TEXTS.filter(lambda text: "<!-- /synpic:yours -->" not in text))
def test_prose_survives_byte_for_byte(manifest: dict[str, Any], text: str) -> None:
    def render(**more: Any) -> str:
        return _card(manifest, PublishSettings(), [], **more)

    first = render()
    invitation = parse_previous(first).prose
    assert invitation
    assert invitation.count("\n") == 1
    assert render(previous=NOTHING) == render(previous=parse_previous(first)) == first
    previous = parse_previous(first.replace(invitation, text + "\n", 1))
    assert previous.prose == text + "\n"
    card = render(tag="v1.0.0", previous=previous)
    assert DatasetCard(card).data.pretty_name == "A ranked preference dataset"
    again = parse_previous(card)
    assert again.prose == text + "\n"
    assert render(tag="v1.0.0", previous=again) == card


def _outline(text: str) -> list[str]:
    """What stands where: all blocks and cells, and the headings but the title."""
    tokens = MARKDOWN.parse(text)
    blocks = [token.type for token in tokens if token.type not in ("paragraph_open", "inline")]
    titles = [
        after.content
        for token, after in pairwise(tokens)
        if token.type == "heading_open" and token.tag != "h1"
    ]
    return [*blocks, *titles]


def _card(
    manifest: dict[str, Any], publish: PublishSettings, prompts: list[str], **more: Any
) -> str:
    rows = pl.DataFrame({"image_0": [None]})
    shard = ShardFile(
        "ranked/train-00000-of-00001.parquet",
        "train",
        ConfigRows("ranked", rows, {"image_0": IMAGE}),
        (1,),
        1,
    )
    told = {
        **manifest,
        "records": {"ranked": {"train": 1}},
        "features": {"ranked": manifest["features"]["ranked"]},
        "files": {shard.path: {"sha256": "0" * 64, "bytes": 1}},
    }
    return render_card(as_manifest(told), [shard], publish, prompts, **more)


def test_a_model_of_several_checkpoints_is_told_as_one() -> None:
    told = _settings(
        {
            "steps": 20,
            "prior": {"repository": "maker/prior", "commit": "1a2b3c4d" * 5},
            "adapters": [
                {"sha256": "5e6f7a8b" * 8, "file": None, "scale": 0.5},
                {"repository": "maker/style", "commit": "9c0d1e2f" * 5, "file": None, "scale": 1.0},
            ],
            "components": {"unet": {"sha256": "abcdef01" * 8, "subfolder": None, "variant": None}},
            "without": ["text_encoder_3"],
        }
    )
    assert told == (
        "20 steps, prior maker/prior@1a2b3c4d, LoRA sha256 5e6f7a8b × 0.5, "
        "LoRA maker/style@9c0d1e2f × 1, unet of sha256 abcdef01, without text_encoder_3"
    )
