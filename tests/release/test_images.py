from __future__ import annotations

from pathlib import Path

import pytest

from synpic.errors import ReleaseError
from synpic.publish import publish_to
from synpic.release import open_release
from synpic.release.images import PublishedImages
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.publish.fixtures import encoded, scored


def keys(images: PublishedImages) -> list[tuple[str, str]]:
    return list(images.candidates.select("candidate_id", "sha256").iter_rows())


@pytest.mark.parametrize("config", ["ranked", "pairwise"])
def test_every_image_by_its_id(out: Path, made: Workspace, config: str) -> None:
    release = open_release(out)
    images = PublishedImages(release, config)
    pixels = encoded(made)
    wanted = keys(images)
    if config == "ranked":
        assert {one for one, _ in wanted} == set(pixels)
    else:
        rows = release.table("pairwise")
        assert {one for one, _ in wanted} == {*rows["chosen_id"], *rows["rejected_id"]}
    assert len(wanted) == len({one for one, _ in wanted})
    for order in (wanted, wanted[::-1], wanted[3:4] * 2):
        assert images.read(order) == [pixels[one] for one, _ in order]
    images.close()
    assert images.read(wanted[:1]) == [pixels[wanted[0][0]]]


def test_what_is_told_of_them(out: Path, made: Workspace) -> None:
    images = PublishedImages(open_release(out))
    known = {row["candidate_id"]: row for row in scored(made).iter_rows(named=True)}
    pixels = encoded(made)
    for row in images.candidates.iter_rows(named=True):
        of_set = known[row["candidate_id"]]
        for name in ("split", "prompt_id", "prompt", "model", "sha256"):
            assert row[name] == of_set[name]
        assert row["path"] == f"{row['candidate_id']}.png"
    sizes = sum(map(len, pixels.values()))
    # Estimated from the footers: pixels and the headers of their pages.
    assert sizes <= images.candidates["size"].sum() < 1.2 * sizes


def test_without_scores_there_are_no_hashes(made: Workspace, tmp_path: Path) -> None:
    out = publish_to(made, tmp_path / "few", configs=["ranked"]).directory
    images = PublishedImages(open_release(out))
    assert set(images.candidates["sha256"]) == {""}
    pixels = encoded(made)
    assert images.read(keys(images)) == [pixels[one] for one, _ in keys(images)]


def test_other_pixels_are_refused(out: Path) -> None:
    (shard,) = (out / "ranked").glob("validation-00000*")
    images = PublishedImages(open_release(out))
    first = images.candidates.filter(split="validation").row(0, named=True)
    key = (first["candidate_id"], first["sha256"])
    (data,) = images.read([key])
    shard.write_bytes(shard.read_bytes().replace(data[40:90], bytes(50)))
    with pytest.raises(ReleaseError, match=f"{shard.name}: the image of {key[0]} is damaged"):
        PublishedImages(open_release(out)).read([key])


def test_on_the_hub_a_row_group_is_fetched_once(pushed: HubServer, made: Workspace) -> None:
    images = PublishedImages(open_release("user/set@v1.0.0"))
    pixels = encoded(made)
    before = len(pushed.requests)
    for key in keys(images):
        assert images.read([key]) == [pixels[key[0]]]
    groups = len({place[:2] for place in images._where.values()})
    assert 0 < len(pushed.requests) - before <= 6 * groups
