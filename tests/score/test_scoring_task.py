"""Every candidate gets its score, or a reason; a reward that cannot be trusted gets neither."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from synpic import (
    Workspace,
    generate_candidates,
    ids,
    rank_candidates,
    score_candidates,
    status,
)
from synpic.engine.progress import Event
from synpic.engine.shard import Shard
from synpic.errors import RewardError, SynpicError, Unfinished, WorkspaceError
from synpic.generate.pixels import encode
from synpic.pipeline.inventory import take_inventory
from synpic.recipe.settings import ImageSettings
from synpic.workspace import tables
from synpic.workspace.parts import read_part
from synpic.workspace.storage import Store
from tests.conftest import MakeRecipe, edit
from tests.fakes import Forgetful, redness

MORE = '[rewards.more]\nreward = "tests.fakes:{}"\nbatch_size = 8'


@pytest.fixture
def drawn(workspace: Workspace) -> Workspace:
    generate_candidates(workspace)
    return workspace


def scores(workspace: Workspace) -> pl.DataFrame:
    found = take_inventory(Workspace.open(workspace.store.root)).scored()
    names = [name for name in found.columns if name.startswith("score_")]
    return found.select("candidate_id", *names).sort("candidate_id")


def test_every_candidate_gets_every_score_once(drawn: Workspace) -> None:
    report = score_candidates(drawn)
    assert [(o.name, o.wanted, o.made) for o in report.outcomes] == [
        ("red", 20, 20),
        ("blue", 20, 20),
    ]
    assert scores(drawn).null_count().sum_horizontal().item() == 0
    again = score_candidates(Workspace.open(drawn.store.root))
    assert [(o.already, o.made) for o in again.outcomes] == [(20, 0), (20, 0)]


def test_a_score_is_what_the_reward_says_of_those_pixels(drawn: Workspace) -> None:
    from synpic.readers.images import decode

    score_candidates(drawn)
    inventory = take_inventory(drawn)
    rows = inventory.scored().head(3)
    keys = [tuple(row) for row in rows.select("candidate_id", "sha256").rows()]
    images = drawn.images(inventory.image_folders()).read(keys)
    for row, data in zip(rows.iter_rows(named=True), images, strict=True):
        assert row["score_red"] == pytest.approx(redness(row["prompt"], decode(data)), rel=1e-6)


@pytest.mark.parametrize("name", ["nan", "infinite"])
def test_what_is_not_finite_is_refused_by_name(
    drawn: Workspace, recipe: MakeRecipe, name: str
) -> None:
    workspace = edit(drawn, recipe(more=MORE.format(name)))
    report = score_candidates(workspace)
    assert [o.made for o in report.outcomes] == [20, 20, 0]
    with pytest.raises(Unfinished, match=r"reward 'more' gave (nan|inf) for candidate"):
        report.raise_if_unfinished()
    assert scores(workspace)["score_more"].null_count() == 20


def test_a_constant_is_refused_by_name_and_nothing_of_it_is_kept(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    workspace = edit(drawn, recipe(more=MORE.format("constant")))
    report = score_candidates(workspace)
    with pytest.raises(Unfinished, match=r"reward 'more' gave 1\.0 to every one of 16 images"):
        report.raise_if_unfinished()
    assert report.outcomes[-1].left == 20
    assert scores(workspace)["score_more"].null_count() == 20


def test_a_constant_over_too_few_images_is_kept_and_refused_when_ranked_with_more(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    small = edit(workspace, recipe(prompts=4, more=MORE.format("constant")))
    generate_candidates(small)
    score_candidates(small).raise_if_unfinished()
    rank_candidates(small)
    grown = edit(workspace, recipe(prompts=10, more=MORE.format("constant")))
    generate_candidates(grown)
    assert isinstance(score_candidates(grown).outcomes[-1].broken, RewardError)


def test_an_image_a_reward_cannot_score_becomes_a_failure_row(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    workspace = edit(drawn, recipe(more=MORE.format("picky")))
    report = score_candidates(workspace)
    assert (report.outcomes[-1].made, report.outcomes[-1].failed) == (18, 2)
    ((stage, name, reason, number),) = status(workspace).failures
    assert (stage, name, number) == ("score", "more", 2)
    assert "I will not look at this" in reason
    options = edit(drawn, recipe(more=MORE.format("picky") + '\noptions = { hates = "-" }'))
    assert score_candidates(options).outcomes[-1].made == 20


def test_failures_that_a_kill_lost_are_found_again(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    more = MORE.format("often_picky").replace("8", "4")
    edit(workspace, recipe(prompts=100, more=more))
    generate_candidates(workspace)
    first = score_candidates(workspace).outcomes[-1]
    assert (first.failed, first.broken) == (40, None)
    assert len(workspace.failures("score")) == 40
    retried = score_candidates(workspace, retry_failed=True).outcomes[-1]
    assert (retried.failed, retried.broken) == (40, None)
    # One more prompt, and the reward rejects it: that says nothing against the reward.
    edit(workspace, recipe(prompts=104, more=more))
    generate_candidates(workspace)
    grown = score_candidates(workspace).outcomes[-1]
    assert (grown.made, grown.failed, grown.broken) == (6, 2, None)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_reward_that_never_works_is_given_up_at_any_batch_size(
    workspace: Workspace, recipe: MakeRecipe, batch_size: int
) -> None:
    more = MORE.format("broken").replace("8", str(batch_size))
    edit(workspace, recipe(prompts=50, more=more))
    generate_candidates(workspace)
    outcome = score_candidates(workspace).outcomes[-1]
    assert outcome.broken is not None
    assert (outcome.failed, outcome.left) == (0, 100)
    assert workspace.failures("score").is_empty()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NeedsPackage", "cannot be opened: ModuleNotFoundError"),
        ("Words", "gave something that is no number"),
    ],
)
def test_a_reward_of_anyone_s_cannot_stop_the_others(
    drawn: Workspace, recipe: MakeRecipe, name: str, says: str
) -> None:
    outcomes = score_candidates(edit(drawn, recipe(more=MORE.format(name)))).outcomes
    assert says in str(outcomes[-1].broken)
    assert [o.made for o in outcomes] == [20, 20, 0]


def test_out_of_memory_halves_the_batch_and_remembers(drawn: Workspace, recipe: MakeRecipe) -> None:
    Forgetful.asked.clear()
    score_candidates(edit(drawn, recipe(more=MORE.format("Forgetful")))).raise_if_unfinished()
    assert Forgetful.asked == [8, 4, 4, 4, 4, 4]


def test_a_reward_that_fails_on_everything_is_broken_and_the_others_go_on(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    text = recipe(more=MORE.format("broken")).replace("[rewards.red]", "[rewards.zred]")
    report = score_candidates(edit(drawn, text))
    broken = report.outcomes[-1]
    assert broken.broken is not None
    assert "the tower fell" in broken.broken.message
    assert [o.made for o in report.outcomes] == [20, 20, 0]


def test_a_broken_image_becomes_a_failure_row(drawn: Workspace) -> None:
    inventory = take_inventory(drawn)
    folder = inventory.models[0].folder
    (part,) = drawn.parts(folder)
    rows = read_part(drawn.store, part).to_pylist()
    cut = rows[0]["image"]["bytes"][:40]
    rows[0] |= {"image": {"bytes": cut, "path": "cut.png"}, "sha256": ids.sha256(cut)}
    drawn.set_aside(part)
    drawn.write_part(folder, pa.Table.from_pylist(rows, schema=tables.CANDIDATES), {})
    report = score_candidates(drawn)
    assert [(o.made, o.failed) for o in report.outcomes] == [(19, 1), (19, 1)]
    assert "not a whole image" in status(drawn).failures[0][2]


def test_scores_of_other_pixels_never_attach(drawn: Workspace) -> None:
    score_candidates(drawn)
    inventory = take_inventory(drawn)
    folder = inventory.models[0].folder
    rows = read_part(drawn.store, drawn.parts(folder)[0]).slice(0, 1).to_pylist()
    # Another machine drew it too, in other bytes, and its sha256 is smaller: that one counts now.
    images = (encode(np.full((8, 8, 3), n, np.uint8), ImageSettings()) for n in range(255))
    other = min(images, key=ids.sha256)
    assert ids.sha256(other) < rows[0]["sha256"]
    rows[0] |= {"image": {"bytes": other, "path": "x.png"}, "sha256": ids.sha256(other)}
    drawn.write_part(folder, pa.Table.from_pylist(rows, schema=tables.CANDIDATES), {})
    assert scores(drawn)["score_red"].null_count() == 1
    again = score_candidates(Workspace.open(drawn.store.root))
    assert [o.made for o in again.outcomes] == [1, 1]


def test_growth_scores_what_is_new(drawn: Workspace, recipe: MakeRecipe) -> None:
    score_candidates(drawn)
    grown = edit(drawn, recipe(prompts=12))
    generate_candidates(grown)
    assert [o.made for o in score_candidates(grown).outcomes] == [4, 4]
    more = edit(drawn, recipe(prompts=12, more=MORE.format("slow_redness")))
    assert [o.made for o in score_candidates(more).outcomes] == [0, 0, 24]
    without = edit(drawn, recipe(prompts=12))
    assert len(status(without).unused) == 1
    assert rank_candidates(without).ranking.weights == {"red": 1.0, "blue": 0.5}


def test_shards_and_stops(drawn: Workspace) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if event.done:
            stop.set()

    assert score_candidates(drawn, listener=listen, stop=stop).stopped
    assert scores(drawn)["score_red"].drop_nulls().len() == 8
    for share in (1, 2, 3):
        score_candidates(Workspace.open(drawn.store.root), shard=Shard(share, 3))
    assert scores(drawn).null_count().sum_horizontal().item() == 0
    assert not any(count.doubled for count in status(drawn).counts)


@pytest.mark.parametrize("fault", [1, 2])
def test_a_fault_at_any_write_loses_nothing(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    writes = 0
    write = Store.write

    def refuse(store: Store, name: str, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == fault:
            with store.raising_storage_errors(name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(store, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", refuse)
        with pytest.raises(SynpicError, match="No space left"):
            score_candidates(drawn)
    score_candidates(Workspace.open(drawn.store.root)).raise_if_unfinished()
    assert scores(drawn).null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("tests.fakes:redness", "rednes"), "unknown reward 'rednes'"),
        (("tests.fakes:redness", "tests.fakes:SIDE"), "is a int, not a reward"),
        (("tests.fakes:redness", "tests.fakes:Painter"), "not a reward"),
        (("tests.fakes:redness", "tests.fakes:partial"), "has no source to tell its versions by"),
        (("tests.fakes:redness", "operator:add"), "has no source to tell its versions by"),
        (('fakes:redness"', 'fakes:redness"\noptions = { x = 1 }'), "takes no such option"),
        (('fakes:redness"', 'fakes:redness"\ncheckpoint = "x/y"'), "takes no checkpoint"),
    ],
)
def test_rewards_that_cannot_be_meant(
    drawn: Workspace, recipe: MakeRecipe, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(SynpicError, match=says):
        score_candidates(edit(drawn, recipe().replace(*change)))


def test_scoring_before_drawing_says_what_comes_first(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError) as caught:
        score_candidates(workspace)
    assert "synpic generate" in str(caught.value.hint)


def test_editing_a_function_scores_anew(
    drawn: Workspace, recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib
    import sys

    module = tmp_path / "mine_edited.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    text = recipe(more='[rewards.more]\nreward = "mine_edited:mine"')
    made: Callable[[], int] = lambda: score_candidates(edit(drawn, text)).outcomes[-1].made  # noqa: E731
    for body in ("len(prompt) + image.getpixel((0, 0))[0]", "image.getpixel((0, 0))[1]"):
        module.write_text(f"def mine(prompt, image):\n    return {body}\n")
        sys.modules.pop("mine_edited", None)
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        import linecache

        linecache.clearcache()
        assert made() == 20
        assert made() == 0
