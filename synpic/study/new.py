"""A new study of a workspace: which comparisons, which checks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import RankingError, WorkspaceError
from synpic.pipeline.ranking import rank_candidates
from synpic.readers.display import count
from synpic.study.definition import (
    CheckPair,
    ComparedPair,
    ShownImage,
    Study,
    folder_of,
    require_new,
)
from synpic.study.pairing import (
    MODELS,
    choose_checks,
    choose_pairs,
    pairs_from_ranking,
    pairs_of_models,
)
from synpic.study.possible import compared_models, images_to_show
from synpic.study.questions import QUESTIONS, StudyQuestion, find_questions
from synpic.workspace import Workspace
from synpic.workspace.labels import INGESTED

__all__ = ["NewStudy", "StudyOptions", "plan_study"]


_IMPORTED = ("_argilla", "_rapidata")
"""How names of labels end that `synpic study import` writes."""


@dataclass(frozen=True)
class StudyOptions:
    """What is wanted of a study.

    Args:
        name: of its folder, and of the labels it exports.
        pairs: comparisons.
        questions: names.
        models: which are compared with each other; None for all.
        from_ranking: pairs of the ranking instead of pairs of models.
        repeats, checks: shares of a rater's real comparisons, 0 … 1.
        per_rater: the most real comparisons for one rater; None for all.
        seed: decides what is chosen.
    """

    name: str = "study"
    pairs: int = 400
    questions: Sequence[str] = tuple(QUESTIONS)
    models: Sequence[str] | None = None
    from_ranking: bool = False
    repeats: float = 0.05
    checks: float = 0.05
    per_rater: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class NewStudy:
    """A study that is not written yet, and how it was chosen.

    Args:
        possible: pairs that could be compared.
        basis: "seed", "prompt", "best-worst" or "near" → comparisons of that kind.
        flagged: images that were left out because a safety check flagged them.
        dropped: images that were left out because ``[ranking] drop`` takes them out.
    """

    study: Study
    possible: int
    basis: dict[str, int]
    flagged: int
    dropped: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.study.name,
            "pairs": len(self.study.comparisons),
            "possible": self.possible,
            "questions": [one.name for one in self.study.questions],
            "models": self.study.models,
            "checks": len(self.study.check_comparisons),
            "basis": self.basis,
            "flagged": self.flagged,
            "dropped": self.dropped,
            "prompts": len({one.prompt_id for one in self.study.comparisons}),
        }


def plan_study(workspace: Workspace, options: StudyOptions) -> NewStudy:
    """Choose what a study asks; nothing is written. Equal for equal workspaces and options.

    Flagged images, and those that the recipe drops, are never shown to raters.

    Raises:
        WorkspaceError: there are fewer pairs than asked for, there is such a study, or a model that
            is named has no images.
        RecipeError: a question that does not exist, or a file to drop by that cannot be read.
        RankingError: ``from_ranking``, and nothing can be ranked; or all images are dropped.
    """
    _require_name(options.name)
    folder_of(workspace, options.name)
    require_new(workspace, options.name)
    snapshot = workspace.snapshot()
    questions = find_questions(options.questions, snapshot.recipe)
    images = images_to_show(snapshot)
    shown = images.candidates
    if options.from_ranking:
        if options.models is not None:
            raise WorkspaceError(
                "--models and --from-ranking: a ranking chooses pairs of all models",
                hint="leave one of them out",
            )
        ranked = rank_candidates(snapshot, flagged="leave-out")
        possible = pairs_from_ranking(ranked.ranking.table, shown)
    else:
        possible = pairs_of_models(shown, compared_models(options.models, shown))
    left_out = {"flagged": images.flagged, "dropped": images.dropped}
    _require(possible.height, options, left_out)
    groups = ["basis"] if options.from_ranking else MODELS
    chosen = choose_pairs(possible, options.pairs, options.seed, groups)
    checks = choose_checks(shown, _checks(options, questions), options.seed)
    texts = dict(shown.select("prompt_id", "prompt").iter_rows())
    study = Study(
        name=options.name,
        seed=options.seed,
        questions=questions,
        repeats=options.repeats,
        checks=options.checks,
        per_rater=options.per_rater,
        prompts={
            one: texts[one]
            for one in sorted({*chosen["prompt_id"].to_list(), *checks["prompt_id"].to_list()})
        },
        comparisons=[
            ComparedPair(id=f"c{n:05}", prompt_id=r["prompt_id"], **_sides(r, "first", "second"))
            for n, r in enumerate(chosen.iter_rows(named=True), 1)
        ],
        check_comparisons=[
            CheckPair(id=f"k{n:05}", prompt_id=r["prompt_id"], **_sides(r, "own", "foreign"))
            for n, r in enumerate(checks.iter_rows(named=True), 1)
        ],
    )
    basis = dict(chosen["basis"].value_counts().sort("basis").iter_rows())
    return NewStudy(study, possible.height, basis, **left_out)


def _require_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise WorkspaceError(
            f"--name {name}: small letters, digits, _ and - only, at most 64",
            hint="it names a folder",
        )
    if name == INGESTED or name.endswith(_IMPORTED):
        raise WorkspaceError(
            f"--name {name}: labels of that name are others: those of ingested images, or answers "
            "that `synpic study import` reads",
            hint="choose another --name; the labels of a study are called as it is",
        )


def _require(there: int, options: StudyOptions, left_out: Mapping[str, int]) -> None:
    if there >= options.pairs:
        return
    counted = [count(number, f"{kind} image") for kind, number in left_out.items() if number]
    without = f" ({' and '.join(counted)} left out)" if counted else ""
    kind = RankingError if options.from_ranking else WorkspaceError
    raise kind(
        f"--pairs {options.pairs}: there {'is' if there == 1 else 'are'} only "
        f"{count(there, 'pair')} to compare{without}",
        hint=f"ask for at most {there}"
        if there
        else "nothing that is here can be compared: "
        "`synpic status` shows what each model has drawn",
    )


def _checks(options: StudyOptions, questions: Sequence[StudyQuestion]) -> int:
    """How many checks are needed, so that no rater gets one twice for a question.

    A rater answers each comparison under each question, and a check under those that show the
    prompt.
    """
    askable = sum(one.shows_prompt for one in questions)
    if not askable:
        return 0
    every = options.pairs * len(questions)
    real = min(every, options.per_rater or every)
    return math.ceil(round(options.checks * real) / askable)


def _sides(row: dict[str, Any], *names: str) -> dict[str, ShownImage]:
    return {
        name: ShownImage(
            candidate_id=row[f"{side}_candidate_id"],
            sha256=row[f"{side}_sha256"],
            model=row[f"{side}_model"],
        )
        for name, side in zip(names, ("first", "second"), strict=True)
    }
