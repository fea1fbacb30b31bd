"""A folder's metadata reads no image that is not in the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from synpic import generate_candidates
from synpic.errors import IngestError
from synpic.pipeline.ingesting import ingest_workspace
from synpic.workspace import Workspace
from tests.readers.image_files import encoded


def begin(tmp_path: Path, name: str) -> Workspace:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in (tmp_path / "secret.png", folder / "a.png"):
        path.write_bytes(encoded(Image.new("RGB", (8, 8))))
    if name == "link.png":
        (folder / "link.png").symlink_to(tmp_path / "secret.png")
    rows = ({"file_name": name, "text": "secret"}, {"file_name": "a.png", "text": "a"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return ingest_workspace(tmp_path / "set", ["tests.fakes:redness"], images=str(folder))


@pytest.mark.parametrize("name", ["../secret.png", "{}/secret.png", "link.png"])
def test_what_lies_elsewhere_is_a_failure(tmp_path: Path, name: str) -> None:
    (outcome,) = generate_candidates(begin(tmp_path, name.format(tmp_path)), device="cpu").outcomes
    assert (outcome.made, outcome.failed) == (1, 1)


def test_a_nul_in_a_name(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"metadata\.jsonl:1: file_name has a NUL"):
        generate_candidates(begin(tmp_path, "a.png\0"), device="cpu")
