"""Plans of workspaces on fakes: what is counted is checked by making it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import synpic
from synpic import Workspace
from synpic.pipeline.costs import CostItem, CostPlan, plan_costs
from synpic.workspace.storage import Store
from tests import fakes
from tests.conftest import MakeRecipe, edit


def files(workspace: Workspace) -> dict[str, bytes]:
    root = Path(workspace.store.root)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def by_name(plan: CostPlan) -> dict[str, CostItem]:
    return {item.name: item for item in plan.items}


def test_a_plan_counts_times_and_keeps_nothing(workspace: Workspace, recipe: MakeRecipe) -> None:
    text = recipe(samples=3, a="call = { sleep = 0.02 }\nsizes = ['16x8', '24x24']")
    workspace = edit(workspace, text)
    plan = plan_costs(workspace, device="cpu")
    assert set(files(workspace)) == {"recipe.toml", "recipe.lock", "prompts.parquet"}
    assert [(i.stage, i.name, i.size, i.wanted, i.left) for i in plan.items] == [
        ("generate", "a", "16x8", 30, 30),
        ("generate", "a", "24x24", 30, 30),
        ("generate", "b", None, 10, 10),
        ("score", "red", None, 70, 70),
        ("score", "blue", None, 70, 70),
    ]
    assert (plan.prompts, plan.images(), plan.scores()) == (10, 70, 140)
    assert plan.problems == []
    for item in plan.items:
        assert item.timing is not None
        assert len(item.timing.batches) == 2
    narrow, wide, *_ = plan.items
    assert narrow.timing is not None
    # A batch of four sleeps for 20 ms; its threads encode much faster.
    assert narrow.timing.seconds_per_image >= 0.02 / 4
    assert narrow.timing.batch_size == 4
    cost = plan.cost("whole", "generate", devices=2, rate=3.6)
    assert cost.device_seconds >= 60 * 0.02 / 4
    assert cost.dollars == pytest.approx(cost.device_seconds / 1000)
    assert plan.cost(pace="fastest").device_seconds <= plan.cost().device_seconds
    assert plan.cost().device_seconds <= plan.cost(pace="slowest").device_seconds

    # Drawn in earnest, the images are about as large as the trial said.
    synpic.generate_candidates(workspace, only=["a"], device="cpu")
    assert wide.bytes_per_image is not None
    sizes = [
        row["image"]["bytes"]
        for folder in workspace.folders("candidates")
        for part in workspace.parts(folder)
        for row in _rows(workspace.store, part)
        if row["width"] == 24
    ]
    mean = sum(map(len, sizes)) / len(sizes)
    assert wide.bytes_per_image == pytest.approx(mean, rel=0.05)


def _rows(store: Store, part: str) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    return pq.read_table(store.path(part)).to_pylist()


def test_what_is_done_is_no_longer_left(workspace: Workspace, recipe: MakeRecipe) -> None:
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace, only=["red"])
    workspace = edit(workspace, recipe(prompts=13))
    before = files(workspace)
    plan = plan_costs(workspace, device="cpu")
    kept = files(workspace)
    assert {name: kept[name] for name in before if name != "prompts.parquet"} == {
        name: data for name, data in before.items() if name != "prompts.parquet"
    }
    items = by_name(plan)
    # Of 13 in batches of 4, the last two batches lack something: the eleventh, twelfth, thirteenth.
    assert (items["a"].wanted, items["a"].left, items["a"].work) == (13, 3, 5)
    assert (items["red"].wanted, items["red"].left) == (26, 6)
    assert (items["blue"].wanted, items["blue"].left) == (26, 26)
    assert plan.images("left") == 6
    assert plan.scores("left") == 32
    a = items["a"].timing
    assert a is not None
    assert items["a"].cost("left", 1, None).device_seconds == pytest.approx(
        5 * a.seconds_per_image + a.opening
    )
    assert plan.image_bytes("left") == pytest.approx(plan.image_bytes() * 6 / 26, rel=0.01)
    report = synpic.generate_candidates(workspace)
    assert [outcome.made for outcome in report.outcomes] == [3, 3]


def test_no_score_is_to_come_of_an_image_that_failed_for_good(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    workspace = edit(workspace, recipe(a="call = { nan = ['0-3'] }"))
    synpic.generate_candidates(workspace, only=["a"])
    items = by_name(plan_costs(workspace, calibrate=False))
    assert (items["a"].wanted, items["a"].left) == (10, 0)
    assert (items["red"].wanted, items["red"].left) == (20, 19)
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    assert plan_costs(workspace, calibrate=False).scores("left") == 0


def test_no_more_devices_are_counted_than_have_a_batch(workspace: Workspace) -> None:
    plan = plan_costs(workspace, device="cpu", rewards=False)
    # Two models of ten prompts each, in batches of four: three batches, and together six.
    assert [item.batches("whole") for item in plan.items[:2]] == [3, 3]
    times = [item.timing for item in plan.items if item.timing]
    busy = sum(10 * timing.seconds_per_image + 3 * timing.opening for timing in times)
    cost = plan.cost("whole", "generate", devices=64)
    assert cost.device_seconds == pytest.approx(busy)
    # Each model keeps three devices busy, and one of them longer than the other.
    longest = max(10 * t.seconds_per_image / 3 + t.opening for t in times)
    assert cost.wall_seconds == pytest.approx(max(busy / 6, longest))


def test_batches_that_come_again_have_texts_of_their_own(
    workspace: Workspace, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder would not read them twice, and a run never asks it to."""
    read: list[tuple[str, ...]] = []
    draw = fakes.Painter.draw

    def drawn(self: fakes.Painter, prompts: list[str], *rest: Any) -> Any:
        read.append(tuple(prompts))
        return draw(self, prompts, *rest)

    monkeypatch.setattr(fakes.Painter, "draw", drawn)
    plan_costs(edit(workspace, recipe(prompts=3)), device="cpu", batches=3, rewards=False)
    first, again = read[:4], read[4:]
    assert len(set(first)) == 4
    assert first == again, "two models, timed on the same"
    assert len({len(group) for group in read}) == 1


def test_all_done_costs_nothing_more(workspace: Workspace) -> None:
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    plan = plan_costs(workspace, device="cpu")
    assert (plan.images("left"), plan.scores("left"), plan.image_bytes("left")) == (0, 0, 0)
    assert plan.cost("left", rate=1.0).dollars == 0
    assert plan.cost("whole").device_seconds > 0


def test_uncalibrated_there_are_counts_alone(workspace: Workspace, recipe: MakeRecipe) -> None:
    text = recipe().replace("tests.fakes:Painter", "tests.fakes:Raises")
    plan = plan_costs(edit(workspace, text), calibrate=False)
    assert plan.device is None
    assert plan.problems == []
    assert plan.untimed == ["a", "b", "red", "blue"]
    assert plan.images() == 20
    assert plan.image_bytes() == round(20 * 1024 * 1024 * 1.52)
    assert plan.cost(rate=5.0).dollars == 0


def test_rewards_are_left_out_by_choice(workspace: Workspace) -> None:
    plan = plan_costs(workspace, rewards=False, device="cpu")
    assert plan.untimed == ["red", "blue"]
    assert plan.scores() == 40


def test_what_is_broken_is_named_and_the_others_go_on(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    text = recipe(more='[rewards.bad]\nreward = "tests.fakes:broken"')
    first, _, rest = text.partition("[models.b]")
    broken = rest.replace("Painter", "Raises", 1)
    plan = plan_costs(edit(workspace, first + "[models.b]" + broken), device="cpu")
    (first_label, b), (second_label, bad) = plan.problems
    assert (first_label, second_label) == ("b", "bad")
    assert "no weights here" in b.message
    assert "the tower fell" in bad.message
    assert plan.untimed == ["b", "bad"]
    assert by_name(plan)["b"].left == 10
    assert by_name(plan)["red"].timing is not None


def test_weights_that_are_nowhere_are_counted_all_the_same(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    more = '[models.c]\ncheckpoint = "nowhere"\nsamples = 2\nsizes = ["64x64", "8x8"]'
    plan = plan_costs(edit(workspace, recipe(more=more)), device="cpu")
    assert [name for name, _ in plan.problems] == ["c 64x64", "c 8x8"]
    assert [(i.size, i.wanted) for i in plan.items if i.name == "c"] == [
        ("64x64", 20),
        ("8x8", 20),
    ]
    assert plan.images() == 60
    assert by_name(plan)["red"].wanted == 60


def test_a_batch_that_does_not_fit_is_halved_and_told(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    plan = plan_costs(edit(workspace, recipe(a="call = { memory = 3 }")), device="cpu")
    timing = by_name(plan)["a"].timing
    assert timing is not None
    assert timing.batch_size == 2
    assert (
        "a: there is no room for a batch of 4; batch_size = 2 saves each run the attempt"
        in plan.notes
    )


def test_failures_of_some_are_told(workspace: Workspace, recipe: MakeRecipe) -> None:
    plan = plan_costs(edit(workspace, recipe(a="call = { nan = ['0-3'] }")), device="cpu")
    timing = by_name(plan)["a"].timing
    assert timing is not None
    assert timing.failed == 1
    assert any(note.startswith("a: 1 image failed when it was timed: ") for note in plan.notes)


def test_failures_of_all_are_a_problem(workspace: Workspace, recipe: MakeRecipe) -> None:
    plan = plan_costs(edit(workspace, recipe(a="call = { refuse = ['prompt'] }")), device="cpu")
    ((name, error),) = plan.problems
    assert name == "a"
    assert "this prompt is refused" in error.message
    assert by_name(plan)["b"].timing is not None


def test_one_batch_tells_no_spread(workspace: Workspace) -> None:
    plan = plan_costs(workspace, batches=1, device="cpu")
    assert any("of a, b, red, blue one batch was timed" in note for note in plan.notes)
    with pytest.raises(ValueError, match="at least one"):
        plan_costs(workspace, batches=0)


@pytest.mark.parametrize(
    ("configs", "pairs", "images"),
    [
        ('["ranked", "scores"]', "best-worst", 40),
        ('["ranked", "images"]', "best-worst", 80),
        ('["pairwise"]', "best-worst", 20),
        ('["pairwise"]', "adjacent", 60),
        ('["pairwise", "pickapic"]', "best-rest", 120),
        ('["pickapic"]', "all", 120),
    ],
)
def test_published_bytes_follow_the_tables(
    workspace: Workspace, recipe: MakeRecipe, configs: str, pairs: str, images: int
) -> None:
    """Of ten prompts with four images each: so many images are in the tables."""
    more = f'[records]\nconfigs = {configs}\npairs = "{pairs}"'
    plan = plan_costs(edit(workspace, recipe(samples=3, more=more)), calibrate=False)
    assert plan.published_bytes() == round(images * plan.image_bytes() / 40)


def test_ingested_images_are_planned_too(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.effect_noise((16, 16), 40).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"prompt {number // 2}")
    rewards = ["tests.fakes:redness"]
    workspace = synpic.ingest_workspace(tmp_path / "set", rewards, images=str(folder))
    plan = plan_costs(workspace, device="cpu")
    first, reward = plan.items
    assert (first.stage, first.wanted, first.left) == ("ingest", 6, 6)
    mean = sum(path.stat().st_size for path in folder.glob("*.png")) / 6
    assert first.bytes_per_image == pytest.approx(mean)
    assert reward.timing is not None
    synpic.score_candidates(workspace)
    plan = plan_costs(workspace, device="cpu")
    first, reward = plan.items
    # There is nothing to ingest any more: the reward looks at what is stored.
    assert (first.left, first.timing, reward.left) == (0, None, 0)
    assert reward.timing is not None


def test_a_plan_is_json(workspace: Workspace) -> None:
    import json

    plan = plan_costs(workspace, device="cpu")
    told = json.loads(json.dumps(plan.as_dict(devices=4, rate=1.8)))
    assert (told["prompts"], told["devices"], told["dollars_per_device_hour"]) == (10, 4, 1.8)
    assert told["whole"]["images"] == 20
    cost = plan.cost("whole", None, 4, 1.8)
    assert told["whole"]["mean"] == {**vars(cost), "device_hours": cost.device_seconds / 3600}
    assert told["items"][0]["timing"]["images_per_second"] > 0
    assert told["items"][0]["problem"] is None
