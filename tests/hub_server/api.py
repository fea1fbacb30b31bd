"""The calls about repositories: accounts, repositories, trees, history and refs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from tests.hub_server.cards import check_card, metadata
from tests.hub_server.messages import Answer, Refusal, Request, json_answer
from tests.hub_server.repository import MAIN, Commit, Repository, iso
from tests.hub_server.state import REPOSITORY, Routes, State

__all__ = ["ROUTES"]

ROUTES = Routes("hub")


@ROUTES.add("GET", "/api/whoami-v2")
def whoami(state: State, request: Request) -> Answer:
    return json_answer(state.accounts.whoami(state.account(request)))


@ROUTES.add("POST", "/api/validate-yaml")
def validate_yaml(state: State, request: Request) -> Answer:
    errors, warnings = check_card(request.json().get("content", ""))
    said = {
        "errors": [{"message": error} for error in errors],
        "warnings": [{"message": warning} for warning in warnings],
    }
    return json_answer(said, 400 if errors else 200)


@ROUTES.add("POST", "/api/repos/create")
def create(state: State, request: Request) -> Answer:
    asked = request.json()
    account = state.account(request)
    namespace = asked.get("organization") or (account.user if account else "")
    kind = asked.get("type")
    if kind not in ("dataset", "model"):
        raise Refusal(400, "This server makes datasets and models only")
    state.accounts.require_namespace(account, namespace)
    repo_id = f"{namespace}/{asked['name']}"
    url = f"{state.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
    if repo_id in state.repositories:
        raise Refusal(409, f"You already created this {kind} repo", more={"url": url})
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    repository = state.repositories[repo_id] = Repository(repo_id, private, kind=kind)
    return json_answer({"url": url, "name": repo_id, "id": repository.uid})


@ROUTES.add("DELETE", "/api/repos/delete")
def delete(state: State, request: Request) -> Answer:
    asked = request.json()
    account = state.account(request)
    namespace = asked.get("organization") or (account.user if account else "")
    repo_id = f"{namespace}/{asked['name']}"
    repository = state.accounts.require_write(account, state.repositories.get(repo_id))
    state.blobs.forget(repository.uid)
    del state.repositories[repo_id]
    return Answer(200, b"OK", {"Content-Type": "text/plain"})


@ROUTES.add("PUT", f"{REPOSITORY}/settings")
def settings(state: State, request: Request, namespace: str, name: str) -> Answer:
    repository = state.writable(request, namespace, name)
    asked = request.json()
    if "visibility" in asked or "private" in asked:
        repository.private = asked.get("visibility") == "private" or bool(asked.get("private"))
    repository.gated = asked.get("gated", repository.gated)
    return json_answer({"private": repository.private, "gated": repository.gated})


@ROUTES.add("GET", f"{REPOSITORY}/auth-check(?P<write>/write)?")
def auth_check(state: State, request: Request, namespace: str, name: str, write: str) -> Answer:
    (state.writable if write else state.readable)(request, namespace, name)
    return json_answer({})


@ROUTES.add("GET", f"{REPOSITORY}(?:/revision/(?P<rev>[^/]+))?")
def info(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    repository = state.readable(request, namespace, name)
    commit = repository.find(rev or MAIN)
    said = _info(repository, commit, request.flag("blobs"))
    if expand := request.query.get("expand"):
        said = {key: value for key, value in said.items() if key in {"_id", "id", *expand}}
    return json_answer(said)


def _info(repository: Repository, commit: Commit, blobs: bool) -> dict[str, Any]:
    card = commit.files.get("README.md")
    try:
        data = metadata((card.content or b"").decode()) if card else None
    except ValueError:
        data = None
    return {
        "_id": repository.uid,
        "id": repository.id,
        "author": repository.namespace,
        "sha": commit.oid,
        "lastModified": iso(repository.find(MAIN).date),
        "createdAt": iso(repository.created),
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": data if isinstance(data, dict) else None,
        "siblings": [file.sibling(path, blobs) for path, file in sorted(commit.files.items())],
    }


@ROUTES.add("GET", f"{REPOSITORY}/tree/(?P<rev>[^/]+)(?:/(?P<path>.*))?")
def tree(state: State, request: Request, namespace: str, name: str, rev: str, path: str) -> Answer:
    repository = state.readable(request, namespace, name)
    commit = repository.find(rev)
    if path not in commit.folders:
        raise Refusal(
            404,
            f'{path} does not exist on "{rev}"',
            "EntryNotFound",
            headers={"X-Repo-Commit": commit.oid},
        )
    head = f"{path}/" if path else ""
    inside = [
        name
        for name in sorted({*commit.files, *commit.folders} - {""})
        if name.startswith(head) and (request.flag("recursive") or "/" not in name[len(head) :])
    ]
    expand = request.flag("expand")
    return _page(
        state,
        request,
        inside,
        lambda path: _row(repository, commit, path, expand),
        50 if expand else state.page,
    )


@ROUTES.add("POST", f"{REPOSITORY}/paths-info/(?P<rev>[^/]+)")
def paths_info(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    repository = state.readable(request, namespace, name)
    commit = repository.find(rev)
    asked = request.form()
    paths = asked.get("paths", [])
    if len(paths) > 1000:
        raise Refusal(413, "Too many paths: 1000 at most")
    expand = asked.get("expand", [""])[0].lower() == "true"
    there = [path for path in paths if commit.row(path)]
    return json_answer([_row(repository, commit, path, expand) for path in there])


def _row(repository: Repository, commit: Commit, path: str, expand: bool) -> dict[str, Any]:
    row = commit.row(path) or {}
    if expand:
        last = repository.last_change(commit, path)
        row["lastCommit"] = {"id": last.oid, "title": last.title, "date": iso(last.date)}
    return row


@ROUTES.add("GET", f"{REPOSITORY}/commits/(?P<rev>[^/]+)")
def commits(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    def row(commit: Commit) -> dict[str, Any]:
        return {
            "id": commit.oid,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author}],
            "date": iso(commit.date),
        }

    log = state.readable(request, namespace, name).log(rev)
    return _page(state, request, log, row, min(state.page, 50))


def _page(
    state: State, request: Request, items: Sequence[Any], row: Callable[[Any], Any], most: int
) -> Answer:
    """The rows from ``cursor`` on, with a link to the next page if there is one."""
    start = int(request.argument("cursor") or 0)
    size = min(int(request.argument("limit") or most), most)
    headers = {}
    if start + size < len(items):
        query = [(key, text) for key, texts in request.query.items() for text in texts]
        kept = [f"{quote(key)}={quote(text)}" for key, text in query if key != "cursor"]
        following = "&".join([*kept, f"cursor={start + size}"])
        headers["Link"] = f'<{state.endpoint}{request.path}?{following}>; rel="next"'
    return json_answer([row(item) for item in items[start : start + size]], headers=headers)


@ROUTES.add("GET", f"{REPOSITORY}/refs")
def refs(state: State, request: Request, namespace: str, name: str) -> Answer:
    repository = state.readable(request, namespace, name)

    def rows(kind: str, named: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}
            for name, oid in named.items()
        ]

    said = {
        "branches": rows("heads", repository.branches),
        "converts": [],
        "tags": rows("tags", {**repository.tags, **repository.tag_objects}),
    }
    if request.flag("include_prs"):
        said["pullRequests"] = []
    return json_answer(said)


@ROUTES.add("POST", f"{REPOSITORY}/tag/(?P<rev>[^/]+)")
def create_tag(state: State, request: Request, namespace: str, name: str, rev: str) -> Answer:
    repository = state.writable(request, namespace, name)
    oid = repository.find(rev).oid
    tag = request.json().get("tag", "")
    if not tag:
        raise Refusal(400, "Invalid tag name")
    if tag in repository.tags:
        raise Refusal(409, "Tag reference exists already")
    repository.tags[tag] = oid
    if message := request.json().get("message"):
        text = f"object {oid}\ntype commit\ntag {tag}\n\n{message}\n"
        repository.tag_objects[tag] = hashlib.sha1(text.encode()).hexdigest()
    return json_answer({})


@ROUTES.add("DELETE", f"{REPOSITORY}/tag/(?P<tag>[^/]+)")
def delete_tag(state: State, request: Request, namespace: str, name: str, tag: str) -> Answer:
    repository = state.writable(request, namespace, name)
    repository.tag_objects.pop(tag, None)
    if repository.tags.pop(tag, None) is None:
        raise Refusal(404, f"Invalid rev id: {tag}", "RevisionNotFound")
    return json_answer({})


@ROUTES.add("POST", f"{REPOSITORY}/branch/(?P<branch>[^/]+)")
def create_branch(state: State, request: Request, namespace: str, name: str, branch: str) -> Answer:
    repository = state.writable(request, namespace, name)
    if branch.startswith("refs/"):
        raise Refusal(400, f"Invalid branch name: {branch}")
    if branch in repository.branches:
        raise Refusal(409, "Reference already exists")
    repository.branches[branch] = repository.find(request.json().get("startingPoint", MAIN)).oid
    return json_answer({})


@ROUTES.add("DELETE", f"{REPOSITORY}/branch/(?P<branch>[^/]+)")
def delete_branch(state: State, request: Request, namespace: str, name: str, branch: str) -> Answer:
    repository = state.writable(request, namespace, name)
    if branch == MAIN:
        raise Refusal(403, "The default branch cannot be deleted")
    if repository.branches.pop(branch, None) is None:
        raise Refusal(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    return json_answer({})
