"""What the Hub knows: repositories, accounts, blobs; and the table of the calls it answers."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import unquote

from tests.hub_server.access import Account, Accounts
from tests.hub_server.blobs import Blobs
from tests.hub_server.messages import Answer, Host, Refusal, Request
from tests.hub_server.repository import File, Repository

__all__ = ["REPOSITORY", "Routes", "State", "is_ignored", "is_large"]

# The head of every path that is about one repository.
REPOSITORY = r"/api/(?:datasets|models)/(?P<namespace>[^/]+)/(?P<name>[^/]+)"

_OF_DATASETS = re.compile(r"/(api/|api/resolve-cache/)?datasets/")

# The Hub takes no larger file into git itself.
MOST_REGULAR = 10 * 2**20


@dataclass
class State:
    """Everything behind the calls.

    Attributes:
        endpoint, storage_endpoint: URLs of the two hosts.
        repositories: ``namespace/name`` → repository.
        multipart: a larger file than this many bytes is sent in parts of that size; None for never.
        page: rows on a page of ``tree`` and ``commits``; with ``expand``, 50 at most.
        lock: held by every call but those that move large bodies.
    """

    accounts: Accounts
    blobs: Blobs
    multipart: int | None
    page: int
    endpoint: str = ""
    storage_endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def account(self, request: Request) -> Account | None:
        return self.accounts.of(request.headers.get("Authorization"))

    def readable(self, request: Request, namespace: str, name: str) -> Repository:
        repository = self._asked_for(request, namespace, name)
        return self.accounts.require_read(self.account(request), repository)

    def writable(self, request: Request, namespace: str, name: str) -> Repository:
        repository = self._asked_for(request, namespace, name)
        return self.accounts.require_write(self.account(request), repository)

    def _asked_for(self, request: Request, namespace: str, name: str) -> Repository | None:
        """The repository of this name, if it is of the kind that the path is about."""
        repository = self.repositories.get(f"{namespace}/{name}")
        kind = "dataset" if _OF_DATASETS.match(request.path) else "model"
        return repository if repository and repository.kind == kind else None

    def signed(self, base: str, method: str, path: str) -> str:
        """A URL under ``base`` that needs no token: the signature is the permission."""
        return f"{base}{path}?signature={self._signature(method, path)}"

    def require_signature(self, request: Request) -> None:
        """Raises Refusal: 403 for a URL that :meth:`signed` did not make."""
        method = "GET" if request.method == "HEAD" else request.method
        if request.argument("signature") != self._signature(method, request.path):
            raise Refusal(403, "SignatureDoesNotMatch")

    def _signature(self, method: str, path: str) -> str:
        return hmac.new(self._secret, f"{method} {path}".encode(), hashlib.sha256).hexdigest()


def is_large(path: str, size: int, sample: bytes, files: Mapping[str, File]) -> bool:
    """Whether the Hub wants the file at ``path`` in LFS.

    By .gitattributes of the repository (as ``files`` has it), by size, or because it is binary.
    """
    attributes = files.get(".gitattributes", File.regular(b"")).content or b""
    lines = [line.split() for line in attributes.decode().splitlines()]
    by_name = any(_matches(path, words[0]) for words in lines if "filter=lfs" in words)
    return by_name or size > MOST_REGULAR or b"\0" in sample


def is_ignored(path: str, rules: str) -> bool:
    """Whether a .gitignore's text names ``path`` or a folder above it; the last line counts."""
    ends = [place for place, sign in enumerate(path) if sign == "/"]
    names = [*(path[:end] for end in ends), path]
    ignored = False
    for line in filter(None, map(str.strip, rules.splitlines())):
        if not line.startswith("#"):
            pattern = line.removeprefix("!").strip("/")
            if any(_matches(name, pattern) for name in names):
                ignored = not line.startswith("!")
    return ignored


def _matches(path: str, pattern: str) -> bool:
    """As git reads a pattern of .gitattributes: one without a slash is about the last name."""
    if "/" in pattern:
        return fnmatchcase(path, pattern.replace("**/", "*"))
    return fnmatchcase(path.rpartition("/")[2], pattern)


Handler = Callable[..., Answer]


class Routes:
    """Method and path → the function that answers."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._table: list[tuple[str, re.Pattern[str], Handler, bool]] = []

    def add(self, method: str, path: str, *, locked: bool = True) -> Callable[[Handler], Handler]:
        """Register a handler; it is called with the state, the request and the groups of ``path``.

        Args:
            path: a regular expression for all of the path, as it is quoted; groups are unquoted.
            locked: hold the state while it works.
        """

        def register(handler: Handler) -> Handler:
            self._table.append((method, re.compile(path), handler, locked))
            return handler

        return register

    def answer(self, state: State, request: Request) -> Answer:
        """The answer to a request.

        Raises:
            Refusal: 404 for a path that none knows, and whatever the handler refuses.
        """
        method = "GET" if request.method == "HEAD" else request.method
        for name, pattern, handler, locked in self._table:
            match = pattern.fullmatch(request.path)
            if match is None or name != method:
                continue
            groups = {key: unquote(text or "") for key, text in match.groupdict().items()}
            if not locked:
                return handler(state, request, **groups)
            _ = request.content  # a slow client must not hold up the others
            with state.lock:
                return handler(state, request, **groups)
        raise Refusal(404, "Sorry, we can't find the page you are looking for.")
