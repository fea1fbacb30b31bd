"""An option's text in a file is the text; where it lies decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL.Image import Image

import synpic
from synpic.errors import RewardError
from synpic.pipeline.inventory import take_inventory
from synpic.recipe import RewardSettings
from synpic.score.option_files import with_files
from synpic.score.reward import RewardInfo
from tests.publish.fixtures import build, recipe


def settings(**options: object) -> RewardSettings:
    return RewardSettings(options=options)


def test_a_file_stands_for_its_text(tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_bytes("\ufeffRate: café\r\n{}\r\n".encode())
    (tmp_path / "same.txt").write_text("Rate: café\n{}")
    for name in ("rubric.txt", "same.txt", str(tmp_path / "same.txt")):
        found = with_files("judge", settings(rubric={"file": name}, seed=1), tmp_path)
        assert found.options == {"rubric": "Rate: café\n{}", "seed": 1}
    plain = settings(rubric="{}", request={"file": "x", "more": 1})
    assert with_files("judge", plain, tmp_path) is plain


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("absent.txt", "absent.txt: No such file"),
        (".", "Is a directory"),
        ("latin.txt", "latin.txt"),
        ("huge.txt", "has more than 1.0 MB"),
        ("", "expected a path"),
        (3, "expected a path"),
        ("a\0b", "null"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, file: object, says: str) -> None:
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "huge.txt").write_bytes(b"a" * ((1 << 20) + 1))
    with pytest.raises(RewardError) as error:
        with_files("judge", settings(rubric={"file": file}), tmp_path)
    assert "rewards.judge.options.rubric: " in error.value.message
    assert says in error.value.message


JUDGE = """
[rewards.judge]
reward = "vlm_rating_endpoint"
options = {{ model = "m", endpoint = "http://127.0.0.1:9/v1", rubric = {} }}
"""


def fingerprint(root: Path, rubric: object) -> str:
    written = json.dumps(rubric) if isinstance(rubric, str) else f'{{ file = "{rubric}" }}'
    (root / "a.txt").write_text("Rate {}\n")
    (root / "b.txt").write_text("Rate {}")
    build(root / "set", text=recipe(more=JUDGE.format(written)))
    return take_inventory(synpic.Workspace.open(root / "set")).rewards[-1].fingerprint


def test_the_text_is_in_the_fingerprint_and_its_place_is_not(tmp_path: Path) -> None:
    def of(number: int, rubric: object) -> str:
        (root := tmp_path / str(number)).mkdir()
        return fingerprint(root, rubric)

    first = of(1, "Rate {}")
    assert of(2, Path("../a.txt")) == first
    assert of(3, Path("../b.txt")) == first
    assert of(4, "Rate {}.") != first


def test_scores_are_read_where_the_file_is_away(tmp_path: Path) -> None:
    more = '[rewards.judge]\nreward = "tests.score.test_option_files:Rated"\n'
    text = recipe(more=more + 'options = { rubric = { file = "rubric.txt" } }\n')
    workspace = build(tmp_path, text=text.replace('{ file = "rubric.txt" }', '"Rate {}"'))
    # Written by a run, so that its parts record what decides them.
    for part in tmp_path.glob("scores/judge-*/*"):
        part.unlink()
    (tmp_path / "rubric.txt").write_text("Rate {}\n")
    (tmp_path / "recipe.toml").write_text(text)
    workspace = synpic.Workspace.open(workspace.store.root)
    synpic.score_candidates(workspace, only=["judge"]).raise_if_unfinished()
    (tmp_path / "rubric.txt").unlink()
    inventory = take_inventory(synpic.Workspace.open(workspace.store.root))
    assert "rubric.txt" in inventory.unresolved["rewards.judge"].message
    assert inventory.scored()["score_judge"].null_count() == 0


class Rated:
    """A rating that follows from the rubric and the image."""

    info = RewardInfo(summary="rated")

    def __init__(self, *, rubric: str = "{}") -> None:
        self._length = len(rubric)

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        return [self._length + sum(image.tobytes()[:99]) for image in images]
