"""What is wanted and missing is drawn, whatever happened before."""

from __future__ import annotations

import errno
import gc
import os
import re
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace, generate_candidates, status
from synpic.engine.progress import Event
from synpic.engine.shard import Shard
from synpic.errors import RecipeError, Stopped, StorageError, SynpicError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import tables
from synpic.workspace.parts import read_part
from synpic.workspace.storage import Store
from tests.conftest import MakeRecipe, edit
from tests.fakes import Painter

IDENTITY = ["candidate_id", "prompt_id", "model", "sample", "seed", "sha256"]


def drawn(workspace: Workspace) -> pl.DataFrame:
    workspace = Workspace.open(workspace.store.root)
    return take_inventory(workspace).candidates().select(IDENTITY).sort("candidate_id")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Workspace]:
    numbers = iter(range(100))
    return lambda text: Workspace.create(tmp_path / f"set-{next(numbers)}", text)


def test_everything_wanted_is_drawn_once(workspace: Workspace) -> None:
    report = generate_candidates(workspace)
    assert [(o.name, o.wanted, o.made, o.left) for o in report.outcomes] == [
        ("a", 10, 10, 0),
        ("b", 10, 10, 0),
    ]
    table = drawn(workspace)
    assert table.height == 20
    assert table["sha256"].n_unique() == 20
    again = generate_candidates(Workspace.open(workspace.store.root))
    assert [(o.already, o.made) for o in again.outcomes] == [(10, 0), (10, 0)]
    again.raise_if_unfinished()


def test_models_share_their_noise_unless_told_otherwise(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    shared, apart = make(recipe()), make("shared_seeds = false\n" + recipe())
    for workspace, seeds in ((shared, 10), (apart, 20)):
        generate_candidates(workspace)
        assert drawn(workspace)["seed"].n_unique() == seeds


def test_batch_size_order_and_shards_change_no_id_seed_or_byte(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    whole = make(recipe(samples=3))
    generate_candidates(whole)
    other = make(recipe(samples=3).replace("batch_size = 4", "batch_size = 3"))
    generate_candidates(other, only=["b"])
    generate_candidates(other, only=["a"])
    shards = make(recipe(samples=3))
    for share in (3, 1, 2):
        generate_candidates(shards, shard=Shard(share, 3))
    assert drawn(whole).equals(drawn(other))
    assert drawn(whole).equals(drawn(shards))
    assert not any(count.doubled for count in status(shards).counts)


def test_shards_are_disjoint(make: Callable[[str], Workspace], recipe: MakeRecipe) -> None:
    workspace = make(recipe(prompts=30))
    made = [
        sum(o.made for o in generate_candidates(workspace, shard=Shard(i, 4)).outcomes)
        for i in (1, 2, 3, 4)
    ]
    assert sum(made) == 60
    assert min(made) > 0


def test_a_chunk_with_something_missing_is_drawn_whole_and_only_that_is_kept(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe(prompts=6))
    generate_candidates(Workspace.open(workspace.store.root))
    grown = edit(workspace, recipe(prompts=10))
    report = generate_candidates(grown)
    assert [o.made for o in report.outcomes] == [4, 4]
    rows = take_inventory(grown).candidates()
    # The second chunk of four held two of the first six prompts: drawn again in full company.
    assert set(rows["batch_size"]) == {2, 4}
    assert not any(count.doubled for count in status(grown).counts)


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ({"samples": 2}, {"a": 10, "b": 0}),
        ({"prompts": 13}, {"a": 3, "b": 3}),
        ({"b": 'negative_prompt = "no"'}, {"a": 0, "b": 10}),
        ({"b": 'sizes = ["8x8", "16x8"]'}, {"a": 0, "b": 20}),
    ],
)
def test_growth_makes_what_is_new_and_nothing_else(
    workspace: Workspace, recipe: MakeRecipe, change: dict[str, object], made: dict[str, int]
) -> None:
    generate_candidates(workspace)
    before = drawn(workspace)
    report = generate_candidates(edit(workspace, recipe(**change)))
    counts: dict[str, int] = dict.fromkeys(made, 0)
    for outcome in report.outcomes:
        counts[outcome.name] += outcome.made
    assert counts == made
    kept = before if "b" not in change else before.filter(pl.col("model") == "a")
    assert kept.join(drawn(workspace), on=IDENTITY, how="anti").is_empty()


def test_what_the_recipe_no_longer_names_stays_and_is_unused(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    generate_candidates(workspace)
    text = recipe(samples=2)
    without_b = text[: text.index("[models.b]")] + text[text.index("[rewards.red]") :]
    smaller = edit(workspace, without_b.replace("count = 10", "count = 7"))
    generate_candidates(smaller)
    found = status(smaller)
    assert [folder.split("-")[0] for folder, _, _ in found.unused] == ["candidates/b"]
    (a,) = (count for count in found.counts if count.stage == "generate")
    assert (a.wanted, a.done, a.unused) == (14, 14, 3)
    assert drawn(smaller).height == 14


def test_out_of_memory_halves_the_batch_and_remembers(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    workspace = make(recipe(a="call = { memory = 1 }", b="call = { memory = 2 }"))
    generate_candidates(workspace).raise_if_unfinished()
    rows = take_inventory(workspace).candidates()
    assert {(r["model"], r["batch_size"]) for r in rows.to_dicts()} == {("a", 1), ("b", 2)}


@pytest.mark.parametrize(("how", "says"), [("refuse", "this prompt is refused"), ("nan", "NaN")])
def test_a_prompt_that_fails_becomes_a_failure_row_and_stops_nothing_else(
    make: Callable[[str], Workspace], recipe: MakeRecipe, how: str, says: str
) -> None:
    workspace = make(recipe(a=f'call = {{ {how} = ["0-3", "0-9"] }}'))
    report = generate_candidates(workspace)
    assert [(o.made, o.failed, o.left) for o in report.outcomes] == [(8, 2, 0), (10, 0, 0)]
    with pytest.raises(Unfinished, match="2 of 10 failed"):
        report.raise_if_unfinished()
    (reason,) = status(workspace).failures
    assert reason[:2] == ("generate", "a")
    assert says in reason[2]
    assert reason[3] == 2
    # Failed counts as done until it is asked for again.
    again = generate_candidates(Workspace.open(workspace.store.root))
    assert [(o.made, o.failed) for o in again.outcomes] == [(0, 0), (0, 0)]
    retried = generate_candidates(Workspace.open(workspace.store.root), retry_failed=True)
    assert [(o.made, o.failed) for o in retried.outcomes] == [(0, 2), (0, 0)]
    assert set(workspace.failures("generate")["attempts"]) == {2}


def test_failures_that_a_kill_lost_are_found_again(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    bad = ", ".join(f'"0-{n}"' for n in range(1, 100, 4))
    workspace = make(recipe(prompts=100, a=f"call = {{ nan = [{bad}] }}"))
    first = generate_candidates(workspace)
    assert first.outcomes[0].failed > 20
    for part in workspace.parts("failures"):
        workspace.set_aside(part)
    # Every batch now lacks its bad image alone: that says nothing against the model.
    again = generate_candidates(workspace)
    assert again.outcomes[0].broken is None
    assert again.outcomes[0].failed == first.outcomes[0].failed
    retried = generate_candidates(workspace, retry_failed=True)
    assert retried.outcomes[0].broken is None
    assert workspace.failures("generate")["attempts"].to_list() == [2] * first.outcomes[0].failed


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ("Raises", "cannot be opened: FileNotFoundError: no weights here"),
        ("Grey", r"floats of shape \(n, height, width, 3\) expected, the family gave float32"),
        ("Bytes", r"expected, the family gave uint8"),
        ("Bright", r"pixels in \[0, 1\] expected"),
        ("TooFew", "1 results were asked for, 0 came"),
    ],
)
def test_a_family_of_anyone_s_cannot_stop_the_others(
    make: Callable[[str], Workspace], recipe: MakeRecipe, family: str, says: str
) -> None:
    text = recipe(prompts=40).replace("tests.fakes:Painter", f"tests.fakes:{family}", 1)
    a, b = generate_candidates(make(text)).outcomes
    assert a.broken is not None
    assert re.search(says, a.broken.message)
    assert (a.made, a.left, b.made) == (0, 40, 40)


def test_weights_that_are_gone_do_not_stop_the_others(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    text = recipe().replace('checkpoint = "', 'checkpoint = "/nowhere', 1)
    a, b = sorted(generate_candidates(make(text)).outcomes, key=lambda o: o.name)
    assert "no such folder" in str(a.broken)
    assert b.made == 10
    assert [o.made for o in generate_candidates(make(text), only=["b"]).outcomes] == [10]


def test_weights_that_went_after_they_were_locked_do_not_stop_the_others(
    make: Callable[[str], Workspace], recipe: MakeRecipe, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "model.bin").write_bytes(b"other weights")
    text = recipe()
    first = text.index('checkpoint = "')
    end = text.index("\n", first)
    workspace = make(text[:first] + f'checkpoint = "{gone}"' + text[end:])
    assert status(workspace).counts[0].missing == 10
    shutil.rmtree(gone)
    a, b = generate_candidates(workspace).outcomes
    assert "the folder is gone" in str(a.broken)
    assert (a.left, b.made) == (10, 10)


def test_bad_neighbours_are_no_reason_to_give_up(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    bad = ", ".join(f'"0-{n}"' for n in range(20, 40))
    workspace = make(recipe(prompts=100, a=f"call = {{ nan = [{bad}] }}"))
    a, b = generate_candidates(workspace).outcomes
    assert (a.made, a.failed, a.broken, b.made) == (80, 20, None, 100)


def test_a_stop_condemns_nothing_that_may_be_the_model_s_fault(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    workspace = make(recipe(prompts=40, a='call = { refuse = ["prompt"] }'))
    stop = threading.Event()
    generate_candidates(workspace, listener=lambda e: stop.set() if e.failed else None, stop=stop)
    assert workspace.failures("generate").is_empty()


def test_failures_are_written_while_work_goes_on(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    text = recipe(prompts=150, a='call = { refuse = ["0-3"] }')
    workspace = make(text.replace("batch_size = 4", "batch_size = 12"))
    written: list[int] = []

    def listen(event: Event) -> None:
        if event.name == "a" and event.state == "working":
            written.append(len(workspace.parts("failures")))

    generate_candidates(workspace, listener=listen)
    assert written[-1] == 1


def test_one_model_is_out_of_memory_before_the_next_comes_in(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    alive: list[int] = []

    def listen(event: Event) -> None:
        if event.state == "opening":
            alive.append(sum(isinstance(thing, Painter) for thing in gc.get_objects()))

    gc.disable()
    try:
        generate_candidates(make(recipe(a='call = { refuse = ["prompt"] }')), listener=listen)
    finally:
        gc.enable()
    assert alive == [0, 0]


def test_a_stop_that_comes_with_the_last_batch_is_no_stop(workspace: Workspace) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if event.name == "b" and event.done == 10:
            stop.set()

    report = generate_candidates(workspace, listener=listen, stop=stop)
    assert not report.stopped
    report.raise_if_unfinished()


def test_editing_a_family_draws_anew(
    workspace: Workspace, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_candidates(workspace)
    monkeypatch.setattr("synpic.ids.source_hash", lambda thing: "other text")
    assert [o.made for o in generate_candidates(workspace).outcomes] == [10, 10]


def test_defaults_of_an_encoding_written_out_change_nothing(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    short = '[images]\nformat = "jpeg"\n'
    workspace = make(short + recipe())
    generate_candidates(workspace)
    edit(workspace, short + 'quality = 95\nsubsampling = "4:4:4"\n' + recipe())
    assert [o.made for o in generate_candidates(workspace).outcomes] == [0, 0]


def test_a_model_that_draws_nothing_is_given_up_and_nothing_is_recorded(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    workspace = make(recipe(prompts=40, a='call = { refuse = ["prompt"] }'))
    report = generate_candidates(workspace)
    a, b = report.outcomes
    assert (a.made, a.failed, a.left, b.made) == (0, 0, 40, 40)
    assert a.broken is not None
    assert a.broken.message.startswith("8 batches in a row failed in every image")
    assert "this prompt is refused" in a.broken.message
    assert workspace.failures("generate").is_empty()


def test_a_model_that_does_not_open_does_not_stop_the_others(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    text = recipe().replace('family = "tests.fakes:Painter"', 'family = "auto"', 1)
    report = generate_candidates(make(text))
    a, b = report.outcomes
    assert a.broken is not None
    assert "is no pipeline" in a.broken.message
    assert (a.left, b.made) == (10, 10)
    with pytest.raises(Unfinished):
        report.raise_if_unfinished()


def test_a_stop_finishes_the_batch_in_hand(workspace: Workspace) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if event.done == 4:
            stop.set()

    report = generate_candidates(workspace, listener=listen, stop=stop)
    assert report.stopped
    with pytest.raises(Stopped, match="everything finished so far is kept"):
        report.raise_if_unfinished()
    assert drawn(workspace).height == 4
    generate_candidates(Workspace.open(workspace.store.root)).raise_if_unfinished()
    assert drawn(workspace).height == 20


def test_a_fault_at_any_write_loses_nothing_that_was_written(
    make: Callable[[str], Workspace], recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe(prompts=70, a='call = { refuse = ["0-7"] }')
    whole = make(text)
    generate_candidates(whole)
    for fault in range(1, 8):
        with monkeypatch.context() as patched:
            workspace = full_at(fault, make(text), patched)
        generate_candidates(Workspace.open(workspace.store.root))
        assert drawn(workspace).equals(drawn(whole)), fault
        assert status(workspace).failures == status(whole).failures, fault


def full_at(fault: int, workspace: Workspace, patched: pytest.MonkeyPatch) -> Workspace:
    """The workspace, for which the disk was full at a write; counted from 1."""
    writes = 0
    write = Store.write

    def refuse(store: Store, name: str, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == fault:
            with store.raising_storage_errors(name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(store, name, data)

    patched.setattr(Store, "write", refuse)
    with pytest.raises(StorageError, match="No space left") as caught:
        generate_candidates(workspace)
    assert "run the same command again" in str(caught.value.hint)
    return workspace


def test_two_workers_at_once_share_the_work(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    text = recipe(prompts=900, a="call = { sleep = 0.004 }", b="call = { sleep = 0.004 }")
    alone = make(text)
    generate_candidates(alone)
    together = make(text)
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(generate_candidates, Workspace.open(together.store.root)) for _ in range(2)
        ]
        reports = [run.result() for run in runs]
    assert drawn(together).equals(drawn(alone))
    for report in reports:
        report.raise_if_unfinished()
    # Both did some of it, and little was done twice.
    made = [sum(outcome.made for outcome in report.outcomes) for report in reports]
    assert min(made) > 0
    assert sum(made) < 1.6 * drawn(alone).height


def test_rows_drawn_twice_are_counted_and_resolved(workspace: Workspace) -> None:
    generate_candidates(workspace)
    folder = take_inventory(workspace).models[0].folder
    (part,) = workspace.parts(folder)
    table = read_part(workspace.store, part)
    other = table.set_column(
        table.schema.get_field_index("sha256"), "sha256", [["0" * 64] * table.num_rows]
    )
    workspace.write_part(folder, other.cast(tables.CANDIDATES), {})
    assert status(workspace).counts[0].doubled == 10
    assert set(drawn(workspace).filter(pl.col("model") == "a")["sha256"]) == {"0" * 64}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("samples = 1", "steps = 7"), "models.b and models.a are the same"),
        (("[models.b]", "[models.c]\n[models.b]"), "models.c: checkpoint is missing"),
        (("tests.fakes:Painter", "tests.fakes:Pointer"), "cannot be imported"),
        (("tests.fakes:Painter", "tests.fakes:redness"), "is no family: it has no `draw`"),
    ],
)
def test_models_that_cannot_be_meant(
    make: Callable[[str], Workspace], recipe: MakeRecipe, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(SynpicError, match=says):
        generate_candidates(make(recipe().replace(*change)))


def test_a_recipe_without_two_images_a_prompt_is_refused(
    make: Callable[[str], Workspace], recipe: MakeRecipe
) -> None:
    text = recipe()
    single = text[: text.index("[models.b]")] + text[text.index("[rewards.red]") :]
    with pytest.raises(RecipeError, match="no prompt can have two images"):
        generate_candidates(make(single))


def test_a_name_that_only_does_not_know(workspace: Workspace) -> None:
    with pytest.raises(SynpicError, match="the recipe has no model 'c'"):
        generate_candidates(workspace, only=["c"])
