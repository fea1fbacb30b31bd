"""What a recipe wants against what its workspace holds, and the join of both.

Reading never needs what only making needs. Where a model's weights, a reward's code or the Hub are
away, its images and scores are found by what their parts record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import polars as pl

from synpic.engine.progress import Listener
from synpic.errors import SynpicError
from synpic.generate.image_model import complete
from synpic.pipeline.resolving import Noted, WantedModel
from synpic.prompts import PromptTable, current_prompts
from synpic.prompts.suites.matched import with_items
from synpic.readers.display import visible
from synpic.recipe import Recipe
from synpic.recipe.settings import ModelSettings
from synpic.score.comparer import WantedComparer, resolve_comparer
from synpic.score.judged import reads_suite
from synpic.score.judges.wanted import WantedJudge, resolve_judge
from synpic.score.recorded import RecordedReward
from synpic.score.reward import WantedReward, resolve_reward
from synpic.workspace import PROMPTS, SUITE, Snapshot, Workspace
from synpic.workspace.parts import frame
from synpic.workspace.recorded import folders_of
from synpic.workspace.suite import NO_SUITE, SuiteItems, read_suite

if TYPE_CHECKING:
    from synpic.ingest import IngestedImages

__all__ = ["Inventory", "WantedModel", "take_inventory"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Inventory:
    """A recipe's want, resolved, over a workspace.

    Args:
        snapshot: the recipe and its lock, as they were when the command began.
        prompt_table: the prompts, with what the source held beside them.
        models: one for each model and size that is found or recorded; of a recipe with [ingest],
            its source alone.
        rewards: those that score, and are found or recorded.
        comparers: those that are found or recorded; "rewards.NAME" where they are not found.
        judges: likewise, "judges.NAME".
        suite: what judges are asked of each prompt's images.
        unresolved: what is not found, as "models.NAME", "rewards.NAME", "judges.NAME", "prompts",
            "suite" or "ingest", each with what is wrong.
        recorded: of those, the ones that are still read: folders, or files, that hold them.
        doubtful: of those, the ones where it is not known which of several folders is meant.
    """

    snapshot: Snapshot
    prompt_table: PromptTable
    models: Sequence[WantedModel]
    rewards: Sequence[WantedReward | RecordedReward]
    comparers: Sequence[WantedComparer | RecordedReward]
    judges: Sequence[WantedJudge | RecordedReward]
    suite: SuiteItems
    unresolved: dict[str, SynpicError]
    recorded: dict[str, list[str]] = field(default_factory=dict)
    doubtful: dict[str, list[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Inventory({self.workspace!r}, {self.recipe!r})"

    @property
    def workspace(self) -> Workspace:
        """The snapshot's."""
        return self.snapshot.workspace

    @property
    def recipe(self) -> Recipe:
        """The snapshot's."""
        return self.snapshot.recipe

    @property
    def ingested(self) -> IngestedImages | None:
        """The source of a recipe with [ingest]; None where images are drawn."""
        return None if self.recipe.ingest is None else cast("IngestedImages", self.models[0])

    @cached_property
    def prompts(self) -> pl.DataFrame:
        """The rows of ``prompt_table``."""
        return frame(self.prompt_table.table)

    @property
    def found_models(self) -> list[WantedModel]:
        """The models that can make images."""
        return [m for m in self.models if f"models.{m.name}" not in self.unresolved]

    @property
    def found_rewards(self) -> list[WantedReward]:
        """The rewards that can score."""
        return [reward for reward in self.rewards if isinstance(reward, WantedReward)]

    @property
    def found_comparers(self) -> list[WantedComparer]:
        """The comparers that can compare."""
        return [comparer for comparer in self.comparers if isinstance(comparer, WantedComparer)]

    @property
    def found_judges(self) -> list[WantedJudge]:
        """The judges that can judge."""
        return [judge for judge in self.judges if isinstance(judge, WantedJudge)]

    def require(self, kind: str, names: Iterable[str]) -> None:
        """Insist on some "models", "rewards" or "judges", to make something with them.

        Raises:
            SynpicError: what is wrong with the first of ``names`` that is not found.
        """
        for name in names:
            if f"{kind}.{name}" in self.unresolved:
                raise self.unresolved[f"{kind}.{name}"]

    def require_readable(self, rewards: Iterable[str]) -> None:
        """Require that it is known what all models and ``rewards`` have.

        A model that is not found and not recorded has no image here.

        Raises:
            SynpicError: what is wrong with the first for which it is not known.
        """
        wanted = [f"rewards.{name}" for name in rewards]
        for place, error in self.unresolved.items():
            if place.startswith(("rewards.", "judges.")) and place not in wanted:
                continue
            if place in self.doubtful:
                raise type(error)(
                    f"{error.message}; and nothing tells which is meant of "
                    f"{' and '.join(self.doubtful[place])}",
                    hint=f"{error.hint or 'put back what is missing'}; or move the folder that is "
                    "not meant out of the workspace",
                )
            if place in wanted and place not in self.recorded:
                raise error
        if not self.models:
            raise next(iter(self.unresolved_of("models").values()))

    @property
    def absent_models(self) -> dict[str, SynpicError]:
        """The models that are neither found nor recorded, with what is wrong."""
        models = self.unresolved_of("models")
        return {name: models[name] for name in models if f"models.{name}" not in self.recorded}

    def require_whole(self) -> None:
        """Insist that no model or reward of the recipe is left out of what is read.

        Raises:
            SynpicError: what is wrong with the first that is, or may be.
        """
        self.require_readable([*self.recipe.scoring, *self.recipe.comparers])
        for name, error in self.absent_models.items():
            raise type(error)(
                f"models.{name} is not found, and no image of it is here: {error.message}",
                hint=f"{error.hint or 'correct it'}; or take [models.{name}] out of the recipe",
            )

    def remarks(self) -> dict[str, str]:
        """A line for each thing that is not found, with what is read instead, and for each of
        :meth:`changed`; by its place, as in ``unresolved``."""
        lines = {f"models.{name}": f"models.{name} {why}" for name, why in self.changed().items()}
        for place, error in self.unresolved.items():
            folders = ", ".join(self.recorded.get(place, []))
            read = f"what was made is read: {folders}" if folders else "nothing of it is here"
            lines[place] = f"{place} is not found: {error.message}; {read}"
        return lines

    def log_remarks(self, *, leave_out: str | None = None) -> None:
        """Log :meth:`remarks` as warnings, but for those of the kind ``leave_out`` ("rewards")."""
        for place, remark in self.remarks().items():
            if place.partition(".")[0] != leave_out:
                _LOG.warning("%s", visible(remark))

    def changed(self) -> dict[str, str]:
        """By name, of each model with images of other settings and none of its present ones:
        where both lie, as the rest of a sentence."""
        found = {}
        for name in self.recipe.models:
            now = {model.folder for model in self.models if model.name == name}
            held = folders_of(self.workspace, "candidates", name)
            with_parts = {folder for folder in held if self.workspace.parts(folder)}
            if (empty := sorted(now - with_parts)) and (others := sorted(with_parts - now)):
                found[name] = (
                    f"has no image of its present settings (in {', '.join(empty)}); "
                    f"those of other settings (in {', '.join(others)}) are not read"
                )
        return found

    def wanted_settings(self, name: str) -> ModelSettings:
        """What the recipe wants of a model, whether or not its weights are found."""
        written = self.recipe.models[name]
        try:
            return complete(name, written, self.workspace.folder)
        except SynpicError:
            return written

    def unresolved_of(self, kind: str) -> dict[str, SynpicError]:
        """What is not found of "models", "rewards" or "judges": name → what is wrong."""
        return {
            place.removeprefix(f"{kind}."): error
            for place, error in self.unresolved.items()
            if place.startswith(f"{kind}.")
        }

    def wanted_candidates(self) -> pl.DataFrame:
        """What ``wanted`` gives for each model, with its ``folder`` and ``fingerprint``."""
        return self._wanted  # once: two hashes an image take seconds

    @cached_property
    def _wanted(self) -> pl.DataFrame:
        frames = [
            model.wanted(self.recipe, self.prompts).with_columns(
                folder=pl.lit(model.folder), fingerprint=pl.lit(model.fingerprint)
            )
            for model in self.models
        ]
        return pl.concat(frames) if frames else pl.DataFrame(schema=_WANTED)

    def candidates(self) -> pl.DataFrame:
        """Every wanted candidate that is there, without pixels, with its prompt and split.

        In the order in which they are drawn, which is about that in which they lie on the disk.
        """
        rows = self.workspace.candidates(model.folder for model in self.models)
        want = self.wanted_candidates().select("candidate_id", "prompt")
        splits = self.prompts.select("prompt_id", "split")
        return (
            want.join(rows, on="candidate_id", how="inner", maintain_order="left")
            .join(splits, on="prompt_id", how="inner", maintain_order="left")
            .select(*rows.columns, "prompt", "split")
        )

    def scored(self) -> pl.DataFrame:
        """:meth:`candidates` with a column ``score_<name>`` per reward, null where it is missing.

        A score attaches to a candidate with its very pixels (sha256) and no other.
        """
        rows = self.candidates()
        images = rows.select("candidate_id", "sha256").with_row_index("nth")
        found = {f"score_{one.name}": self._scores_of(one, images) for one in self.rewards}
        return rows.with_columns(**found)

    def _scores_of(self, reward: WantedReward | RecordedReward, images: pl.DataFrame) -> pl.Series:
        """Scores of ``images`` (nth, from 0, candidate_id and sha256), null where there is none."""
        scores = self.workspace.scores(reward.folder, ["candidate_id", "sha256", "score"])
        # By one key, and the other compared: a join by two takes three times the memory.
        same = (
            scores.join(images, on="candidate_id", how="inner")
            .filter(pl.col("sha256") == pl.col("sha256_right"))
            .select("nth", "score")
        )
        nth = images.select("nth")
        return nth.join(same, on="nth", how="left", maintain_order="left")["score"]

    def verdicts(self, judge: str) -> pl.DataFrame:
        """Those of :meth:`candidates` that judges are asked about, with what one says of each:
        correct, score, parts and reason, all null where it has not judged these very pixels.

        Raises:
            SynpicError: the recipe has no such judge; or it is not found, and nothing of it is
                recorded.
        """
        found = next((one for one in self.judges if one.name == judge), None)
        if found is None:
            self.require("judges", [judge])
            known = ", ".join(self.recipe.judges) or "none"
            raise SynpicError(f"the recipe has no judge {judge!r}", hint=f"it has: {known}")
        said = self.workspace.verdicts(found.folder).select(
            "candidate_id", "sha256", "correct", "score", "parts", "reason"
        )
        keys = ["candidate_id", "sha256"]
        there = self.judged(self.candidates())
        return there.join(said, on=keys, how="left", maintain_order="left")

    def judged(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of ``rows`` (prompt_id) that judges are asked about: of a suite, its items."""
        if not self.suite.name:
            return rows
        return rows.filter(pl.col("prompt_id").is_in([*self.suite.items]))

    def image_folders(self) -> list[str]:
        """Folders that hold the pixels of :meth:`candidates`."""
        return list(dict.fromkeys(model.folder for model in self.models))


_WANTED = {
    **dict.fromkeys(("candidate_id", "prompt_id", "prompt"), pl.String),
    "sample": pl.Int32,
    "seed": pl.Int64,
    "batch": pl.Int64,
    **dict.fromkeys(("model", "place", "folder", "fingerprint"), pl.String),
}


def take_inventory(workspace: Workspace | Snapshot, listener: Listener | None = None) -> Inventory:
    """Read the prompts and resolve the names of a workspace's recipe, as far as they can be.

    What cannot be resolved is noted, and read from what its parts record.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        listener: receives progress, where images of a source have to be found again.

    Raises:
        RecipeError: no ranking can come of the recipe.
        PromptError, IngestError, CheckpointError, UnknownName: prompts, or the images of a
            source, are not found, and none were ever read.
        CorruptPart: ``suite.parquet`` is damaged, and the recipe has judges, or rewards that read
            what it asks.
    """
    snapshot = workspace.snapshot()
    noted = Noted(snapshot)
    models: Sequence[WantedModel]
    if snapshot.recipe.ingest is not None:
        # What reads sources of images takes a tenth of the time in which a set is ranked.
        from synpic.ingest import INDEX, IngestedImages, current_index, ingested_prompts

        index, problem = current_index(snapshot, listener)
        noted.source("ingest", problem, INDEX)
        prompts, problem = with_items(snapshot, ingested_prompts(snapshot, index))
        noted.source("suite", problem, SUITE)
        models = [IngestedImages.take(snapshot.workspace, index)]
    else:
        prompts, problem = current_prompts(snapshot)
        noted.source("prompts", problem, PROMPTS)
        models = noted.models()
    recipe = snapshot.recipe
    # Of ingested images, a suite that the recipe named before may still lie there.
    asked = recipe.judges or reads_suite(recipe.scoring, snapshot.workspace.folder)
    asks = asked and (recipe.ingest is None or recipe.suite is not None)
    suite = read_suite(snapshot.workspace) if asks else NO_SUITE
    resolve = partial(resolve_judge, suite=suite)
    return Inventory(
        snapshot,
        prompts,
        models,
        rewards=noted.scoring(recipe.scoring, partial(resolve_reward, suite=suite.identity)),
        comparers=noted.scoring(recipe.comparers, resolve_comparer),
        judges=noted.scoring(recipe.judges, resolve, suite=suite.identity),
        suite=suite,
        unresolved=noted.unresolved,
        recorded=noted.recorded,
        doubtful=noted.doubtful,
    )
