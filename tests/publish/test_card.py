from __future__ import annotations

import html
import inspect
import json
import re
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

from synpic.publish import publish_to
from synpic.publish.card import fence, markdown_text, render_card
from synpic.publish.features import IMAGE
from synpic.publish.records import Records
from synpic.publish.shards import Shard
from synpic.rank import AGGREGATIONS
from synpic.recipe import PublishSettings
from tests.publish.fixtures import build, recipe

HOSTILE = [
    "---\nlicense: evil\n---",
    "<script>alert(1)</script> <img src=x onerror=alert(1)>",
    "| a | b |\n|---|---|\n```\n# heading\n* item\n1. one",
    "[x](javascript:alert(1)) ![x](http://example.org/x.png) <http://a.b> www.example.org",
    "{{ 7 * 7 }} {% for x in y %} `code` **bold** _em_ ~~gone~~ $x$ &amp; &lt; \\",
    "\u202eright to left\u2028next\x00\x1b[31m\ttab",
    "'\": - ? , & * ! | > % @ #",
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


@given(TEXTS)
def test_text_shows_as_it_is(text: str) -> None:
    rendered = MARKDOWN.render(markdown_text(text))
    expected = f"<p>{html.escape(shown(text), quote=True)}</p>\n" if shown(text) else ""
    assert rendered.replace("&#x27;", "'") == expected.replace("&#x27;", "'")


@given(TEXTS)
def test_text_stays_in_its_place(text: str) -> None:
    cell = re.escape(html.escape(shown(text), quote=False))
    table = MARKDOWN.render(f"| a | b |\n|---|---|\n| {markdown_text(text)} | end |\n")
    assert re.search(rf"<td>{cell}</td>\n<td>end</td>", table.replace("&quot;", '"'))
    items = MARKDOWN.render(f"- {markdown_text(text)}\n- end\n")
    assert items.replace("&quot;", '"').endswith(
        f"<li>{html.escape(shown(text), quote=False)}</li>\n<li>end</li>\n</ul>\n"
    )


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
    card = DatasetCard(_card(told, publish, [text]))
    assert card.data.pretty_name == (shown(text) or "A ranked preference dataset")
    assert card.data.license == (shown(text) or "unknown")
    assert card.data.tags[:2] == ["synpic", "preference"]
    plain = {**told, "prompts": {"x": 1}, "recipe": "x", "counts": {**counts, "failed": {"x": 1}}}
    words = PublishSettings(title="x", description="x", license="x", tags=["x"])
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    if len(paragraphs) == 1 and shown(text):
        expected = DatasetCard(_card(plain, words, ["x"])).text
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
    assert card.data.tags == ["synpic", "preference", "shapes"]
    assert card.data.size_categories == "n<1K"
    configs = {config["config_name"]: config for config in card.data.configs}
    assert configs["ranked"]["default"] is True
    assert "default" not in configs["scores"]
    assert configs["ranked"]["data_files"] == [
        {"split": "train", "path": "ranked/train-*.parquet"},
        {"split": "validation", "path": "ranked/validation-*.parquet"},
    ]
    info = {one["config_name"]: one for one in card.data.dataset_info}["ranked"]
    features = {feature["name"]: feature for feature in info["features"]}
    assert features["image_0"]["dtype"] == "image"
    assert features["models"]["sequence"] == "string"
    assert [split["num_examples"] for split in info["splits"]] == [3, 2]
    assert "Second &amp; last\\." in card.text
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
    what = inspect.getdoc(AGGREGATIONS[aggregation])
    assert what
    section = MARKDOWN.render(card.partition("### Ranking")[2].partition("###")[0])
    plain = re.sub(r"<.*?>", "", html.unescape(section))
    assert " ".join(what.replace("``", "").split()) in " ".join(plain.split())


def test_its_lines_of_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    publish_to(build(tmp_path / "set"), tmp_path / "out", configs=["ranked", "pairwise"])
    card = (tmp_path / "out" / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    names: dict[str, Any] = {}
    exec(code.group(1), names)
    assert names["best"].size == (24, 24)
    assert set(names["pairwise"]) == {"train", "validation"}


def test_hostile_prompts_publish(tmp_path: Path, load: Any) -> None:
    workspace = build(tmp_path / "set", [(text, "train") for text in HOSTILE])
    publish_to(workspace, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    head = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert head["license"] == "unknown"
    assert "<script" not in card
    assert "<img" not in card
    assert set(load(tmp_path / "out", split="train")["prompt"]) == set(HOSTILE)


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


def _card(manifest: dict[str, Any], publish: PublishSettings, prompts: list[str]) -> str:
    rows = pl.DataFrame({"image_0": [None]})
    shard = Shard(
        "ranked/train-00000-of-00001.parquet",
        "train",
        Records("ranked", rows, {"image_0": IMAGE}),
        (1,),
        1,
    )
    told = {
        **manifest,
        "records": {"ranked": {"train": 1}},
        "files": {shard.path: {"bytes": 1}},
    }
    return render_card(told, [shard], publish, prompts)
