"""``synpic plan``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synpic import Workspace
from synpic.engine.workers.engines import Engine
from synpic.pipeline.costs import CostItem, CostPlan, Timing
from synpic_cli.plan import _show
from tests.cli.conftest import Synpic, in_process
from tests.conftest import MakeRecipe, edit


@pytest.fixture
def synpic(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Synpic:
    monkeypatch.chdir(workspace.store.root)
    return in_process


def line(output: str, *beginning: str) -> list[str]:
    """The words of the one line that begins with these."""
    (found,) = (
        words
        for words in map(str.split, output.splitlines())
        if words[: len(beginning)] == [*beginning]
    )
    return found


def test_a_plan_for_people(synpic: Synpic, workspace: Workspace) -> None:
    made = synpic("plan", "--devices", 3, "--rate", 1.8, "--device", "cpu")
    assert made.exit_code == 0, made.output
    assert "Timed on " in made.stdout
    assert line(made.stdout, "generate", "a")[:4] == ["generate", "a", "10", "10"]
    assert line(made.stdout, "score", "red")[:4] == ["score", "red", "20", "20"]
    assert [line(made.stdout, name)[1] for name in ("a", "red")] == ["4", "8"], "batches"
    assert "on 3 devices at $1.80 an hour:" in made.stdout
    assert line(made.stdout, "in", "all")[-1].startswith("$")
    assert "20 images, about" in made.stdout
    assert "published (ranked, scores)" in made.stdout
    assert workspace.folders("candidates") == workspace.folders("scores") == []


def test_without_a_rate_there_are_no_dollars(synpic: Synpic) -> None:
    made = synpic("plan", "--no-rewards", "--device", "cpu")
    assert made.exit_code == 0
    assert "$" not in made.output
    assert "on 1 device:" in made.stdout
    assert "Without red, blue: not timed." in made.stdout


def test_a_plan_of_what_is_left(synpic: Synpic) -> None:
    synpic("generate", "--device", "cpu", "--only", "a")
    made = synpic("plan", "--device", "cpu")
    assert line(made.stdout, "generate", "a")[:4] == ["generate", "a", "10", "0"]
    left, whole = made.stdout.split("What is left, on 1 device:")[1].split(
        "The whole, on 1 device:"
    )
    for row in (["generate"], ["score"], ["in", "all"]):
        assert line(left, *row)
        assert line(whole, *row)


def test_counts_alone_open_nothing(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe().replace("fakes:Painter", "fakes:Raises"))
    made = synpic("plan", "--no-calibrate")
    assert made.exit_code == 0
    assert "Timed on" not in made.stdout
    assert "device time" not in made.stdout
    assert made.stdout.startswith("stage ")
    assert line(made.stdout, "generate", "a")[-2:] == ["~1.6", "MB"]
    assert "20 images, about 31.9 MB" in made.stdout


def drawn(workspace: Workspace) -> dict[str, list[int]]:
    """Folder of candidates → sizes of its images in bytes."""
    return {
        folder: [
            len(row["bytes"])
            for part in workspace.parts(folder)
            for row in pq.read_table(workspace.store.path(part))["image"].to_pylist()
        ]
        for folder in workspace.folders("candidates")
    }


@pytest.mark.parametrize("words", [("--no-calibrate",), ("--device", "cpu", "--no-rewards")])
def test_bytes_are_the_mean_of_images_that_are_there(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe, words: tuple[str, ...]
) -> None:
    edit(workspace, recipe(a='sizes = ["64x48", "24x24"]'))
    synpic("generate", "--device", "cpu", "--only", "a")
    # More prompts, and a size that nothing was drawn in.
    edit(workspace, recipe(prompts=30, a='sizes = ["64x48", "24x24", "8x8"]'))
    planned = json.loads(synpic("plan", "--json", *words).stdout)
    large, small, unknown, b = planned["items"][:4]
    held = sorted(drawn(workspace).values(), key=sum)
    for item, sizes in zip((small, large), held, strict=True):
        assert item["bytes_per_image"] == pytest.approx(sum(sizes) / len(sizes), rel=0.02, abs=16)
        assert item["mean_of"] == len(sizes) == 10
        label = f"a {item['size']}"
        assert f"{label}: bytes each are the mean of 10 images here" in planned["notes"]
    assert (unknown["mean_of"], b["mean_of"]) == (0, 0)
    expected = 30 * sum(item["bytes_per_image"] for item in planned["items"][:4])
    assert planned["whole"]["image_bytes"] == pytest.approx(expected, abs=4)
    checked = json.loads(synpic("validate", "--json").stdout)
    a, b = checked["models"]
    assert (a["mean_of"], b["mean_of"]) == (20, 0)
    if "--no-calibrate" in words:
        assert a["bytes"] == pytest.approx(
            expected - 30 * planned["items"][3]["bytes_per_image"], abs=4
        )
    assert "(mean of 20 images)" in synpic("validate").stdout


def test_of_a_model_that_is_away_the_images_tell(
    synpic: Synpic, workspace: Workspace, weights: Path
) -> None:
    synpic("generate", "--device", "cpu")
    weights.rename(weights.with_name("elsewhere"))
    a, b = json.loads(synpic("plan", "--json", "--no-calibrate").stdout)["items"][:2]
    assert (a["mean_of"], b["mean_of"]) == (10, 10)
    held = [sum(sizes) / len(sizes) for sizes in drawn(workspace).values()]
    means = sorted((a["bytes_per_image"], b["bytes_per_image"]))
    assert means == pytest.approx(sorted(held), rel=0.02, abs=16)
    models = json.loads(synpic("validate", "--json").stdout)["models"]
    assert [model["mean_of"] for model in models] == [10, 10]


def test_a_damaged_part_is_a_problem_that_validate_names(
    synpic: Synpic, workspace: Workspace
) -> None:
    synpic("generate", "--device", "cpu", "--only", "a")
    (folder,) = workspace.folders("candidates")
    (part,) = workspace.parts(folder)
    path = Path(workspace.store.path(part))
    path.write_bytes(path.read_bytes()[:-20])
    made = synpic("validate", "--json")
    assert made.exit_code == 1
    (problem,) = json.loads(made.stdout)["problems"]
    assert path.name in problem["message"]
    assert json.loads(made.stdout)["images"] == 20


def test_a_plan_as_json_is_one_object(synpic: Synpic) -> None:
    made = synpic("plan", "--json", "--rate", 2, "--batches", 1, "--device", "cpu")
    told = json.loads(made.stdout)
    assert [item["name"] for item in told["items"]] == ["a", "b", "red", "blue"]
    assert told["whole"]["mean"]["dollars"] == pytest.approx(
        told["whole"]["mean"]["device_seconds"] / 1800
    )
    assert told["left"]["mean"]["device_hours"] == told["left"]["mean"]["device_seconds"] / 3600
    assert told["untimed"] == []


def test_what_cannot_be_opened_is_said_after_the_rest(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    first, _, rest = recipe().partition("[models.b]")
    edit(workspace, first + "[models.b]" + rest.replace("Painter", "Raises"))
    made = synpic("plan", "--device", "cpu")
    assert made.exit_code not in (0, 2)
    assert line(made.stdout, "b") == ["b", "broken"]
    assert len(line(made.stdout, "a")) > 2
    assert "Without b: not timed." in made.stdout
    assert "no weights here" in str(made.exception)
    told = json.loads(synpic("plan", "--device", "cpu", "--json").stdout)
    assert "no weights here" in told["items"][1]["problem"]["message"]


@pytest.mark.parametrize("begun", [True, False])
def test_at_full_scale_it_fits_eighty_columns(
    capsys: pytest.CaptureFixture[str], begun: bool
) -> None:
    def timing(seconds: float) -> Timing:
        batches = ((32, 30 * seconds), (32, 34 * seconds))
        return Timing(151.0, batches, seconds, 32, 71_200_000_000, 1_600_000)

    done = 12_345 if begun else 0
    models = ["sd3_medium", "sdxl", "pixart_sigma", "stable_cascade"]
    drawn = [(name, size) for name in models for size in ("1024x1024", "1280x768")]
    items = [
        CostItem("generate", *of, 32, 58_000, 58_000 - done, 58_000, 1_600_000, timing(3.72))
        for of in drawn
    ]
    items.append(
        CostItem("score", "imagereward", None, 32, 464_000, 464_000, 464_000, None, timing(2))
    )
    _show(CostPlan(58_000, "NVIDIA H100 80GB HBM3", items, ["ranked", "scores"]), 8, 1.8)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80, max(shown, key=len)
    tables = [number for number, text in enumerate(shown) if text.startswith(("stage", "name"))]
    assert len(tables) == 3 + begun
    for header in tables:
        # A header for every column: none begins left of where the first one does.
        assert all(row[0] != " " for row in shown[header : header + 2])


def test_two_sizes_of_a_model_are_two_things(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    sizes = 'sizes = ["16x8", "24x24"]\ncall = { '
    first, _, rest = recipe(a=sizes + "}").partition("[models.b]")
    edit(workspace, first.replace("Painter", "Raises") + "[models.b]" + rest)
    made = synpic("plan", "--device", "cpu", "--no-rewards")
    assert line(made.stdout, "a", "16x8") == ["a", "16x8", "broken"]
    assert line(made.stdout, "generate", "a", "24x24")[3:5] == ["10", "10"]
    assert "Without a 16x8, a 24x24, red, blue: not timed." in made.stdout
    assert [text.split(":")[0] for text in str(made.exception).splitlines()] == [
        "a 16x8",
        "a 24x24",
    ]


def test_as_many_devices_as_generate_would_take(
    synpic: Synpic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "devices", lambda self, asked: ["cpu"] * 4)
    assert "on 4 devices:" in synpic("plan").stdout
    assert "on 3 devices:" in synpic("plan", "--devices", 3).stdout
    assert json.loads(synpic("plan", "--json").stdout)["devices"] == 4


@pytest.mark.parametrize("words", [("--devices", "0"), ("--batches", "0"), ("--rate", "-1")])
def test_nonsense_is_refused(synpic: Synpic, words: tuple[str, ...]) -> None:
    assert synpic("plan", *words).exit_code == 2


def test_the_paper_s_recipe_is_counted(tmp_path: Path, synpic: Synpic) -> None:
    synpic("init", tmp_path / "paper", "--preset", "syn-pic")
    lines = "\n".join(f"prompt {i}" for i in range(100))
    (tmp_path / "paper" / "prompts.txt").write_text(lines)
    made = synpic("plan", "-C", tmp_path / "paper", "--no-calibrate")
    # Offline, of nine repositories no commit is known: each is named, and what is wanted counted.
    assert made.exit_code not in (0, 2)
    assert len(str(made.exception).splitlines()) == 9
    assert line(made.stdout, "generate", "sdxl")[3:5] == ["100", "100"]
    assert "400 images, about 209.7 MB" in made.stdout
    assert line(made.stdout, "score", "mps")[2:4] == ["400", "400"]


def test_a_run_of_nothing_but_missing_weights_names_them_all(
    tmp_path: Path, synpic: Synpic
) -> None:
    synpic("init", tmp_path / "paper", "--preset", "syn-pic")
    (tmp_path / "paper" / "prompts.txt").write_text("a cat")
    made = synpic("generate", "-C", tmp_path / "paper", "--device", "cpu")
    assert made.exit_code not in (0, 2)
    assert len(str(made.exception).splitlines()) == 4
    assert line(made.stdout, "sdxl") == ["sdxl", "1", "0", "0", "0", "1"]
