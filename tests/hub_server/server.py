"""The server: two hosts on the loopback, one state, and a record of every request.

The Hub is one host and its storage another, as in the world: a redirect from one to the other is
what makes a client leave its token behind. Both live in threads of the process that made them, so
that a test sees and changes what the Hub knows, also while clients are other processes.
"""

from __future__ import annotations

import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import TracebackType

from tests.hub_server import downloads, uploads
from tests.hub_server.access import Accounts, Role
from tests.hub_server.api import ROUTES
from tests.hub_server.blobs import Blobs
from tests.hub_server.faults import Dropped, Faults
from tests.hub_server.messages import (
    Answer,
    ClientLeft,
    Exchange,
    FileRange,
    Host,
    Refusal,
    Request,
    json_answer,
)
from tests.hub_server.repository import MAIN, Commit, File, Repository
from tests.hub_server.state import Routes, State, is_large
from tests.hub_server.transport import Listener

__all__ = ["HubServer"]

TOKENS: Mapping[str, tuple[str, Role]] = {
    "hf_write": ("user", "write"),
    "hf_read": ("user", "read"),
    "hf_other": ("other", "write"),
}

_STORAGE = Routes("storage")
uploads.add_routes(ROUTES, _STORAGE)
downloads.add_routes(ROUTES, _STORAGE)


class HubServer:
    """A Hub of datasets at ``endpoint``, as long as the ``with`` block lasts.

    Args:
        root: where large files are kept; a temporary folder otherwise.
        tokens: token → (user, what the token may).
        orgs: organisation → user → what the user may in it.
        multipart: a larger file than this many bytes is sent in parts of that size.
        page: rows on a page of a listing.

    Attributes:
        requests: every request so far, in the order of arrival.
        faults: what shall go wrong.
        errors: tracebacks of the server's own mistakes; a test that ends with one has failed.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        tokens: Mapping[str, tuple[str, Role]] = TOKENS,
        orgs: Mapping[str, Mapping[str, Role]] | None = None,
        multipart: int | None = None,
        page: int = 1000,
    ) -> None:
        self._temporary = None if root else tempfile.TemporaryDirectory(prefix="hub-")
        folder = root or Path(self._temporary.name if self._temporary else "")
        self.requests: list[Exchange] = []
        self.faults = Faults()
        self.errors: list[str] = []
        self._journal = threading.Lock()
        self._state = State(Accounts(tokens, orgs or {}), Blobs(folder), multipart, page)
        self._listeners = [
            Listener(routes.host, partial(self._respond, routes)) for routes in (ROUTES, _STORAGE)
        ]
        self._state.endpoint, self._state.storage_endpoint = (
            listener.url for listener in self._listeners
        )

    def __enter__(self) -> HubServer:
        for listener in self._listeners:
            listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.stop()
        if self._temporary:
            self._temporary.cleanup()

    def hold_what(self, other: HubServer) -> None:
        """Hold the repositories and large files that ``other`` holds at this moment."""
        with other._state.lock:
            self._state.repositories.update(deepcopy(other.repositories))
            self._state.blobs.hold_what(other._state.blobs)

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT has to be."""
        return self._state.endpoint

    @property
    def storage_endpoint(self) -> str:
        """Where large files go to and come from."""
        return self._state.storage_endpoint

    @property
    def repositories(self) -> dict[str, Repository]:
        """``namespace/name`` → repository, the live ones."""
        return self._state.repositories

    @property
    def sent(self) -> dict[str, int]:
        """SHA-256 → bytes that arrived for it, repeated and broken uploads included."""
        return dict(self._state.blobs.sent)

    def seen(
        self, method: str | None = None, part: str = "", host: Host | None = None
    ) -> list[Exchange]:
        """The requests so far with this method, with ``part`` in their path, to this host."""
        return [
            exchange
            for exchange in self.requests
            if method in (None, exchange.method)
            and part in exchange.target
            and host in (None, exchange.host)
        ]

    def read(self, repo_id: str, path: str, revision: str = MAIN) -> bytes:
        """The bytes of a file."""
        repository = self.repositories[repo_id]
        file = repository.files(revision)[path]
        if file.lfs is None:
            return file.content or b""
        stored = self._state.blobs.get(repository.uid, file.lfs)
        assert stored is not None
        return b"".join(stored)

    def create(self, repo_id: str, *, private: bool = False, kind: str = "dataset") -> Repository:
        """Make a repository, without a request."""
        with self._state.lock:
            repository = self.repositories[repo_id] = Repository(repo_id, private, kind=kind)
        return repository

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes | None],
        title: str = "from elsewhere",
        *,
        branch: str = MAIN,
        author: str = "other",
    ) -> Commit:
        """Commit without a request, as another publisher would; None deletes."""
        repository = self.repositories[repo_id]
        with self._state.lock:
            tree = dict(repository.files(branch))
            for path, content in files.items():
                if content is None:
                    del tree[path]
                elif is_large(path, len(content), content[:512], tree):
                    sha256 = self._state.blobs.put(repository.uid, content)
                    tree[path] = File.large(sha256, len(content))
                else:
                    tree[path] = File.regular(content)
            return repository.add(branch, tree, title, author=author)

    @contextmanager
    def committing(self, repo_id: str) -> Iterator[None]:
        """In the block another commit is in progress: the Hub answers every commit with 409."""
        self.repositories[repo_id].busy = True
        try:
            yield
        finally:
            self.repositories[repo_id].busy = False

    def _open(self, request: Request) -> Exchange:
        header = request.headers.get("Authorization")
        token = header.removeprefix("Bearer ") if header else None
        with self._journal:
            exchange = Exchange(
                len(self.requests), request.host, request.method, request.target, token
            )
            self.requests.append(exchange)
        return exchange

    def _respond(self, routes: Routes, request: Request) -> Answer:
        exchange = self._open(request)
        try:
            faults = self.faults.strike(exchange)
            answer: Answer | None = None
            for fault in faults:
                answer = answer or fault.before(exchange)
            if answer is None:
                answer = self._work(routes, request)
            for fault in faults:
                answer = fault.after(exchange, answer)
            request.body.drain()
        except (ClientLeft, ConnectionError, Dropped):
            raise
        except Exception as error:  # of a fault that calls the test's own function
            self.errors.append(traceback.format_exc())
            raise Dropped from error
        finally:
            exchange.received = request.body.received
        # Before it is sent: who has the answer finds it here.
        exchange.status = answer.status
        if not isinstance(answer.body, FileRange):
            exchange.response = answer.body
        return answer

    def _work(self, routes: Routes, request: Request) -> Answer:
        try:
            if routes.host == "hub":
                self._state.account(request)  # an unknown token is refused, whatever it asks for
            elif request.headers.get("Authorization"):
                raise Refusal(400, "Only one auth mechanism allowed", "InvalidArgument")
            return routes.answer(self._state, request)
        except Refusal as refusal:
            return refusal.answer()
        except (ClientLeft, ConnectionError):
            raise
        except Exception:
            self.errors.append(traceback.format_exc())
            return json_answer({"error": "The test server itself failed"}, 500)
