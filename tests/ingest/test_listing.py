"""Names that are not UTF-8, Unicode's compositions, links, pipes; folders without captions."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import synpic
from synpic.errors import IngestError, RecipeError
from synpic.ingest.layouts import layout_of
from synpic.ingest.listing import LEADS_OUT, list_folder, plain_name, read_regular, shown, spelt
from synpic.pipeline.steps import image_scores
from synpic.pipeline.validation import validate
from tests.ingest.conftest import MakeWorkspace, metadata, picture

FOLDER = 'images = "../pictures"'
FOLLOWED = FOLDER + "\nfollow_links = true"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def put(path: Path, seed: int, caption: str | None = "a cup") -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(picture(seed))
    if caption is not None:
        path.with_suffix(".txt").write_text(caption)


def places(make: MakeWorkspace, lines: str = FOLDER) -> dict[str, str | None]:
    """Place → why it is not scored."""
    workspace = make(lines)
    synpic.score_candidates(workspace, device="cpu")
    table = image_scores(workspace)
    assert table.filter(table["failure"].is_null())["score_red"].null_count() == 0
    return dict(table.select("place", "failure").iter_rows())


# -- names ---------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=20))
def test_any_name_is_spelt_and_read_back(name: bytes) -> None:
    decoded = os.fsdecode(name)
    assert spelt(decoded).isascii()
    assert plain_name(spelt(decoded)) == decoded
    shown(decoded).encode()


def test_a_name_that_is_not_utf_8_is_scored_and_shown_escaped(
    make: MakeWorkspace, folder: Path
) -> None:
    put(folder / "b.png", 1)
    put(folder / os.fsdecode(b"caf\xe9.png"), 2)
    put(folder / os.fsdecode(b"d\xe9") / "broken.png", 3)
    (folder / os.fsdecode(b"d\xe9") / "broken.png").write_bytes(b"no")
    found = places(make, FOLDER + '\nmodel = "folder"')
    assert found.keys() == {"b.png", r"caf\xe9.png", r"d\xe9/broken.png"}
    assert [one is None for one in found.values()] == [True, True, False]
    (folder / os.fsdecode(b"d\xe9") / "metadata.csv").write_text("file_name,text\nx.png,a,b\n")
    with pytest.raises(IngestError, match=r"^d\\xe9/metadata.csv:2: 3 cells") as caught:
        synpic.ingest_candidates(make(FOLDER))
    caught.value.message.encode()


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("by", ["metadata", "captions"])
def test_names_match_in_either_composition(
    make: MakeWorkspace, folder: Path, on_disk: str, by: str
) -> None:
    disk, other = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    if on_disk == "NFD":
        disk, other = other, disk
    put(folder / f"{disk}.png", 1, None)
    if by == "metadata":
        metadata(folder, {"file_name": f"{other}.png", "text": "a cup"})
    else:
        (folder / f"{other}.txt").write_text("a cup")
    assert places(make) == {f"{disk}.png": None}


def test_a_name_that_two_files_may_have_is_ambiguous(make: MakeWorkspace, folder: Path) -> None:
    # U+212B, the sign of Ångström, is Å in NFC and in NFD's composition.
    for seed, name in enumerate(("A\u030a.png", "\u212b.png")):
        put(folder / name, seed)
    metadata(folder, {"file_name": "\u00c5.png", "text": "a sign"})
    found = places(make)
    assert found.pop("\u00c5.png") == (
        "2 files have this name, each in another composition of Unicode"
    )


# -- links ---------------------------------------------------------------------------------------


def test_a_linked_folder_is_read_once_and_loops_are_cut(make: MakeWorkspace, folder: Path) -> None:
    put(folder / "real" / "1.png", 1)
    put(folder / ".store" / "2.png", 2)
    (folder / "a").symlink_to("real")
    (folder / "real" / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "b").symlink_to(".store")
    (folder / "c").symlink_to(".store")
    assert places(make) == {"real/1.png": None, "b/2.png": None}
    metadata(folder, {"file_name": "a/1.png", "text": "by way of a link"})
    assert places(make).keys() == {"real/1.png", "b/2.png"}


@pytest.mark.parametrize("followed", [False, True])
def test_links_that_lead_out_are_followed_on_request(
    make: MakeWorkspace, folder: Path, tmp_path: Path, followed: bool
) -> None:
    put(tmp_path / "elsewhere" / "1.png", 1, "a secret")
    put(folder / "own.png", 2)
    put(folder / "told.png", 3, None)
    (folder / "told.txt").symlink_to(tmp_path / "elsewhere" / "1.txt")
    (folder / "linked.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (folder / "linked.txt").write_text("a cup")
    (folder / "inner.png").symlink_to("own.png")
    (folder / "inner.txt").symlink_to("own.txt")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    lines = FOLLOWED if followed else FOLDER
    workspace = make(lines)
    report = synpic.score_candidates(workspace, device="cpu")
    table = image_scores(workspace)
    failures = dict(table.select("place", "failure").iter_rows())
    prompts = set(table.filter(table["failure"].is_null())["prompt"])
    if followed:
        assert failures == dict.fromkeys(
            ["own.png", "inner.png", "told.png", "linked.png", "more/1.png"]
        )
        assert prompts == {"a cup", "a secret"}
        assert report.remarks == []
    else:
        assert failures == {
            "own.png": None,
            "inner.png": None,
            "told.png": f"its caption is not read: {LEADS_OUT}",
            "linked.png": LEADS_OUT,
        }
        assert prompts == {"a cup"}
        assert report.remarks == [f"more was not read: {LEADS_OUT}"]
        assert f"more was not read: {LEADS_OUT}" in validate(workspace).notes
    (folder / "metadata.jsonl").symlink_to(tmp_path / "elsewhere" / "metadata.jsonl")
    metadata(tmp_path / "elsewhere", {"file_name": "own.png", "text": "a secret"})
    if followed:
        synpic.ingest_candidates(workspace)
    else:
        with pytest.raises(IngestError, match=r"^metadata.jsonl: it is a link that leads out"):
            synpic.ingest_candidates(workspace)


def test_a_dataset_takes_no_links(make: MakeWorkspace) -> None:
    with pytest.raises(RecipeError, match="follow_links: a folder of images takes it"):
        synpic.ingest_candidates(make('dataset = "a/b"\nfollow_links = true'))


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    for follow in (False, True):
        assert not list_folder(tmp_path, lambda name: True, follow).files
    for name in ("a.png", "b.png"):
        with pytest.raises(OSError, match="no regular file"):
            read_regular(tmp_path / name)


# -- nothing to ingest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, r"none of 2 images has a caption \(found: no \.txt and no metadata; 2 × there is no"),
        ({"c.txt": b"x"}, r"\(found: 1 file \*\.txt; 2 × there is no caption\)"),
        (
            {"a.txt": b"\0", "b.txt": b" "},
            r"found: 2 files \*\.txt; 1 × its caption has a NUL at character 1; 1 × there is no",
        ),
        (
            {"metadata.jsonl": b'{"file_name": "a.png", "text": null}'},
            r"found: 1 file metadata\.jsonl; 2 × there is no caption",
        ),
        (
            {"train.json": b'[{"prompt": " ", "path1": "a.png", "path2": "b.png"}]'},
            r"\(found: no \.txt and no metadata; 2 × there is no caption\)",
        ),
    ],
)
def test_a_folder_without_a_caption_is_refused_before_anything_is_ingested(
    make: MakeWorkspace, folder: Path, files: dict[str, bytes], says: str
) -> None:
    put(folder / "a.png", 1, None)
    put(folder / "b.png", 2, None)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    workspace = make(FOLDER)
    with pytest.raises(IngestError, match=says) as caught:
        synpic.ingest_candidates(workspace)
    assert caught.value.hint
    assert not workspace.store.exists("ingest.parquet")


def test_a_folder_without_images_names_a_list_of_preferences(
    make: MakeWorkspace, folder: Path
) -> None:
    row = {"prompt": "a", "image_path": ["a.jpg"], "rank": [1], "raw_annotations": []}
    (folder / "test.json").write_text(json.dumps([row], indent=1))
    for lines in (FOLDER, 'dataset = "../pictures"'):
        with pytest.raises(IngestError, match=r"test.json is in the layout of HPDv2 \(prompt, im"):
            synpic.ingest_candidates(make(lines))


@pytest.mark.parametrize(
    ("head", "layout"),
    [
        (b'[{"prompt": "a", "file_path": [], "human_preference": []}, {"pro', "HPDv2"),
        (b'\xef\xbb\xbf{"path1": 1, "prompt": 2, "path2": 3, "confidence": 4}\n{', "HPDv3"),
        (b'[{"prompt": "a", "path1": "b"}]', None),
        (b'["prompt", "path1", "path2"]', None),
        (b"\xff[", None),
        (b'{"a":' + b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_a_layout_is_known_by_the_keys_of_its_first_row(head: bytes, layout: str | None) -> None:
    found = layout_of(head)
    assert (found and found.split()[0]) == layout


# -- the table -------------------------------------------------------------------------------------


def test_each_copy_has_a_row(make: MakeWorkspace, folder: Path) -> None:
    for name in ("a.png", "b.png", "sub/c.png"):
        put(folder / name, 1)
    put(folder / "d.png", 2)
    put(folder / "e.png", 1, "another prompt")
    workspace = make(FOLDER)
    synpic.score_candidates(workspace, device="cpu")
    table = image_scores(workspace)
    assert table["place"].to_list() == ["a.png", "b.png", "sub/c.png", "d.png", "e.png"]
    assert table["candidate_id"][:3].n_unique() == 1
    assert table["score_red"][:3].n_unique() == 1
    assert table["candidate_id"].n_unique() == 3
    assert table["score_red"].null_count() == table["failure"].count() == 0


def test_an_image_without_a_score_says_why(make: MakeWorkspace, folder: Path) -> None:
    put(folder / "a.png", 1, "a cup")
    put(folder / "b.png", 2, "FAIL")
    more = '[rewards.red]\nreward = "tests.fakes:redness"\n[rewards.picky]\n'
    workspace = make(FOLDER, more + 'reward = "tests.ingest.test_listing:picky"\n')
    assert image_scores(workspace)["failure"].to_list() == ["not made yet"] * 2
    synpic.ingest_candidates(workspace)
    waits = "red: not scored yet; picky: not scored yet"
    assert image_scores(workspace)["failure"].to_list() == [waits] * 2
    synpic.score_candidates(workspace, device="cpu")
    good, bad = image_scores(workspace)["failure"].to_list()
    assert good is None
    assert bad.startswith("picky: ")
    assert "no cup" in bad


def picky(prompt: str, image: object) -> float:
    if prompt == "FAIL":
        raise ValueError("no cup")
    return 0.5


def test_status_counts_images_that_share_a_prompt(make: MakeWorkspace, folder: Path) -> None:
    from synpic.pipeline.status import status
    from synpic_cli.reporting import prompts_line

    for number in range(3):
        put(folder / f"{number}.png", number)
    put(folder / "other.png", 7, "alone")
    put(folder / "none.png", 8, None)
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    found, checked = status(workspace), validate(workspace)
    assert (found.source.sharing, checked.sharing) == (3, 3)
    source = found.source
    line = prompts_line(found.prompts, source.empty, source.duplicate, source.sharing)
    assert line == "2 prompts of 5 images: 3 share a prompt with another, 1 without a caption"
    assert prompts_line(2, 1, 4, None) == "2 prompts of 7 (4 duplicates, 1 empty left out)"
