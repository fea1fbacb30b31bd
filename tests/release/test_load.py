from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import pytest

import synpic
from synpic.errors import ReleaseError
from synpic.release import open_release
from synpic.release.load import load_release
from tests.hub_server import HubServer


def test_a_folder_as_datasets_loads_it(out: Path, cache: Path) -> None:
    loaded = load_release(open_release(out))
    expected = datasets.load_dataset(str(out), "ranked")
    assert isinstance(loaded, datasets.DatasetDict)
    assert list(loaded) == list(expected)
    for split, rows in loaded.items():
        assert rows.features == expected[split].features
        assert rows.data.equals(expected[split].data)
    one = load_release(open_release(out), split="train", config="scores")
    assert one.num_rows == 17


def test_a_folder_named_as_a_format(
    out: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.rename(tmp_path / "parquet")
    monkeypatch.chdir(tmp_path)
    assert load_release(open_release("parquet"), split="train").num_rows == 6


def test_a_tag_from_the_hub(pushed: HubServer, out: Path) -> None:
    loaded = load_release(open_release("user/set@v1.0.0"), split="validation")
    local = datasets.load_dataset(str(out), "ranked", split="validation")
    assert loaded.data.equals(local.data)
    assert loaded[0]["image_0"].size == (24, 24)


def test_a_private_one_with_a_token(pushed: HubServer) -> None:
    pushed.repositories["user/set"].private = True
    release = open_release("user/set@v1.0.0", token="hf_read")
    assert load_release(release, split="train", config="scores").num_rows == 17


def test_what_is_not_in_it(out: Path, cache: Path) -> None:
    release = open_release(out)
    with pytest.raises(ReleaseError, match=r"no split 'valid'. Did you mean 'validation'\?"):
        load_release(release, split="valid")
    with pytest.raises(ReleaseError, match="no config 'images'"):
        load_release(release, config="images")
    for shard in (out / "ranked").glob("train-*"):
        shard.write_bytes(b"no parquet")
    with pytest.raises(ReleaseError, match="datasets cannot load it"):
        load_release(release)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\n", "", "configs: 'ranked' is not among them"),
        ("config_name: ranked", "config_name: rankedx", "configs: 'ranked' is not among them"),
        ("config_name: ranked", "config_name: [", "its head is not what the Hub would read"),
        (
            "split: train",
            "split: [1]",
            "configs.0.data_files.1.split: Input should be a valid string",
        ),
        ("license", "license\0", "its head is not what the Hub would read"),
    ],
    ids=["no head", "another name", "not YAML", "no split", "NUL"],
)
def test_a_card_that_does_not_say_where_tables_lie_is_named(
    old: str, new: str, message: str, out: Path, cache: Path
) -> None:
    card = out / "README.md"
    text = card.read_text("utf-8")
    assert old in text
    card.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ReleaseError) as caught:
        load_release(open_release(out))
    assert "README.md" in caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize("name", ["rel [v1]", "what?", "a*b"])
def test_a_folder_whose_path_is_a_pattern_loads(
    name: str, out: Path, cache: Path, tmp_path: Path
) -> None:
    plain = synpic.load_rankings(out, split="train")
    shutil.copytree(out, tmp_path / name)
    for _ in range(2):
        found = synpic.load_rankings(tmp_path / name, split="train")
        assert found.features == plain.features
        assert found["prompt"] == plain["prompt"]
    shutil.rmtree(tmp_path / name)
    with pytest.raises(ReleaseError, match="no such folder"):
        synpic.load_rankings(tmp_path / name)
