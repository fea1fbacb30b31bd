"""Parts as they come and go: a writer that collects rows, a watcher that sees others' parts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.errors import SynpicError
from synpic.workspace import Workspace
from synpic.workspace.parts import encode

__all__ = ["SIGHT", "PartWatcher", "PartWriter", "appears", "environment_key"]

PART_SECONDS = 60.0
SIGHT = 30.0
"""Seconds in which a shared file system shows a new file to another machine."""


def environment_key(environment: Mapping[str, Any]) -> str:
    """A short name for an environment, under which a part's metadata holds it."""
    return ids.short(ids.sha256(json.dumps(dict(environment), sort_keys=True).encode()))


class PartWriter:
    """Collects rows and writes them as parts, in a thread of its own, in the order given.

    A part is written when ``rows`` rows or a minute of work have come together; only whole calls of
    :meth:`add` go in. An error of the disk is raised at the next call.

    Args:
        folder: where its parts go.
        schema: of the rows.
        note: metadata of every part.
        rows: the most of a part, unless one call brings more.
    """

    def __init__(
        self,
        workspace: Workspace,
        folder: str,
        schema: pa.Schema,
        note: Mapping[str, Any],
        rows: int,
    ) -> None:
        self._workspace, self._folder, self._schema = workspace, folder, schema
        self._note, self._limit = note, rows
        self._rows: list[Mapping[str, Any]] = []
        self._since = time.monotonic()
        self._thread = ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []
        self.begun = 0
        """How many parts were handed to the thread that writes them."""
        self.names: set[str] = set()
        """The names of our parts, each from before it can be seen in the folder."""

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # What was made before an error is kept: it is whole batches, each as good as any.
        try:
            self.flush()
        except SynpicError:
            # What ended the work comes first; the disk's refusal would hide it.
            if error is None:
                raise
        finally:
            self._thread.shutdown()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of one whole batch."""
        if self._rows and len(self._rows) + len(rows) > self._limit:
            self._begin_writing()
        self._rows += rows
        late = time.monotonic() - self._since > PART_SECONDS
        if len(self._rows) >= self._limit or (late and self._rows):
            self._begin_writing()
        self._collect(leave=1)

    def flush(self) -> None:
        """Write what is left, and wait for the disk."""
        if self._rows:
            self._begin_writing()
        self._collect(leave=0)

    def _begin_writing(self) -> None:
        rows, self._rows, self._since = self._rows, [], time.monotonic()
        self.begun += 1
        self._pending.append(self._thread.submit(self._write, rows))

    def _write(self, rows: list[Mapping[str, Any]]) -> None:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=self._schema)
        part = encode(self._folder, table, self._note)
        self.names.add(part.name)
        self._workspace.store.write(part.name, part.data)

    def _collect(self, leave: int) -> None:
        while len(self._pending) > leave:
            self._pending.pop(0).result()


class PartWatcher:
    """Sees parts appear in a folder, each once: how a worker learns what others have done."""

    def __init__(self, workspace: Workspace, folder: str, schema: pa.Schema) -> None:
        self._workspace, self._folder, self._schema = workspace, folder, schema
        self._seen: set[str] = set()

    def new_rows(
        self,
        columns: Sequence[str],
        but: set[str] | None = None,
        named: Iterable[str] = (),
    ) -> list[tuple[Any, ...]]:
        """Rows of parts not seen before.

        Args:
            but: parts that are left out.
            named: parts that are there, whether or not the folder's listing shows them yet.
        """
        listed = dict.fromkeys([*self._workspace.parts(self._folder), *named])
        parts = [part for part in listed if part not in self._seen]
        foreign = [part for part in parts if part not in (but or ())]
        rows = self._workspace.read(foreign, self._schema, columns).rows() if foreign else []
        # Only now: what could not be read is tried again.
        self._seen.update(parts)
        return rows


def appears(workspace: Workspace, name: str, seconds: float) -> bool:
    """Wait for a file that another machine has written; whether it is seen in time."""
    until = time.monotonic() + seconds
    while not workspace.store.exists(name):
        if time.monotonic() > until:
            return False
        time.sleep(1)
    return True
