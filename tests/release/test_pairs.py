from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synpic.errors import RankingError, ReleaseError
from synpic.publish import publish_to
from synpic.publish.load import load_rankings
from synpic.rank import STRATEGIES
from synpic.release.pairs import Pairs, pairs
from tests.grids import slow_but
from tests.publish.fixtures import THIRD, build, encoded, recipe
from tests.release.conftest import PROMPTS, ragged


def rankings(lists: list[list[float]]) -> datasets.Dataset:
    """Rankings with those preferences; an image is one pixel that tells its row and place."""
    width = max(map(len, lists))
    images = {
        f"image_{place}": [
            Image.new("RGB", (1, 1), (row, place, 0)) if place < len(one) else None
            for row, one in enumerate(lists)
        ]
        for place in range(width)
    }
    columns = {
        "prompt_id": [f"p{row}" for row in range(len(lists))],
        "prompt": [f"prompt {row}" for row in range(len(lists))],
        "candidate_ids": [
            [f"{row}-{i * 7 % 5}" for i in range(len(one))] for row, one in enumerate(lists)
        ],
        "models": [[f"m{i}" for i in range(len(one))] for one in lists],
        "preference": lists,
    }
    data = datasets.Dataset.from_dict({**columns, **images})
    for name in images:
        data = data.cast_column(name, datasets.Image())
    return data


def lot(candidate_id: str) -> str:
    return hashlib.sha256(f"random pair:{candidate_id}".encode()).hexdigest()


def by_hand(strategy: str, preference: list[float], ids: list[str]) -> list[tuple[int, int]]:
    """The places of chosen and rejected, as docs/ranking.md says it."""
    order = sorted(range(len(ids)), key=lambda i: (-preference[i], ids[i]))
    k = len(order)
    taken = {
        "best-worst": [(0, k - 1)],
        "best-rest": [(0, j) for j in range(1, k)],
        "all": [(i, j) for i in range(k) for j in range(i + 1, k)],
        "adjacent": [(i, i + 1) for i in range(k - 1)],
        "random": [tuple(sorted(sorted(range(k), key=lambda i: lot(ids[order[i]]))[:2]))],
    }[strategy]
    found = [(order[i], order[j]) for i, j in taken]
    return [(i, j) for i, j in found if preference[i] > preference[j]]


@given(
    lists=st.lists(
        st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=5),
        min_size=1,
        max_size=4,
    )
)
def test_pairs_are_those_that_each_strategy_names(lists: list[list[float]]) -> None:
    data = rankings(lists)
    for strategy in STRATEGIES:
        found = pairs(data, strategy)
        expected = [
            (row, *places)
            for row, one in enumerate(lists)
            for places in by_hand(strategy, one, data[row]["candidate_ids"])
        ]
        assert len(found) == len(expected)
        for pair, (row, chosen, rejected) in zip(found, expected, strict=True):
            assert pair["prompt_id"] == f"p{row}"
            assert pair["prompt"] == f"prompt {row}"
            assert pair["chosen"].getpixel((0, 0)) == (row, chosen, 0)
            assert pair["rejected"].getpixel((0, 0)) == (row, rejected, 0)
            assert (pair["chosen_model"], pair["rejected_model"]) == (f"m{chosen}", f"m{rejected}")
            assert pair["margin"] == lists[row][chosen] - lists[row][rejected] > 0
            assert pair["strategy"] == strategy
            assert tuple(pair) == Pairs.column_names


@pytest.mark.parametrize("strategy", slow_but({"best-worst", "random"}, STRATEGIES))
def test_they_are_the_published_pairs(tmp_path: Path, cache: Path, strategy: str) -> None:
    """Of the release and of the workspace alike, pixels included."""
    text = recipe(more=f'{THIRD}[records]\npairs = "{strategy}"\n')
    workspace = build(tmp_path / "set", PROMPTS, text=text, keep=ragged)
    out = publish_to(workspace, tmp_path / "out", configs=["ranked", "pairwise"]).directory
    pixels = encoded(workspace)
    for split in ("train", "validation"):
        published = datasets.load_dataset(str(out), "pairwise", split=split)
        for where in (out, workspace):
            derived = pairs(load_rankings(where, split=split), strategy)
            assert derived.column_names == tuple(published.column_names)
            assert len(derived) == len(published) > 0
            for one, other in zip(derived, published, strict=True):
                for name, value in other.items():
                    if name in ("chosen", "rejected"):
                        assert one[name].tobytes() == value.tobytes()
                        with Image.open(io.BytesIO(pixels[one[f"{name}_id"]])) as image:
                            assert one[name].tobytes() == image.tobytes()
                    else:
                        assert one[name] == value, name


def test_only_the_images_of_a_pair_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pairs(rankings([[0.0, 1.0, 0.5, 0.25]]))
    decoded: list[Any] = []
    decode = datasets.Image.decode_example

    def count(self: Any, value: Any, **options: Any) -> Any:
        decoded.append(value)
        return decode(self, value, **options)

    monkeypatch.setattr(datasets.Image, "decode_example", count)
    assert found[0]["chosen"].getpixel((0, 0)) == (0, 1, 0)
    assert len(decoded) == 2
    assert found.table()["margin"].to_list() == [1.0]
    assert len(decoded) == 2


def test_a_shuffled_subset_with_a_row_twice() -> None:
    data = rankings([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.25, 0.5]]).select([3, 2, 0, 3])
    found = pairs(data)
    assert [pair["prompt_id"] for pair in found] == ["p3", "p0", "p3"]
    assert [pair["chosen"].getpixel((0, 0)) for pair in found] == [(3, 1, 0), (0, 1, 0), (3, 1, 0)]


def test_it_is_a_sequence() -> None:
    found = pairs(rankings([[0.0, 1.0, 0.5], [1.0, 0.0]]), "all")
    assert len(found) == 4
    assert found[-1]["prompt_id"] == "p1"
    assert [pair["rejected_id"] for pair in found[1:3]] == [
        pair["rejected_id"] for pair in found.select([1, 2])
    ]
    assert found.table().columns == [
        name for name in Pairs.column_names if name not in ("chosen", "rejected")
    ]
    for beyond in (4, -5):
        with pytest.raises(IndexError):
            found[beyond]
    assert len(list(found)) == 4


def test_a_data_loader_takes_them() -> None:
    from torch.utils.data import DataLoader

    found = pairs(rankings([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]))
    loader: Any = DataLoader(found, batch_size=2, collate_fn=list, num_workers=1)  # type: ignore[arg-type]
    assert [pair["prompt_id"] for batch in loader for pair in batch] == ["p0", "p1"]


def test_what_cannot_be_paired() -> None:
    data = rankings([[0.0, 1.0]])
    with pytest.raises(RankingError, match=r"Did you mean 'best-worst'\?"):
        pairs(data, "best-wrst")
    with pytest.raises(ReleaseError, match="no column 'preference'"):
        pairs(data.remove_columns("preference"))
    with pytest.raises(ReleaseError, match="not a DatasetDict"):
        pairs(datasets.DatasetDict(train=data))  # type: ignore[arg-type]
