"""The calls that read files: resolve, and the storage that it points to."""

from __future__ import annotations

from urllib.parse import quote

from tests.hub_server.messages import Answer, FileRange, Refusal, Request, content_answer
from tests.hub_server.repository import Commit, File
from tests.hub_server.state import Routes, State

__all__ = ["add_routes"]

_PLACE = r"(?P<namespace>[^/]+)/(?P<name>[^/]+)"
_REPOSITORY = rf"(?:datasets/)?{_PLACE}"


def add_routes(hub: Routes, storage: Routes) -> None:
    """Register these calls."""
    hub.add("GET", rf"/{_REPOSITORY}/resolve/(?P<rev>[^/]+)/(?P<path>.+)")(resolve)
    hub.add("GET", rf"/api/resolve-cache/(?:datasets|models)/{_PLACE}/(?P<rev>[^/]+)/(?P<path>.+)")(
        cached
    )
    storage.add("GET", r"/(?P<uid>\w+)/(?P<sha256>\w+)", locked=False)(stored)


def resolve(
    state: State, request: Request, namespace: str, name: str, rev: str, path: str
) -> Answer:
    """Where the file is: on this host for a regular one, in the storage for a large one."""
    repository = state.readable(request, namespace, name)
    commit = repository.find(rev)
    file = _file(commit, path)
    headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
    if file.lfs is None:
        place = f"/api/resolve-cache/{repository.kind}s/{repository.id}/{commit.oid}/{quote(path)}"
        return Answer(307, headers={**headers, "ETag": f'"{file.oid}"', "Location": place})
    place = state.signed(state.storage_endpoint, "GET", f"/{repository.uid}/{file.lfs}")
    return Answer(
        302,
        headers={
            **headers,
            "X-Linked-Size": str(file.size),
            "X-Linked-ETag": f'"{file.lfs}"',
            "Location": place,
        },
    )


def cached(
    state: State, request: Request, namespace: str, name: str, rev: str, path: str
) -> Answer:
    commit = state.readable(request, namespace, name).find(rev)
    file = _file(commit, path)
    return content_answer(
        file.content or b"",
        request,
        {
            "X-Repo-Commit": commit.oid,
            "ETag": f'"{file.oid}"',
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": f'inline; filename="{quote(path.rpartition("/")[2])}"',
        },
    )


def stored(state: State, request: Request, uid: str, sha256: str) -> Answer:
    state.require_signature(request)
    content: FileRange | None = state.blobs.get(uid, sha256)
    if content is None:
        raise Refusal(404, "NoSuchKey")
    return content_answer(content, request, {"ETag": f'"{sha256}"'})


def _file(commit: Commit, path: str) -> File:
    file = commit.files.get(path)
    if file is None:
        raise Refusal(
            404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": commit.oid}
        )
    return file
