"""The calls that change a repository: preupload, LFS, and the commit itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.hub_server.cards import check_card
from tests.hub_server.messages import Answer, Refusal, Request, json_answer
from tests.hub_server.repository import Commit, File, Repository
from tests.hub_server.state import MOST_REGULAR, REPOSITORY, Routes, State, is_ignored, is_large

__all__ = ["add_routes"]

LFS = r"(?:/datasets)?/(?P<namespace>[^/]+)/(?P<name>[^/]+)\.git/info/lfs/objects"


def add_routes(hub: Routes, storage: Routes) -> None:
    """Register these calls."""
    hub.add("POST", f"{REPOSITORY}/preupload/(?P<rev>[^/]+)")(preupload)
    hub.add("POST", f"{REPOSITORY}/commit/(?P<rev>[^/]+)")(commit)
    hub.add("POST", f"{LFS}/batch")(batch)
    hub.add("POST", f"{LFS}/verify")(verify)
    hub.add("POST", r"/api/complete_multipart/(?P<uid>\w+)/(?P<sha256>\w+)", locked=False)(complete)
    storage.add("PUT", r"/(?P<uid>\w+)/(?P<sha256>\w+)", locked=False)(put)
    storage.add("PUT", r"/(?P<uid>\w+)/(?P<sha256>\w+)/(?P<part>\d+)", locked=False)(put_part)


def preupload(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    """Which files go through LFS, and what is there under their paths already."""
    repository = state.writable(request, namespace, name)
    head = repository.find(rev)
    body = request.json()
    asked = body.get("files", [])
    there = head.files.get(".gitignore", File.regular(b"")).content or b""
    rules = body.get("gitIgnore") or there.decode()
    said = []
    for file in asked:
        path, sample = file["path"], base64.b64decode(file["sample"])
        mode = "lfs" if is_large(path, file["size"], sample, head.files) else "regular"
        row = {"path": path, "uploadMode": mode, "shouldIgnore": is_ignored(path, rules)}
        if stored := head.files.get(path):
            row["oid"] = stored.lfs or stored.oid
        said.append(row)
    return json_answer({"files": said, "commitOid": head.oid})


def batch(state: State, request: Request, namespace: str, name: str) -> Answer:
    """Where to send which file; nothing for one that is there."""
    repository = state.writable(request, namespace, name)
    asked = request.json()
    if asked.get("operation") != "upload" or asked.get("hash_algo") != "sha256":
        raise Refusal(400, "Only uploads with sha256")
    objects = [
        _instructions(state, repository, file["oid"], file["size"]) for file in asked["objects"]
    ]
    parted = any("header" in file.get("actions", {}).get("upload", {}) for file in objects)
    return json_answer(
        {"transfer": "multipart" if parted else "basic", "objects": objects},
        headers={"Content-Type": "application/vnd.git-lfs+json"},
    )


def _instructions(state: State, repository: Repository, sha256: str, size: int) -> dict[str, Any]:
    said: dict[str, Any] = {"oid": sha256, "size": size}
    if state.blobs.get(repository.uid, sha256):
        return said
    place = f"/{repository.uid}/{sha256}"
    verify = f"{state.endpoint}/{repository.prefix}{repository.id}.git/info/lfs/objects/verify"
    upload: dict[str, Any] = {"href": state.signed(state.storage_endpoint, "PUT", place)}
    if state.multipart and size > state.multipart:
        parts = range(1, -(-size // state.multipart) + 1)
        upload = {
            "href": state.signed(state.endpoint, "POST", f"/api/complete_multipart{place}"),
            "header": {
                "chunk_size": str(state.multipart),
                **{
                    f"{part:05d}": state.signed(state.storage_endpoint, "PUT", f"{place}/{part}")
                    for part in parts
                },
            },
        }
    said["actions"] = {"upload": upload, "verify": {"href": verify}}
    return said


def put(state: State, request: Request, uid: str, sha256: str) -> Answer:
    state.require_signature(request)
    state.blobs.receive(uid, sha256, request.body)
    return Answer(200, headers={"ETag": f'"{sha256}"'})


def put_part(state: State, request: Request, uid: str, sha256: str, part: str) -> Answer:
    state.require_signature(request)
    etag = state.blobs.receive_part(uid, sha256, int(part), request.body)
    return Answer(200, headers={"ETag": f'"{etag}"'})


def complete(state: State, request: Request, uid: str, sha256: str) -> Answer:
    state.require_signature(request)
    asked = request.json()
    parts = [(part["partNumber"], part["etag"].strip('"')) for part in asked["parts"]]
    # A client that did not get the answer asks again.
    if not state.blobs.get(uid, sha256):
        state.blobs.join(uid, sha256, parts)
    return json_answer({"success": True})


def verify(state: State, request: Request, namespace: str, name: str) -> Answer:
    repository = state.writable(request, namespace, name)
    asked = request.json()
    there = state.blobs.get(repository.uid, asked["oid"])
    if there is None:
        raise Refusal(404, f"There is no object {asked['oid']}")
    if there.length != asked["size"]:
        raise Refusal(400, f"Object {asked['oid']} has {there.length} bytes, not {asked['size']}")
    return json_answer({"success": True})


def commit(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    """All operations as one commit, or none of them."""
    repository = state.writable(request, namespace, name)
    if request.flag("create_pr"):
        raise Refusal(400, "This server has no pull requests")
    if repository.busy:
        raise Refusal(
            409,
            "Another commit operation is in progress for this repository. Please try again later.",
        )
    branch = rev.removeprefix("refs/heads/")
    if branch not in repository.branches:
        raise Refusal(404, f"Invalid rev id: {rev}", "RevisionNotFound")
    head = repository.find(branch)
    header, operations = _operations(request)
    expected = header.get("parentCommit")
    if expected and not head.oid.startswith(expected):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = dict(head.files)
    for key, value in operations:
        _apply(state, repository, files, key, value)
    _check_card(head, files)
    account = state.account(request)
    page = f"{state.endpoint}/{repository.prefix}{quote(repository.id)}"
    made = repository.add(
        branch,
        files,
        header.get("summary", ""),
        header.get("description", ""),
        author=account.user if account else "",
    )
    return json_answer(
        {
            "success": True,
            "commitOid": made.oid,
            "commitUrl": f"{page}/commit/{made.oid}",
            "hookOutput": "",
        }
    )


def _operations(request: Request) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    try:
        lines = [json.loads(line) for line in request.content.splitlines() if line.strip()]
        pairs = [(line["key"], line["value"]) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, f"Invalid ndjson: {error}") from error
    if not pairs or pairs[0][0] != "header" or not pairs[0][1].get("summary"):
        raise Refusal(400, "The first line must be a header with a summary")
    return pairs[0][1], pairs[1:]


def _apply(
    state: State, repository: Repository, files: dict[str, File], key: str, value: Mapping[str, Any]
) -> None:
    """One operation, in place."""
    path = value["path"]
    if key == "file":
        content = base64.b64decode(value["content"])
        if len(content) > MOST_REGULAR:
            raise Refusal(400, f"{path} is larger than 10 MiB, and must go through LFS")
        files[path] = File.regular(content)
    elif key == "lfsFile":
        there = state.blobs.get(repository.uid, value["oid"])
        if there is None:
            raise Refusal(
                400,
                "Your push was rejected because an LFS pointer pointed to a file that does not "
                f"exist. Offending file: {path}",
            )
        files[path] = File.large(value["oid"], there.length)
    elif key in ("deletedFile", "deletedFolder"):
        head = path.rstrip("/") + "/"
        gone = [name for name in files if name.startswith(head)]
        if key == "deletedFile":
            gone = [path] if path in files else []
        if not gone:
            raise Refusal(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        for name in gone:
            del files[name]
    else:
        raise Refusal(400, f"Unknown operation: {key}")


def _check_card(head: Commit, files: Mapping[str, File]) -> None:
    card = files.get("README.md")
    if card is None or card == head.files.get("README.md") or card.content is None:
        return
    errors, _ = check_card(card.content.decode())
    if errors:
        raise Refusal(400, "Your push was rejected because of invalid metadata: " + errors[0])
