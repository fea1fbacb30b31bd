"""Whatever a manifest holds, it is right, or one error names the file and the key."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import DamagedRelease, NewerSchema, NoRelease, ReleaseError, SynpicError
from synpic.publish import publish_to
from synpic.publish.card.card import render_card
from synpic.publish.card.charts import draw_charts
from synpic.publish.draft import Draft, prepare
from synpic.publish.export import export
from synpic.publish.table.pair_source import open_pair_source
from synpic.release import Published, open_release
from synpic.release.compare import compare
from synpic.release.diff import diff_releases
from synpic.release.load import load_release
from synpic.release.manifest import Manifest, decode_manifest, encode, read_manifest
from synpic.release.rerank import rerank
from synpic.release.verify import verify
from synpic.release.versions import suggest
from synpic.workspace.tables import SCHEMA_VERSION
from tests.publish.fixtures import TWO_SPLITS, build, recipe
from tests.release.manifests import as_manifest, least

Path_ = tuple[str | int, ...]

WRONG: list[Any] = ["x", "", -1, 1.5, 1 << 63, [], {}, True, [[[["x"]]]], {"x": {"x": []}}, None]

FREE = {"decides", "environments", "from"}
"""What is under these keys is anybody's."""

NULLABLE = {
    *("version", "licence", "paper", "reads_prompt", "weight", "checkpoint", "samples", "tau"),
    *("beats", "revision", "dtype", "sequence", "flagged_left_out", "batch_size", "chunk"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Draft]:
    root = tmp_path_factory.mktemp("made")
    text = recipe(("alpha", "beta"))
    workspace = build(root / "set", TWO_SPLITS[2:], text=text, flag=lambda row: False)
    configs = ["ranked", "scores", "pairwise"]
    publish_to(workspace, root / "out", configs=configs)
    return root / "out", prepare(workspace, configs)


@pytest.fixture(scope="module")
def whole(made: tuple[Path, Draft]) -> Published:
    return open_release(made[0])


def places(value: Any, place: Path_ = ()) -> Iterator[Path_]:
    """Every key and every item of ``value``."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, one in inner:
        yield (*place, key)
        yield from places(one, (*place, key))


def mutations(data: dict[str, Any]) -> list[tuple[Path_, Any]]:
    """Where → what is put there; an ellipsis takes the key away."""
    return [(place, value) for place in places(data) for value in (..., *WRONG)]


def changed(data: dict[str, Any], place: Path_, value: Any) -> tuple[dict[str, Any], Any]:
    """A copy of ``data`` with one thing changed, and what was there."""
    other = copy.deepcopy(data)
    holder: Any = other
    for key in place[:-1]:
        holder = holder[key]
    was = holder[place[-1]]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return other, was


def consumers(whole: Published, draft: Draft) -> list[Callable[[Published], Any]]:
    """Everything that follows a manifest, and writes nothing."""
    return [
        lambda one: verify(one, deep=False),
        lambda one: [one.table(name) for name in one.records],
        lambda one: diff_releases(whole, one),
        lambda one: rerank(one).as_dict(),
        lambda one: open_pair_source(one),
        lambda one: (compare(whole.manifest, one.manifest), compare(one.manifest, whole.manifest)),
        lambda one: suggest(one.manifest, whole.manifest, None),
        lambda one: encode(one.manifest),
    ]


def follow(
    folder: Path, place: Path_, value: Any, was: Any, uses: list[Callable[[Published], Any]]
) -> None:
    """Open a release and put it to every use: nothing but errors that name file and key."""
    top = str(place[0])
    try:
        release = open_release(folder)
    except NewerSchema:
        assert top == "schema_version"
        return
    except ReleaseError as error:
        assert "manifest.json" in error.message
        # Two sections that disagree are named both.
        assert top in error.message or top in ("records", "features", "rewards")
        assert "Error" not in error.message
        return
    same_kind = value is ... or type(value) is type(was)
    numbers = isinstance(was, float) and type(value) in (int, float)
    fitting = same_kind or numbers or was is None or (value is None and place[-1] in NULLABLE)
    assert fitting or FREE & {*place}, f"{place}: {was!r} became {value!r}"
    for use in uses:
        try:
            use(release)
        except SynpicError as error:
            assert str(folder) in error.message or error.hint


def case(folder: Path, data: dict[str, Any], place: Path_, value: Any) -> Any:
    other, was = changed(data, place, value)
    (folder / "manifest.json").write_text(json.dumps(other))
    return was


@pytest.fixture
def broken(made: tuple[Path, Draft], tmp_path: Path) -> Path:
    """The release again, with a manifest of its own."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for one in made[0].iterdir():
        (folder / one.name).symlink_to(one)
    (folder / "manifest.json").unlink()
    return folder


def test_any_key_taken_away_or_of_another_type(
    made: tuple[Path, Draft], whole: Published, broken: Path
) -> None:
    data = whole.manifest.as_dict()
    cases = random.Random(14).sample(mutations(data), 250)
    for place, value in cases:
        was = case(broken, data, place, value)
        follow(broken, place, value, was, consumers(whole, made[1]))


@pytest.mark.slow
def test_every_key_taken_away_or_of_another_type(
    made: tuple[Path, Draft], whole: Published, broken: Path, tmp_path: Path
) -> None:
    data = whole.manifest.as_dict()
    uses = [
        *consumers(whole, made[1]),
        lambda one: verify(one),
        lambda one: load_release(one, config="scores"),
        lambda one: export(one, "pickapic", tmp_path / "pairs"),
    ]
    for place, value in mutations(data):
        was = case(broken, data, place, value)
        follow(broken, place, value, was, uses)


def test_every_required_key_is_named(whole: Published) -> None:
    data = whole.manifest.as_dict()
    for key in data:
        wrong: Any = {"x": []} if key not in ("environments", "people") else []
        # A release of before cuts, labels, chunks and so on lacks the key.
        added = ("cuts", "labels", "chunk", "people", "words")
        for value in (wrong,) if key in added else (..., wrong):
            other, _ = changed(data, (key,), value)
            with pytest.raises(SynpicError) as caught:
                opened = decode_manifest(json.dumps(other).encode(), "out/manifest.json")
                assert opened is None, key
            assert f"out/manifest.json: {key}" in caught.value.message or key == "synpic"


def test_the_card_and_the_charts_of_any_manifest_that_is_right(
    made: tuple[Path, Draft], whole: Published
) -> None:
    data, draft = whole.manifest.as_dict(), made[1]
    for place, value in random.Random(15).sample(mutations(data), 100):
        other, _ = changed(data, place, value)
        try:
            manifest = decode_manifest(json.dumps(other).encode(), "manifest.json")
        except SynpicError:
            continue
        if not isinstance(manifest, Manifest) or {"files", "records", "decides"} & {*place}:
            continue  # of the files and settings that are being published, these are made
        if place[0] == "ranking" and place[-1] in ("aggregation", "ties"):
            continue
        draw_charts(manifest)
        assert render_card(manifest, draft.shards, draft.settings).startswith("---\n")


def test_equal_manifests_are_equal_bytes(made: tuple[Path, Draft], whole: Published) -> None:
    written = (made[0] / "manifest.json").read_bytes()
    found = json.loads(written)
    plain = (json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
    assert encode(whole.manifest) == written == plain
    backwards = dict(reversed(found.items()))
    assert encode(as_manifest(backwards)) == written
    described = made[1].manifest.with_files(None, whole.manifest.files)
    assert encode(described) == written
    assert described == whole.manifest


def test_what_a_later_synpic_adds_is_kept() -> None:
    later = least(generations=[{"rows": 3}])
    later["counts"]["judged"] = 3
    assert json.loads(encode(as_manifest(later))) == later


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/passwd", "a/../../x", "a\\b", "C:/x", "C:x", "a//b", "a/", "", ".", "./a"),
        *("a\nb", "a\x00", "a\x1b[2J", "a\u2028b", "manifest.json"),
    ],
)
def test_a_path_that_leads_elsewhere(path: str) -> None:
    data = json.dumps(least(files={path: {"sha256": "0" * 64, "bytes": 1}})).encode()
    with pytest.raises(ReleaseError, match=r"^out/manifest.json: files") as caught:
        decode_manifest(data, "out/manifest.json")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"files": {"a": {"sha256": "0" * 64, "bytes": -1}}}, "files.a.bytes: .*found -1"),
        ({"files": {"a": {"sha256": "0" * 64, "bytes": 1 << 63}}}, "files.a.bytes: "),
        ({"files": {"a": {"sha256": "G" * 64, "bytes": 1}}}, "files.a.sha256: "),
        ({"counts": {**least()["counts"], "kept_prompts": 2}}, "counts: kept_prompts = 2 is more"),
        ({"histograms": {"a": {"low": 2.0, "high": 1.0, "counts": [1]}}}, "histograms.a: low = 2"),
        ({"histograms": {"a": {"low": float("nan"), "high": 1.0, "counts": [1]}}}, "NaN"),
        ({"pairs": {"pairwise": {"strategy": "all", "picked": 1, "tied": 2}}}, "pairs.pairwise: "),
        ({"pairs": {"pairwise": {"strategy": "all", "picked": 1, "tied": 0}}}, "pairs and records"),
        ({"features": {}}, "features and records .*: ranked"),
        (
            {"ranking": {**least()["ranking"], "weights": {"other": 1.0}}},
            "ranking.weights are not those of rewards: .*other",
        ),
        ({"records": {"ranked": {"a b": 1}}}, "records.ranked.a b: "),
        ({"records": {"../x": {"train": 1}}}, r"records\.\.\./x: "),
    ],
)
def test_numbers_and_names_that_do_not_fit(changes: dict[str, Any], said: str) -> None:
    data = json.dumps(least(**changes)).encode()
    with pytest.raises(ReleaseError, match=rf"(?s)^out/manifest.json: .*{said}"):
        decode_manifest(data, "out/manifest.json")


def test_another_schema() -> None:
    with pytest.raises(NewerSchema, match=f"schema_version is {SCHEMA_VERSION + 1}"):
        decode_manifest(
            json.dumps({"synpic": "9", "schema_version": SCHEMA_VERSION + 1}).encode(), "x"
        )
    if SCHEMA_VERSION > 1:
        with pytest.raises(ReleaseError, match="x: schema_version is 1; this synpic reads"):
            decode_manifest(json.dumps(least(schema_version=1)).encode(), "x")


@pytest.mark.parametrize("version", [0, -1, True, "2", None])
def test_what_is_no_schema_version_is_damage(version: object) -> None:
    with pytest.raises(DamagedRelease, match=r"^x: schema_version: "):
        decode_manifest(json.dumps(least(schema_version=version)).encode(), "x")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"3", b"{}", b'{"files": {}}', b"\xff\xfe{}", b"[" * 100_000),
    ],
)
def test_what_is_no_manifest_of_ours(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    assert read_manifest(tmp_path) is None
    with pytest.raises(NoRelease, match=r"is no release: .*manifest\.json: "):
        open_release(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b'{"synpic": "1", "a": ' + b"[" * 60 + b"]" * 60 + b"}",
        b'{"synpic": "1", "a": 1e999}',
        b'{"synpic": "\\ud800"}',
        json.dumps(least()).encode()[:-1],
        json.dumps(least()).encode().replace(b":", b";", 1),
    ],
)
def test_what_synpic_wrote_and_is_no_json_any_more_is_damaged(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    for read in (read_manifest, open_release):
        with pytest.raises(DamagedRelease, match=r"manifest\.json: ") as caught:
            read(tmp_path)
        assert caught.value.exit_code == 4
