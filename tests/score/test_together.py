"""Rewards that run together: the same scores, each image decoded once, and room found for all."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace, generate_candidates, ids, score_candidates, status
from synpic.engine.progress import Event
from synpic.errors import StorageError
from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import ImageError
from synpic.score import prefetch, scoring_task
from synpic.workspace.storage import Store
from tests.conftest import edit
from tests.score.takers import Channel, Hungry, Scripted, contrast

RECIPE = """
[prompts]
world = "tests.fakes:world"
count = 10

[models.a]
family = "tests.fakes:Painter"
checkpoint = "{weights}"
samples = 2
batch_size = 4

[rewards.first]
reward = "tests.score.takers:Channel"
batch_size = 4
"""
SECOND = """
[rewards.second]
reward = "tests.score.takers:{}"
batch_size = {}
options = {}
"""


@pytest.fixture
def drawn(tmp_path: Path, weights: Path) -> Workspace:
    Channel.ready.clear()
    Channel.judged.clear()
    workspace = Workspace.create(tmp_path / "set", RECIPE.format(weights=weights.as_posix()))
    generate_candidates(workspace)
    return workspace


def with_second(workspace: Workspace, name: str, batch: int = 4, options: str = "{}") -> Workspace:
    text = workspace.store.read("recipe.toml").decode()
    return edit(workspace, text + SECOND.format(name, batch, options))


def scores(workspace: Workspace) -> pl.DataFrame:
    found = take_inventory(Workspace.open(workspace.store.root)).scored()
    return found.select("candidate_id", "score_first", "score_second").sort("candidate_id")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    seen: list[bytes] = []
    decode = prefetch.decode
    monkeypatch.setattr(prefetch, "decode", lambda data: (seen.append(data), decode(data))[1])
    return seen


@pytest.mark.parametrize("batch", [4, 7, 20])
def test_each_image_is_decoded_once_and_made_ready_once(
    drawn: Workspace, decoded: list[bytes], batch: int
) -> None:
    both = with_second(drawn, "Channel", batch, "{ channel = 2 }")
    report = score_candidates(both, together=True)
    assert [o.made for o in report.outcomes] == [20, 20]
    assert len(decoded) == len(set(decoded)) == 20
    assert len(Channel.ready) == 20
    # They took turns: neither was done before the other had begun.
    channels = [channel for channel, _ in Channel.judged]
    assert channels.index(2) < len(channels) - 1 - channels[::-1].index(0)


def test_another_preprocessing_is_made_apart(drawn: Workspace, decoded: list[bytes]) -> None:
    score_candidates(with_second(drawn, "Channel", 4, "{ size = 9 }"), together=True)
    assert len(decoded) == 20
    assert sorted(set(Channel.ready)) == ["('whole', 8)", "('whole', 9)"]
    assert len(Channel.ready) == 40


def test_together_and_apart_give_the_same_table(drawn: Workspace, tmp_path: Path) -> None:
    import shutil

    both = with_second(drawn, "Channel", 7, "{ channel = 2 }")
    shutil.copytree(tmp_path / "set", tmp_path / "other")
    score_candidates(both, together=True)
    other = Workspace.open(tmp_path / "other")
    score_candidates(other, together=False)
    assert scores(both).equals(scores(other))
    assert scores(both).null_count().sum_horizontal().item() == 0


def test_an_image_one_of_them_cannot_make_ready_fails_for_that_one(drawn: Workspace) -> None:
    both = with_second(drawn, "Picky")
    report = score_candidates(both, together=True)
    first, second = report.outcomes
    assert (first.made, first.failed) == (20, 0)
    assert second.failed > 0
    assert second.made + second.failed == 20
    ((_, name, reason, _),) = status(both).failures
    assert (name, reason) == ("second", "ValueError: too bright for me")


def test_one_that_does_not_fit_beside_the_others_comes_after_them(drawn: Workspace) -> None:
    both = with_second(drawn, "Large")
    report = score_candidates(both, together=True)
    assert [(o.made, o.broken) for o in report.outcomes] == [(20, None), (20, None)]
    assert [channel for channel, _ in Channel.judged] == [0] * 5 + [1] * 5


def test_one_that_starves_beside_the_others_is_put_off_and_loses_nothing(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hungry, "others_left", 5)
    both = with_second(drawn, "Hungry", 4, "{ channel = 2 }")
    report = score_candidates(both, together=True)
    assert [(o.made, o.failed, o.broken) for o in report.outcomes] == [(20, 0, None)] * 2
    assert scores(both).null_count().sum_horizontal().item() == 0
    assert both.failures("score").is_empty()
    assert not any(count.doubled for count in status(both).counts)


def test_one_that_never_fits_even_alone_is_broken_and_the_others_are_done(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hungry, "others_left", 10_000)
    both = with_second(drawn, "Hungry", 1, "{ channel = 2 }")
    first, second = score_candidates(both, together=True).outcomes
    assert first.made == 20
    assert "out of memory" in str(second.broken)
    assert both.failures("score").is_empty()


def test_one_that_breaks_does_not_stop_the_others(drawn: Workspace) -> None:
    text = drawn.store.read("recipe.toml").decode()
    both = edit(drawn, text + '\n[rewards.second]\nreward = "tests.fakes:nan"\nbatch_size = 4')
    first, second = score_candidates(both, together=True).outcomes
    assert (first.made, first.broken) == (20, None)
    assert "nan" in str(second.broken)


def test_a_stop_ends_all_of_them_after_the_batch_in_hand(drawn: Workspace) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if event.done:
            stop.set()

    both = with_second(drawn, "Channel", 4, "{ channel = 2 }")
    assert score_candidates(both, together=True, listener=listen, stop=stop).stopped
    assert [scores(both)[f"score_{n}"].drop_nulls().len() for n in ("first", "second")] == [4, 0]
    report = score_candidates(Workspace.open(both.store.root), together=True)
    assert [(o.already, o.made) for o in report.outcomes] == [(4, 16), (0, 20)]
    assert not any(count.doubled for count in status(both).counts)


def test_a_full_disk_ends_all_of_them_and_keeps_what_was_written(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = with_second(drawn, "Channel", 4, "{ channel = 2 }")
    write = Store.write

    def refuse(store: Store, name: str, data: bytes) -> None:
        if name.startswith("scores/first"):
            raise StorageError("the disk is full", hint="free some room")
        write(store, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", refuse)
        with pytest.raises(StorageError):
            score_candidates(both, together=True)
    report = score_candidates(Workspace.open(both.store.root), together=True)
    assert [o.already + o.made for o in report.outcomes] == [20, 20]
    assert scores(both).null_count().sum_horizontal().item() == 0


NO_MEMORY = MemoryError("out of memory")


@pytest.mark.parametrize(
    ("batch", "script"),
    [
        pytest.param(4, [None, None, *[NO_MEMORY] * 3], id="after two good batches"),
        pytest.param(1, [ValueError("bad"), NO_MEMORY], id="after one that failed whole"),
        pytest.param(4, [0.5, *[NO_MEMORY] * 3], id="while a constant is held back"),
        pytest.param(4, [0.5, NO_MEMORY, NO_MEMORY, None, NO_MEMORY], id="in half a batch"),
    ],
)
def test_whatever_happened_before_it_starved_nothing_is_lost(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch, batch: int, script: list[Exception]
) -> None:
    monkeypatch.setattr(Scripted, "script", list(script))
    both = with_second(drawn, "Scripted", batch)
    told: list[Event] = []
    report = score_candidates(both, together=True, listener=told.append)
    assert ("second", "waiting") in [(event.name, event.state) for event in told]
    assert [(o.made, o.failed, o.left, o.broken) for o in report.outcomes] == [(20, 0, 0, None)] * 2
    assert scores(both).null_count().sum_horizontal().item() == 0
    assert not any(count.doubled for count in status(both).counts)


def test_a_full_disk_is_told_when_a_reward_is_put_off(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "script", [None, None, *[NO_MEMORY] * 3])
    both = with_second(drawn, "Scripted")
    write, refused = Store.write, list[str]()

    def refuse_once(store: Store, name: str, data: bytes) -> None:
        if name.startswith("scores/second") and not refused:
            refused.append(name)
            raise StorageError("the disk is full", hint="free some room")
        write(store, name, data)

    monkeypatch.setattr(Store, "write", refuse_once)
    with pytest.raises(StorageError):
        score_candidates(both, together=True)
    score_candidates(Workspace.open(both.store.root), together=True).raise_if_unfinished()
    assert scores(both).null_count().sum_horizontal().item() == 0


def test_failures_are_counted_as_they_are_recorded(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two batches fail, whole and then image by image; then it says NaN, and is broken.
    script = [ValueError("bad")] * 10 + [float("nan")] * 10
    monkeypatch.setattr(Scripted, "script", script)
    both = with_second(drawn, "Scripted")
    second = score_candidates(both, together=True).outcomes[1]
    assert "nan" in str(second.broken)
    assert second.failed == len(both.failures("score")) == 0


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", ["Exits", "Uneven", "Arrays"])
def test_what_is_wrong_with_what_one_makes_ready_is_that_one_s(
    drawn: Workspace, name: str, together: bool
) -> None:
    report = score_candidates(with_second(drawn, name), together=together)
    first, second = report.outcomes
    assert (first.made, first.failed, first.broken) == (20, 0, None)
    # Of another size they are no batch, but each alone is an image.
    assert second.made == 20 if name == "Uneven" else second.broken


@pytest.mark.parametrize("together", [True, False])
def test_an_image_that_one_draws_on_is_whole_for_the_other(
    drawn: Workspace, together: bool
) -> None:
    text = drawn.store.read("recipe.toml").decode().split("[rewards.first]")[0]
    for name, function in (("first", "shrinking"), ("second", "contrast")):
        text += f'\n[rewards.{name}]\nreward = "tests.score.takers:{function}"\nbatch_size = 4\n'
    both = edit(drawn, text)
    score_candidates(both, together=together).raise_if_unfinished()
    inventory = take_inventory(both)
    rows = inventory.scored().select("candidate_id", "sha256", "prompt", "score_second")
    images = both.images(inventory.image_folders())
    for candidate, sha, prompt, score in rows.iter_rows():
        (data,) = images.read([(candidate, sha)])
        assert score == pytest.approx(contrast(prompt, prefetch.decode(data)), rel=1e-6)


def test_a_batch_is_gathered_while_the_one_before_is_judged(
    drawn: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered: list[tuple[str, int]] = []
    gather = scoring_task._Scoring._gather

    def spy(self: scoring_task._Scoring, order: prefetch.PrefetchOrder) -> object:
        gathered.append((threading.current_thread().name, len(Channel.judged)))
        return gather(self, order)

    monkeypatch.setattr(scoring_task._Scoring, "_gather", spy)
    score_candidates(drawn)
    assert len(gathered) == 5, "each batch once"
    here = threading.current_thread().name
    assert [name == here for name, _ in gathered] == [True, False, False, False, False]


def test_a_reward_with_other_gaps_looks_at_the_same_images(
    drawn: Workspace, decoded: list[bytes], tmp_path: Path
) -> None:
    score_candidates(drawn)
    text = drawn.store.read("recipe.toml").decode()
    grown = edit(drawn, text.replace("count = 10", "count = 30"))
    generate_candidates(grown)
    both = with_second(grown, "Channel", 4, "{ channel = 2 }")
    decoded.clear()
    report = score_candidates(both, together=True)
    assert [o.made for o in report.outcomes] == [40, 60]
    assert len(decoded) == len(set(decoded)) == 60


def test_broken_images_in_a_row_do_not_scatter_the_rest(
    tmp_path: Path, drawn: Workspace, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = drawn.store.read("recipe.toml").decode()
    grown = edit(drawn, text.replace("count = 10", "count = 100"))
    generate_candidates(grown)
    both = with_second(grown, "Channel", 4, "{ channel = 2 }")
    bad = {row["sha256"] for row in take_inventory(both).candidates()[40:56].to_dicts()}
    decode = prefetch.decode

    def broken(data: bytes) -> object:
        image = decode(data)
        if ids.sha256(data) in bad:
            raise ImageError("not a whole image")
        return image

    monkeypatch.setattr(prefetch, "decode", broken)
    report = score_candidates(both, together=True)
    assert [(o.made, o.failed) for o in report.outcomes] == [(184, 16)] * 2
    assert len(decoded) < 1.2 * len(set(decoded))
