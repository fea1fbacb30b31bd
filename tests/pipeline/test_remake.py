from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

import synpic
from synpic.errors import ReleaseError, SynpicError, WorkspaceError
from synpic.pipeline.remake import Remade, plan_remake, remake
from synpic.pipeline.remake.code import code_of_model, code_of_reward
from synpic.pipeline.remake.surroundings import requirements_of
from synpic.readers.images import as_png, decode
from synpic.release import open_release
from synpic.release.chunks import chunk_prompts, sample_chunks
from tests.fakes import Painter
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import build
from tests.release.conftest import files_of
from tests.release.test_verify import edit_manifest, rewrite, with_column

__all__ = ["hub", "online", "waits"]

RANKED, SCORES = "ranked/train-00000-of-00001.parquet", "scores/train-00000-of-00001.parquet"
PROMPTS, IMAGES = 10, 40
"""Of three models, one of which draws two samples."""


def recipe(weights: Path, more: str = "") -> str:
    return f"""shared_seeds = false

[prompts]
world = "tests.fakes:world"
count = {PROMPTS}

[models.alpha]
checkpoint = "{weights / "alpha"}"
family = "tests.fakes:Painter"
batch_size = 4

[models.beta]
checkpoint = "{weights / "beta"}"
family = "tests.fakes:Painter"
samples = 2
batch_size = 2

[models.gamma]
checkpoint = "{weights / "gamma"}"
family = "tests.fakes:Painter"
batch_size = 1

[rewards.redness]
reward = "tests.fakes:redness"

[rewards.blueness]
reward = "tests.fakes:blueness"
{more}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``weights``, ``set`` and ``out``, a release."""
    root = tmp_path_factory.mktemp("remade")
    for name in ("alpha", "beta", "gamma"):
        (root / "weights" / name).mkdir(parents=True)
        (root / "weights" / name / "model.bin").write_text(name)
    workspace = synpic.init_workspace(root / "set", recipe(root / "weights"))
    synpic.generate_candidates(workspace, device="cpu").raise_if_unfinished()
    synpic.score_candidates(workspace, device="cpu").raise_if_unfinished()
    synpic.publish_to(workspace, root / "out")
    return root


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def made_again(out: Path | str, into: Path, share: float = 1.0, **how: Any) -> Remade:
    return remake(open_release(out), into, **{"share": share, "trust_code": True, **how})


def differing(found: Remade) -> Mapping[str, tuple[int, int]]:
    """What is not equal: name → how many differ, and how many are missing."""
    return {
        name: (one.differ, one.missing)
        for name, one in found.parts.items()
        if one.equal < one.compared
    }


def reasons(found: Remade, name: str) -> dict[str, int]:
    return {reason.text: reason.number for reason in found.parts[name].reasons}


def flip(table: pa.Table) -> pa.Table:
    """One value of one pixel of one image, by one."""

    def change(images: list[Any]) -> list[Any]:
        pixels = np.array(decode(images[3]["bytes"]))
        pixels[2, 5, 1] ^= 1
        images[3]["bytes"] = as_png(Image.fromarray(pixels))
        return images

    return with_column(table, "image_1", change)


def put(column: str, value: Callable[[Any], Any], row: int = 7) -> Callable[[pa.Table], pa.Table]:
    def change(values: list[Any]) -> list[Any]:
        values[row] = value(values[row])
        return values

    return lambda table: with_column(table, column, change)


def test_all_of_it_is_equal(made: Path, tmp_path: Path) -> None:
    into = tmp_path / "again"
    found = made_again(made / "out", into)
    assert found.ok
    assert (found.not_remade, found.changed, found.notes) == ([], [], [])
    assert {name: (one.compared, one.equal) for name, one in found.parts.items()} == {
        "ids": (IMAGES, IMAGES),
        "seeds": (IMAGES, IMAGES),
        "images": (IMAGES, IMAGES),
        "scores.redness": (IMAGES, IMAGES),
        "scores.blueness": (IMAGES, IMAGES),
        "rankings": (PROMPTS, PROMPTS),
    }
    assert (found.sample.chunks, found.sample.of_chunks, found.sample.prompts) == (3, 3, PROMPTS)
    # What was made there is an ordinary workspace, in the batches of the first one.
    first, second = (drawn(root) for root in (made / "set", into))
    assert first.equals(second)
    assert first["batch_size"].value_counts().sort("batch_size").rows() == [
        (1, 10),
        (2, 22),
        (4, 8),
    ]
    assert made_again(made / "out", into) == found
    assert repr(found).startswith(
        f"Remade({made / 'out'}: equal are ids 40 of 40, seeds 40 of 40, "
    )
    assert drawn(into).equals(second)


def drawn(root: Path) -> pl.DataFrame:
    workspace = synpic.Workspace.open(root)
    rows = workspace.candidates(workspace.folders("candidates"))
    return rows.select("candidate_id", "sha256", "batch_size").sort("candidate_id")


def test_a_sample_is_a_chunk_and_grows(made: Path, tmp_path: Path) -> None:
    into = tmp_path / "again"
    one = made_again(made / "out", into, share=0.01)
    assert one.ok
    assert (one.sample.chunks, one.sample.chunk) == (1, 4)
    assert one.parts["images"].compared == 4 * one.sample.prompts < IMAGES
    before = files_of(into / "candidates")
    both = made_again(made / "out", into, share=0.5)
    assert (both.ok, both.sample.chunks) == (True, 2)
    assert files_of(into / "candidates").items() > before.items()


def test_one_pixel(out: Path, tmp_path: Path) -> None:
    rewrite(out, RANKED, flip)
    found = made_again(out, tmp_path / "again")
    assert not found.ok
    assert differing(found) == {"images": (1, 0)}
    assert found.parts["images"].largest == 1
    assert reasons(found, "images") == {NOT_RECORDED: 1}
    assert f"<p>images: 1: {NOT_RECORDED}</p>" in found._repr_html_()
    # By hashes alone it is not seen: `synpic verify` holds pixels to those.
    by_hash = made_again(out, tmp_path / "again", images=False)
    assert (by_hash.ok, by_hash.by_pixels) == (True, False)


NOT_RECORDED = "versions, device and batches are the same, and no reason is recorded"


def test_one_seed(out: Path, tmp_path: Path) -> None:
    rewrite(out, SCORES, put("seed", lambda seed: seed ^ 1))
    found = made_again(out, tmp_path / "again")
    assert differing(found) == {"seeds": (1, 0)}
    assert reasons(found, "seeds") == {"the recipe of the release gives others": 1}


def test_one_id(out: Path, tmp_path: Path) -> None:
    rewrite(out, SCORES, put("candidate_id", lambda one: "0" * len(one)))
    found = made_again(out, tmp_path / "again", images=False)
    assert differing(found) == {"ids": (1, 0)}
    assert found.parts["ids"].examples == ["0" * 32]


def test_one_score(out: Path, tmp_path: Path) -> None:
    rewrite(out, SCORES, put("score_redness", lambda score: score + 0.25))
    found = made_again(out, tmp_path / "again")
    assert differing(found) == {"scores.redness": (1, 0)}
    assert found.parts["scores.redness"].largest == pytest.approx(0.25, rel=1e-3)
    nothing = "pixels, versions and device are the same, and no reason is recorded"
    assert reasons(found, "scores.redness") == {nothing: 1}


def test_one_rank(out: Path, tmp_path: Path) -> None:
    rewrite(out, SCORES, put("rank", lambda rank: rank % 4 + 1))
    found = made_again(out, tmp_path / "again")
    assert differing(found) == {"rankings": (1, 0)}
    assert list(reasons(found, "rankings")) == [
        "scores are the same: published ranks do not follow from published scores"
    ]


def test_pixels_that_differ_move_scores_and_ranks(out: Path, tmp_path: Path) -> None:
    """Somebody published what another image gives: pixels, scores and ranks, all of them."""

    def brighter(table: pa.Table) -> pa.Table:
        def change(images: list[Any]) -> list[Any]:
            return [
                {
                    **one,
                    "bytes": as_png(Image.eval(decode(one["bytes"]), lambda v: min(255, v + 9))),
                }
                for one in images
            ]

        return with_column(table, "image_0", change)

    rewrite(out, RANKED, brighter)
    rewrite(out, SCORES, lambda table: of_alpha(table, "score_redness", lambda one: one + 9))
    found = made_again(out, tmp_path / "again")
    assert differing(found) == {"images": (PROMPTS, 0), "scores.redness": (PROMPTS, 0)}
    assert found.parts["images"].largest == 9
    assert reasons(found, "scores.redness") == {"the pixels differ": PROMPTS}


def of_alpha(table: pa.Table, column: str, value: Callable[[Any], Any]) -> pa.Table:
    models = table["model"].to_pylist()

    def change(values: list[Any]) -> list[Any]:
        pairs = zip(values, models, strict=True)
        return [value(one) if model == "alpha" else one for one, model in pairs]

    return with_column(table, column, change)


@pytest.mark.parametrize("where", ["lock", "decides"])
def test_weights_that_changed(out: Path, tmp_path: Path, where: str) -> None:
    other = "0" * 64

    def change(manifest: dict[str, Any]) -> None:
        if where == "lock":
            (entry,) = [one for one in manifest["lock"] if one["source"].endswith("/beta")]
            entry["identity"] = other
        else:
            (model,) = [one for one in manifest["models"] if one["name"] == "beta"]
            model["decides"]["checkpoint"]["sha256"] = other

    edit_manifest(out, change)
    found = made_again(out, tmp_path / "again")
    assert not found.ok
    (changed,) = found.changed
    assert (changed.what, changed.there, changed.number) == ("models.beta", other, 2 * PROMPTS)
    assert changed.key.startswith("weights " if where == "lock" else "checkpoint.sha256")
    # Everything else is equal, and rankings need all images of a prompt.
    assert differing(found) == {}
    assert found.parts["images"].equal == IMAGES - 2 * PROMPTS
    assert "rankings" not in found.parts
    assert found.notes == [
        "rankings are not compared: of no prompt was every image made and scored"
    ]


def test_why_pixels_differ(out: Path, tmp_path: Path) -> None:
    rewrite(out, RANKED, flip)
    rewrite(out, SCORES, put("batch_size", lambda _: 3, row=at(out)))

    def older(manifest: dict[str, Any]) -> None:
        for one in manifest["environments"].values():
            one |= {"torch": "1.0.0", "device": "NVIDIA H100"}

    edit_manifest(out, older)
    found = made_again(out, tmp_path / "again")
    assert differing(found) == {"images": (1, 0)}
    first, second, third = found.parts["images"].reasons
    assert first.text.startswith("device NVIDIA H100 there, ")
    assert second.text.startswith("torch 1.0.0 there, ")
    assert third.text.startswith("drawn in a batch of 3 there, of ")
    assert [first.number, second.number, third.number] == [1, 1, 1]


def at(out: Path) -> int:
    """The row of ``scores`` with the image that :func:`flip` changes."""
    release = open_release(out)
    flipped = release.table("ranked")["candidate_ids"][3][1]
    return release.table("scores")["candidate_id"].to_list().index(flipped)


def test_other_versions_with_equal_results_are_a_note(out: Path, tmp_path: Path) -> None:
    def older(manifest: dict[str, Any]) -> None:
        for one in manifest["environments"].values():
            one["torch"] = "1.0.0"

    edit_manifest(out, older)
    found = made_again(out, tmp_path / "again", share=0.01)
    assert found.ok
    (note,) = found.notes
    assert note.startswith("made with other versions, and equal: torch 1.0.0 there, ")


def test_encoded_otherwise(out: Path, tmp_path: Path) -> None:
    """Other bytes of the same pixels are no difference."""

    def change(images: list[Any]) -> list[Any]:
        buffer = io.BytesIO()
        decode(images[0]["bytes"]).save(buffer, "PNG", compress_level=0)
        return [{**images[0], "bytes": buffer.getvalue()}, *images[1:]]

    rewrite(out, RANKED, lambda table: with_column(table, "image_2", change))
    found = made_again(out, tmp_path / "again")
    assert found.ok
    assert found.notes == ["1 image of the same pixels are other files: encoded otherwise"]


def test_prompts_that_are_not_published(made: Path, out: Path, tmp_path: Path) -> None:
    """The batches of a chunk with a gap are others: that is said, where it can be a reason."""
    lost = open_release(out).table("scores").sort("position")["prompt_id"][0]

    def without(table: pa.Table) -> pa.Table:
        kept = [one != lost for one in table["prompt_id"].to_pylist()]
        return table.filter(pa.array(kept))

    for path in (RANKED, SCORES):
        rewrite(out, path, without)
    rewrite(out, RANKED, flip)

    def fewer(manifest: dict[str, Any]) -> None:
        for splits in manifest["records"].values():
            splits["train"] -= 1 if splits["train"] < IMAGES else 4

    edit_manifest(out, fewer)
    found = made_again(out, tmp_path / "again")
    assert found.sample.lacking == 1
    assert differing(found) == {"images": (1, 0)}
    assert found.parts["rankings"].equal == PROMPTS - 1
    (model,) = set(
        open_release(out)
        .table("scores")
        .filter(pl.col("candidate_id") == found.parts["images"].examples[0])["model"]
    )
    assert model == "beta"


def test_code_is_not_run_unasked(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no image of it can be drawn again") as caught:
        made_again(made / "out", tmp_path / "again", trust_code=False)
    assert "family = tests.fakes:Painter is code that the release names" in caught.value.message
    assert "--trust-code" in str(caught.value.hint)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"checkpoint": "a/b", "steps": 20}, None),
        ({"checkpoint": "package:synpic.shapes/weights"}, None),
        ({"family": "own.module:Family"}, "family = own.module:Family is code"),
        ({"checkpoint": "a/b", "allow": ["remote code"]}, "it allows remote code"),
    ],
)
def test_code_of_models(table: dict[str, Any], why: str | None) -> None:
    found = code_of_model(table)
    assert (found is None) == (why is None)
    assert found is None or found.startswith(str(why))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"weight": 2.0}, None),
        ({"reward": "clip_score", "options": {"template": "a photo: {}"}}, None),
        ({"reward": "called", "endpoint": "$SYNPIC_ENDPOINT"}, None),
        ({"reward": "own:reward"}, "reward = own:reward is code"),
        ({"reward": "apart", "options": {"code": "own.module:f"}}, "own.module:f is code"),
        ({"environment": "requirements.txt"}, "it runs in a Python environment"),
        ({"endpoint": "http://10.0.0.1:9"}, "it asks http://10.0.0.1:9, an address"),
        (
            {"options": {"endpoint": {"url": "https://a.b/v1", "key": "$KEY"}}},
            "it asks https://a.b/v1, an address",
        ),
    ],
)
def test_code_of_rewards(table: dict[str, Any], why: str | None) -> None:
    found = code_of_reward("name", table)
    assert (found is None) == (why is None)
    assert found is None or found.startswith(str(why))


def test_what_is_not_here_is_named(out: Path, tmp_path: Path) -> None:
    """Weights in a folder of the author's, and a reward of code that is not installed."""

    def elsewhere(manifest: dict[str, Any]) -> None:
        text = manifest["recipe"].replace("tests.fakes:blueness", "no_such_package:blueness")
        for where in (text,):
            (source,) = {one["source"] for one in manifest["lock"] if "gamma" in one["source"]}
            manifest["recipe"] = where.replace(source, "./gone/gamma")
        for entry in manifest["lock"]:
            if "gamma" in entry["source"]:
                entry["source"] = "./gone/gamma"

    edit_manifest(out, elsewhere)
    found = made_again(out, tmp_path / "again")
    listed = {one.what: (one.number, one.why) for one in found.not_remade}
    assert listed.keys() == {"models.gamma", "rewards.blueness"}
    assert listed["models.gamma"][0] == PROMPTS
    assert "./gone/gamma: the folder is gone" in listed["models.gamma"][1]
    assert "no_such_package" in listed["rewards.blueness"][1]
    assert found.parts["images"].equal == found.parts["images"].compared == IMAGES - PROMPTS
    assert found.notes == ["rankings are not compared: blueness was not made again"]
    assert found.ok
    plan = plan_remake(open_release(out), share=1.0, trust_code=True)
    assert (plan.models, plan.rewards) == ({"alpha": 10, "beta": 20}, {"redness": 30})
    assert [one.what for one in plan.not_remade] == ["models.gamma", "rewards.blueness"]


def test_images_that_fail_here_are_missing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not equal; the next call tries them again."""
    draw = Painter.draw

    def fails(self: Painter, prompts: Sequence[str], *rest: Any) -> np.ndarray:
        if self.settings.batch_size == 4 and "prompt 0-3" in prompts:
            raise ValueError("not this one")
        return draw(self, prompts, *rest)

    monkeypatch.setattr(Painter, "draw", fails)
    found = made_again(made / "out", tmp_path / "again")
    assert differing(found) == {
        "images": (0, 1),
        "scores.redness": (0, 1),
        "scores.blueness": (0, 1),
    }
    assert not found.ok
    assert (found.parts["rankings"].compared, found.parts["rankings"].equal) == (9, 9)
    monkeypatch.setattr(Painter, "draw", draw)
    assert made_again(made / "out", tmp_path / "again").ok


def test_batches_that_were_halved_here(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is short here, and pixels depend on the batch: the rows say how large it was."""
    draw = Painter.draw

    def short(self: Painter, prompts: Sequence[str], *rest: Any) -> np.ndarray:
        if len(prompts) > 2:
            raise MemoryError("out of memory")
        pixels = draw(self, prompts, *rest)
        return pixels * np.float32(0.99) if self.settings.batch_size == 4 else pixels

    monkeypatch.setattr(Painter, "draw", short)
    found = made_again(made / "out", tmp_path / "again", images=True)
    # The last chunk has two prompts: its batches have no other size, and its pixels no reason.
    assert reasons(found, "images") == {
        "drawn in a batch of 4 there, of 2 here": 8,
        NOT_RECORDED: 2,
    }
    assert found.parts["images"].largest == 3
    assert reasons(found, "scores.redness") == {"the pixels differ": PROMPTS}
    assert set(reasons(found, "rankings")) == {"scores differ"}


def test_one_image_of_a_prompt_is_no_set(out: Path, tmp_path: Path) -> None:
    """Where code is not run and a single image of each prompt is left, that is the reason."""

    def plain(manifest: dict[str, Any]) -> None:
        text = manifest["recipe"]
        first, _, rest = text.partition('family = "tests.fakes:Painter"\n')
        manifest["recipe"] = first + rest

    edit_manifest(out, plain)
    with pytest.raises(ReleaseError, match="of each prompt one image, by alpha, and no second"):
        made_again(out, tmp_path / "again", trust_code=False)


def test_a_family_that_is_another_one_here(out: Path, tmp_path: Path) -> None:
    """A model whose code is another one has changed, also where the release names that code."""

    def raising(manifest: dict[str, Any]) -> None:
        manifest["recipe"] = manifest["recipe"].replace(
            'family = "tests.fakes:Painter"\nbatch_size = 4', 'family = "tests.fakes:Raises"'
        )
        for one in manifest["models"]:
            if one["name"] == "alpha":
                one["decides"]["family"] = "tests.fakes:Raises"

    edit_manifest(out, raising)
    found = made_again(out, tmp_path / "again")
    # Its code decides its fingerprint: that has changed, too.
    assert {one.what for one in found.changed} == {"models.alpha"}
    assert found.parts["images"].compared == IMAGES - PROMPTS


def test_a_release_on_the_hub(hub: HubServer, online: GoOnline, out: Path, tmp_path: Path) -> None:
    hub.create("user/set")
    commit = hub.commit("user/set", files_of(out))
    hub.repositories["user/set"].tags["v1.0.0"] = commit.oid
    online(hub, None, tmp_path / "home")
    found = made_again("user/set@v1.0.0", tmp_path / "again", share=0.01)
    assert (found.ok, found.by_pixels, found.revision) == (True, True, commit.oid)
    with pytest.raises(ReleaseError, match="v9"):
        open_release("user/set@v9.9.9")


def test_large_releases_are_compared_by_hashes(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.create("user/set")
    hub.commit("user/set", files_of(out))
    online(hub, None, tmp_path / "home")
    monkeypatch.setattr("synpic.pipeline.remake.remaking._MOST_BYTES", 100)
    plan = plan_remake(open_release("user/set"), trust_code=True)
    assert plan.download is None
    (note,) = plan.notes
    assert note.startswith("--images reads ")
    asked = plan_remake(open_release("user/set"), trust_code=True, images=True)
    assert asked.download is not None
    assert asked.download > 100


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_no_share(made: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(ReleaseError, match="of the chunks holds none"):
        made_again(made / "out", tmp_path / "again", share=share)


def test_folders_that_are_taken(made: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="is not of this release"):
        made_again(made / "out", made / "set")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match=r"is not empty: it holds letter\.txt"):
        made_again(made / "out", tmp_path / "full")
    made_again(made / "out", tmp_path / "again", share=0.01)
    edit_manifest(out, lambda manifest: manifest.update(synpic="9.9"))
    with pytest.raises(WorkspaceError, match="is not of this release"):
        made_again(out, tmp_path / "again", share=0.01)


def test_releases_that_cannot_be_made_again(out: Path, tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(SynpicError) as caught:
            made_again(out, tmp_path / "again")
        assert caught.value.hint
        assert not (tmp_path / "again").exists()
        return caught.value.message

    edit_manifest(out, lambda manifest: manifest.update(chunk=None))
    assert "has no `chunk` in manifest.json: an earlier synpic published it" in refused()
    edit_manifest(out, lambda manifest: manifest.update(chunk=4))
    rewrite(out, SCORES, put("position", lambda one: one + 1))
    assert "`position` of `scores` is not the place of each prompt among 10" in refused()
    edit_manifest(out, lambda manifest: manifest.update(recipe="seed = 'x'"))
    assert f"{out}: manifest.json: recipe:1: seed" in refused()

    def ingested(manifest: dict[str, Any]) -> None:
        for model in manifest["models"]:
            model |= {"samples": None, "batch_size": None}

    edit_manifest(out, ingested)
    assert "its images were not drawn, but ingested from " in refused()


def test_a_release_without_scores(tmp_path: Path) -> None:
    out = synpic.publish_to(build(tmp_path / "set"), tmp_path / "out", configs=["ranked"]).directory
    with pytest.raises(ReleaseError, match="has no config 'scores'"):
        made_again(out, tmp_path / "again")


def test_requirements(out: Path) -> None:
    def noted(manifest: dict[str, Any]) -> None:
        for one in manifest["environments"].values():
            one |= {"torch": "2.4.0+cu124", "python": "3.11.9", "synpic": "0.1.0"}
            one["odd"] = "1; rm -rf /"

    edit_manifest(out, noted)
    release = open_release(out)
    scores = release.table("scores", ["environment"])
    lines = requirements_of(release, scores).splitlines()
    assert lines[0].endswith(f"{IMAGES} of {IMAGES} images drawn with these,")
    assert lines[1].endswith("Python 3.11.9")
    assert "torch==2.4.0+cu124" in lines
    assert "--extra-index-url https://download.pytorch.org/whl/cu124" in lines
    assert "synpic==0.1.0" in lines
    assert not any("rm -rf" in line or "python" in line for line in lines[2:])
    with pytest.raises(ReleaseError, match="does not say under which versions"):
        requirements_of(release, scores.with_columns(environment=pl.lit("none")))


def test_chunks() -> None:
    assert chunk_prompts([8, 32, 16]) == 32
    assert chunk_prompts([6, 4]) == 12
    assert chunk_prompts([]) is None
    prompts = pl.DataFrame(
        {"prompt_id": [f"{number:032}" for number in range(100)], "position": range(100)}
    )
    smaller, larger = (sample_chunks(prompts, 8, 100, share) for share in (0.2, 0.5))
    assert (smaller.chunks, larger.chunks, larger.of) == (3, 7, 13)
    assert set(smaller.prompts["prompt_id"]) < set(larger.prompts["prompt_id"])
    # Whatever the order in which the rows come.
    again = sample_chunks(prompts.sample(fraction=1, shuffle=True, seed=1), 8, 100, 0.5)
    assert again.prompts["prompt_id"].equals(larger.prompts["prompt_id"])
    # Each chunk that is whole begins a batch of every model; the last of the list has 4 prompts.
    whole = sample_chunks(prompts, 8, 100, 1.0).prompts["position"].to_list()
    assert [place % 8 for place in whole] == [*range(8)] * 12 + [*range(4)]
    gap = sample_chunks(prompts.filter(pl.col("position") != 3), 8, 100, 1.0)
    assert gap.lacking == 1
    assert gap.prompts["position"].to_list()[-7:] == [0, 1, 2, 4, 5, 6, 7]


@pytest.mark.slow
def test_the_embedded_world(tmp_path: Path) -> None:
    text = """
[prompts]
world = "shapes"
count = 6

[models.shapes_unet]
batch_size = 2

[models.shapes_mmdit_small]
batch_size = 3

[rewards.shapes_alignment]

[rewards.shapes_quality]
"""
    workspace = synpic.init_workspace(tmp_path / "set", text)
    synpic.generate_candidates(workspace).raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()
    out = synpic.publish_to(workspace, tmp_path / "out").directory
    found = remake(open_release(out), tmp_path / "again", share=1.0)
    assert found.ok
    assert (found.parts["images"].equal, found.parts["rankings"].equal) == (12, 6)
    assert (found.not_remade, found.notes) == ([], [])

    def other(manifest: dict[str, Any]) -> None:
        entry = next(one for one in manifest["lock"] if "unet" in one["source"])
        entry["identity"] = "1" * 64

    edit_manifest(out, other)
    found = remake(open_release(out), tmp_path / "other", share=1.0)
    assert [one.what for one in found.changed] == ["models.shapes_unet"]
    assert found.parts["images"].equal == found.parts["images"].compared == 6
