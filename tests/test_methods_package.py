"""A package that brings an aggregation and an objective: ranked and trained with, and without."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synpic import registry
from synpic.errors import ReleaseError, UnknownName
from synpic.pipeline.ranking import rank_candidates
from synpic.pipeline.validation import validate
from synpic.publish import publish_to
from synpic.rank import rank
from synpic.recipe.aggregation import find_aggregation
from synpic.release import open_release
from synpic.release.compare import compare
from synpic.release.rerank import rerank
from synpic.release.verify import verify
from synpic.train.presets import preset
from synpic.train.settings import parse_train_recipe
from synpic.train.training_loop import train
from synpic.workspace import Workspace
from tests.publish.fixtures import build, picture, recipe
from tests.rank.frames import scored

SOURCE = Path(__file__).parent.parent / "examples" / "methods_package"
RANKING = '[ranking]\naggregation = "strictest"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example: built, with its metadata."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(SOURCE, folder / "source")  # building leaves files beside the source
    words = ["install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    ended = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--target", folder / "site", folder / "source"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found, as after an installation."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry, "entry_points", importlib.metadata.entry_points)


def ranked(root: Path) -> Workspace:
    return build(
        root,
        [(f"a red circle {n}", "train") for n in range(4)],
        text=recipe(more=RANKING),
        draw=lambda row: picture(row, 32),
    )


@pytest.mark.usefixtures("installed")
def test_its_numbers_by_hand() -> None:
    table = scored({"p": {"r": [3.0, 2.0, 1.0], "s": [1.0, 2.0, 3.0]}})
    found = rank(table, {"r": 1, "s": 1}, aggregation=find_aggregation("strictest")).table
    assert found["preference"].to_list() == [0, 0.5, 0]
    assert found["rank"].to_list() == [2, 1, 2]


@pytest.mark.usefixtures("installed")
def test_both_are_validated_ranked_published_and_trained_with(tmp_path: Path) -> None:
    workspace = ranked(tmp_path / "set")
    assert not [text for text, _ in validate(workspace).problems if "aggregation" in text]
    ranking = rank_candidates(workspace).ranking
    assert ranking.aggregation == "strictest"
    release = open_release(publish_to(workspace, tmp_path / "out").directory)
    rule = release.manifest.ranking
    assert rule.aggregation_from is not None
    assert (rule.aggregation_from.package, rule.aggregation_from.version) == (
        "synpic-methods",
        "0.1.0",
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`strictest`, of synpic-methods 0.1.0" in card
    assert "maximin" in card
    found = verify(release)
    assert (found.problems, found.notes) == ([], [])
    assert rerank(release).scores.equals(release.table("scores"))

    changes = ["objective.name=hinge", "run.steps=2", "run.batch_size=2", "samples.every="]
    changes += ["samples.count=", "optimizer.warmup_steps=0", f"data.dataset={tmp_path / 'out'}"]
    settings = parse_train_recipe(preset("shapes"), changes=changes)
    made = train(settings, tmp_path / "run", cache=tmp_path / "cache")
    assert made.about["objective"]["package"] == "synpic-methods"
    assert made.about["steps"] == 2
    card = (made.folder / "README.md").read_text()
    assert "| objective | Hinge loss, β = 500 |" in card
    assert "hinge of synpic-methods 0.1.0" in card


def test_a_release_is_read_where_it_is_not_installed(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.syspath_prepend(str(site))
        there.setattr(registry, "entry_points", importlib.metadata.entry_points)
        workspace = ranked(tmp_path / "set")
        publish_to(workspace, tmp_path / "out", configs=["ranked", "scores", "pairwise"])
    release = open_release(tmp_path / "out")
    found = verify(release)
    assert found.problems == []
    assert found.notes == [
        "preferences and ranks were not computed again: it was ranked by 'strictest' of "
        "synpic-methods 0.1.0, which is not installed"
    ]
    with pytest.raises(ReleaseError, match=r"'strictest' of synpic-methods 0\.1\.0") as caught:
        rerank(release)
    assert "install synpic-methods==0.1.0" in str(caught.value.hint)
    assert rerank(release, aggregation="borda").ranking.aggregation == "borda"
    with pytest.raises(UnknownName) as unknown:
        rank_candidates(workspace)
    line = workspace.snapshot().recipe_text.splitlines().index('aggregation = "strictest"') + 1
    assert unknown.value.message.startswith(
        f"recipe.toml:{line}: ranking.aggregation: unknown aggregation 'strictest'."
    )
    assert "synpic.aggregations" in str(unknown.value.hint)
    assert (unknown.value.message, unknown.value.hint) in validate(workspace).problems


def test_another_version_is_told_apart(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(site, newer)
    (old,) = newer.glob("synpic_methods-*.dist-info")
    (old / "METADATA").write_text(
        (old / "METADATA").read_text().replace("Version: 0.1.0", "Version: 0.2.0")
    )
    old.rename(newer / "synpic_methods-0.2.0.dist-info")
    monkeypatch.setattr(registry, "entry_points", importlib.metadata.entry_points)
    for folder, out in ((site, "old"), (newer, "new")):
        with monkeypatch.context() as there:
            there.syspath_prepend(str(folder))
            publish_to(ranked(tmp_path / f"set-{out}"), tmp_path / out)
    before, after = (open_release(tmp_path / out) for out in ("old", "new"))
    changes = [change.text for change in compare(before.manifest, after.manifest)]
    assert changes == ["ranked by `strictest` of synpic-methods 0.2.0, was of synpic-methods 0.1.0"]
    monkeypatch.syspath_prepend(str(newer))
    with pytest.raises(ReleaseError, match=r"installed is that of synpic-methods 0\.2\.0"):
        rerank(before)
    assert rerank(before, aggregation="strictest").ranking.aggregation == "strictest"
    (note,) = verify(before).notes
    assert "0.2.0" in note
    assert verify(before).ok
    assert verify(after).notes == []
