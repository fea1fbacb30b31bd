from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synpic.errors import PublishError, RankingError, ReleaseError
from synpic.publish import publish_to
from synpic.publish.export import export, plan_export
from synpic.publish.table.shards import Limits
from synpic.rank import STRATEGIES, pairs
from synpic.workspace import Workspace
from tests.grids import slow_but
from tests.hub_server import HubServer
from tests.publish.fixtures import THIRD, build, encoded, recipe
from tests.readers.image_files import encoded as image_file
from tests.release.conftest import PROMPTS, SEVERAL, files_of, hub, online, pushed, ragged

__all__ = ["hub", "online", "pushed"]

Load = Callable[..., Any]


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", PROMPTS, keep=ragged)


@pytest.fixture(scope="module")
def out_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    made = build(folder / "set", PROMPTS, keep=ragged)
    configs = ["ranked", "scores"]
    return publish_to(made, folder / "out", configs=configs, limits=SEVERAL).directory


@pytest.fixture
def out(out_once: Path, made: Workspace, tmp_path: Path) -> Path:
    return Path(shutil.copytree(out_once, tmp_path / "out"))


def best_and_worst(where: Path) -> dict[str, tuple[str, str]]:
    """prompt → ids of the chosen and the rejected, from the release's own rows."""
    found = {}
    for row in datasets.Dataset.from_parquet(
        [str(p) for p in sorted((where / "ranked").iterdir())]
    ):
        order = sorted(zip([-one for one in row["preference"]], row["candidate_ids"], strict=True))
        if order[0][0] < order[-1][0]:
            found[row["prompt"]] = (order[0][1], order[-1][1])
    return found


# -- as each trainer opens it ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["folder", "data_dir", "no card", "streaming"])
def test_pickapic_as_diffusers_and_diffusion_dpo_read_it(
    tmp_path: Path, load: Load, made: Workspace, out: Path, how: str
) -> None:
    done = export(made, "pickapic", tmp_path / "pick")
    if how == "no card":
        (tmp_path / "pick" / "README.md").unlink()
    if how == "data_dir":
        # cache_dir comes from the fixture; the name is the format's.
        dataset = load(Path("parquet"), None, data_dir=str(tmp_path / "pick"))
    else:
        # dataset = load_dataset(args.dataset_name, cache_dir=args.cache_dir)
        dataset = load(tmp_path / "pick", streaming=how == "streaming")
    expected = best_and_worst(out)
    seen = {}
    for split, count in done.rows.items():
        rows = list(dataset[split])
        assert len(rows) == count
        for row in rows:
            # preprocess_train: bytes, not an Image feature.
            one, other = (
                Image.open(io.BytesIO(row[name])).convert("RGB") for name in ("jpg_0", "jpg_1")
            )
            assert one.size == other.size == (24, 24)
            # "if 0 label_0: flip"; Diffusion-DPO drops ties by label_0 in (0, 1).
            assert row["label_0"] in (0.0, 1.0)
            assert isinstance(row["label_0"], float)
            chosen, rejected = (one, other) if row["label_0"] else (other, one)
            # mapo drops ties by label_0 == label_1.
            assert row["label_1"] == 1 - row["label_0"]
            seen[row["caption"]] = (chosen.tobytes(), rejected.tobytes())
    pixels = encoded(made)

    def decoded(one: str) -> bytes:
        return Image.open(io.BytesIO(pixels[one])).convert("RGB").tobytes()

    assert seen == {prompt: (decoded(a), decoded(b)) for prompt, (a, b) in expected.items()}
    assert len(seen) > 5


def test_pairwise_is_chosen_and_rejected(
    tmp_path: Path, load: Load, made: Workspace, out: Path
) -> None:
    export(made, "pairwise", tmp_path / "pairs")
    dataset = load(tmp_path / "pairs")
    assert isinstance(dataset["train"].features["chosen"], datasets.Image)
    pixels = encoded(made)
    expected = best_and_worst(out)
    for rows in dataset.values():
        raw = rows.cast_column("chosen", datasets.Image(decode=False))
        for row in raw.cast_column("rejected", datasets.Image(decode=False)):
            assert (row["chosen_id"], row["rejected_id"]) == expected.pop(row["prompt"])
            assert row["chosen"]["bytes"] == pixels[row["chosen_id"]]
            assert row["rejected"]["bytes"] == pixels[row["rejected_id"]]
    assert not expected


def test_folders_as_simpletuner_and_kohya_read_them(
    tmp_path: Path, made: Workspace, out: Path
) -> None:
    done = export(made, "folders", tmp_path / "two", split="train")
    chosen, rejected = (
        {path.name: path for path in (tmp_path / "two" / side).iterdir()}
        for side in ("chosen", "rejected")
    )
    assert set(chosen) == set(rejected)
    images = sorted(name for name in chosen if not name.endswith(".txt"))
    assert len(images) == done.rows["train"] == len(chosen) // 2
    pixels = encoded(made)
    train = {prompt for prompt, split in PROMPTS if split == "train"}
    expected = {k: v for k, v in best_and_worst(out).items() if k in train}
    for name in images:
        caption = chosen[name].with_suffix(".txt").read_text(encoding="utf-8")
        assert caption == rejected[name].with_suffix(".txt").read_text(encoding="utf-8")
        better, worse = expected.pop(caption)
        assert chosen[name].read_bytes() == pixels[better]
        assert rejected[name].read_bytes() == pixels[worse]
    assert not expected


def test_a_caption_is_one_line_and_as_it_is(tmp_path: Path) -> None:
    prompts = [("two\nlines", "train"), ("café “日本語” 🙂  two  spaces", "train")]
    export(build(tmp_path / "set", prompts), "folders", tmp_path / "two")
    captions = {path.read_bytes().decode() for path in (tmp_path / "two" / "chosen").glob("*.txt")}
    assert captions == {"two lines", "café “日本語” 🙂  two  spaces"}


def test_a_file_is_named_by_its_format_and_one_that_trainers_pass_over_is_told(
    tmp_path: Path,
) -> None:
    kinds = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"]

    def draw(row: dict[str, Any]) -> bytes:
        number = int(row["prompt"].rpartition(" ")[2])
        image = Image.new("RGB", (8, 8), (number, 9 * len(row["model"]), row["sample"]))
        return image_file(image, kinds[number])

    prompts = [(f"prompt {number}", "train") for number in range(len(kinds))]
    made = build(tmp_path / "set", prompts, draw=draw, score=lambda _, row: len(row["model"]))
    done = export(made, "folders", tmp_path / "two")
    chosen = [path for path in (tmp_path / "two" / "chosen").iterdir() if path.suffix != ".txt"]
    assert {path.suffix for path in chosen} == {".png", ".jpg", ".webp", ".bmp", ".gif", ".tif"}
    assert len(done.notes) == 2
    assert done.notes[0].startswith("1 pair in `.gif` files: kohya's scripts pass over them")
    readme = (tmp_path / "two" / "README.md").read_text()
    assert all(note in readme for note in done.notes)
    assert export(made, "pickapic", tmp_path / "pick").notes == ()


# -- wherever it comes from --------------------------------------------------------------------


SAME_BYTES = [
    (kind, strategy) for kind in ("pickapic", "pairwise", "folders") for strategy in STRATEGIES
]
FAST = [
    ("pickapic", "best-worst"),
    ("pickapic", "all"),
    ("pairwise", "best-rest"),
    ("pairwise", "random"),
    ("folders", "adjacent"),
]


@pytest.mark.parametrize(("kind", "strategy"), slow_but(FAST, SAME_BYTES))
def test_a_workspace_its_release_and_its_pairs_give_the_same_bytes(
    tmp_path: Path, kind: str, strategy: str
) -> None:
    text = recipe(more=f'{THIRD}[records]\npairs = "{strategy}"\n')
    made = build(tmp_path / "set", PROMPTS, text=text, keep=ragged)
    ranked = publish_to(made, tmp_path / "ranked", configs=["ranked", "scores"], limits=SEVERAL)
    paired = publish_to(made, tmp_path / "paired", configs=["pairwise"], limits=SEVERAL)
    split = "train" if kind == "folders" else None
    for name, where in (
        ("one", made.store.root),
        ("two", ranked.directory),
        ("three", paired.directory),
    ):
        export(where, kind, tmp_path / name, split=split)
    one = files_of(tmp_path / "one")
    assert one == files_of(tmp_path / "two")
    assert one == files_of(tmp_path / "three")
    assert str(tmp_path) not in one["README.md"].decode() + one["manifest.json"].decode()


@given(
    st.lists(
        st.lists(st.integers(0, 3).map(float), min_size=2, max_size=7), min_size=1, max_size=4
    ),
    st.sampled_from(list(STRATEGIES)),
)
def test_pairs_of_those_in_pairs_are_those_pairs(lists: list[list[float]], strategy: str) -> None:
    """Why a release of pairs alone can be exported: who is in no pair moves no other."""
    table = pl.DataFrame(
        [
            {"prompt_id": f"p{row}", "candidate_id": f"c{row}{(5 * i) % 7}", "preference": value}
            for row, values in enumerate(lists)
            for i, value in enumerate(values)
        ]
    )
    whole = pairs(table, strategy)
    named = [*whole["chosen_id"], *whole["rejected_id"]]
    again = pairs(table.filter(pl.col("candidate_id").is_in(named)), strategy)
    assert again.equals(whole)


def test_from_the_hub(pushed: HubServer, tmp_path: Path, out: Path) -> None:
    export(out, "pickapic", tmp_path / "local", strategy="all")
    done = export("user/set@v1.0.0", "pickapic", tmp_path / "remote", strategy="all")
    local, remote = files_of(tmp_path / "local"), files_of(tmp_path / "remote")
    assert {k: v for k, v in local.items() if k.startswith("data/")} == {
        k: v for k, v in remote.items() if k.startswith("data/")
    }
    commit = pushed.repositories["user/set"].tags["v1.0.0"]
    manifest = json.loads(remote["manifest.json"])
    assert manifest["from"] == {"repository": "user/set", "revision": commit}
    assert f"user/set at commit {commit}" in remote["README.md"].decode()
    assert done.files == len(remote)


def test_pairs_of_another_strategy_are_not_made_up(made: Workspace, tmp_path: Path) -> None:
    paired = publish_to(made, tmp_path / "paired", configs=["pairwise"]).directory
    with pytest.raises(ReleaseError, match="only pairs picked by 'best-worst', and not by 'all'"):
        export(paired, "pickapic", tmp_path / "x", strategy="all")
    scores = publish_to(made, tmp_path / "scores", configs=["scores"]).directory
    with pytest.raises(ReleaseError, match="neither `ranked` nor `pairwise`: scores"):
        export(scores, "pickapic", tmp_path / "x")


def test_the_recipe_s_strategy_is_the_default(tmp_path: Path) -> None:
    text = recipe(more='[records]\npairs = "adjacent"\n')
    made = build(tmp_path / "set", PROMPTS, text=text)
    out = publish_to(made, tmp_path / "out").directory
    for where in (made, out):
        assert plan_export(where, "pairwise").strategy == "adjacent"
        assert plan_export(where, "pairwise", strategy="all").strategy == "all"


# -- the folder --------------------------------------------------------------------------------


def test_a_plan_says_how_much_and_writes_nothing(
    tmp_path: Path, made: Workspace, out: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    planned = {kind: plan_export(made, kind, split="train") for kind in ("pickapic", "folders")}
    assert sorted(tmp_path.iterdir()) == before
    for kind, plan in planned.items():
        done = export(made, kind, tmp_path / kind, split="train")
        assert plan.rows == done.rows
        data = {k: v for k, v in files_of(tmp_path / kind).items() if "/" in k}
        assert plan.bytes == pytest.approx(sum(map(len, data.values())), rel=0.5)
        assert list(done.rows) == ["train"]
    assert plan_export(out, "pickapic").rows == plan_export(made, "pickapic").rows


@pytest.mark.parametrize("kind", ["pickapic", "folders"])
def test_the_manifest_names_every_file(tmp_path: Path, made: Workspace, kind: str) -> None:
    done = export(made, kind, tmp_path / "x", split="train")
    files = files_of(tmp_path / "x")
    assert done.files == len(files)
    assert done.bytes == sum(map(len, files.values()))
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    assert (manifest["export"], manifest["strategy"]) == (kind, "best-worst")
    assert manifest["ranking"]["weights"] == {"redness": 1.0, "greenness": 1.0}


def test_an_export_replaces_an_export_and_nothing_else(tmp_path: Path, made: Workspace) -> None:
    export(made, "pickapic", tmp_path / "x")
    export(made, "folders", tmp_path / "x", split="train")
    assert not (tmp_path / "x" / "data").exists()
    before = files_of(tmp_path / "x")
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(PublishError, match=r"no part of its export: notes.txt"):
        export(made, "pickapic", tmp_path / "x")
    assert files_of(tmp_path / "x") == {**before, "notes.txt": b"mine"}
    with pytest.raises(ReleaseError, match="is an export, which is no release"):
        export(tmp_path / "x", "pickapic", tmp_path / "y")


@pytest.mark.parametrize("kind", ["pickapic", "folders"])
def test_it_appears_whole_or_not_at_all(tmp_path: Path, made: Workspace, kind: str) -> None:
    def fill(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(PublishError, match="No space left") as error:
        export(made, kind, tmp_path / "x", split="train", on_progress=fill)
    assert "free some room" in str(error.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("kind", ["pickapic", "folders"])
def test_progress_ends_at_the_total(tmp_path: Path, made: Workspace, kind: str) -> None:
    told: list[tuple[int, int]] = []
    done = export(
        made,
        kind,
        tmp_path / "x",
        split="train",
        limits=Limits(group_rows=2),
        on_progress=lambda *counts: told.append(counts),
    )
    assert told[-1] == (done.rows["train"],) * 2


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        ("pickapik", {}, PublishError, r"Did you mean 'pickapic'\?"),
        ("pickapic", {"strategy": "al"}, RankingError, r"unknown pair strategy 'al'"),
        ("pairwise", {"split": "trian"}, PublishError, r"Did you mean 'train'\?"),
        ("folders", {}, PublishError, "2 splits, and two folders hold one: train, validation"),
    ],
)
def test_what_is_no_export(
    tmp_path: Path,
    made: Workspace,
    kind: str,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        export(made, kind, tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


def test_only_ties_make_no_pairs(tmp_path: Path) -> None:
    made = build(tmp_path / "set", score=lambda reward, row: len(row["prompt"]))
    with pytest.raises(PublishError, match="no pair to export"):
        export(made, "pickapic", tmp_path / "x")


@pytest.mark.parametrize("split", ["no", "null", "1e3", "été"])
def test_splits_that_yaml_reads_as_something_else(tmp_path: Path, load: Load, split: str) -> None:
    made = build(tmp_path / "set", [(prompt, split) for prompt, _ in PROMPTS])
    export(made, "pickapic", tmp_path / "x")
    assert list(load(tmp_path / "x")) == [split]


@pytest.mark.parametrize("evil", ["../../../escaped", "/tmp/escaped", "a\0b", ""])
def test_ids_of_a_release_lead_nowhere(out: Path, tmp_path: Path, evil: str) -> None:
    """Files are named after them."""
    for path in (out / "ranked").iterdir():
        table = pq.read_table(path)
        place = table.schema.get_field_index("candidate_ids")
        ids = [[evil or "", *row[1:]] if row else row for row in table["candidate_ids"].to_pylist()]
        column = pa.array(ids, table.schema.field(place).type)
        pq.write_table(table.set_column(place, table.schema.field(place), column), path)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ReleaseError, match="is no candidate_id"):
        export(str(out), "folders", tmp_path / "pairs")
    assert set(tmp_path.rglob("*")) == before
