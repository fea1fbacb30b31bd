"""What ``synpic list`` is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from huggingface_hub import constants
from PIL.Image import Image

from synpic.errors import UnknownName
from synpic.pipeline import catalogue
from synpic.registry import MODELS, REWARDS
from synpic.score.reward import Companion, RewardInfo


class Judge:
    """Declares everything."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a judge",
        version=3,
        reads_prompt=False,
        score_range="0 … 1",
        checkpoint="maker/judge",
        files=("weights.safetensors",),
        files_by_option={"level": {"1": ("low.safetensors",)}},
        companions={
            "words": Companion(
                "maker/words", ("vocab.txt", "merges.txt"), unless={"merges.txt": "words."}
            )
        },
        licence="MIT",
        paper="2101.00001",
        text_limit="7 words",
        verified="by hand",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        words: str,
        words_revision: str | None,
        *,
        level: float,
        dtype: str = "float32",
        sizes: tuple[int, ...] = (1, 2),
    ) -> None: ...

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        raise NotImplementedError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub's client."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put(cache: Path, repository: str, **files: int) -> None:
    folder = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in files.items():
        (folder / name.replace("_", ".")).write_bytes(b"\0" * size)


def test_everything_that_a_reward_declares(cache: Path) -> None:
    row = catalogue.reward(f"{__name__}:Judge")
    assert json.loads(json.dumps(row)) == {
        "name": f"{__name__}:Judge",
        "installed": True,
        "from": __name__,
        "summary": "a judge",
        "version": 3,
        "reads_prompt": False,
        "score_range": "0 … 1",
        "checkpoint": "maker/judge",
        "files": ["weights.safetensors"],
        "files_by_option": {"level": {"1": ["low.safetensors"]}},
        "companions": {
            "words": {
                "repository": "maker/words",
                "files": ["vocab.txt", "merges.txt"],
                "unless": {"merges.txt": "words."},
            }
        },
        "licence": "MIT",
        "paper": "2101.00001",
        "text_limit": "7 words",
        "verified": "by hand",
        "options": {"level": "required", "dtype": "float32", "sizes": [1, 2]},
        "cached": "no",
        "cache": [
            {
                "of": of,
                "repository": repository,
                "state": "no",
                "commit": None,
                "files": {},
                "bytes": 0,
                "missing": missing,
            }
            for of, repository, missing in [
                ("checkpoint", "maker/judge", ["weights.safetensors"]),
                ("words", "maker/words", ["vocab.txt", "merges.txt"]),
            ]
        ],
        "lineage": None,
    }


def test_where_a_judge_comes_from_and_how_good_it_was_found(cache: Path) -> None:
    found = catalogue.reward("hpsv2")["lineage"]
    assert json.loads(json.dumps(found)) == found
    assert (found["backbone"], found["parameters"]) == ("CLIP ViT-H-14 (LAION-2B)", 986)
    # As MMRB2's table has it.
    newest = next(one for one in found["accuracy"] if one["set"] == "MMRB2")
    assert newest == {"set": "MMRB2", "percent": 54.7, "source": "arXiv 2512.16899"}


def test_what_is_in_the_cache_of_all_its_repositories(cache: Path) -> None:
    def state() -> tuple[str, list[str]]:
        row = catalogue.reward(f"{__name__}:Judge")
        return row["cached"], [repository["state"] for repository in row["cache"]]

    assert state() == ("no", ["no", "no"])
    put(cache, "maker/judge", weights_safetensors=7)
    assert state() == ("partly", ["yes", "no"])
    put(cache, "maker/words", vocab_txt=3)
    assert state() == ("partly", ["yes", "partly"])
    put(cache, "maker/words", merges_txt=5)
    assert state() == ("yes", ["yes", "yes"])
    first, second = catalogue.reward(f"{__name__}:Judge")["cache"]
    assert (first["files"], first["bytes"]) == ({"weights.safetensors": 7}, 7)
    assert (second["commit"], second["bytes"], second["missing"]) == ("a" * 40, 8, [])


def test_a_plain_function_says_what_its_docstring_and_signature_say() -> None:
    row = catalogue.reward("tests.fakes:redness")
    assert row["installed"]
    assert row["cached"] is None
    # It declares nothing, and nothing is said of it.
    assert (row["version"], row["reads_prompt"]) == (None, None)


def test_every_registered_reward_has_a_row(cache: Path) -> None:
    rows = {row["name"]: row for row in catalogue.rewards()}
    assert list(rows) == sorted({*REWARDS.names(), *REWARDS.planned})
    for name, row in rows.items():
        assert row["installed"] == (name in REWARDS.names())
        assert row["from"] == "synpic"
        assert (row["cached"] is None) == (not row["checkpoint"] and not row["companions"])
    assert rows["shapes_clip"]["cached"] == "yes"
    assert len({tuple(row) for row in rows.values()}) == 1, "rows differ in their keys"
    json.dumps(list(rows.values()))


def test_a_plug_in_that_does_not_import_is_a_row_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [
        EntryPoint("sound", f"{__name__}:Judge", "synpic.rewards"),
        EntryPoint("broken", "tests.nothing:Judge", "synpic.rewards"),
    ]
    monkeypatch.setattr("synpic.registry.entry_points", lambda group: points)
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in catalogue.rewards()}
    assert rows["sound"]["installed"]
    assert not rows["broken"]["installed"]
    assert "No module named 'tests.nothing'" in rows["broken"]["summary"]
    with pytest.raises(UnknownName, match=r"tests\.nothing"):
        catalogue.reward("broken")


def test_every_registered_model_has_a_row() -> None:
    assert [row["name"] for row in catalogue.models()] == MODELS.names()
