"""Whether the rewards, comparers and judges of a recipe can be opened, before anything is spent."""

from __future__ import annotations

from contextlib import suppress

import polars as pl

from synpic.errors import EvaluationError, SynpicError
from synpic.pipeline.pairs import count_pairs
from synpic.pipeline.validated import Validation
from synpic.prompts.suites.opening import open_suite
from synpic.score.comparer import open_comparer, resolve_comparer
from synpic.score.judged import reads_suite
from synpic.score.judges.wanted import require_judge_openable, resolve_judge
from synpic.score.judging_task import require_judgeable
from synpic.score.lineage import one_family
from synpic.score.reward import registered_reward, require_openable, resolve_reward
from synpic.workspace import Snapshot
from synpic.workspace.suite import SuiteItems, read_suite, suite_items

__all__ = ["check_scorers"]


def check_scorers(made: Validation, snapshot: Snapshot, prompts: pl.DataFrame | None) -> None:
    """Check them all, and add to ``made`` what there is and what is wrong.

    Args:
        prompts: with prompt_id and prompt; None where they cannot be read.
    """
    for name, reward in snapshot.recipe.scoring.items():
        made.rewards.append(name)
        try:
            require_openable(name, reward, snapshot)
        except SynpicError as error:
            made.note(error)
    _note_relatives(made, snapshot)
    _check_comparers(made, snapshot)
    _check_judges(made, snapshot, prompts)


def _note_relatives(made: Validation, snapshot: Snapshot) -> None:
    """Say that all that ranks comes from one network, and is blind to the same things."""
    recipe = snapshot.recipe
    names = [name for name in recipe.weights if name in recipe.scoring]
    if len(names) < len(recipe.weights):
        return
    try:
        folder = snapshot.workspace.folder
        things = [registered_reward(name, recipe.scoring[name], folder) for name in names]
    except SynpicError:
        return  # It is a problem already.
    backbone = one_family(things)
    if backbone is not None:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        made.notes.append(
            f"{listed} all descend from {backbone}: what it does not see, none of them sees, and "
            "their mean is worth less than it looks; add a reward of another descent "
            "(`synpic list rewards NAME` says which)"
        )


def _check_comparers(made: Validation, snapshot: Snapshot) -> None:
    recipe = snapshot.recipe
    of_prompt = pl.Series([0] if recipe.ingest else [made.images // max(1, made.prompts)])
    for name, settings in recipe.comparers.items():
        asked = 2 * count_pairs(settings, of_prompt) * made.prompts
        made.comparers[name] = None if recipe.ingest else asked
        try:
            wanted = resolve_comparer(name, settings, snapshot.lock)
            if wanted.asks_endpoint:
                open_comparer(wanted, snapshot.workspace, "cpu")  # it sends nothing
        except SynpicError as error:
            made.note(error)
        partly = settings.pairs == "adjacent" and recipe.ranking.aggregation != "bradley-terry"
        if partly and name in recipe.weights:
            made.notes.append(
                f"rewards.{name} takes no part in a prompt of more than two images: pairs = "
                f'"adjacent" compares some of its pairs, and {recipe.ranking.aggregation} counts '
                'wins where all are compared; "bradley-terry" takes those that there are'
            )


def _suite_of(snapshot: Snapshot) -> SuiteItems:
    """What will be asked; nothing is written.

    Raises:
        SynpicError: the suite's lists cannot be read.
    """
    if snapshot.recipe.suite is None:
        return read_suite(snapshot.workspace)
    return suite_items(open_suite(snapshot.recipe.suite, snapshot).table())


def _check_judges(made: Validation, snapshot: Snapshot, prompts: pl.DataFrame | None) -> None:
    workspace, recipe = snapshot.workspace, snapshot.recipe
    made.judges += recipe.judges
    if not recipe.judges and not reads_suite(recipe.scoring, workspace.folder):
        return
    try:
        suite = _suite_of(snapshot)
    except SynpicError as error:
        if recipe.ingest is not None or recipe.suite is None:  # else it was found already
            made.note(error)
        return
    every = {} if prompts is None else dict(prompts.select("prompt_id", "prompt").iter_rows())
    texts = {one: text for one, text in every.items() if not suite.name or one in suite.items}
    for name, settings in recipe.judges.items():
        try:
            wanted = resolve_judge(name, settings, snapshot.lock, suite)
            require_judge_openable(wanted, workspace)
            require_judgeable(wanted, workspace, texts, suite)
        except SynpicError as error:
            made.note(error)
    for name, one in recipe.scoring.items():
        with suppress(SynpicError):  # what is wrong with the reward itself was found already
            reward = resolve_reward(name, one, snapshot.lock, suite.identity)
            try:
                if reward.judge is not None:
                    require_judgeable(reward, workspace, every, suite)
            except EvaluationError as error:
                made.note(error)
