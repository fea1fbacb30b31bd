from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.table import embed_table_storage

from synpic.errors import CorruptPart, PublishError, RankingError, ReleaseError
from synpic.publish import publish_to
from synpic.publish.in_place import PROTOCOL
from synpic.publish.load import load_rankings
from synpic.workspace import Workspace
from tests.publish.fixtures import build, encoded, hashed_score
from tests.release.conftest import PROMPTS, ragged

Load = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent

# Whatever a path may hold, datasets and fsspec must hand it through.
STRANGE = "a set [1] *?#% +ü"


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return build(tmp_path / STRANGE, PROMPTS, keep=ragged)


@pytest.mark.parametrize("config", ["ranked", "scores", "images", "pairwise"])
def test_a_workspace_is_what_its_release_would_be(
    tmp_path: Path, load: Load, made: Workspace, config: str
) -> None:
    out = publish_to(made, tmp_path / "out", configs=[config]).directory
    published = load(out, config)
    for where in (made, made.store.root, Path(made.store.root)):
        lazy = load_rankings(where, config=config)
        assert list(lazy) == list(published)
        for split, rows in published.items():
            assert lazy[split].features == rows.features
            assert lazy[split].num_rows == rows.num_rows
    for split, rows in published.items():
        for one, other in zip(lazy[split], rows, strict=True):
            for name, value in other.items():
                if hasattr(value, "tobytes"):
                    assert one[name].tobytes() == value.tobytes()
                else:
                    assert one[name] == value, name


def test_nothing_is_copied_and_nothing_is_written(
    tmp_path: Path, made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = load_rankings(made, split="train")
    stored = rows.cast_column("image_0", datasets.Image(decode=False))[0]["image_0"]
    assert stored["bytes"] is None
    assert stored["path"].startswith(f"{PROTOCOL}://")
    assert stored["path"].endswith(f"/{rows[0]['candidate_ids'][0]}.png")
    assert not (tmp_path / "cache").exists()


def test_it_can_be_used_as_any_other(
    tmp_path: Path, made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = load_rankings(made, split="train")
    shuffled = rows.shuffle(seed=1).select(range(4))
    wide = shuffled.map(
        lambda row: {"width": row["image_0"].width, "best_model": row["models"][row["best"]]}
    )
    assert wide["width"][:] == [24] * 4
    # What push_to_hub does before it sends a shard.
    whole = embed_table_storage(rows.data.table)
    pixels = encoded(made)
    for row in whole.to_pylist():
        assert row["image_1"]["bytes"] == pixels[row["candidate_ids"][1]]
        assert row["image_1"]["path"] == f"{row['candidate_ids'][1]}.png"


def test_another_process_finds_the_pixels(tmp_path: Path, made: Workspace) -> None:
    """One that got the dataset by pickle, and imported no more than the addresses' module."""
    import pickle

    (tmp_path / "rows.pickle").write_bytes(pickle.dumps(load_rankings(made, split="train")))
    code = (
        "import pickle, sys\n"
        "import synpic.publish.in_place\n"
        "rows = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(rows[0]['image_0'].size)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "rows.pickle")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "(24, 24)\n", ended.stderr


def test_new_scores_are_a_new_ranking(tmp_path: Path) -> None:
    one = build(tmp_path / "one", PROMPTS)
    two = build(tmp_path / "two", PROMPTS, score=lambda reward, row: -hashed_score(reward, row))
    before, after = (load_rankings(set_, split="train") for set_ in (one, two))
    assert before["candidate_ids"][:] == after["candidate_ids"][:]
    assert before["rank"][:] != after["rank"][:]


def test_pixels_that_changed_are_refused(made: Workspace) -> None:
    rows = load_rankings(made, split="train")
    image = encoded(made)[rows[0]["candidate_ids"][0]]
    (part,) = (
        part
        for part in (Path(made.store.root) / "candidates").rglob("*.parquet")
        if image in part.read_bytes()
    )
    part.write_bytes(part.read_bytes().replace(image[60:80], bytes(20)))
    with pytest.raises(CorruptPart, match="truncated or damaged"):
        rows[0]


def test_what_is_not_there(made: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no row of split 'trian'. Did you mean 'train'\?"):
        load_rankings(made, split="trian")
    with pytest.raises(PublishError, match=r"'rankd' cannot be loaded.*Did you mean 'ranked'\?"):
        load_rankings(made, config="rankd")
    with pytest.raises(PublishError, match="'pickapic' cannot be loaded") as error:
        load_rankings(made, config="pickapic")
    assert "synpic export --to pickapic" in str(error.value.hint)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match="neither a workspace nor a release"):
        load_rankings(tmp_path / "empty")
    (tmp_path / "empty" / "workspace").mkdir()
    (tmp_path / "empty" / "workspace" / "recipe.toml").touch()
    with pytest.raises(ReleaseError) as error:
        load_rankings(tmp_path / "empty")
    assert f"there is {tmp_path / 'empty' / 'workspace'}" in str(error.value.hint)
    bare = build(tmp_path / "bare", PROMPTS, keep=lambda row: False)
    with pytest.raises(RankingError, match="holds no image"):
        load_rankings(bare)


def test_a_workspace_that_is_no_folder(tmp_path: Path) -> None:
    """Parts in an object store have addresses too."""
    import fsspec

    made = build(tmp_path / "set", PROMPTS)
    memory = fsspec.filesystem("memory")
    memory.put(made.store.root, "/published-sets/one", recursive=True)
    remote = Workspace.open("memory://published-sets/one")
    try:
        rows = load_rankings(remote, split="validation")
        expected = load_rankings(made, split="validation")
        assert rows[0]["image_0"].tobytes() == expected[0]["image_0"].tobytes()
    finally:
        memory.rm("/published-sets", recursive=True)
