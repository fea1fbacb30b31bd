"""A folder of images, from its files to a release."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

import synpic
from synpic.engine.progress import Event
from synpic.errors import IngestError, RecipeError, SourceMissing, Stopped, SynpicError
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.status import status
from synpic.pipeline.steps import image_scores
from synpic.pipeline.validation import validate
from synpic.publish.export import export
from synpic.release.compare import compare
from synpic.workspace import Workspace
from tests.ingest.conftest import PROMPTS, MakeWorkspace, metadata, picture

FOLDER = 'images = "../pictures"'


def rows(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).candidates()


def test_files_become_candidates_as_they_are(make: MakeWorkspace, pictures: Path) -> None:
    workspace = make(FOLDER)
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.name, outcome.wanted, outcome.made, outcome.failed) == ("ingested", 7, 5, 2)
    inventory = take_inventory(workspace)
    found = inventory.candidates()
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    reader = workspace.images(inventory.image_folders())
    kept = {hashlib.sha256(data).hexdigest() for data in reader.read(keys)}
    whole = [p for p in pictures.rglob("[0-9]*") if p.suffix.lower() in (".png", ".jpg", ".webp")]
    assert kept == {hashlib.sha256(path.read_bytes()).hexdigest() for path in whole}
    assert {path.rpartition(".")[2] for path in reader.paths(keys)} == {"png", "jpg", "webp"}
    assert found["prompt"].unique(maintain_order=True).to_list() == PROMPTS
    assert found.select(pl.col("model", "seed", "width").unique()).row(0) == ("unknown", 0, 12)
    assert found.sort("prompt", "sample")["sample"].to_list() == [0, 1, 0, 1, 0]
    reasons = sorted(workspace.failures("ingest")["reason"])
    assert reasons[1] == "there is no caption"
    assert reasons[0].startswith("not a whole image: ")
    (again,) = synpic.ingest_candidates(workspace).outcomes
    assert (again.already, again.made, again.left) == (7, 0, 0)


def test_scores_come_with_ingest_and_go_all_the_way(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    workspace = make(FOLDER)
    report = synpic.score_candidates(workspace, device="cpu")
    assert [(o.name, o.made) for o in report.outcomes] == [("ingested", 5), ("red", 5), ("blue", 5)]
    counts = {one.name: one for one in status(workspace).counts}
    assert (counts["ingested"].done, counts["ingested"].failed, counts["red"].done) == (5, 2, 5)

    table = image_scores(workspace)
    assert table.height == 7
    assert table.columns[:2] == ["prompt", "place"]
    by_place = {row["place"]: row for row in table.to_dicts()}
    assert by_place["sub dir/broken.png"]["failure"].startswith("not a whole image")
    assert by_place["alone.gif"]["score_red"] is None
    assert by_place["0 a.png"]["score_red"] is not None
    assert by_place["0 a.png"]["failure"] is None

    ranked = synpic.rank_candidates(workspace).ranking
    assert (ranked.counts.kept_prompts, ranked.counts.kept_candidates) == (2, 4)
    rankings = synpic.load_rankings(workspace, split="train")
    assert len(rankings) == 2
    assert rankings[0]["image_0"].size == (12, 12)
    assert len(synpic.pairs(rankings)) == 2

    release = synpic.publish_to(workspace, tmp_path / "out", configs=["ranked", "scores", "images"])
    assert synpic.verify(synpic.open_release(release.directory)).problems == []
    card = (release.directory / "README.md").read_text()
    assert "Images for 2 prompts, taken as they are from pictures" in card
    assert "| `unknown` | not named | 5 |" in card
    creation = card.split("## Creation")[1].split("### Rewards")[0]
    for invented in ("text-to-image model", "steps", "None", "scheduler"):
        assert invented not in creation
    assert str(tmp_path) not in card
    assert str(tmp_path) not in (release.directory / "manifest.json").read_text()
    images = load_dataset(
        "parquet", data_files=str(release.directory / "images" / "*.parquet"), split="train"
    )
    encoded = images.cast_column("image", images.features["image"].__class__(decode=False))
    names = {one["image"]["path"].rpartition(".")[2] for one in encoded}
    assert names == {"png", "jpg", "webp"}
    exported = export(workspace, "pickapic", tmp_path / "pairs")
    assert exported.rows == {"train": 2}


def test_the_same_release_from_the_same_files(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    """Where the folder lies, what it is called and when it was written decides nothing."""
    digests = []
    for name in ("one", "other"):
        workspace = make(FOLDER)
        synpic.score_candidates(workspace, device="cpu")
        made = synpic.publish_to(workspace, tmp_path / name)
        digests.append(json.loads((made.directory / "manifest.json").read_text())["digest"])
        shutil.rmtree(workspace.store.root)
        for path in pictures.rglob("*"):
            os.utime(path, (1, 1))
    assert digests[0] == digests[1]


def test_metadata_name_images(make: MakeWorkspace, pictures: Path) -> None:
    metadata(
        pictures,
        {"file_name": "0 a.png", "text": "a green square", "by": "SDXL"},
        {"file_name": "0 a.png", "text": "a blue square", "by": "SDXL"},
        {"file_name": "sub dir/2 猫.png", "text": "cafe\u0301", "by": "sdxl"},
        {"file_name": "nowhere.png", "text": "a cat", "by": None},
        {"file_name": "1 a.webp", "text": 7},
    )
    workspace = make(FOLDER + '\nmodel = "by"')
    synpic.ingest_candidates(workspace)
    found = {(row["prompt"], row["model"]) for row in rows(workspace).to_dicts()}
    # What metadata do not name still has its .txt.
    assert found == {
        ("a green square", "sdxl"),
        ("a blue square", "sdxl"),
        ("café", "sdxl_2"),
        (PROMPTS[0], "unknown"),
        (PROMPTS[1], "unknown"),
    }
    assert set(workspace.failures("ingest")["reason"]) >= {
        "there is no such image file",
        "its caption is not text",
        "there is no caption",
    }


def test_folders_can_say_the_model(make: MakeWorkspace, pictures: Path) -> None:
    workspace = make(FOLDER + '\nmodel = "folder"')
    synpic.ingest_candidates(workspace)
    assert set(rows(workspace)["model"]) == {"unknown", "sub_dir"}


def test_a_folder_grows(make: MakeWorkspace, pictures: Path) -> None:
    workspace = make(FOLDER)
    synpic.score_candidates(workspace, device="cpu")
    before = rows(workspace)
    # A name before all others, so that every image moves on in the order of files.
    (pictures / "! first.png").write_bytes(picture(20))
    (pictures / "! first.txt").write_text(PROMPTS[0])
    (outcome, red, _) = synpic.score_candidates(workspace, device="cpu").outcomes
    assert (outcome.made, red.made) == (1, 1)
    after = rows(workspace)
    kept = after.join(before.select("candidate_id", was="sample"), on="candidate_id")
    assert kept.height == before.height
    assert kept["sample"].to_list() == kept["was"].to_list()
    new = after.join(before, on="candidate_id", how="anti")
    assert new.select("prompt", "sample").rows() == [(PROMPTS[0], 2)]


def test_an_image_is_its_bytes(make: MakeWorkspace, pictures: Path) -> None:
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    before = set(rows(workspace)["candidate_id"])
    for ending in (".png", ".txt"):
        (pictures / f"0 a{ending}").rename(pictures / f"moved{ending}")
    (pictures / "twin.png").write_bytes((pictures / "moved.png").read_bytes())
    (pictures / "twin.txt").write_text(PROMPTS[0])
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.made == 0
    assert set(rows(workspace)["candidate_id"]) == before
    (pictures / "moved.png").write_bytes(picture(21))
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.made == 1


def test_what_is_as_it_was_is_not_read_again(
    make: MakeWorkspace, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    (pictures / "new.png").write_bytes(picture(22))
    (pictures / "new.txt").write_text("a new one")
    hashed = []
    sha256 = synpic.ingest.folder.ids.sha256  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "synpic.ingest.folder.ids.sha256", lambda data: hashed.append(data) or sha256(data)
    )
    take_inventory(workspace)
    assert sum(data == picture(22) for data in hashed) == 1
    assert not any(data == picture(0) for data in hashed)


def test_a_folder_that_is_gone_can_still_be_ranked(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    workspace = make(FOLDER)
    synpic.score_candidates(workspace, device="cpu")
    pictures.rename(tmp_path / "elsewhere")
    assert synpic.rank_candidates(workspace).ranking.counts.kept_candidates == 4
    with pytest.raises(SourceMissing, match="no such folder"):
        synpic.ingest_candidates(workspace)


def test_a_workspace_of_an_earlier_synpic_keeps_its_images_and_names(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    workspace = make(FOLDER)
    synpic.score_candidates(workspace, device="cpu")
    before = take_inventory(workspace).scored()
    root = Path(workspace.store.root)
    (root / "ingest.parquet").rename(root / "given.parquet")
    (folder,) = (root / "candidates").iterdir()
    folder.rename(folder.with_name(folder.name.replace("ingested", "given")))

    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.name, outcome.made) == ("given", 0)
    assert [c.unused for c in status(workspace).counts] == [0, 0, 0]
    assert take_inventory(workspace).scored().equals(before)
    assert workspace.verify().damaged == []
    (pictures / "new.png").write_bytes(picture(22))
    (pictures / "new.txt").write_text(PROMPTS[0])
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.made == 1
    assert len(list((root / "candidates").iterdir())) == 1, "the new image lies beside the others"
    assert (root / "ingest.parquet").exists()
    pictures.rename(tmp_path / "elsewhere")
    assert take_inventory(workspace).scored().height == before.height + 1


def test_shards_share_a_folder(make: MakeWorkspace, tmp_path: Path) -> None:
    from synpic.engine.shard import Shard

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number:03d}.png").write_bytes(picture(number, edge=2))
        (folder / f"{number:03d}.txt").write_text(f"prompt {number}")
    workspace = make(FOLDER)
    made = [synpic.ingest_candidates(workspace, shard=Shard(n, 2)).outcomes[0].made for n in (2, 1)]
    assert made == [64, 86]
    assert rows(workspace).height == 150


def test_a_plan_says_what_there_is(make: MakeWorkspace, pictures: Path) -> None:
    found = validate(make(FOLDER))
    assert (found.prompts, found.images, found.scores, found.problems) == (3, 6, 12, [])
    assert found.bytes == sum(
        path.stat().st_size
        for path in pictures.rglob("*")
        if path.with_suffix(".txt").exists() and path.suffix != ".txt"
    )
    assert found.notes[0] == "1 image cannot be ingested: there is no caption"
    assert not (Path(make(FOLDER).store.root) / "ingest.parquet").exists()


def test_a_damaged_index_is_made_again(make: MakeWorkspace, pictures: Path) -> None:
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    before = set(rows(workspace)["candidate_id"])
    workspace.store.write("ingest.parquet", b"PAR1")
    assert set(rows(workspace)["candidate_id"]) == before


@pytest.mark.parametrize(
    ("lines", "error", "says"),
    [
        ('images = "../nowhere"', SourceMissing, "no such folder"),
        ('images = "../pictures/notes.md"', IngestError, "is a file"),
        ('images = "../empty"', IngestError, "no image in this folder"),
        ('images = "../pictures"\nimage = "x"', RecipeError, "a dataset takes it"),
        ('images = "a"\ndataset = "b"', RecipeError, "exactly one of images and dataset"),
        ("count = 3", RecipeError, "exactly one of images and dataset; found neither"),
        ('images = "a"\nmodel = ["x", 3]', RecipeError, "ingest.model"),
        ('images = "a"\n[prompts]\nfile = "p"', RecipeError, "either drawn"),
    ],
)
def test_mistakes_are_told(
    make: MakeWorkspace,
    pictures: Path,
    tmp_path: Path,
    lines: str,
    error: type[SynpicError],
    says: str,
) -> None:
    (tmp_path / "empty").mkdir()
    workspace = make(lines)
    with pytest.raises(error, match=says):
        synpic.ingest_candidates(workspace)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1]", "metadata.jsonl:2: a JSON list, not an object"),
        ("{", "metadata.jsonl:2: not JSON"),
        ('{"file_name": 3, "text": "x"}', "metadata.jsonl:2: file_name is 3"),
    ],
)
def test_mistakes_in_metadata_are_told_with_their_line(
    make: MakeWorkspace, pictures: Path, line: str, says: str
) -> None:
    metadata(pictures, {"file_name": "0 a.png", "text": "a cat"})
    with (pictures / "metadata.jsonl").open("a") as stream:
        stream.write(line)
    with pytest.raises(IngestError, match=says.replace("[", r"\[")):
        synpic.ingest_candidates(make(FOLDER))


def test_captions_that_are_no_text_are_one_failure_each(
    make: MakeWorkspace, pictures: Path
) -> None:
    captions = {
        "0 a.txt": "a cat\n".encode("utf-16-le"),
        "0 b.txt": b"a\0cat",
        "1 a.txt": "\u200b".encode(),
        "1 \u00fcber\u00df.txt": b"caf\xe9",
    }
    for name, data in captions.items():
        (pictures / name).write_bytes(data)
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    reasons = sorted(workspace.failures("ingest")["reason"])
    assert [reason for reason in reasons if "whole image" not in reason] == [
        "its caption has a NUL at character 2",
        "its caption is refused: 0 a.txt: the file is UTF-16LE, not UTF-8",
        "its caption is refused: 1 \u00fcber\u00df.txt:1: not UTF-8 (byte 0xe9)",
        "there is no caption",
        "there is no caption",
    ]


def test_a_pipe_is_no_image_and_no_metadata(make: MakeWorkspace, pictures: Path) -> None:
    os.mkfifo(pictures / "endless.png")
    os.mkfifo(pictures / "metadata.csv")
    (outcome,) = synpic.ingest_candidates(make(FOLDER)).outcomes
    assert outcome.wanted == 7


def test_metadata_may_be_parquet(make: MakeWorkspace, pictures: Path) -> None:
    names = pa.array(["0 a.png", "0 b.jpg"], pa.string_view())
    table = pa.table({"file_name": names, "caption": ["a cat", "a cat"], "odd": [[1], [2]]})
    pq.write_table(table, pictures / "metadata.parquet")
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    assert rows(workspace).filter(prompt="a cat").height == 2


def test_metadata_with_an_uneven_row_are_refused(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "metadata.csv").write_text("file_name,text\n0 a.png,a cat, asleep\n")
    workspace = make(FOLDER)
    with pytest.raises(IngestError, match=r"^metadata\.csv:2: 3 cells, where the header has 2$"):
        synpic.ingest_candidates(workspace)
    assert not workspace.store.exists("ingest.parquet")


def test_metadata_without_a_known_column(make: MakeWorkspace, pictures: Path) -> None:
    metadata(pictures, {"file_name": "0 a.png", "says": "a cat"})
    with pytest.raises(IngestError, match="no column prompt, caption or text"):
        synpic.ingest_candidates(make(FOLDER))
    with pytest.raises(IngestError, match="Did you mean 'says'"):
        synpic.ingest_candidates(make(FOLDER + '\nprompt = "say"'))
    synpic.ingest_candidates(make(FOLDER + '\nprompt = "says"'))
    assert "a cat" in set(rows(make(FOLDER + '\nprompt = "says"'))["prompt"])


def test_generate_ingests_too(make: MakeWorkspace, pictures: Path) -> None:
    assert synpic.generate_candidates(make(FOLDER)).outcomes[0].made == 5


def test_a_recipe_that_draws_has_nothing_to_ingest(workspace: Workspace) -> None:
    with pytest.raises(IngestError, match=r"it has no \[ingest\]"):
        synpic.ingest_candidates(workspace)


def test_a_stop_keeps_what_was_ingested_and_scores_nothing(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03d}.png").write_bytes(picture(number, edge=2))
        (folder / f"{number:03d}.txt").write_text(f"prompt {number // 2}")
    workspace = make(FOLDER)
    stop = threading.Event()
    seen: list[tuple[str, str, int]] = []

    def listener(event: Event) -> None:
        seen.append((event.stage, event.state, event.done))
        if event.stage == "ingest" and event.done:
            stop.set()

    report = synpic.score_candidates(workspace, device="cpu", listener=listener, stop=stop)
    assert [(o.name, o.made) for o in report.outcomes] == [("ingested", 64)]
    with pytest.raises(Stopped, match="score: stopped"):
        report.raise_if_unfinished()
    assert ("find", "done", 200) in seen
    report = synpic.score_candidates(workspace, device="cpu")
    assert [(o.name, o.made) for o in report.outcomes] == [
        ("ingested", 136),
        ("red", 200),
        ("blue", 200),
    ]


def test_releases_are_compared_and_ranked_anew(
    make: MakeWorkspace, pictures: Path, tmp_path: Path
) -> None:
    workspace = make(FOLDER)
    synpic.score_candidates(workspace, device="cpu")
    synpic.publish_to(workspace, tmp_path / "one")
    (pictures / "more.png").write_bytes(picture(30))
    (pictures / "more.txt").write_text(PROMPTS[0])
    synpic.score_candidates(workspace, device="cpu")
    synpic.publish_to(workspace, tmp_path / "two")
    one, two = (synpic.open_release(tmp_path / name) for name in ("one", "two"))
    assert any("pictures@" in change.text for change in compare(one.manifest, two.manifest))
    found = synpic.diff_releases(one, two)
    assert (len(found.images.added), len(found.images.removed)) == (1, 0)
    assert synpic.rerank(two, rewards=["red"]).ranking.counts.kept_candidates == 5


def test_a_mistake_in_the_recipe_is_told_with_its_line(make: MakeWorkspace) -> None:
    with pytest.raises(RecipeError, match=r"recipe.toml:2: ingest.imges: unknown key. Did you"):
        synpic.ingest_candidates(make('imges = "../pictures"'))
    with pytest.raises(RecipeError, match=r"recipe.toml:1: ingest: image: a dataset takes it"):
        synpic.ingest_candidates(make(FOLDER + '\nimage = "x"'))
