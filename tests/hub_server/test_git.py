"""Names of objects against git itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hub_server.git import blob_oid, commit_oid, tree_oids

GIT = shutil.which("git")


@pytest.mark.skipif(GIT is None, reason="git is not installed")
def test_objects_have_the_names_that_git_gives_them(tmp_path: Path) -> None:
    def git(*words: str, text: str | None = None) -> str:
        identity = ["-c", "user.name=user", "-c", "user.email=user@users.noreply.huggingface.co"]
        return subprocess.run(
            [str(GIT), "-C", str(tmp_path), *identity, *words],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env={"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"},
        ).stdout.strip()

    # Names that sort differently as a file and as a folder.
    contents = {"a": b"1", "a.b/x": b"2", "a-b": b"3", "c/d/e.txt": b"4", "c.txt": b"5", "é": b""}
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    git("init", "--quiet")
    git("add", ".")
    tree = git("write-tree")
    trees = tree_oids({path: blob_oid(content) for path, content in contents.items()})
    assert trees[""] == tree
    assert trees["c/d"] == git("rev-parse", f"{tree}:c/d")
    assert commit_oid(tree, None, "user", 1_700_000_000, "one\n") == git(
        "commit-tree", tree, text="one\n"
    )
