"""The recipe: what is wanted, as pydantic models read from TOML, and checked before a GPU is spent.

It does not depend on disks or on what its names stand for: ``model = "sdxl"`` is a string here,
and the rooms below look it up. Every mistake becomes one ``RecipeError`` that names the key.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from synpic.errors import did_you_mean
from synpic.recipe.judges import CompareSettings, JudgeSettings
from synpic.recipe.publish import PublishSettings
from synpic.recipe.rewards import LabelName, RewardSettings
from synpic.recipe.settings import ImageSettings, ModelSettings, Place
from synpic.recipe.suite import SuiteSettings
from synpic.recipe.toml import Table, read_toml

__all__ = [
    "Flagged",
    "IngestSettings",
    "PromptSettings",
    "QuestionSettings",
    "RankingSettings",
    "Recipe",
    "RecordSettings",
    "SafetySettings",
    "StudySettings",
    "parse_recipe",
    "split_problem",
]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Flagged = Literal["keep", "leave-out"]
PairStrategy = Literal["best-worst", "best-rest", "all", "adjacent", "random", "own"]
Config = Literal["ranked", "scores", "images", "pairwise", "pickapic"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def split_problem(name: str) -> str | None:
    """Why ``load_dataset`` would not take a split of that name; None if it would."""
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        return f"split {name!r}: letters, digits, _ and single dots only, as load_dataset asks"
    if name.lower() == "all":
        return f"split {name!r}: load_dataset reads that as every split; choose another name"
    return None


Columns = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class PromptSettings(Table):
    """Where prompts come from: exactly one of ``world``, ``file`` and ``dataset``."""

    world: str | None = None
    """A registered source of prompts: "shapes"."""
    file: Place | None = None
    """A .txt (a prompt a line), .csv, .jsonl or .parquet file, relative to the recipe."""
    dataset: Place | None = None
    """A dataset on the Hub, or a folder that ``load_dataset`` opens."""
    config: str | None = None
    revision: str | None = None
    column: str | None = None
    """The column that holds the prompt; "prompt" where it is not given."""
    split: str = "train"
    """Which split of the world or dataset; for a file, what its rows are put into."""
    count: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Take this many; all of them where it is not given (a world needs it)."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Decides what a world makes."""
    keep: list[str] | None = None
    """Other columns to keep, as ``meta_<name>``; a file's scalar columns where it is not given."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [k for k in ("world", "file", "dataset") if getattr(self, k) is not None]
        if len(named) != 1:
            found = " and ".join(named) if named else "none of them"
            raise ValueError(f"give exactly one of world, file and dataset; found {found}")
        if self.world is not None and self.count is None:
            raise ValueError("count: a world makes prompts without end; say how many are wanted")
        if problem := split_problem(self.split):
            raise ValueError(problem)
        return self


class IngestSettings(Table):
    """Images that exist already, instead of prompts and models: ``images`` or ``dataset``."""

    images: Place | None = None
    """A folder of image files with their captions, relative to the recipe."""
    dataset: Place | None = None
    """A dataset of Parquet files: on the Hub, or a folder."""
    config: str | None = None
    revision: str | None = None
    split: str = "train"
    """Which split of the dataset; for a folder, what its images are put into."""
    image: Columns | None = None
    """The columns that hold images; those of a known layout where it is not given."""
    prompt: Columns | None = None
    """What holds the prompt: one for all, or one for each of ``image``; else a usual one."""
    model: Columns | None = None
    """What says which model drew an image: one for all, or one for each of ``image``."""
    count: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Take this many images of a folder, or rows of a dataset; all where it is not given."""
    keep: list[str] | None = None
    """Values to keep beside prompts, as ``meta_<name>``; where it is not given, those of a tar."""
    follow_links: bool = False
    """Read what links lead to outside the folder, too: images, captions and metadata."""
    labels: bool = True
    """Read which images are preferred, where the source says so."""
    label_0: str | None = None
    """The column of images whose share ``label_0`` is; by the numbers in names if not given."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.images is None) == (self.dataset is None):
            found = "both" if self.images is not None else "neither"
            raise ValueError(f"give exactly one of images and dataset; found {found}")
        if self.images is not None:
            for key in ("config", "revision", "image"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key}: a dataset takes it, and a folder of images does not")
        elif self.follow_links:
            raise ValueError("follow_links: a folder of images takes it, and a dataset does not")
        if self.model is not None and len(self.model) not in (1, len(self.image or self.model)):
            raise ValueError("model: name one column, or as many as in image")
        if self.prompt is not None and len(self.prompt) > 1:
            if self.images is not None:
                raise ValueError("prompt: a dataset takes several, and a folder of images does not")
            if len(self.prompt) != len(self.image or self.prompt):
                raise ValueError("prompt: name one column, or as many as in image")
        if problem := split_problem(self.split):
            raise ValueError(problem)
        return self


class SafetySettings(Table):
    """What marks an image as flagged: classifiers of images and prompts, and a list of words.

    It decides no pixel. What is drawn while it is there is checked; nothing is left undrawn.
    """

    images: Place | None = None
    """A transformers image classifier: a Hub repository, or a folder."""
    images_revision: str | None = None
    prompts: Place | None = None
    """A transformers text classifier: a Hub repository, or a folder."""
    prompts_revision: str | None = None
    words: Place | None = None
    """A file with a word or phrase a line, relative to the recipe; # begins a comment."""
    labels: Annotated[list[str], Field(min_length=1)] = ["nsfw"]
    """The classes that flag, as the classifiers name them, in any case of letters."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the probability of those classes together."""

    @property
    def classifies(self) -> bool:
        """Whether there is anything for a device to do."""
        return self.images is not None or self.prompts is not None

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        if self.images is None and self.prompts is None and self.words is None:
            raise ValueError("give at least one of images, prompts and words")
        for key in ("images", "prompts"):
            if getattr(self, f"{key}_revision") is not None and getattr(self, key) is None:
                raise ValueError(f"{key}_revision: there is no {key}")
        return self


class RankingSettings(Table):
    """How scores become a ranking (docs/ranking.md)."""

    aggregation: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "win-rate"
    """A registered aggregation (``synpic list aggregations``), or package.module:callable."""
    ties: Literal["competition", "ordinal"] = "competition"
    rewards: list[Name] | None = None
    """Which rewards rank; all of the recipe's where it is not given."""
    drop: Place | None = None
    """What is taken out before ranking: "marks", or a file of ids, relative to the recipe."""


class RecordSettings(Table):
    """Which tables are published."""

    configs: Annotated[list[Config], Field(min_length=1)] = ["ranked", "scores"]
    pairs: PairStrategy = "best-worst"
    """How pairs are chosen from a ranking, for ``pairwise`` and ``pickapic``; "own": the pairs that
    came with labels."""
    labels: LabelName | None = None
    """Of "own" pairs: whose labels they have, "ingested" or a study's; where it is not given, those
    that came with the images, else those of the only study."""
    question: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "overall"
    """Of "own" pairs: which question's labels they have."""
    ties: Literal["leave-out", "keep"] = "leave-out"
    """Of "own" pairs: whether ``pickapic`` has those that are labelled as a tie."""
    flagged: Flagged = "keep"
    """Whether flagged images are ranked and published; what no check has seen always is."""
    where: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    """A condition in SQL over the columns of prompts: others are left out, after ranking."""
    min_margin: Annotated[float, Field(ge=0)] | None = None
    """The least preference of a prompt's first image above that of its last."""
    min_agreement: Annotated[float, Field(ge=-1, le=1)] | None = None
    """The least mean Kendall τ-b between the rewards that rank, within the prompt."""
    top: Annotated[int, Field(ge=1)] | None = None
    """Publish this many images of a prompt, the first ones, with ranks among all of them."""


class QuestionSettings(Table):
    """A question of one's own for `synpic study`."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    """What a rater is asked about two images: "Which image looks more like a photograph?"."""
    prompt: bool = True
    """Whether the rater sees the prompt."""


class StudySettings(Table):
    """What people are asked (docs/study.md)."""

    questions: dict[Name, QuestionSettings] = {}


class Recipe(Table):
    """Everything that is wanted."""

    renamed: ClassVar = {"given": "ingest"}

    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """From which the seed of every image is derived."""
    shared_seeds: bool = True
    """Models draw a prompt's nth sample from the same seed (same noise, different models)."""
    prompts: PromptSettings | None = None
    suite: SuiteSettings | None = None
    images: ImageSettings = ImageSettings()
    models: dict[Name, ModelSettings] = {}
    ingest: IngestSettings | None = None
    safety: SafetySettings | None = None
    rewards: dict[Name, RewardSettings] = {}
    judges: dict[Name, JudgeSettings] = {}
    compare: CompareSettings | None = None
    ranking: RankingSettings = RankingSettings()
    records: RecordSettings = RecordSettings()
    publish: PublishSettings = PublishSettings()
    study: StudySettings = StudySettings()

    def __repr__(self) -> str:
        parts = [
            f"{what}: {', '.join(map(str, getattr(self, what)))}"
            for what in ("models", "rewards", "judges")
            if getattr(self, what)
        ]
        return f"Recipe({'; '.join(parts)})"

    @model_validator(mode="after")
    def _drawn_or_ingested(self) -> Self:
        tables = ("prompts", "images", "models")
        written = [name for name in tables if name in self.model_fields_set]
        if self.ingest is not None and written:
            raise ValueError(
                f"{written[0]}: images are either drawn ([prompts] or [suite], and [models.NAME]) "
                "or ingested ([ingest]); leave one out"
            )
        if self.prompts is not None and self.suite is not None:
            raise ValueError("suite: a suite brings its prompts; leave [prompts] or [suite] out")
        if self.ingest is None and self.prompts is None and self.suite is None:
            raise ValueError(
                "prompts: is missing; or [suite], or, for images that exist already, [ingest]"
            )
        if self.ingest is None and not self.models:
            raise ValueError("models: is missing: at least one [models.NAME] draws images")
        return self

    @model_validator(mode="after")
    def _images_of_a_suite(self) -> Self:
        if self.suite is None:
            return self
        if self.ingest is not None and self.suite.images is not None:
            raise ValueError("suite.images: images that are ingested are as many as there are")
        for name, model in self.models.items():
            if "samples" in model.model_fields_set:
                raise ValueError(
                    f"models.{name}.samples: of a suite, all models draw as many images a prompt; "
                    "say so in suite.images"
                )
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for name in self.ranking.rewards or ():
            if name not in self.rewards:
                suggestion = did_you_mean(name, self.rewards)
                raise ValueError(f"ranking.rewards: there is no [rewards.{name}].{suggestion}")
        for name, one in self.comparers.items():
            if one.pairs == "adjacent" and not self.scoring:
                raise ValueError(
                    f'rewards.{name}.pairs: "adjacent" are neighbours in the ranking by the '
                    "rewards that give scores, and there is none; add one, or compare all pairs"
                )
        if self.records.min_agreement is not None and len(self.weights) == 1:
            raise ValueError(
                "records.min_agreement: two rewards agree or do not, and only "
                f"{next(iter(self.weights))!r} ranks"
            )
        return self

    @model_validator(mode="after")
    def _judged_and_compared(self) -> Self:
        for name in self.judges:
            if name in self.rewards:
                raise ValueError(
                    f"judges.{name}: there is a [rewards.{name}] too; `--only {name}` has to mean "
                    "one of them: give either another name"
                )
        if self.compare is not None:
            base, rewards = self.compare.base, self.compare.rewards or ()
            # Of ingested images, the source names the models.
            if self.ingest is None and base not in self.models:
                suggestion = did_you_mean(base, self.models)
                raise ValueError(f"compare.base: there is no [models.{base}].{suggestion}")
            for name in rewards:
                if name not in self.scoring:
                    what = "gives no score" if name in self.rewards else "is not in the recipe"
                    suggestion = did_you_mean(name, self.scoring)
                    raise ValueError(f"compare.rewards: [rewards.{name}] {what}.{suggestion}")
        return self

    @property
    def scoring(self) -> dict[str, RewardSettings]:
        """The rewards that score images."""
        return {name: one for name, one in self.rewards.items() if name not in self.comparing}

    @property
    def comparing(self) -> dict[str, RewardSettings]:
        """What ranks by pairs of images, and scores none: by labels, or by a comparer."""
        return {**self.labelled, **self.comparers}

    @property
    def labelled(self) -> dict[str, RewardSettings]:
        """What ranks by labels of pairs."""
        return {name: one for name, one in self.rewards.items() if one.labels is not None}

    @property
    def comparers(self) -> dict[str, RewardSettings]:
        """What ranks by a comparer of pairs."""
        return {name: one for name, one in self.rewards.items() if one.comparer is not None}

    @property
    def weights(self) -> dict[str, float]:
        """The rewards that rank, with their weights."""
        chosen = self.ranking.rewards or list(self.rewards)
        return {name: float(self.rewards[name].weight) for name in chosen}


def parse_recipe(text: str | bytes, where: str = "recipe.toml") -> Recipe:
    """Read a recipe.

    Args:
        text: TOML; bytes are taken as UTF-8.
        where: the file's name, for messages.

    Raises:
        RecipeError: for any text that is no valid recipe, with every mistake on a line of its own.
    """
    return read_toml(Recipe, text, where, hint="`synpic init --show` prints a commented recipe")
