from __future__ import annotations

import itertools
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.data_files import resolve_pattern
from huggingface_hub import close_session

from synpic.errors import HubUnreachable, ReleaseError, StorageError
from synpic.publish import publish_to
from synpic.release import open_release
from synpic.release.checks import led_to
from synpic.release.verify import ReleaseVerification, verify
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.hub_server.faults import CutAnswer, Drop, Fault, LostAnswer, Status
from tests.hub_server.fixtures import GoOnline
from tests.publish.fixtures import build, recipe
from tests.release.conftest import PROMPTS, SEVERAL, files_of, ragged

EVERY = ["ranked", "scores", "images", "pairwise", "pickapic"]
CARD, SCORES = "README.md", "scores/train-00000-of-00001.parquet"
RANKED = "ranked/train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with every config."""
    root = tmp_path_factory.mktemp("verify")
    text = recipe(more='[records]\npairs = "best-rest"\n')
    workspace = build(root / "set", PROMPTS, keep=ragged, text=text)
    return publish_to(workspace, root / "out", configs=EVERY).directory


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(whole, tmp_path / "broken"))


def looked_at(folder: Path, **how: Any) -> ReleaseVerification:
    return verify(open_release(folder), **how)


def problems(folder: Path, **how: Any) -> dict[str, str]:
    """Path → what is wrong with it."""
    found = looked_at(folder, **how)
    assert found.ok == (not found.problems)
    assert len({problem.path for problem in found.problems}) == len(found.problems)
    return {problem.path: problem.text for problem in found.problems}


def rewrite(folder: Path, path: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a shard, and the manifest with it, so that only its content gives it away."""
    table = change(pq.read_table(folder / path, partitioning=None))
    pq.write_table(table, folder / path, row_group_size=2)
    relist(folder, path)


def relist(folder: Path, path: str) -> None:
    import hashlib

    def edit(manifest: dict[str, Any]) -> None:
        data = (folder / path).read_bytes()
        described = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        manifest["files"][path] = described

    edit_manifest(folder, edit)


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def with_column(table: pa.Table, name: str, change: Callable[[list[Any]], list[Any]]) -> pa.Table:
    place = table.schema.get_field_index(name)
    column = pa.array(change(table[name].to_pylist()), table.schema.field(name).type)
    return table.set_column(place, table.schema.field(name), column)


def test_a_whole_release(whole: Path) -> None:
    told: list[tuple[int, int]] = []
    found = looked_at(whole, on_progress=lambda done, total: told.append((done, total)))
    assert found.problems == []
    assert (found.ok, found.edited) == (True, [])
    files = files_of(whole)
    assert found.files == len(files) - 1
    assert found.bytes == sum(len(data) for path, data in files.items() if path != "manifest.json")
    assert told[-1] == (found.bytes, found.bytes)
    # 26 images in `ranked` and in `images`, and two a pair in two configs.
    rows = json.loads((whole / "manifest.json").read_text())["records"]
    pairs = sum(rows["pairwise"].values())
    assert found.images == 26 + 26 + 4 * pairs
    assert found.rows == sum(sum(splits.values()) for splits in rows.values())
    quick = looked_at(whole, deep=False)
    assert (quick.ok, quick.images, quick.rows) == (True, 0, found.rows)
    assert found.as_dict()["ok"] is True


@pytest.mark.parametrize("configs", [[name] for name in EVERY])
def test_each_config_alone(made: Workspace, tmp_path: Path, configs: list[str]) -> None:
    out = publish_to(made, tmp_path / "out", configs=configs, limits=SEVERAL).directory
    assert problems(out) == {}


@pytest.mark.parametrize(
    "rule", ['aggregation = "bradley-terry"', 'aggregation = "mean-zscore"', 'ties = "ordinal"']
)
def test_other_rules(tmp_path: Path, rule: str) -> None:
    text = recipe(more=f'[ranking]\nrewards = ["greenness", "redness"]\n{rule}\n')
    text = text.replace("[rewards.redness]\n", "[rewards.redness]\nweight = 0.3\n")
    out = publish_to(build(tmp_path / "set", PROMPTS, text=text), tmp_path / "out").directory
    assert problems(out) == {}


@pytest.mark.parametrize("deep", [True, False])
def test_a_file_is_missing(broken: Path, deep: bool) -> None:
    (broken / SCORES).unlink()
    (broken / "pictures" / "examples.png").unlink()
    found = problems(broken, deep=deep)
    assert found[SCORES] == "is missing; manifest.json lists it"
    assert found["pictures/examples.png"] == "is missing; manifest.json lists it"
    assert found.keys() == {SCORES, "pictures/examples.png", CARD}
    assert "leads to 0 files of `scores`" in found[CARD]


@pytest.mark.parametrize("deep", [True, False])
def test_a_file_is_truncated(broken: Path, deep: bool) -> None:
    data = (broken / RANKED).read_bytes()
    (broken / RANKED).write_bytes(data[:-100])
    found = looked_at(broken, deep=deep).problems
    assert {problem.path for problem in found} == {RANKED}
    assert f"has {len(data) - 100:,} bytes; manifest.json says {len(data):,}" in found[0].text
    assert "truncated or damaged" in found[-1].text


def test_a_bit_has_flipped(broken: Path) -> None:
    data = bytearray((broken / RANKED).read_bytes())
    # Within the pixels of the first image.
    data[data.index(b"IDAT") + 40] ^= 1
    (broken / RANKED).write_bytes(data)
    found = [(problem.path, problem.text) for problem in looked_at(broken).problems]
    assert found[0] == (RANKED, "has another content: its SHA-256 differs")
    assert found[1][0] == RANKED
    assert re.fullmatch(r"1 image \(\w{32}\) is not the scored one: SHA-256 differs", found[1][1])
    assert len(found) == 2
    assert problems(broken, deep=False) == {}


FOREIGN = ["LICENSE", "notes/mine.txt", "ranked/notes.txt", "ranked/train-x/y-of-00001.parquet"]


def test_files_of_other_origin_are_listed(broken: Path) -> None:
    for path in [".gitattributes", ".git/config", *FOREIGN]:
        (broken / path).parent.mkdir(exist_ok=True)
        (broken / path).write_text("mine")
    for deep in (True, False):
        found = looked_at(broken, deep=deep)
        assert found.problems == []
        assert found.others == FOREIGN
    assert found.as_dict()["others"] == FOREIGN


def test_a_foreign_file_that_would_be_read(broken: Path) -> None:
    (broken / "ranked" / "train-x-of-00001.parquet").write_bytes(b"PAR1")
    found = looked_at(broken, deep=False)
    assert [problem.path for problem in found.problems] == ["ranked/train-x-of-00001.parquet"]
    assert "is no part of the release, and the card leads to it: `ranked`" in found.problems[0].text
    assert found.others == ["ranked/train-x-of-00001.parquet"]


def test_a_card_that_leads_to_everything(broken: Path) -> None:
    card = (broken / CARD).read_text()
    told = re.sub("path: ranked/train-[^}]*", 'path: "**/*.txt"', card, count=1)
    (broken / CARD).write_text(told)
    (broken / "notes.txt").write_text("mine")
    found = problems(broken, deep=False)
    assert "leads to 0 files of `ranked`" in found[CARD]
    assert "the card leads to it" in found["notes.txt"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("a/train-*", "a/*", "a/**", "*", "**", "**/train-?.parquet", "a/train-[0-1].*", "A/*"),
        *("a/train-0", "a/train-0.parquet", "*/train-*", "a/train-[!0].parquet", "a+/*"),
    ],
)
def test_patterns_lead_where_datasets_goes(tmp_path: Path, pattern: str) -> None:
    names = ["a/train-0.parquet", "a/train-1.parquet", "a/train-more/x.txt", "a/b/train-2.parquet"]
    names += ["train-3.parquet", "LICENSE", "a/train-0"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    entry = {"config_name": "one", "data_files": [{"split": "train", "path": pattern}]}
    found = led_to(f"---\n{json.dumps({'configs': [entry]})}\n---\n", names)
    try:
        expected = resolve_pattern(pattern, str(tmp_path))
    except FileNotFoundError:
        expected = []
    assert {str(tmp_path / path) for path in found} == set(expected)
    assert set(found.values()) <= {"one"}


def test_a_card_may_be_edited(broken: Path) -> None:
    card = (broken / CARD).read_text()
    (broken / CARD).write_text(card + "\nMore words.\n")
    found = looked_at(broken)
    assert found.ok
    assert found.edited == [CARD]
    # A change that keeps the size shows where hashes are taken.
    (broken / CARD).write_text(card.replace("No person", "NO person"))
    assert looked_at(broken).edited == [CARD]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: ranked/train-*", "path: ranked/test-*", "leads to 0 files of `ranked`"),
        ("path: ranked/train-*", "path: ranked/*", "leads to 2 files of `ranked`"),
        ("- config_name: pairwise\n  data", "- config_name: duels\n  data", "do not name `pair"),
        ("num_examples: 6", "num_examples: 7", "says 7 rows"),
        ("license: unknown", "license: [unknown", "its head cannot be read"),
        ("configs:", "konfigs:", "do not name `ranked`"),
    ],
)
def test_a_card_that_leads_nowhere(broken: Path, old: str, new: str, said: str) -> None:
    card = (broken / CARD).read_text()
    assert old in card
    (broken / CARD).write_text(card.replace(old, new, 1))
    found = looked_at(broken)
    assert found.edited == [CARD]
    assert {problem.path for problem in found.problems} == {CARD}
    assert any(said in problem.text for problem in found.problems)


@pytest.mark.parametrize("deep", [True, False])
def test_rows_are_missing(broken: Path, deep: bool) -> None:
    path = "images/train-00000-of-00001.parquet"
    rewrite(broken, path, lambda table: table.slice(1))
    expected = {"images": f"{path}: 16 rows, where manifest.json says 17"}
    assert problems(broken, deep=deep) == expected


@pytest.mark.parametrize("deep", [True, False])
def test_columns_are_others(broken: Path, deep: bool) -> None:
    rewrite(broken, SCORES, lambda table: table.drop_columns(["seed"]))
    assert problems(broken, deep=deep) == {
        SCORES: "column `seed` is missing; manifest.json lists it"
    }
    typed = [("seed", pa.array([0] * 17, pa.int32()))]
    rewrite(broken, SCORES, lambda table: table.append_column(*typed[0]))
    expected = {SCORES: "column `seed` is int32; manifest.json says int64"}
    assert problems(broken, deep=deep) == expected


@pytest.mark.parametrize("column", ["preference", "rank", "wins_redness"])
def test_ranks_that_do_not_follow(broken: Path, column: str) -> None:
    def swap(values: list[Any]) -> list[Any]:
        return [values[0] + 1, *values[1:]]

    rewrite(broken, SCORES, lambda table: with_column(table, column, swap))
    first = pq.read_table(broken / SCORES, partitioning=None)["candidate_id"][0]
    text = f"`{column}` does not follow from the scores, for 1 image ({first} the first)"
    assert problems(broken) == {"scores": text}
    assert problems(broken, deep=False) == {}


def test_a_score_that_was_changed(broken: Path) -> None:
    def raise_first(values: list[Any]) -> list[Any]:
        return [values[0] + 100, *values[1:]]

    rewrite(broken, SCORES, lambda table: with_column(table, "score_redness", raise_first))
    found = [problem.text for problem in looked_at(broken).problems]
    assert any("`score_redness` is not what `scores` says, for 1 image" in text for text in found)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("wins", "`wins` does not follow from the scores"),
        ("best", "`best` is not the first image of rank 1, in 1 prompt"),
        ("models", "`model` is not what `scores` says"),
        ("seeds", "`seed` is not what `scores` says"),
    ],
)
def test_a_ranked_row_that_was_changed(broken: Path, column: str, said: str) -> None:
    def change(values: list[Any]) -> list[Any]:
        if isinstance(values[0], int):
            return [(values[0] + 1) % 3, *values[1:]]
        first = values[0][0]
        return [[first + ("x" if isinstance(first, str) else 1), *values[0][1:]], *values[1:]]

    rewrite(broken, RANKED, lambda table: with_column(table, column, change))
    found = problems(broken)
    assert found.keys() == {"ranked"}
    assert said in found["ranked"]


def test_lists_of_unequal_length(broken: Path) -> None:
    def shorten(values: list[Any]) -> list[Any]:
        return [values[0][:-1], *values[1:]]

    rewrite(broken, RANKED, lambda table: with_column(table, "seeds", shorten))
    assert "lists of a row do not fit together" in problems(broken)["ranked"]


def test_images_that_changed_places(broken: Path) -> None:
    def swap(table: pa.Table) -> pa.Table:
        one, other = (table.schema.get_field_index(f"image_{place}") for place in range(2))
        swapped = table.set_column(one, table.schema.field(one), table.column(other))
        return swapped.set_column(other, table.schema.field(other), table.column(one))

    rewrite(broken, RANKED, swap)
    found = problems(broken)
    assert found.keys() == {RANKED}
    assert re.match(r"12 images \(\w{32} the first\) are not the scored one", found[RANKED])


def test_an_image_that_is_gone(broken: Path) -> None:
    path = "pickapic/train-00000-of-00001.parquet"

    def empty(values: list[Any]) -> list[Any]:
        return [None, *values[1:]]

    rewrite(broken, path, lambda table: with_column(table, "jpg_0", empty))
    found = problems(broken)
    assert found.keys() == {path}
    assert re.fullmatch(r"1 image \(\w{32}\) is missing", found[path])


@pytest.mark.parametrize("config", ["pairwise", "pickapic"])
def test_pairs_that_are_turned_round(broken: Path, config: str) -> None:
    sides = {"pairwise": ("chosen", "rejected"), "pickapic": ("label_0", "label_1")}[config]

    def turn(table: pa.Table) -> pa.Table:
        swap = dict(zip(sides, reversed(sides), strict=True))
        names = {
            name: name.replace(side, other)
            for name in table.column_names
            for side, other in swap.items()
            if name == side or (config == "pairwise" and name.startswith(side))
        }
        columns = [table.column(names.get(name, name)) for name in table.column_names]
        return pa.table(columns, schema=table.schema)

    rewrite(broken, f"{config}/train-00000-of-00001.parquet", turn)
    texts = [problem.text for problem in looked_at(broken).problems]
    assert any("pairs that `best-rest` picks are missing" in text for text in texts)
    assert any("pairs are not picked by `best-rest`" in text for text in texts)
    labels = "`best_image_uid` is not the image that the labels prefer"
    assert (labels in texts) == (config == "pickapic")


def test_everything_is_listed(broken: Path) -> None:
    (broken / "ranked" / "train-x-of-00001.parquet").write_text("")
    (broken / "pictures" / "examples.png").write_bytes(b"no picture")
    rewrite(broken, "images/validation-00000-of-00001.parquet", lambda table: table.slice(2))
    (broken / RANKED).write_bytes(b"no parquet")
    assert {problem.path for problem in looked_at(broken).problems} == {
        *("ranked/train-x-of-00001.parquet", "pictures/examples.png", "images", RANKED)
    }


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        (
            lambda one: one["records"]["ranked"].update(test=1),
            "ranked",
            "key `files` lists no shard of ranked/test",
        ),
        (lambda one: one["ranking"].update(aggregation="none"), "scores", "unknown aggregation"),
    ],
)
def test_a_manifest_that_is_wrong(
    broken: Path, change: Callable[[dict[str, Any]], None], path: str, said: str
) -> None:
    edit_manifest(broken, change)
    found = {problem.path: problem.text for problem in looked_at(broken).problems}
    assert said in found[path]


def test_on_the_hub(hub: HubServer, online: GoOnline, whole: Path, tmp_path: Path) -> None:
    hub.create("user/set")
    files = files_of(whole)
    hub.repositories["user/set"].tags["v1.0.0"] = hub.commit("user/set", files).oid
    data = bytearray(files[RANKED])
    data[data.index(b"IDAT") + 40] ^= 1
    hub.commit("user/set", {RANKED: bytes(data)})
    online(hub, None, tmp_path / "home")
    found = verify(open_release("user/set@v1.0.0"))
    assert found.problems == []
    assert found.images == looked_at(whole).images
    assert found.revision == hub.repositories["user/set"].tags["v1.0.0"]
    assert {problem.path for problem in verify(open_release("user/set")).problems} == {RANKED}
    begun = len(hub.requests)
    assert verify(open_release("user/set"), deep=False).ok
    asked = "\n".join(one.target for one in hub.requests[begun:])
    assert RANKED in asked
    assert "pictures/" not in asked


def test_files_of_other_origin_on_the_hub(
    hub: HubServer, online: GoOnline, whole: Path, tmp_path: Path
) -> None:
    hub.create("user/set")
    hub.commit("user/set", {**files_of(whole), "LICENSE": b"mine", "notes/mine.txt": b"x"})
    online(hub, None, tmp_path / "home")
    found = verify(open_release("user/set"), deep=False)
    assert (found.problems, found.others) == ([], ["LICENSE", "notes/mine.txt"])
    hub.commit("user/set", {"scores/train-x-of-00001.parquet": b"PAR1"})
    found = verify(open_release("user/set"), deep=False)
    assert [problem.path for problem in found.problems] == ["scores/train-x-of-00001.parquet"]


# -- a Hub that fails --------------------------------------------------------------------------


@pytest.fixture
def small(hub: HubServer, online: GoOnline, tmp_path: Path) -> HubServer:
    """user/set: a release of two prompts and two configs."""
    workspace = build(tmp_path / "few", [("one", "train"), ("two", "train")])
    out = publish_to(workspace, tmp_path / "out", configs=["ranked", "scores"]).directory
    hub.create("user/set")
    hub.commit("user/set", files_of(out))
    online(hub, None, tmp_path / "home")
    return hub


FAULTS = {
    "drop": Drop(),
    "lost": LostAnswer(),
    "cut": CutAnswer(7),
    "500": Status(500),
    "429": Status(429),
}
REFUSALS = (400, 401, 403, 404, 416)


def strike(small: HubServer, nth: int, fault: Fault) -> None:
    """A request that fails once changes nothing; one that fails always is said to be the Hub's."""
    small.faults.clear()
    close_session()  # a connection that the last fault ended is not found out by this one
    once = small.faults.plan(fault, nth)
    assert verify(open_release("user/set")).ok, nth
    assert once.struck
    small.faults.clear()
    small.faults.plan(fault, nth, times=10**6)
    with pytest.raises(HubUnreachable, match="user/set: the Hub cannot be reached"):
        verify(open_release("user/set"))


def refuse(small: HubServer, nth: int, code: int) -> None:
    """Whatever the Hub says, it ends in one clear error, or in problems."""
    small.faults.clear()
    small.faults.plan(Status(code), nth, times=10**6)
    try:
        found = verify(open_release("user/set"))
    except (ReleaseError, HubUnreachable):
        return
    assert found.problems, nth


def requests_of(small: HubServer) -> range:
    """The numbers of the requests that a look at the release makes."""
    assert verify(open_release("user/set")).ok
    number = len(small.requests)
    assert number > 20
    return range(number)


def test_a_fault_at_every_request(small: HubServer, waits: list[float]) -> None:
    """One kind of fault for each request, in turn."""
    for nth, fault in zip(requests_of(small), itertools.cycle(FAULTS.values())):
        strike(small, nth, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_at_every_request(small: HubServer, waits: list[float], fault: str) -> None:
    for nth in requests_of(small):
        strike(small, nth, FAULTS[fault])


def test_a_refusal_at_every_request(small: HubServer, waits: list[float]) -> None:
    """One code for each request, in turn."""
    for nth, code in zip(requests_of(small), itertools.cycle(REFUSALS)):
        refuse(small, nth, code)


@pytest.mark.slow
@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_at_every_request(small: HubServer, waits: list[float], code: int) -> None:
    for nth in requests_of(small):
        refuse(small, nth, code)


def test_no_room_for_a_copy(
    small: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = open_release("user/set")
    for path in (Path("/dev/full"), tmp_path / "none" / "x"):
        monkeypatch.setattr(tempfile, "TemporaryFile", partial(path.open, "r+b"))
        with pytest.raises(StorageError, match="cannot be kept in") as error:
            verify(release)
        assert "TMPDIR" in str(error.value.hint)
    assert verify(release, deep=False).ok


def test_a_shard_on_the_hub_that_cannot_be_decoded(
    hub: HubServer, online: GoOnline, whole: Path, tmp_path: Path
) -> None:
    files = files_of(whole)
    data = bytearray(files[SCORES])
    data[4:60] = b"\xff" * 56
    hub.create("user/set")
    hub.commit("user/set", {**files, SCORES: bytes(data)})
    online(hub, None, tmp_path / "home")
    with pytest.raises(ReleaseError, match=rf"{SCORES} is truncated or damaged"):
        open_release("user/set").table("scores")
    found = verify(open_release("user/set")).problems
    assert {problem.path for problem in found} == {SCORES}
