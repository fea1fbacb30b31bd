from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import HubUnreachable, NewerSchema, NoRelease, ReleaseError
from synpic.publish import publish_to
from synpic.release import Published, open_release, parse_name
from synpic.release.images import PublishedImages
from synpic.workspace import Workspace
from synpic.workspace.tables import SCHEMA_VERSION
from tests.hub_server import HubServer
from tests.hub_server.faults import Drop, Fault, Status
from tests.hub_server.fixtures import GoOnline
from tests.hub_server.messages import Answer, Exchange, json_answer
from tests.release.conftest import files_of


def by_hand(out: Path, config: str, columns: list[str] | None = None) -> pl.DataFrame:
    """A config read with pyarrow alone: its splits in order of name, its shards in order."""
    frames = []
    for path in sorted((out / config).iterdir()):
        table = pq.read_table(path, columns=columns).replace_schema_metadata()
        frames.append(
            pl.DataFrame(pl.from_arrow(table)).select(
                pl.lit(path.name.split("-")[0]).alias("split"), pl.all()
            )
        )
    return pl.concat(frames)


def test_a_folder(out: Path) -> None:
    release = open_release(out)
    assert (release.name, release.revision, release.repository) == (str(out), None, None)
    assert release.manifest.as_dict() == json.loads((out / "manifest.json").read_bytes())
    files = files_of(out)
    assert release.present() == {path: len(files[path]) for path in sorted(files)}
    for path, data in files.items():
        with release.open(path) as stream:
            assert stream.read() == data


def test_tables_of_all_splits_without_pixels(out: Path) -> None:
    release = open_release(out)
    assert len(list((out / "ranked").iterdir())) > 4
    scores = release.table("scores")
    assert scores.equals(by_hand(out, "scores"))
    assert scores["split"].unique(maintain_order=True).to_list() == ["train", "validation"]
    ranked = release.table("ranked")
    assert not [name for name in ranked.columns if name.startswith("image_")]
    assert ranked.equals(by_hand(out, "ranked").select(ranked.columns))
    few = release.table("ranked", ["rank", "image_1", "split", "prompt_id"])
    assert few.equals(by_hand(out, "ranked", ["rank", "image_1", "prompt_id"]).select(few.columns))
    assert few.columns == ["split", "rank", "image_1", "prompt_id"]


def test_bare_bytes_are_images_too(made: Workspace, tmp_path: Path) -> None:
    publish_to(made, tmp_path / "pick", configs=["pickapic"])
    table = open_release(tmp_path / "pick").table("pickapic")
    assert "caption" in table.columns
    assert "jpg_0" not in table.columns


def test_a_relative_folder(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    release = open_release("out")
    monkeypatch.chdir(out)
    assert release.name == "out"
    assert release.table("scores").height == 26
    assert Path(release.location) == out


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("user/name", ("user/name", None)),
        ("user/name@v1.2.0", ("user/name", "v1.2.0")),
        ("a.b-c/D_e@refs/pr/1", ("a.b-c/D_e", "refs/pr/1")),
    ],
)
def test_names(text: str, parsed: tuple[str, str | None]) -> None:
    assert parse_name(text) == parsed


@pytest.mark.parametrize(
    "text", ["name", "a/b/c", "user/name@", "@v1", "", "~nobody-here/x", "a b/c"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ReleaseError, match="no such folder") as error:
        parse_name(text)
    assert "user/name@v1.2.0" in str(error.value.hint)
    if text:  # "" is the folder we stand in
        with pytest.raises(ReleaseError, match="no such folder"):
            open_release(text)


def test_a_folder_that_is_no_release(made: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NoRelease, match=r"is no release, and is a workspace$"):
        open_release(made.store.root)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    with pytest.raises(NoRelease, match=r"manifest.json: synpic did not write it: .* no key"):
        open_release(tmp_path / "other")
    (tmp_path / "other" / "manifest.json").write_text("{")
    with pytest.raises(NoRelease, match=r"is no release: .*json: not JSON: .*line 1"):
        open_release(tmp_path / "other")


def test_a_folder_has_no_revisions(out: Path) -> None:
    with pytest.raises(ReleaseError, match="is a folder, and revision='v1'"):
        open_release(out, revision="v1")


EXPORT = {"export": "pickapic", "strategy": "all", "from": {}, "rows": {"train": 1}}


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, NewerSchema, "schema_version"),
        ({"records": None}, ReleaseError, "manifest.json: records: expected an object, found None"),
        ({"records": {}}, ReleaseError, "manifest.json: records: expected at least 1 key, found 0"),
        (EXPORT, NoRelease, "is an export"),
    ],
)
def test_a_manifest_that_cannot_be_followed(
    out: Path, change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    path = out / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(kind, match=message):
        open_release(out)


def test_what_is_not_in_it(out: Path) -> None:
    release = open_release(out)
    with pytest.raises(ReleaseError, match=r"no config 'score'. Did you mean 'scores'\?"):
        release.table("score")
    with pytest.raises(ReleaseError, match=r"no column 'rnk'. Did you mean 'rank'\?"):
        release.table("scores", ["rnk"])
    with pytest.raises(ReleaseError, match=r"pictures/none.png is missing"):
        release.open("pictures/none.png")
    for path in ("../set/recipe.toml", "/etc/hostname"):
        with pytest.raises(ReleaseError, match="leads out of the release"):
            release.open(path)


@pytest.mark.parametrize("damage", ["gone", "short", "noise"])
def test_a_damaged_shard_is_named(out: Path, damage: str) -> None:
    shard = sorted((out / "scores").iterdir())[1]
    if damage == "gone":
        shard.unlink()
    else:
        data = shard.read_bytes()
        shard.write_bytes(data[:-9] if damage == "short" else b"x" * len(data))
    expected = "is missing" if damage == "gone" else "is truncated or damaged"
    with pytest.raises(ReleaseError, match=rf"scores/{shard.name} {expected}"):
        open_release(out).table("scores")


# -- on the Hub --------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["ranked", "scores"])
def test_two_columns_of_one_name_in_a_shard_are_named(out: Path, config: str) -> None:
    (shard, *_) = sorted((out / config).glob("*.parquet"))
    table = pq.read_table(shard, partitioning=None)
    pq.write_table(table.append_column("prompt_id", table["prompt_id"]), shard)
    with pytest.raises(ReleaseError, match=rf"{shard.name}: two columns are named `prompt_id`"):
        open_release(out).table(config)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.slice(1), "rows, where manifest.json says"),
        (lambda table: pa.concat_tables([table, table]), "rows, where manifest.json says"),
        (lambda table: table.select(table.column_names[::-1]), "stands where manifest.json lists"),
        (lambda table: table.append_column("more", pa.array([0] * len(table))), "`more` is none"),
        (
            lambda table: table.set_column(
                table.column_names.index("prompt_id"),
                "prompt_id",
                pa.array([float("inf")] * len(table)),
            ),
            "`prompt_id` is float64; manifest.json says string",
        ),
    ],
)
@pytest.mark.parametrize("config", ["ranked", "scores"])
def test_a_shard_with_other_rows_or_columns_is_named(
    out: Path, config: str, change: Callable[[pa.Table], pa.Table], said: str
) -> None:
    (shard, *_) = sorted((out / config).glob("*.parquet"))
    pq.write_table(change(pq.read_table(shard, partitioning=None)), shard)
    with pytest.raises(ReleaseError, match=f"{config}/{shard.name}.*{said}"):
        release = open_release(out)
        PublishedImages(release) if config == "ranked" else release.table(config)


def test_an_image_column_without_images_is_named(out: Path) -> None:
    (shard, *_) = sorted((out / "ranked").glob("*.parquet"))
    table = pq.read_table(shard, partitioning=None)
    place = table.schema.get_field_index("image_1")
    pq.write_table(table.set_column(place, "image_1", table["prompt_id"]), shard)
    with pytest.raises(ReleaseError, match=rf"{shard.name}: column `image_1` is "):
        PublishedImages(open_release(out))


def test_a_tag_is_read_at_its_commit(pushed: HubServer, out: Path) -> None:
    release = open_release("user/set@v1.0.0")
    assert release.name == "user/set@v1.0.0"
    assert release.repository == release.location == "user/set"
    assert release.revision == pushed.repositories["user/set"].tags["v1.0.0"]
    local = open_release(out)
    assert release.manifest == local.manifest
    assert {**local.present()}.items() <= {**release.present()}.items()
    # The tag moves; what was opened does not.
    pushed.repositories["user/set"].tags["v1.0.0"] = pushed.commit("user/set", {"x.txt": b"x"}).oid
    for config in ("ranked", "scores"):
        assert release.table(config).equals(local.table(config))
    with release.open("pictures/examples.png") as stream:
        stream.seek(1)
        assert stream.read(3) == b"PNG"


def test_the_revision_may_be_given_apart(pushed: HubServer) -> None:
    commit = pushed.repositories["user/set"].tags["v1.0.0"]
    assert open_release("user/set", revision=commit).revision == commit
    assert open_release("user/set@v1.0.0", revision="v1.0.0").name == "user/set@v1.0.0"
    with pytest.raises(ReleaseError, match="names another revision"):
        open_release("user/set@v1.0.0", revision="v0.9.0")


def test_scores_cost_no_pixels(hub: HubServer, online: GoOnline, out: Path, tmp_path: Path) -> None:
    hub.create("user/set")
    hub.commit("user/set", files_of(out))
    online(hub, None, tmp_path / "home")
    open_release("user/set").table("scores")
    assert hub.seen("GET", "scores/")
    assert not hub.seen(part="ranked/")


def test_no_such_repository(pushed: HubServer) -> None:
    with pytest.raises(ReleaseError, match="no dataset 'user/other' on the Hub") as error:
        open_release("user/other")
    assert f"{pushed.endpoint}/datasets/user/other" in str(error.value.hint)


def test_no_such_revision(pushed: HubServer) -> None:
    with pytest.raises(
        ReleaseError, match=r"no revision 'v1.0.1'. Did you mean 'v1.0.0'\?"
    ) as error:
        open_release("user/set@v1.0.1")
    assert error.value.hint == "its tags: v1.0.0, v0.9.0"
    pushed.create("user/bare")
    pushed.commit("user/bare", {"x.txt": b"x"})
    with pytest.raises(ReleaseError, match="no revision 'v1'") as error:
        open_release("user/bare@v1")
    assert "has no tags" in str(error.value.hint)


def test_a_dataset_of_someone_elses(pushed: HubServer) -> None:
    with pytest.raises(NoRelease, match=r"user/set is no release: .* no key `synpic`"):
        open_release("user/set")  # whose main has another manifest
    pushed.create("user/bare")
    pushed.commit("user/bare", {"x.txt": b"x"})
    with pytest.raises(NoRelease, match=r"user/bare is no release: it has no manifest.json"):
        open_release("user/bare")


def test_a_private_one_needs_its_token(pushed: HubServer, online: GoOnline, tmp_path: Path) -> None:
    pushed.repositories["user/set"].private = True
    with pytest.raises(ReleaseError, match="no dataset 'user/set'") as error:
        open_release("user/set@v1.0.0")
    assert "hf auth login" in str(error.value.hint)
    release = open_release("user/set@v1.0.0", token="hf_read")
    assert release.table("scores").height == 26
    assert "hf_read" not in repr(release)
    online(pushed, "hf_read", tmp_path / "home")
    assert open_release("user/set@v1.0.0").table("scores").height == 26
    with pytest.raises(ReleaseError, match="user/set: the Hub refuses the token"):
        open_release("user/set@v1.0.0", token="hf_wrong")


class Gated(Fault):
    """What the Hub answers who has not accepted a dataset's terms."""

    def before(self, exchange: Exchange) -> Answer:
        return json_answer({"error": "gated"}, 403, {"X-Error-Code": "GatedRepo"})


@pytest.mark.parametrize("path", ["/api/", "/resolve/"])
def test_a_gated_one_names_its_terms(pushed: HubServer, path: str) -> None:
    """The Hub tells everybody about it, and gives its files to those who accepted."""
    pushed.faults.plan(Gated(), times=99, path=path)
    with pytest.raises(ReleaseError, match="user/set is gated") as error:
        open_release("user/set@v1.0.0")
    assert f"accept its terms at {pushed.endpoint}/datasets/user/set" in str(error.value.hint)


def test_a_hub_that_does_not_answer(pushed: HubServer, waits: list[float]) -> None:
    pushed.faults.plan(Drop(), times=99)
    with pytest.raises(HubUnreachable, match="user/set: the Hub cannot be reached") as error:
        open_release("user/set@v1.0.0")
    assert "--local-dir DIR" in str(error.value.hint)


def test_a_hub_that_fails_while_it_is_read(pushed: HubServer, waits: list[float]) -> None:
    release = open_release("user/set@v1.0.0")
    pushed.faults.plan(Status(500), times=99)
    with pytest.raises(HubUnreachable, match="user/set: the Hub cannot be reached"):
        release.table("scores")
    pushed.faults.clear()
    pushed.faults.plan(Status(503), path="scores/")
    assert release.table("scores").height == 26


def test_what_is_opened_says_what_it_is(out: Path) -> None:
    release = open_release(out)
    assert isinstance(release, Published)
    assert str(release) == str(out)
    assert dict(release.records["ranked"]) == {"train": 6, "validation": 3}
