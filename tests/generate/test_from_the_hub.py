"""Models whose weights lie on the Hub: pinned, asked for small files first, and found offline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants

from synpic import Workspace, generate_candidates
from synpic.pipeline.validation import validate
from tests.generate import tiny
from tests.generate.by_recipe import make, pictures, workspace_of
from tests.generate.loras import save_lora
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online

__all__ = ["hub", "online"]

Folder = Callable[[str], Path]


def upload(hub: HubServer, repository: str, folder: Path) -> str:
    """Put ``folder`` into ``repository``; the commit."""
    if repository not in hub.repositories:
        hub.create(repository, kind="model")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return hub.commit(repository, files).oid


def equal(one: Workspace, other: Workspace) -> bool:
    pairs = zip(pictures(one, "m"), pictures(other, "m"), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.fixture
def published(
    hub: HubServer, saved: Folder, tmp_path: Path, online: Callable[..., Path]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model of three repositories and one of their folders, as keys of a recipe."""
    online(hub, None, tmp_path / "home")
    lora = save_lora(saved("sd"), tmp_path / "lora", seed=1)
    tuned = tiny.save("sd", tmp_path / "tuned", seed=1)
    upload(hub, "maker/base", saved("sd"))
    upload(hub, "maker/style", lora)
    upload(hub, "maker/tuned", tuned)
    keys = {"family": "sd", "steps": 2, "sizes": ["16x16"]}
    there = {
        **keys,
        "checkpoint": "maker/base",
        "adapters": [{"checkpoint": "maker/style", "scale": 0.5}],
        "components": {"unet": {"checkpoint": "maker/tuned"}},
    }
    here = {
        **keys,
        "checkpoint": saved("sd"),
        "adapters": [{"checkpoint": lora, "scale": 0.5}],
        "components": {"unet": {"checkpoint": tuned}},
    }
    return there, here


def test_validate_fetches_no_weight_and_generate_what_was_pinned(
    hub: HubServer, published: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    there, here = published
    workspace = workspace_of(tmp_path / "set", m=there)
    made = validate(workspace)
    assert made.problems == []
    assert made.notes[-1] == "there are no [rewards.…]: images can be drawn, but not ranked"
    assert not any("Hub" in note for note in made.notes)
    fetched = [exchange.target for exchange in hub.seen("HEAD", "/resolve/")]
    assert fetched
    assert all(target.endswith(".json") for target in fetched)
    locked = {entry.source: entry.identity for entry in workspace.snapshot().lock.entries}
    assert locked.keys() == {"maker/base", "maker/style", "maker/tuned"}
    # What comes to the branches later is not what this recipe draws with.
    for repository in locked:
        hub.commit(repository, {"model_index.json": b"{", "unet/config.json": b"{"})
    generate_candidates(workspace, device="cpu").raise_if_unfinished()
    assert equal(workspace, make(tmp_path / "local", m=here))
    asked = [exchange.target for exchange in hub.seen("HEAD", "/resolve/")]
    commits = {re.search(r"/resolve/([^/]+)/", target)[1] for target in asked}  # type: ignore[index]
    assert commits == set(locked.values())


def test_a_repository_s_files_are_listed_once_for_all_checks(
    hub: HubServer, published: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    there, _ = published
    style = there["adapters"][0]
    # Everything that asks: variants, code, weights, folders of components, files of adapters.
    asked = {
        **there,
        "adapters": [style, {**style, "scale": 0.25}],
        "components": {
            "unet": {"checkpoint": "maker/tuned"},
            "vae": {"checkpoint": "maker/tuned"},
            "text_encoder": {"checkpoint": "maker/base"},
        },
    }
    workspace = workspace_of(tmp_path / "set", m=asked)

    def listings(seen: int) -> list[str]:
        found = [
            re.search(r"maker/\w+", exchange.target)[0]  # type: ignore[index]
            for exchange in hub.requests[seen:]
            if exchange.method == "GET" and re.search(r"/tree/|/revision/", exchange.target)
        ]
        return sorted(found)

    validate(workspace)  # names become commits, in the lock
    validated = len(hub.requests)
    assert validate(workspace).problems == []
    # The first for its checks, and again for the schedule that a model's family asks for.
    assert listings(validated) == ["maker/base", "maker/base", "maker/style", "maker/tuned"]


def test_two_stages_of_two_repositories(
    hub: HubServer, saved: Folder, tmp_path: Path, online: Callable[..., Path]
) -> None:
    online(hub, None, tmp_path / "home")
    keys = {"family": "stable_cascade", "steps": 2, "sizes": ["128x128"]}
    for name in ("cascade_decoder", "cascade_prior"):
        upload(hub, f"maker/{name}", saved(name))
    hub.commit("maker/cascade_decoder", {"README.md": b"---\nprior:\n- other/prior\n---\n"})
    there = {**keys, "checkpoint": "maker/cascade_decoder", "prior": "maker/cascade_prior"}
    here = {**keys, "checkpoint": saved("cascade_decoder"), "prior": saved("cascade_prior")}
    workspace = workspace_of(tmp_path / "set", m=there)
    assert validate(workspace).problems == []
    generate_candidates(workspace, device="cpu").raise_if_unfinished()
    assert equal(workspace, make(tmp_path / "local", m=here))
    assert not hub.seen("GET", "other/prior")


def test_two_stages_of_one_repository_at_two_commits(
    hub: HubServer, saved: Folder, tmp_path: Path, online: Callable[..., Path]
) -> None:
    online(hub, None, tmp_path / "home")
    first = upload(hub, "maker/cascade", saved("cascade_prior"))
    upload(hub, "maker/cascade", saved("cascade_decoder"))
    weights = "decoder/diffusion_pytorch_model.safetensors"
    second = hub.commit("maker/cascade", {weights: None}).oid
    keys = {"family": "stable_cascade", "steps": 2, "sizes": ["128x128"]}
    stages = {"checkpoint": "maker/cascade", "prior": "maker/cascade", "prior_revision": first}
    workspace = workspace_of(tmp_path / "set", m={**keys, **stages, "revision": second})
    ((message, _),) = validate(workspace).problems
    assert message.startswith("models.m.checkpoint: maker/cascade/decoder has no weights")


def test_offline_what_is_cached_is_drawn_and_what_is_not_is_noted(
    hub: HubServer,
    published: tuple[dict[str, Any], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, _ = published
    workspace = workspace_of(tmp_path / "set", m=there)
    generate_candidates(workspace, device="cpu").raise_if_unfinished()
    before = pictures(workspace, "m")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    other = workspace_of(tmp_path / "other", m=there)
    other.store.write("recipe.lock", workspace.store.read("recipe.lock"))
    other = Workspace.open(other.store.root)
    made = validate(other)
    assert made.problems == []
    assert any("the Hub cannot be reached" in note for note in made.notes)
    generate_candidates(other, device="cpu").raise_if_unfinished()
    assert all(map(np.array_equal, before, pictures(other, "m")))

    unknown = workspace_of(tmp_path / "third", m={**there, "checkpoint": "maker/never"})
    made = validate(unknown)
    assert made.problems == []
    assert any(note.startswith("maker/never: the Hub cannot be") for note in made.notes)


def test_problems_of_repositories(
    hub: HubServer, saved: Folder, tmp_path: Path, online: Callable[..., Path]
) -> None:
    online(hub, None, tmp_path / "home")
    upload(hub, "maker/base", saved("sd"))
    several = tmp_path / "several"
    for name in ("one", "two"):
        lora = save_lora(saved("sd"), tmp_path / name, seed=1)
        (several).mkdir(exist_ok=True)
        (lora / "pytorch_lora_weights.safetensors").rename(several / f"{name}.safetensors")
    upload(hub, "maker/several", several)
    base = {"checkpoint": "maker/base", "steps": 2}

    def told(number: int, **settings: Any) -> list[str]:
        workspace = workspace_of(tmp_path / f"set-{number}", m={**base, **settings})
        return [f"{message} ({hint})" for message, hint in validate(workspace).problems]

    (message,) = told(1, variant="fp16")
    assert "models.m.variant: maker/base has no files of variant=fp16" in message
    (message,) = told(2, adapters=[{"checkpoint": "maker/several"}])
    assert "models.m.adapters[0]: maker/several holds several safetensors files" in message
    assert "one.safetensors, two.safetensors" in message
    assert told(3, adapters=[{"checkpoint": "maker/several", "file": "two.safetensors"}]) == []
    (message,) = told(4, adapters=[{"checkpoint": "maker/none"}])
    assert "models.m.adapters[0]: there is no model 'maker/none' on the Hub" in message
    (message,) = told(5, components={"unet": {"checkpoint": "maker/several"}})
    assert "models.m.components.unet: maker/several has no config.json" in message
    index = json.loads((saved("sd") / "model_index.json").read_text())
    hub.commit(
        "maker/base", {"model_index.json": json.dumps({**index, "_class_name": "No"}).encode()}
    )
    (message,) = told(6)
    assert "models.m.checkpoint: maker/base is a No (key _class_name" in message
    assert "diffusers has no such pipeline" in message
