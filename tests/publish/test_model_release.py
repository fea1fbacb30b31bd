"""A trained model on the Hub, by the unmodified clients, against a server of our own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file, save_file

from synpic import ids
from synpic.errors import PublishError
from synpic.hub.retry import Patience
from synpic.publish.hub.model_release import ModelRelease, forecast_model, publish_model
from synpic.release.cards.model_card import render_card
from tests.hub_server import Drop, HubServer, LostAnswer, Status
from tests.hub_server.fixtures import hub, online, waits
from tests.release.cards.facts import about

__all__ = ["hub", "online", "waits"]

MODEL = "user/model"
YOURS = "<!-- synpic:yours -->\n"


@pytest.fixture
def here(hub: HubServer, online: Any, waits: list[float], tmp_path: Path) -> HubServer:
    online(hub, "hf_write", tmp_path / "home")
    return hub


def trained(root: Path, value: float = 1.0, **more: Any) -> Path:
    """A folder as training leaves it, with adapters that hold ``value``."""
    folder = root / "run" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "pytorch_lora_weights.safetensors"
    save_file({"a": torch.full((4,), value)}, weights)
    described = {"bytes": weights.stat().st_size, "sha256": ids.file_hash(weights)}
    facts = about(files={weights.name: described}, **more)
    (folder / "training.json").write_text(json.dumps(facts), "utf-8")
    (folder / "README.md").write_text(render_card(facts), "utf-8")
    return folder


def flip(file: Path) -> None:
    """Change one bit of the last byte."""
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def copy_of_weights(folder: Path) -> None:
    shutil.copy(next(folder.glob("*.safetensors")), folder / "extra.safetensors")


def record(folder: Path, name: str) -> None:
    """Let ``training.json`` record one more file."""
    facts = json.loads((folder / "training.json").read_text())
    facts["files"][name] = {"bytes": 2, "sha256": "c" * 64}
    (folder / "training.json").write_text(json.dumps(facts))


def publish(folder: Path, repository: str = MODEL, **options: Any) -> ModelRelease:
    patience = Patience(sleep=lambda seconds: None)
    return publish_model(folder, repository, **{"patience": patience, **options})


def card(here: HubServer) -> str:
    return here.read(MODEL, "README.md").decode()


def test_one_commit_holds_the_model_and_stock_clients_read_it(
    here: HubServer, tmp_path: Path
) -> None:
    folder = trained(tmp_path)
    (folder / "optimizer.pt").write_bytes(b"pickle")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.json").write_text("{}")
    release = publish(folder)
    repository = here.repositories[MODEL]
    assert repository.kind == "model"
    assert not repository.private
    assert len(repository.log()) == 2  # the Hub's own first commit, and this one
    assert release.commit == repository.find().oid
    assert release.page == f"{here.endpoint}/{MODEL}/tree/{release.commit}"
    assert release.left_out == [".cache/x.json", "optimizer.pt"]
    there = Path(snapshot_download(MODEL, revision=release.commit))
    names = {path.name for path in there.iterdir()} - {".gitattributes"}
    assert names == {"README.md", "training.json", "pytorch_lora_weights.safetensors"}
    assert names == set(release.files)
    weights = "pytorch_lora_weights.safetensors"
    assert torch.equal(load_file(there / weights)["a"], load_file(folder / weights)["a"])
    assert release.sent == sum((there / name).stat().st_size for name in names)
    assert f"load_lora_weights('{MODEL}')" in card(here)
    assert f"load_lora_weights('{MODEL}')" in release.load


def test_the_same_again_sends_nothing(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    first = publish(folder)
    again = publish(folder)
    assert (again.commit, again.sent) == (first.commit, 0)
    assert len(here.repositories[MODEL].log()) == 2
    tagged = publish(folder, version="1.0.0")
    assert (tagged.commit, tagged.tag) == (first.commit, "v1.0.0")
    assert here.repositories[MODEL].tags == {"v1.0.0": first.commit}
    assert tagged.page.endswith(f"/{MODEL}/tree/v1.0.0")


def test_a_tag_is_never_moved(here: HubServer, tmp_path: Path) -> None:
    first = publish(trained(tmp_path), version="1.0.0")
    other = trained(tmp_path, value=2.0)
    with pytest.raises(PublishError, match=r"v1\.0\.0 is taken"):
        publish(other, version="1.0.0")
    assert here.repositories[MODEL].find().oid == first.commit
    second = publish(other, version="v1.1.0")
    assert here.repositories[MODEL].tags == {"v1.0.0": first.commit, "v1.1.0": second.commit}


def test_a_tagged_model_is_there_whatever_came_to_the_repository_since(
    here: HubServer, tmp_path: Path
) -> None:
    folder = trained(tmp_path)
    first = publish(folder, version="1.0.0")
    here.commit(MODEL, {"cat.png": b"\0picture", "LICENSE": b"mit"})
    arrived = dict(here.sent)
    again = publish(folder, version="1.0.0")
    assert (again.commit, again.tag, again.sent) == (first.commit, "v1.0.0", 0)
    assert here.sent == arrived
    assert here.repositories[MODEL].tags == {"v1.0.0": first.commit}
    here.commit(MODEL, {"README.md": card(here).replace(YOURS, f"{YOURS}Mine. ").encode()})
    assert publish(folder, version="1.0.0").commit == first.commit


def test_a_lower_version_is_asked_for_by_name(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path), version="2.0.0")
    other = trained(tmp_path, value=2.0)
    with pytest.raises(PublishError, match=r"1\.9\.0 is lower than the last version, 2\.0\.0"):
        publish(other, version="1.9.0")
    assert publish(other, version="1.9.0", allow_older=True).tag == "v1.9.0"


def test_bytes_that_the_hub_has_are_not_new(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path))
    publish(trained(tmp_path, value=2.0))
    planned = forecast_model(trained(tmp_path), MODEL)
    back = publish(trained(tmp_path))
    facts = planned.files["training.json"]
    assert planned.sent == back.sent == facts, "the weights are there, in an older commit"


def test_a_gitignore_that_names_weights(here: HubServer, tmp_path: Path) -> None:
    here.create(MODEL, kind="model")
    here.commit(MODEL, {".gitignore": b"*.safetensors\n"})
    for act in (publish, forecast_model):
        with pytest.raises(PublishError, match=r"ignores pytorch_lora_weights"):
            act(trained(tmp_path), MODEL)
    assert not here.sent


def test_a_byte_order_mark_before_the_head(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path))
    edited = card(here).replace("license: unknown", "license: mit")
    here.commit(MODEL, {"README.md": b"\xef\xbb\xbf" + edited.encode()})
    publish(trained(tmp_path, value=2.0))
    assert card(here).startswith("---\n")
    assert "license: mit\n" in card(here)


def test_what_its_owner_wrote_on_the_hub_stays(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path))
    invitation = card(here).partition(YOURS)[2].partition("\n")[0]
    edited = card(here).replace(invitation, "Mine: **bold**.")
    edited = edited.replace("license: unknown", "license: mit")
    here.commit(MODEL, {"README.md": edited.encode(), "cat.png": b"\0picture"})
    publish(trained(tmp_path, value=2.0, steps=500))
    assert "Mine: **bold**." in card(here)
    assert invitation not in card(here)
    assert "license: mit\n" in card(here)
    assert "| steps | 500 |" in card(here)
    assert here.read(MODEL, "cat.png") == b"\0picture"


def test_a_card_that_was_edited_here_is_sent_as_it_is(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    text = (folder / "README.md").read_text() + "\nMy last words.\n"
    (folder / "README.md").write_text(text)
    publish(folder)
    assert card(here) == text


def test_somebodys_own_card_is_not_written_over(here: HubServer, tmp_path: Path) -> None:
    here.create(MODEL, kind="model")
    here.commit(MODEL, {"README.md": b"---\nlicense: mit\n---\n"})  # as the Hub's form leaves it
    publish(trained(tmp_path))
    assert "license: mit\n" in card(here)
    here.commit(MODEL, {"README.md": b"# My own\n"})
    with pytest.raises(PublishError, match=r"was not written by synpic") as raised:
        publish(trained(tmp_path, value=2.0))
    assert "synpic:yours" in (raised.value.hint or "")
    assert card(here) == "# My own\n"


@pytest.mark.parametrize("path", ["unet/other.safetensors", "model_index.json"])
def test_two_models_do_not_share_a_repository(here: HubServer, tmp_path: Path, path: str) -> None:
    here.create(MODEL, kind="model")
    here.commit(MODEL, {path: b"{}"})
    with pytest.raises(PublishError, match=path):
        publish(trained(tmp_path))
    assert here.repositories[MODEL].find().title == "from elsewhere"


def test_private_is_for_a_new_one(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path), private=True)
    assert here.repositories[MODEL].private


def test_a_forecast_sends_nothing(here: HubServer, tmp_path: Path) -> None:
    planned = forecast_model(trained(tmp_path), MODEL)
    assert not planned.exists
    assert set(planned.changes.values()) == {"new"}
    assert not here.repositories
    publish(trained(tmp_path))
    planned = forecast_model(trained(tmp_path, value=2.0), MODEL)
    assert planned.changes == {
        "README.md": "there",
        "pytorch_lora_weights.safetensors": "changed",
        "training.json": "changed",
    }
    assert planned.sent == sum(planned.files.values()) - planned.files["README.md"]


@pytest.mark.parametrize("fault", [Status(503), Drop(), LostAnswer()])
def test_a_commit_is_made_once_whatever_is_answered(
    here: HubServer, tmp_path: Path, fault: Any
) -> None:
    here.faults.plan(fault, method="POST", path="/commit/")
    release = publish(trained(tmp_path), version="1.0.0")
    assert len(here.repositories[MODEL].log()) == 2
    assert here.repositories[MODEL].tags == {"v1.0.0": release.commit}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "training.json").unlink(), "no model that synpic trained"),
        (lambda folder: (folder / "training.json").write_text("{}"), "json: recipe: is missing"),
        (lambda folder: (folder / "training.json").write_text("{"), "json: not JSON"),
        (lambda folder: (folder / "README.md").unlink(), "has no README.md"),
        (lambda folder: (folder / "README.md").write_bytes(b"\xff#"), "is not UTF-8"),
        (lambda folder: next(folder.glob("*.safetensors")).unlink(), "holds no weights"),
        (
            lambda folder: flip(next(folder.glob("*.safetensors"))),
            "weights.safetensors is not what",
        ),
        (lambda folder: copy_of_weights(folder), r"extra\.safetensors: training did not write it"),
        (lambda folder: record(folder, "unet/config.json"), r"unet/config\.json is missing"),
    ],
)
def test_what_is_no_model_is_told(
    here: HubServer, tmp_path: Path, spoil: Any, message: str
) -> None:
    folder = trained(tmp_path)
    spoil(folder)
    with pytest.raises(PublishError, match=message) as raised:
        publish(folder)
    assert raised.value.hint
    assert not here.requests


def test_the_folder_of_a_run_is_told_from_its_model(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    with pytest.raises(PublishError) as raised:
        publish(folder.parent)
    assert str(folder) in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("token", "repository", "message"),
    [
        ("hf_read", MODEL, "may only read"),
        (None, MODEL, "no token"),
        ("hf_write", "stranger/model", "may not make models of 'stranger'"),
        ("hf_write", "model", "is no name of a model"),
    ],
)
def test_who_may_not_is_told(
    here: HubServer,
    online: Any,
    tmp_path: Path,
    token: str | None,
    repository: str,
    message: str,
) -> None:
    online(here, token, tmp_path / "other")
    with pytest.raises(PublishError, match=message):
        publish(trained(tmp_path), repository)
    assert not here.repositories
