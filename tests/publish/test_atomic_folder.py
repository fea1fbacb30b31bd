from __future__ import annotations

import json
import multiprocessing
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from synpic.errors import NewerSchema, PublishError, ReleaseError
from synpic.publish import atomic_folder, publish_to
from synpic.publish.atomic_folder import new_folder, require_free
from synpic.publish.export import export
from tests.publish.fixtures import build
from tests.release.conftest import files_of
from tests.release.manifests import least


def write_release(folder: Path, mark: str) -> None:
    (folder / "a").write_text(mark)
    manifest = least(files={"a": {"sha256": "0" * 64, "bytes": 3}})
    (folder / "manifest.json").write_text(json.dumps(manifest))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_place(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "release"
    with new_folder(target) as folder:
        assert folder.parent == target.parent
        assert folder.name.startswith(".release.partial-")
        write_release(folder, "new")
        assert not target.exists()
    assert (target / "a").read_text() == "new"
    assert names(target.parent) == ["release"]


def test_an_older_release_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        write_release(folder, "old")
    with new_folder(target) as folder:
        assert (target / "a").read_text() == "old"
        write_release(folder, "new")
    assert (target / "a").read_text() == "new"
    assert names(tmp_path) == ["release"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "release"
    link.symlink_to("disk/release")  # which is not there yet
    for mark in ("first", "second"):
        with new_folder(link) as folder:
            assert folder.parent == tmp_path / "disk"
            write_release(folder, mark)
        assert (tmp_path / "disk" / "release" / "a").read_text() == mark
    assert link.is_symlink()
    assert names(tmp_path / "disk") == ["release"]
    assert names(tmp_path) == ["disk", "release"]


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    target = tmp_path / "release"
    target.mkdir()
    with new_folder(target) as folder:
        write_release(folder, "new")
    assert (target / "a").read_text() == "new"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"thesis.tex": "text"}, "is not a release"),
        ({"manifest.json": "{}"}, "is not a release"),
        ({"manifest.json": "not json"}, "is not a release"),
        ({"manifest.json": "[1]"}, "is not a release"),
        ({"inner/.hidden": ""}, "is not a release"),
    ],
)
def test_what_is_no_release_is_left_alone(
    tmp_path: Path, content: dict[str, str], message: str
) -> None:
    target = tmp_path / "mine"
    for name, text in content.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    with pytest.raises(PublishError, match=message), new_folder(target):
        pytest.fail("the place was given away")
    assert {name: (target / name).read_text() for name in content} == content
    assert names(tmp_path) == ["mine"]


def test_a_release_with_a_damaged_manifest_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "manifest.json").write_text('{"synpic": "1", "files": 3}')
    with pytest.raises(ReleaseError, match=r"mine/manifest\.json: files: .*found 3"):
        require_free(target)
    assert names(target) == ["manifest.json"]


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("text")
    with pytest.raises(PublishError, match="not a folder"):
        require_free(target)


def test_what_a_user_put_into_a_release_is_not_lost(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        write_release(folder, "old")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(PublishError, match=r"no part of its release: notes\.txt"):
        require_free(target)


def test_a_release_and_an_export_do_not_replace_each_other(tmp_path: Path) -> None:
    workspace, out, pairs = build(tmp_path / "set"), tmp_path / "out", tmp_path / "pairs"
    publish_to(workspace, out)
    export(workspace, "pickapic", pairs)
    before = [files_of(folder) for folder in (out, pairs)]
    with pytest.raises(PublishError, match="out is a release, which an export does not replace"):
        export(workspace, "pickapic", out)
    with pytest.raises(PublishError, match="out is a release, which an export does not replace"):
        export(out, "pickapic", out)
    with pytest.raises(PublishError, match="pairs is an export, which a release does not replace"):
        publish_to(workspace, pairs)
    assert [files_of(folder) for folder in (out, pairs)] == before
    publish_to(workspace, out)
    export(workspace, "pairwise", pairs)
    assert names(tmp_path) == ["out", "pairs", "set"]


def test_a_release_that_came_meanwhile_is_not_replaced_by_an_export(tmp_path: Path) -> None:
    target = tmp_path / "pairs"

    def fill() -> None:
        with new_folder(target, "export") as folder:
            write_release(folder, "new")
            target.mkdir()
            write_release(target, "release")

    with pytest.raises(PublishError, match="which an export does not replace"):
        fill()
    assert (target / "a").read_text() == "release"


def test_a_later_release_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "release"
    target.mkdir()
    later = {"synpic": "9", "schema_version": 99, "files": {}}
    (target / "manifest.json").write_text(json.dumps(later))
    with pytest.raises(NewerSchema):
        require_free(target)


def test_a_place_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "release"

    def publish() -> None:
        with new_folder(target) as folder:
            write_release(folder, "new")
            target.mkdir()
            (target / "thesis.tex").write_text("text")

    with pytest.raises(PublishError, match="is not a release"):
        publish()
    assert names(tmp_path) == ["release"]
    assert names(target) == ["thesis.tex"]


def test_a_publish_that_fails_leaves_the_old_release(tmp_path: Path) -> None:
    workspace, target = build(tmp_path / "set"), tmp_path / "out"
    publish_to(workspace, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_to(workspace, target, configs=["scores"], on_progress=stop)
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == ["out", "set"]
    publish_to(workspace, target, configs=["scores"])
    assert names(target) == ["README.md", "manifest.json", "pictures", "scores"]


def _fill_and_die(target: Path) -> None:
    with new_folder(target) as folder:
        (folder / "a").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_kill_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "release"
    process = multiprocessing.get_context("fork").Process(target=_fill_and_die, args=(target,))
    process.start()
    process.join()
    left = [name for name in names(tmp_path) if name.startswith(".release.partial-")]
    assert len(left) == 2, "the folder, and the lock file beside it"
    with new_folder(target) as folder:
        write_release(folder, "new")
    assert names(tmp_path) == ["release"]


def test_a_kill_between_the_two_moves(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        write_release(folder, "old")
    target.rename(tmp_path / ".release.replaced-0123abcd")
    with new_folder(target) as folder:
        assert (target / "a").read_text() == "old"
        write_release(folder, "new")
    assert (target / "a").read_text() == "new"
    assert names(tmp_path) == ["release"]


def test_a_kill_between_the_two_moves_and_an_empty_folder_since(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        write_release(folder, "old")
    target.rename(tmp_path / ".release.replaced-0123abcd")
    target.mkdir()
    with pytest.raises(KeyboardInterrupt), new_folder(target):
        raise KeyboardInterrupt
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["release"]


def test_a_kill_between_the_two_moves_and_files_of_others_since(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as folder:
        write_release(folder, "old")
    older = target.rename(tmp_path / ".release.replaced-0123abcd")
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(PublishError, match="is not a release"), new_folder(target):
        pytest.fail("the place was given away")
    assert (older / "a").read_text() == "old"
    assert (target / "notes.txt").read_text() == "mine"


def test_a_name_that_another_process_holds_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_folder, "_LOOK", 0.1)
    ids = iter([uuid.UUID(int=0), uuid.UUID(int=1 << 120)])
    monkeypatch.setattr(atomic_folder.uuid, "uuid4", lambda: next(ids))
    held = tmp_path / ".release.partial-00000000.lock"
    with FileLock(held), new_folder(tmp_path / "release") as folder:
        assert folder.name == ".release.partial-01000000"
        write_release(folder, "new")


def test_two_at_once_do_not_take_each_other_for_left_over(tmp_path: Path) -> None:
    target = tmp_path / "release"
    with new_folder(target) as one:
        write_release(one, "one")
        with new_folder(target) as other:
            write_release(other, "other")
        assert (one / "a").read_text() == "one"
        assert (target / "a").read_text() == "other"
    assert (target / "a").read_text() == "one"
    assert names(tmp_path) == ["release"]


def test_a_lock_file_that_a_kill_left_alone_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "release"
    (tmp_path / ".release.partial-0123abcd.lock").touch()
    with new_folder(target) as folder:
        write_release(folder, "new")
    assert names(tmp_path) == ["release"]


def test_what_another_process_fills_is_not_taken_for_left_over(tmp_path: Path) -> None:
    target = tmp_path / "release"
    context = multiprocessing.get_context("fork")
    filled, go_on = context.Event(), context.Event()
    process = context.Process(target=_fill_slowly, args=(target, filled, go_on))
    process.start()
    assert filled.wait(30)
    with new_folder(target) as folder:
        write_release(folder, "mine")
    go_on.set()
    process.join()
    assert process.exitcode == 0
    assert (target / "a").read_text() == "theirs"
    assert names(tmp_path) == ["release"]


def _fill_slowly(target: Path, filled: Any, go_on: Any) -> None:
    with new_folder(target) as folder:
        write_release(folder, "theirs")
        filled.set()
        go_on.wait(30)
