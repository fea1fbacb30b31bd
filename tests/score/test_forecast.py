"""What scoring would download, asked of a Hub of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from huggingface_hub import constants, hf_hub_download
from PIL.Image import Image

from synpic.score.forecast import weights_to_fetch
from synpic.score.reward import Companion, RewardInfo
from synpic.workspace import Workspace
from synpic_cli.reporting import show_fetches
from tests.cli.conftest import Synpic, in_process
from tests.conftest import MakeRecipe, edit
from tests.hub_server import HubServer, Status
from tests.hub_server.fixtures import hub, online, waits

__all__ = ["hub", "online", "waits"]

JUDGE, WORDS = "maker/judge", "maker/words"


class Judge:
    """Reads two repositories, or would."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a judge",
        checkpoint=JUDGE,
        files=("weights.safetensors|weights.pt", "config.json"),
        companions={"words": Companion(WORDS, ("vocab*",))},
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        words: str = WORDS,
        words_revision: str | None = None,
    ) -> None: ...

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        raise NotImplementedError


class Reader(Judge):
    """Reads the words of the other, and does not say what of its checkpoint."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a reader",
        checkpoint=WORDS,
        companions={"words": Companion(WORDS, ("merges*",))},
    )


REWARDS = f"""
[rewards.judge]
reward = "{__name__}:Judge"

[rewards.other]
reward = "{__name__}:Judge"
options = {{ words = "{WORDS}@v1" }}
"""


@pytest.fixture
def judged(
    hub: HubServer,
    online: Callable[..., Path],
    workspace: Workspace,
    recipe: MakeRecipe,
    tmp_path: Path,
) -> Workspace:
    """A workspace with rewards that read from a Hub."""
    online(hub, None, tmp_path / "home")
    hub.create(JUDGE, kind="model")
    files: dict[str, bytes | None] = {
        "weights.safetensors": b"\0" * 2_000_000,
        "weights.pt": b"\0" * 3_000_000,
        "config.json": b"{}",
        "README.md": b"# Judge\n",
    }
    hub.commit(JUDGE, files)
    tags = hub.create(WORDS, kind="model").tags
    tags["v1"] = hub.commit(WORDS, {"vocab.txt": b"a b"}).oid
    hub.commit(WORDS, {"vocab.txt": b"a b c", "merges.txt": b"a b"})
    return edit(workspace, recipe(more=REWARDS))


@pytest.fixture
def synpic(judged: Workspace, monkeypatch: pytest.MonkeyPatch) -> Synpic:
    monkeypatch.chdir(judged.store.root)
    return in_process


def commit(hub: HubServer, name: str, revision: str = "main") -> str:
    return hub.repositories[name].find(revision).oid


def test_files_and_bytes_by_repository_and_commit(judged: Workspace, hub: HubServer) -> None:
    fetches = weights_to_fetch(judged, ["judge", "other", "red"])
    assert [(f.repository, f.commit, f.rewards, f.files, f.bytes) for f in fetches] == [
        (
            JUDGE,
            commit(hub, JUDGE),
            ("judge", "other"),
            ("config.json", "weights.safetensors"),
            2_000_002,
        ),
        (WORDS, commit(hub, WORDS), ("judge",), ("vocab.txt",), 5),
        (WORDS, commit(hub, WORDS, "v1"), ("other",), ("vocab.txt",), 3),
    ]
    assert not hub.seen(part="/resolve/"), "something was downloaded"


def test_what_is_in_the_cache_is_not_fetched(judged: Workspace, hub: HubServer) -> None:
    hf_hub_download(JUDGE, "weights.safetensors", revision=commit(hub, JUDGE))
    hf_hub_download(WORDS, "vocab.txt", revision=commit(hub, WORDS))
    # The same weights at another commit lie in the cache already.
    hub.commit(JUDGE, {"config.json": b'{"a": 1}'})
    judge, words = weights_to_fetch(judged, ["judge"])
    assert judge.commit == commit(hub, JUDGE)
    assert (judge.files, judge.bytes) == (("config.json",), 8)
    assert (words.files, words.bytes) == ((), 0)


def test_offline_the_cache_alone_is_asked(
    judged: Workspace, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights_to_fetch(judged, ["judge"])  # commits are in the lock from now on
    hf_hub_download(WORDS, "vocab.txt", revision=commit(hub, WORDS))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    judge, words = weights_to_fetch(judged, ["judge"])
    assert (judge.files, judge.bytes, judge.why_unknown) == (None, None, "offline")
    assert (words.files, words.bytes, words.why_unknown) == ((), 0, None)


def test_a_hub_in_trouble_is_no_reason_to_fail(
    judged: Workspace, hub: HubServer, waits: list[float]
) -> None:
    weights_to_fetch(judged, ["judge"])
    hub.faults.plan(Status(503), times=100)
    assert {f.bytes for f in weights_to_fetch(judged, ["judge"])} == {None}


def test_a_commit_that_is_gone_is_said(judged: Workspace, hub: HubServer) -> None:
    weights_to_fetch(judged, ["judge"])
    del hub.repositories[WORDS]
    _, words = weights_to_fetch(judged, ["judge"])
    assert words.bytes is None
    assert "there is no model" in str(words.why_unknown)


def test_what_is_not_declared_is_not_guessed(judged: Workspace, recipe: MakeRecipe) -> None:
    text = recipe(more=f'[rewards.reader]\nreward = "{__name__}:Reader"\n')
    (words,) = weights_to_fetch(edit(judged, text), ["reader"])
    assert (words.repository, words.bytes) == (WORDS, None)
    assert words.why_unknown == "it is not declared which files are read"


def test_a_folder_is_not_fetched(
    judged: Workspace, recipe: MakeRecipe, weights: Path, hub: HubServer
) -> None:
    folder = weights.as_posix()
    more = REWARDS.replace(
        'Judge"\n\n', f'Judge"\ncheckpoint = "{folder}"\noptions = {{ words = "{folder}" }}\n\n'
    )
    assert weights_to_fetch(edit(judged, recipe(more=more)), ["judge"]) == []


@pytest.mark.parametrize(
    ("options", "file", "size"),
    [
        ("", "HPS_v2.1_compressed.pt", 21_000),
        ('version = "2.1"', "HPS_v2.1_compressed.pt", 21_000),
        ('version = "2.0"', "HPS_v2_compressed.pt", 20_000),
    ],
)
def test_files_follow_the_options(
    judged: Workspace,
    hub: HubServer,
    recipe: MakeRecipe,
    synpic: Synpic,
    options: str,
    file: str,
    size: int,
) -> None:
    hub.create("xswu/HPSv2", kind="model")
    files: dict[str, bytes | None] = {
        "HPS_v2.1_compressed.pt": b"1" * 21_000,
        "HPS_v2_compressed.pt": b"0" * 20_000,
    }
    hub.commit("xswu/HPSv2", files)
    edit(judged, recipe(more=f"[rewards.hpsv2]\noptions = {{ {options} }}\n"))
    (fetch,) = foretold(synpic, "hpsv2")
    assert (fetch["files"], fetch["bytes"]) == ([file], size)


T5, CLIP, PIECES = (
    "zhiqiulin/clip-flant5-xl",
    "openai/clip-vit-large-patch14-336",
    "google/flan-t5-xl",
)


@pytest.mark.parametrize("layout", ["with the tower", "without", "one file"])
def test_a_tower_that_the_checkpoint_holds_is_not_fetched_twice(
    judged: Workspace, hub: HubServer, recipe: MakeRecipe, synpic: Synpic, layout: str
) -> None:
    names = ["shared.weight", "vision_tower.vision_tower.a"][: 1 + (layout == "with the tower")]
    shard = "pytorch_model-00001-of-00001.bin"
    index = json.dumps({"weight_map": dict.fromkeys(names, shard)}).encode()
    files: dict[str, bytes | None] = {"config.json": b"{}"}
    if layout == "one file":
        files["pytorch_model.bin"] = b"0" * 50_000
    else:
        files |= {shard: b"0" * 50_000, "pytorch_model.bin.index.json": index}
    for name in (T5, CLIP, PIECES):
        hub.create(name, kind="model")
    hub.commit(T5, files)
    weights = {"model.safetensors": b"0" * 30_000}
    hub.commit(CLIP, {"config.json": b"{}", "preprocessor_config.json": b"{}", **weights})
    hub.commit(PIECES, {"spiece.model": b"pieces"})
    edit(judged, recipe(more="[rewards.vqascore_xl]\n"))
    fetches = {fetch["repository"]: fetch for fetch in foretold(synpic, "vqascore_xl")}
    # Of one pickled file nothing tells what is in it: the most that may be needed is told.
    tower = [] if layout == "with the tower" else ["model.safetensors"]
    assert fetches[CLIP]["files"] == ["config.json", *tower, "preprocessor_config.json"]
    assert fetches[CLIP]["bytes"] == 4 + 30_000 * len(tower)
    assert fetches[T5]["bytes"] >= 50_000
    assert not hub.seen(part=f"/resolve/{commit(hub, T5)}/pytorch_model-"), "weights were fetched"


def foretold(synpic: Synpic, reward: str) -> list[dict[str, Any]]:
    """What `score --dry-run` says, of a few images."""
    assert synpic("generate", "--device", "cpu", "--only", "a").exit_code == 0
    made = synpic("score", "--dry-run", "--json", "--only", reward)
    assert made.exit_code == 0, made.output
    fetches: list[dict[str, Any]] = json.loads(made.stdout.splitlines()[-1])["fetches"]
    return fetches


def test_what_is_printed(
    judged: Workspace, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hf_hub_download(WORDS, "vocab.txt", revision=commit(hub, WORDS))
    show_fetches(weights_to_fetch(judged, ["judge"]))
    head, first, second, sum_ = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "repository"
    assert first.split()[:3] == [JUDGE, commit(hub, JUDGE)[:8], "judge"]
    assert "2.0 MB: config.json, weights.safetensors" in first
    assert "nothing: it is in the cache" in second
    assert sum_ == "2.0 MB to fetch."
    show_fetches([])
    assert capsys.readouterr().out == ""
