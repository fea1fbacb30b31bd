"""What models are compared on, and by: a suite with its judges, or others, as it was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import EvaluationError, did_you_mean
from synpic.pipeline.asked import bring_modules
from synpic.prompts.suites import find_suite
from synpic.prompts.suites.folded import folded
from synpic.prompts.suites.own_file import read_own
from synpic.readers.tables import ENDINGS
from synpic.registry import JUDGES, REWARDS, SUITES
from synpic.score.judges.official_quirks import QUIRKS

__all__ = ["AskedSuite"]


@dataclass(frozen=True)
class AskedSuite:
    """What models are compared on, and by.

    Args:
        name: of a registered suite; or file: of one's own.
        limit: how many items; all if None.
        judges: names in the registry, or ``package.module:callable`` → their options.
        rewards: likewise, without options.
        quirks: "official" reads the suite's lists as its makers' program does.
    """

    name: str | None
    file: str | None
    limit: int | None
    judges: Mapping[str, Mapping[str, Any]]
    rewards: Sequence[str]
    quirks: str | None = None

    def import_modules(self) -> None:
        """Import judges and rewards of one's own from where the command runs.

        What is imported is found from then on, wherever the workspace lies.

        Raises:
            UnknownName: one does not import.
        """
        for registry, names in ((JUDGES, self.judges), (REWARDS, self.rewards)):
            for name in names:
                if ":" in name:
                    registry.load(name, Path.cwd())

    def bring_modules(self, workspace: Path) -> None:
        """Copy modules of one's own that lie where the command runs beside the recipe.

        So that the workspace goes on from anywhere. One that is there stays.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        names = [self.name or "", *self.judges, *self.rewards]
        bring_modules(names, workspace, "name another folder: --into FOLDER")

    @property
    def label(self) -> str:
        """A name for a folder."""
        text = self.name.rpartition(":")[2] if self.name else Path(str(self.file)).stem
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", text) or "suite"

    @classmethod
    def of(
        cls,
        suite: str,
        judges: Sequence[str] | None,
        rewards: Sequence[str] | None,
        limit: int | None,
        quirks: str | None = None,
    ) -> AskedSuite:
        """From options.

        Args:
            suite: a registered suite, or a file.
            judges: those of the suite if there is none.
            quirks: "official" counts as the program of the suite's makers does, faults included.

        Raises:
            EvaluationError: it is neither, or a file without items; nothing would say which
                image is better; or no fault of its makers' program is known.
            UnknownName: the suite does not import.
        """
        is_file, known = Path(suite).is_file(), SUITES.names()
        if not is_file and suite not in known and ":" not in suite:
            raise EvaluationError(
                f"{suite!r} is no registered suite, and no file.{did_you_mean(suite, known)}",
                hint="`synpic list suites` shows what there is; docs/suites-own.md has the "
                "format of a file",
            )
        if is_file:
            _require_items(Path(suite))
        own = {} if is_file else find_suite(suite, Path.cwd()).judges
        judged = {name: own.get(name, {}) for name in judges or list(own)[:1]}
        scored = tuple(rewards or ())
        if not judged and not scored:
            raise EvaluationError(
                f"suite {suite}: no judge comes with it, so that rewards decide, and none is named",
                hint="--reward NAME, once for each; or --judge NAME",
            )
        lists = None
        if quirks is not None:
            faulty = not is_file and bool(find_suite(suite, Path.cwd()).quirks)
            lists, judged = quirks if faulty else None, _with_quirks(judged, quirks)
            if not faulty and all("quirks" not in options for options in judged.values()):
                raise EvaluationError(
                    f"--quirks {quirks}: synpic knows of no fault in the official program of "
                    f"{suite}, or of its judges",
                    hint="leave the option out",
                )
        name, file = (None, suite) if is_file else (suite, None)
        return cls(name, file, limit, judged, scored, lists)


def _with_quirks(
    judges: Mapping[str, Mapping[str, Any]], quirks: str
) -> dict[str, Mapping[str, Any]]:
    """``judges``, of which those count so whose rule has faults in its makers' program."""
    rules = {rule for one in QUIRKS for rule in one.rules}
    return {
        name: {**options, "quirks": quirks} if options.get("rule") in rules else options
        for name, options in judges.items()
    }


def _require_items(file: Path) -> None:
    """Refuse a file that is no suite, before a workspace is begun for it."""
    if file.suffix.lower() in ENDINGS:  # of others, opening it says which there are
        with file.open("rb") as stream:
            folded(read_own(stream, str(file)))
