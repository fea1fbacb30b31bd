"""Tars in the layout of WebDataset, as ``webdataset`` itself writes and reads them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import webdataset
from braceexpand import braceexpand
from hypothesis import given
from hypothesis import strategies as st

import synpic
from synpic import ids
from synpic.engine.shard import Shard
from synpic.errors import IngestError, RecipeError, SourceMissing
from synpic.ingest.index import read_index
from synpic.ingest.tar_names import expand
from synpic.pipeline.ingesting import ingest_workspace
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.status import status
from synpic.pipeline.steps import image_scores
from synpic.prompts import stored_prompts
from synpic.workspace import Workspace
from tests.ingest.conftest import PROMPTS, MakeWorkspace, picture

Files = Sequence[tuple[str, bytes]]


def write(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def text(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def rows(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).candidates()


def pixels(workspace: Workspace) -> dict[str, str]:
    """sha256 of every image that was ingested → its prompt."""
    found = rows(workspace)
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    data = workspace.images(take_inventory(workspace).image_folders()).read(keys)
    return {ids.sha256(one): prompt for one, prompt in zip(data, found["prompt"], strict=True)}


def kept(workspace: Workspace) -> dict[str, list[Any]]:
    """What is kept beside prompts."""
    prompts = stored_prompts(workspace)
    assert prompts is not None
    table = prompts.table.to_pydict()
    return {name: values for name, values in table.items() if name.startswith("meta_")}


def reasons(workspace: Workspace) -> list[str]:
    table = image_scores(workspace)
    return sorted(table["failure"].drop_nulls())


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three tars of two samples, by ``webdataset``."""
    folder = tmp_path / "tars"
    folder.mkdir()
    for shard in range(3):
        with webdataset.TarWriter(str(folder / f"set-{shard:03}.tar")) as sink:
            for number in range(2):
                seed = 2 * shard + number
                sink.write(
                    {
                        "__key__": f"{seed:05}",
                        "png": picture(seed),
                        "txt": PROMPTS[seed % 3],
                        "json": {"model": f"m{shard}", "nsfw": False, "url": f"u{seed % 3}"},
                    }
                )
    return folder


def oracle(paths: Sequence[Path]) -> dict[str, str]:
    """sha256 of every image → its text, as ``webdataset`` reads it."""
    found = {}
    for sample in webdataset.WebDataset([str(path) for path in paths], shardshuffle=False):
        found[ids.sha256(sample["png"])] = sample["txt"].decode()
    return found


@pytest.mark.parametrize(
    "name", ["../tars", "../tars/set-{000..002}.tar", "../tars/*.tar", "../tars/set-00[0-2].tar"]
)
def test_what_webdataset_wrote(make: MakeWorkspace, shards: Path, name: str) -> None:
    workspace = make(f'images = "{name}"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.wanted, outcome.made, outcome.failed) == (6, 6, 0)
    assert pixels(workspace) == oracle(sorted(shards.iterdir()))
    assert set(rows(workspace)["model"]) == {"m0", "m1", "m2"}
    assert image_scores(workspace)["place"][1] == "set-000.tar#00001.png"
    # What all images of a prompt say is kept.
    assert kept(workspace) == {"meta_nsfw": [False] * 3, "meta_url": ["u0", "u1", "u2"]}
    (again,) = synpic.ingest_candidates(workspace).outcomes
    assert (again.already, again.made) == (6, 0)


def test_one_tar_and_a_count_of_samples(make: MakeWorkspace, shards: Path) -> None:
    workspace = make('images = "../tars/set-001.tar"\nkeep = ["url"]')
    assert read_index(workspace.snapshot()).rows.height == 2
    workspace = make('images = "../tars"\ncount = 3')
    index = read_index(workspace.snapshot())
    assert index.rows["place"].to_list()[-1] == "set-001.tar#00002.png"
    assert index.rows.height == 3


def test_an_image_keeps_its_id_when_it_is_packed_and_repacked(
    make: MakeWorkspace, shards: Path, tmp_path: Path
) -> None:
    workspace = make('images = "../tars"')
    synpic.ingest_candidates(workspace)
    before = set(rows(workspace)["candidate_id"])
    for path in shards.iterdir():
        with tarfile.open(path) as tar:
            tar.extractall(tmp_path / "loose", filter="data")
    for path in [*(tmp_path / "loose").glob("*.json")]:
        path.unlink()
    (tmp_path / "set" / "recipe.toml").write_text('[ingest]\nimages = "../loose"\n')
    (again,) = synpic.ingest_candidates(Workspace.open(tmp_path / "set")).outcomes
    assert (again.already, again.made) == (6, 0)
    assert set(rows(Workspace.open(tmp_path / "set"))["candidate_id"]) == before


def test_a_new_tar_is_read_and_the_old_ones_are_not_hashed_again(
    make: MakeWorkspace, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synpic.ingest import samples

    workspace = make('images = "../tars"')
    synpic.ingest_candidates(workspace)
    hashed: list[str] = []
    whole = samples._hash

    def counting(stream: Any, member: Any) -> str:
        hashed.append(member.name)
        return whole(stream, member)

    monkeypatch.setattr(samples, "_hash", counting)
    write(shards / "set-003.tar", [("a.png", picture(50)), ("a.txt", b"new")])
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.already, outcome.made) == (6, 1)
    assert hashed == ["a.png"]


def test_shards_of_the_work_are_whole_tars(make: MakeWorkspace, shards: Path) -> None:
    workspace = make('images = "../tars"')
    (first,) = synpic.ingest_candidates(workspace, shard=Shard.parse("1/3")).outcomes
    assert first.made == 2
    assert {p.partition("#")[0] for p in _done(workspace)} == {"set-000.tar"}


def _done(workspace: Workspace) -> list[str]:
    there = set(rows(workspace)["candidate_id"])
    index = read_index(workspace.snapshot()).rows
    return index.filter(pl.col("candidate_id").is_in(list(there)))["place"].to_list()


LAYOUTS: Mapping[str, tuple[Files, list[tuple[str, str]]]] = {
    "names are models": (
        [("7.sdxl.png", b"0"), ("7.flux.png", b"1"), ("7.txt", b"a")],
        [("sdxl", "a"), ("flux", "a")],
    ),
    "numbers, and a list of models": (
        [("7.0.png", b"0"), ("7.10.png", b"10"), ("7.2.png", b"2"),
         ("7.json", text({"prompt": "a", "models": ["x", "y", "z"]}))],
        [("x", "a"), ("y", "a"), ("z", "a")],
    ),
    "a caption of each image": (
        [("7.0.png", b"0"), ("7.0.txt", b"a"), ("7.1.png", b"1"), ("7.1.txt", b"b"),
         ("7.txt", b"both")],
        [("unknown", "a"), ("unknown", "b")],
    ),
    "chosen and rejected": (
        [("7.chosen.png", b"0"), ("7.rejected.png", b"1"),
         ("7.json", text({"caption": "a", "chosen_model": "Org/X", "rejected_model": "Y"}))],
        [("org_x", "a"), ("y", "a")],
    ),
    "diffusers' pairs": (
        [("7.jpg_0", b"0"), ("7.jpg_1", b"1"), ("7.label_0.txt", b"1"),
         ("7.original_prompt.txt", b"a")],
        [("unknown", "a"), ("unknown", "a")],
    ),
    "a text wins over JSON": (
        [("7.png", b"0"), ("7.json", text({"caption": "b", "model": 3})), ("7.txt", b"a\n")],
        [("model_3", "a")],
    ),
    "in folders, in capitals": (
        [("d.x/7.PNG", b"0"), ("d.x/7.TXT", b"a"), ("d.x/._7.png", b"no"), ("__m__/8.png", b"")],
        [("unknown", "a")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_a_sample(make: MakeWorkspace, tmp_path: Path, name: str) -> None:
    files, expected = LAYOUTS[name]
    seeds = {data: seed for seed, (_, data) in enumerate(files)}
    endings = (".png", "jpg_0", "jpg_1")
    write(
        tmp_path / "x.tar",
        [(n, picture(seeds[d]) if n.lower().endswith(endings) else d) for n, d in files],
    )
    index = read_index(make('images = "../x.tar"').snapshot()).rows
    assert index.select("model", "prompt").rows() == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('prompt = "long"', [("model_1", "L"), ("model_1", "L")]),
        ('model = "who"', [("a", "S"), ("b", "S")]),
        ('model = ["m0", "m1"]', [("p", "S"), ("q", "S")]),
        ('model = "folder"', [("sub", "S"), ("sub", "S")]),
    ],
)
def test_columns_that_are_named(
    make: MakeWorkspace, tmp_path: Path, lines: str, expected: list[tuple[str, str]]
) -> None:
    said = {"prompt": "S", "long": "L", "who": ["a", "b"], "m0": "p", "m1": "q", "model": "1"}
    files = [("sub/7.0.png", picture(0)), ("sub/7.1.png", picture(1)), ("sub/7.json", text(said))]
    write(tmp_path / "x.tar", files)
    index = read_index(make(f'images = "../x.tar"\n{lines}').snapshot()).rows
    assert index.select("model", "prompt").rows() == expected


def test_names_in_any_bytes_and_either_composition(make: MakeWorkspace, tmp_path: Path) -> None:
    latin1 = b"caf\xe9".decode("utf-8", "surrogateescape")
    nfd = "caf\u0065\u0301"
    files = [
        (f"{latin1}.png", picture(0)), (f"{latin1}.txt", "été".encode()),
        (f"{nfd}/1.e\u0301.png", picture(1)), (f"{nfd}/1.txt", "e\u0301te\u0301".encode()),
        ("../../up.png", picture(2)), ("../../up.txt", b"up"),
    ]  # fmt: skip
    write(tmp_path / f"n{latin1}.tar", files)
    name = os.fsdecode(b"../n*.tar")
    workspace = make(f'images = "{name}"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.made, outcome.failed) == (3, 0)
    assert set(rows(workspace)["prompt"]) == {"été", "up"}
    places = image_scores(workspace)["place"].to_list()
    assert places[0] == r"ncaf\xe9.tar#caf\xe9.png"
    assert not (tmp_path.parent / "up.png").exists()


def test_images_that_fail_say_why(make: MakeWorkspace, tmp_path: Path) -> None:
    files = [
        ("0.png", picture(0)), ("0.txt", b"fine"),
        ("1.png", picture(1)),
        ("2.png", picture(2)), ("2.txt", b"caf\xe9"),
        ("3.png", picture(3)), ("3.json", b'{"prompt": "a", "prompt": "b"}'),
        ("4.png", picture(4)), ("4.json", b"[1]"),
        ("5.png", picture(5)[:-30]), ("5.txt", b"fine"),
        ("6.png", picture(6)), ("6.json", text({"prompt": 7})),
        ("7.png", picture(7)), ("7.txt", b" " * (1 << 21)),
        ("8.png", picture(8)), ("8.pickle", b"cos\nsystem\n(S'touch pwned'\ntR."), ("8.txt", b"x"),
    ]  # fmt: skip
    write(tmp_path / "x.tar", files)
    workspace = make('images = "../x.tar"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.made, outcome.failed) == (2, 7)
    found = reasons(workspace)
    for part in (
        "7.txt has 2.1 MB, where at most 1.0 MB are read",
        "its caption is not text",
        "2.txt:1: not UTF-8 (byte 0xe9)",
        "3.json: not JSON: ",
        "4.json holds no JSON object",
        "not a whole image",
        "there is no caption",
    ):
        assert any(part in reason for reason in found), (part, found)
    assert not Path("pwned").exists()


def test_links_in_a_tar_are_named_and_lead_nowhere(make: MakeWorkspace, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, data in (("0.png", picture(0)), ("1.png", picture(1)), ("1.txt", b"fine")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            if name == "0.png":
                link = tarfile.TarInfo("0.txt")
                link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.txt")
                tar.addfile(link)
    workspace = make('images = "../x.tar"')
    report = synpic.ingest_candidates(workspace)
    assert (report.outcomes[0].made, report.outcomes[0].failed) == (1, 1)
    assert read_index(workspace.snapshot()).notes == [
        "x.tar: 1 of its members are no regular files and were not read; the first, 0.txt, is a "
        "symbolic link"
    ]


def refused(make: MakeWorkspace, name: str = "../x.tar") -> str:
    with pytest.raises((IngestError, SourceMissing)) as caught:
        synpic.ingest_candidates(make(f'images = "{name}"'))
    return f"{caught.value.message} | {caught.value.hint}"


def test_what_is_refused_names_tar_and_member(make: MakeWorkspace, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    whole = [("0.png", picture(0)), ("0.txt", b"a")]
    write(path, [*whole, ("0.png", picture(1))])
    assert "x.tar: two members are named '0.png'" in refused(make)
    write(path, [*whole, ("1.png", picture(1)), ("0.json", b"{}")])
    assert "x.tar: 0.json: other files of sample '0' lie elsewhere in the tar" in refused(make)
    assert "tar --sort=name" in refused(make)
    write(path, [("0.png", picture(0)), ("1.png", picture(1))])
    assert "none of 2 images has a caption (2 × there is no caption)" in refused(make)
    write(path, [("0.txt", b"a")])
    assert "x.tar: no image in 1 tar" in refused(make)
    data = write(path, whole).read_bytes()
    path.write_bytes(data[:900])
    assert "x.tar: " in refused(make)
    path.unlink()
    assert "no such file" in refused(make)
    assert "no such file: ../x-1.tar" in refused(make, "../x-{1..3}.tar")
    assert "more than 100,000 files" in refused(make, "../x-{0..999999999}.tar")
    os.mkfifo(path)
    assert "no such file" in refused(make)
    write(tmp_path / "y" / "a.tar", whole)
    (tmp_path / "y" / "a.tar").rename(tmp_path / "y" / "a.tar.gz")
    assert "a.tar.gz was not read: it is compressed" in refused(make, "../y")


def test_a_path_that_is_no_utf8_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"images: \.\./caf\\xe9: the name is not UTF-8"):
        ingest_workspace(tmp_path / "set", ["tests.fakes:redness"], images="../caf\udce9")


def test_tars_beside_images_are_named_and_not_read(make: MakeWorkspace, pictures: Path) -> None:
    write(pictures / "old.tar", [("0.png", picture(0)), ("0.txt", b"a")])
    workspace = make('images = "../pictures"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.made == 5
    assert read_index(workspace.snapshot()).notes == [
        "old.tar was not read: images lie beside it; name the tar itself to read what is in it"
    ]


def test_a_tar_that_has_changed_since_it_was_found(make: MakeWorkspace, shards: Path) -> None:
    workspace = make('images = "../tars"')
    snapshot = workspace.snapshot()
    from synpic.ingest import ensure_index
    from synpic.ingest.tar_shards import TarReader

    index = ensure_index(snapshot)
    path = shards / "set-001.tar"
    data = bytearray(path.read_bytes())
    row = index.rows.row(2, named=True)
    data[row["row"] + 40] ^= 1
    path.write_bytes(bytes(data))
    (shards / "set-002.tar").unlink()
    reader = TarReader(lambda name: shards / name)
    read = reader.read(index.rows.to_dicts())
    reader.close()
    assert [one is None for one in read] == [False, False, True, False, True, True]


def test_values_of_a_prompt_that_differ_are_not_kept(make: MakeWorkspace, tmp_path: Path) -> None:
    said = [
        {"prompt": "a", "same": 1, "other": 1, "nan": "x", "many": [1], "meta_kind": "k"},
        {"prompt": "a", "same": 1, "other": 2, "big": 1 << 63},
        {"prompt": "b", "same": 2.5, "other": 3, "nul\u0000": 1, "text": "t\u0000"},
    ]
    files = [
        file
        for number, one in enumerate(said)
        for file in ((f"{number}.png", picture(number)), (f"{number}.json", text(one)))
    ]
    write(tmp_path / "x.tar", files)
    workspace = make('images = "../x.tar"')
    synpic.score_candidates(workspace, device="cpu")
    assert kept(workspace) == {
        "meta_kind": ["k", None],
        "meta_nan": ["x", None],
        "meta_big": ["9223372036854775808", None],
        "meta_other": [None, 3],
        "meta_same": [1.0, 2.5],
    }
    published = synpic.publish_to(workspace, tmp_path / "out", configs=["scores"])
    table = synpic.open_release(published.directory).table("scores", ["meta_same"])
    assert sorted(table["meta_same"]) == [1.0, 1.0, 2.5]
    assert status(workspace).counts[0].done == 3


@given(
    st.lists(
        st.one_of(
            st.text("ab0-./", max_size=4),
            st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda p: f"{{{p[0]}..{p[1]}}}"),
            st.tuples(st.integers(0, 12), st.integers(0, 12)).map(
                lambda p: f"{{{p[0]:03}..{p[1]:03}}}"
            ),
            st.lists(st.text("xy", max_size=2), min_size=2, max_size=3).map(
                lambda p: "{" + ",".join(p) + "}"
            ),
        ),
        max_size=4,
    ).map("".join)
)
def test_braces_are_those_of_webdataset(name: str) -> None:
    assert expand(name) == list(braceexpand(name))


def test_a_damaged_tar_of_several_is_named_and_left_out(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    for number in range(3):
        name = f"{number}.png"
        write(tmp_path / f"x-{number}.tar", [(name, picture(number)), (f"{number}.txt", b"a")])
    path = tmp_path / "x-1.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:700])
    workspace = make('images = "../x-{0..2}.tar"')
    report = synpic.ingest_candidates(workspace)
    assert report.outcomes[0].made == 2
    (note,) = report.remarks
    assert note.startswith("x-1.tar: 1.png: it says ")
    assert "no image of that tar is read (put a whole file in its place" in note
    path.write_bytes(whole)
    again = synpic.ingest_candidates(workspace)
    assert (again.outcomes[0].made, again.remarks) == (1, [])
    for number in range(3):
        (tmp_path / f"x-{number}.tar").write_bytes(whole[:700])
    assert "x-0.tar: 1.png: it says " in refused(make, "../x-{0..2}.tar")
