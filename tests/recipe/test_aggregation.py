"""An aggregation by its name: synpic's, or a function beside the recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from synpic.errors import RankingError, ReleaseError, SynpicError, UnknownName
from synpic.pipeline.ranking import rank_candidates
from synpic.publish import publish_to
from synpic.rank import AGGREGATIONS, Comparisons, combine_labels, rank
from synpic.recipe.aggregation import find_aggregation
from synpic.registry import AGGREGATIONS as REGISTRY
from synpic.release import open_release
from synpic.release.rerank import rerank
from synpic.release.verify import verify
from tests.publish.fixtures import build, recipe
from tests.rank.frames import identify, scored
from tests.rank.labelled import labels_of

MINE = '''
import numpy as np

from synpic.rank import Aggregation, Preference


def summed(scores, weights):
    """Places, added up.

    φ(i) = the sum of places.
    """
    places = (scores[:, :, None, :] > scores[:, None, :, :]).sum(axis=(0, 2))
    return Preference(places, places * 1.0)


def raises(scores, weights):
    return scores[99]


def nothing(scores, weights):
    return None


def flat(scores, weights):
    return Preference(np.arange(3), np.arange(3.0))


def floats(scores, weights):
    return Preference(scores[0], scores[0])


def infinite(scores, weights):
    return Preference(np.zeros(scores.shape[1:], int), scores[0] * np.inf)


def apart(scores, weights):
    places = (scores[:, :, None, :] > scores[:, None, :, :]).sum(axis=(0, 2))
    return Preference(places, -places)


def tied(scores, weights):
    return Preference(np.zeros(scores.shape[1:], int), scores[0])


def greedy(scores, weights):
    scores[:] = 0
    return summed(scores, weights)


def summed_signs(signs, weights):
    places = (signs > 0).sum(axis=(0, 2))
    return Preference(places, places * 1.0)


with_people = Aggregation("summed", summed, of_signs=summed_signs)
people_wrong = Aggregation("summed", summed, of_signs=nothing)
'''


@pytest.fixture
def mine(tmp_path: Path) -> str:
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE)
    return name


def test_the_registry_has_those_of_the_room() -> None:
    assert {name: find_aggregation(name) for name in REGISTRY.builtin} == dict(AGGREGATIONS)
    for name, known in AGGREGATIONS.items():
        assert known.name == name
        assert known.summary
        assert known.range
        assert known.recorded == {}


def test_a_function_beside_the_recipe_ranks(mine: str, tmp_path: Path) -> None:
    found = find_aggregation(f"{mine}:summed", tmp_path)
    assert (found.name, found.summary) == (f"{mine}:summed", "Places, added up.")
    table = scored({"p": {"r": [1.0, 2.0, 3.0], "s": [1.0, 2.0, 2.0]}})
    ranking = rank(table, {"r": 1, "s": 1}, aggregation=found)
    assert ranking.table["preference"].to_list() == [0, 2, 3]
    assert ranking.aggregation_from["description"].endswith("φ(i) = the sum of places.")
    assert len(ranking.aggregation_from["source"]) == 64
    greedy = rank(table, {"r": 1, "s": 1}, aggregation=find_aggregation(f"{mine}:greedy", tmp_path))
    assert greedy.table["wins_r"].to_list() == [0, 1, 2]


def test_one_that_takes_comparisons_ranks_by_people_too(mine: str, tmp_path: Path) -> None:
    table = scored({"p": {"r": [1.0, 2.0, 3.0]}, "q": {"r": [1.0, 2.0]}})
    a, b, c = (identify("p", model) for model in "abc")
    rows = [(a, b, 1.0, 1), (a, c, 0.5, 2), (c, b, 0.25, 4)]
    people = {"people": Comparisons(combine_labels(labels_of(rows)))}
    weights = {"r": 1.0, "people": 1.0}
    found = find_aggregation(f"{mine}:with_people", tmp_path)
    ranking = rank(table, weights, comparisons=people, aggregation=found)
    assert ranking.table["preference"].to_list() == [1, 2, 2, 0, 1]
    wrong = find_aggregation(f"{mine}:people_wrong", tmp_path)
    with pytest.raises(RankingError, match="people_wrong: it gives a NoneType, not a Preference"):
        rank(table, weights, comparisons=people, aggregation=wrong)
    plain = find_aggregation(f"{mine}:summed", tmp_path)
    with pytest.raises(RankingError, match=":summed' ranks by scores, and people compares pairs"):
        rank(table, weights, comparisons=people, aggregation=plain)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "IndexError: index 99"),
        ("nothing", "gives a NoneType, not a Preference"),
        ("flat", r"order has the shape \(3,\), not \(3, 1\)"),
        ("floats", "order is float"),
        ("infinite", "no finite number"),
        ("apart", "in one order"),
        ("tied", "in one order"),
    ],
)
def test_what_it_gives_is_checked(name: str, said: str, mine: str, tmp_path: Path) -> None:
    found = find_aggregation(f"{mine}:{name}", tmp_path)
    with pytest.raises(RankingError, match=f"aggregation {mine}:{name}: .*{said}"):
        rank(scored({"p": {"r": [1.0, 2.0, 3.0]}}), {"r": 1}, aggregation=found)


@pytest.mark.parametrize("name", ["math:pi", "fractions:Fraction", "no.such:thing", "brda"])
def test_what_is_none(name: str) -> None:
    with pytest.raises((RankingError, UnknownName), match=name):
        find_aggregation(name)


def test_code_that_a_release_names_is_not_run(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe(more=f'[ranking]\naggregation = "{mine}:summed"\n')
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / f"{mine}.py").rename(root / f"{mine}.py")
    workspace = build(root, text=text)
    assert rank_candidates(workspace).ranking.aggregation == f"{mine}:summed"
    publish_to(workspace, tmp_path / "out")
    monkeypatch.chdir(root)  # it could be found
    release = open_release(tmp_path / "out")
    with pytest.raises(ReleaseError, match="code that a release names is not run") as caught:
        rerank(release)
    assert f"--aggregation {mine}:summed" in str(caught.value.hint)
    assert rerank(release, aggregation=f"{mine}:summed").best_changed == 0
    found = verify(release)
    assert found.ok
    assert len(found.notes) == 1


def test_the_error_is_of_the_line(tmp_path: Path) -> None:
    text = recipe(more='[ranking]\naggregation = "winrate"\n')
    workspace = build(tmp_path / "set", text=text)
    with pytest.raises(SynpicError) as caught:
        rank_candidates(workspace)
    line = text.splitlines().index('aggregation = "winrate"') + 1
    said = f"recipe.toml:{line}: ranking.aggregation: unknown aggregation 'winrate'."
    assert caught.value.message == f"{said} Did you mean 'win-rate'?"
