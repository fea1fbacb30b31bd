"""What did not work, as rows with a reason: so that it is not tried for ever, nor forgotten."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import pyarrow as pa

from synpic.engine.writing import PartWatcher
from synpic.errors import SynpicError
from synpic.workspace import Workspace, tables

__all__ = ["FailureLog"]

SUSPICIOUS = (3, 16)
HOPELESS = (6, 32)
"""Number of batches, and of images, in a row without one success. After that, others are tried,
from all over the list; if they fail too, the candidates are not the cause."""


class FailureLog:
    """Failures of one model or reward, written as parts while it works.

    Those of batches that failed whole are held back until a later batch shows that it is the
    candidates' fault, and are dropped where none can: a broken model would else condemn everything
    it is given.

    Args:
        stage: "generate", "ingest", "score" or "compare".
        name, fingerprint: of the model or reward.
    """

    def __init__(self, workspace: Workspace, stage: str, name: str, fingerprint: str) -> None:
        self._workspace = workspace
        self._row = {"stage": stage, "name": name, "fingerprint": fingerprint}
        self._watcher = PartWatcher(workspace, "failures", tables.FAILURES)
        self.known: dict[str, int] = self._new()
        """Candidate id → attempts so far."""
        self._since: frozenset[str] = frozenset()
        self.written: set[str] = set()
        """The names of the parts that this log has written."""
        self._settled: dict[str, str] = {}
        self._streak: list[Mapping[str, str]] = []
        self.added: set[str] = set()
        """Candidate ids of those that were added, and not taken back."""

    def anew(self) -> FailureLog:
        """One that knows the same, and that nothing was added to."""
        other = copy.copy(self)
        other._settled, other._streak, other.added, other.written = {}, [], set(), set()
        return other

    def since(self, named: Iterable[str] = ()) -> frozenset[str]:
        """Candidate ids that have failed, here or elsewhere, since this log was begun.

        Args:
            named: parts that are there, whether or not the folder's listing shows them yet.
        """
        new = self._new(named).items()
        self._since |= {name for name, n in new if n > self.known.get(name, 0)}
        return self._since

    def write_now(self, failed: Mapping[str, str]) -> None:
        """Write failures about which there is no doubt, now."""
        self.added.update(failed)
        self._settled.update(failed)
        self.write()

    def add(self, failed: Mapping[str, str], succeeded: int) -> None:
        """Take what failed of a batch, by candidate id, with how many others did not."""
        self.added.update(failed)
        if succeeded:
            self._settle()
        if succeeded or failed.keys() <= self.known.keys():
            # Of those that failed before, another failure tells nothing new.
            self._settled.update(failed)
        else:
            self._streak.append(failed)

    def suspicious(self) -> bool:
        """Whether it may be the model or reward that is broken, and not the candidates."""
        return self._reaches(*SUSPICIOUS)

    def hopeless(self) -> bool:
        """Whether it is."""
        return self._reaches(*HOPELESS)

    def forget_streak(self) -> tuple[int, str, set[str]]:
        """Take back the batches that failed whole.

        Returns:
            How many they were, why the last failed, and the candidate ids of all of them.
        """
        batches = len(self._streak)
        reason = next(iter(self._streak[-1].values())) if self._streak else ""
        names = {name for failed in self._streak for name in failed}
        self.added -= names
        self._streak = []
        return batches, reason, names

    def write(self) -> None:
        """Write what is settled."""
        if not self._settled:
            return
        rows = [
            {
                **self._row,
                "candidate_id": candidate,
                "reason": reason,
                "attempts": self.known.get(candidate, 0) + 1,
            }
            for candidate, reason in sorted(self._settled.items())
        ]
        table = pa.Table.from_pylist(rows, schema=tables.FAILURES)
        self.written.add(self._workspace.write_part("failures", table, dict(self._row)))
        self._settled = {}

    def __enter__(self) -> FailureLog:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._settle()
        else:
            self.forget_streak()
        try:
            self.write()
        except SynpicError:
            # What ended the work comes first; the disk's refusal would hide it.
            if error is None:
                raise

    def _new(self, named: Iterable[str] = ()) -> dict[str, int]:
        """Candidate id → attempts, of parts not read before."""
        columns = [*self._row, "candidate_id", "attempts"]
        stages = tables.stages_like(self._row["stage"])
        of_this = self._row["name"], self._row["fingerprint"]
        found: dict[str, int] = {}
        for stage, *of, candidate, attempts in self._watcher.new_rows(columns, named=named):
            if stage in stages and tuple(of) == of_this:
                found[candidate] = max(attempts, found.get(candidate, 0))
        return found

    def _reaches(self, batches: int, images: int) -> bool:
        return len(self._streak) >= batches and sum(map(len, self._streak)) >= images

    def _settle(self) -> None:
        for failed in self._streak:
            self._settled.update(failed)
        self._streak = []
