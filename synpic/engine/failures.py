"""What did not work, as rows with a reason: so that it is not tried for ever, nor forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType

import pyarrow as pa

from synpic import tables
from synpic.workspace import Workspace

__all__ = ["FailureLog"]


class FailureLog:
    """Failures of one model or reward; those added are written as one part at the end.

    Args:
        stage: "generate" or "score".
        name, fingerprint: of the model or reward.
    """

    def __init__(self, workspace: Workspace, stage: str, name: str, fingerprint: str) -> None:
        self._workspace = workspace
        self._row = {"stage": stage, "name": name, "fingerprint": fingerprint}
        rows = workspace.failures(stage)
        self.known: dict[str, int] = {
            row["candidate_id"]: row["attempts"]
            for row in rows.iter_rows(named=True)
            if row["fingerprint"] == fingerprint
        }
        """Candidate id → attempts so far."""
        self._added: dict[str, str] = {}

    def add(self, failed: Mapping[str, str]) -> None:
        """Take candidate ids with their reasons."""
        self._added.update(failed)

    def forget(self, failed: Iterable[str]) -> None:
        """Take back what was added: it was no fault of these candidates."""
        for candidate in failed:
            self._added.pop(candidate, None)

    @property
    def added(self) -> int:
        """How many will be written."""
        return len(self._added)

    def __enter__(self) -> FailureLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._write()
        except Exception:
            if error is None:
                raise

    def _write(self) -> None:
        if not self._added:
            return
        rows = [
            {
                **self._row,
                "candidate_id": candidate,
                "reason": reason,
                "attempts": self.known.get(candidate, 0) + 1,
            }
            for candidate, reason in sorted(self._added.items())
        ]
        table = pa.Table.from_pylist(rows, schema=tables.FAILURES)
        self._workspace.write_part("failures", table, dict(self._row))
