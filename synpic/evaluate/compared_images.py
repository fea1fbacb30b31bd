"""Which images of which models are compared, and by what results are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.evaluate.compare_models import OVERALL, Items, Result, compare_models
from synpic.evaluate.compared import SUITE_TAG, base_of, compared_models, tag_of, tags_of
from synpic.evaluate.metrics import Metric
from synpic.evaluate.suite_facts import SuiteFacts, suite_facts
from synpic.evaluate.wanted_images import wanted_images
from synpic.pipeline.inventory import Inventory
from synpic.workspace.evaluation_values import VALUES

__all__ = ["ComparedImages", "ComparedValues", "compared_images"]


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """Images of the same prompts, the nth of each model.

    Args:
        wanted: every image: candidate_id, prompt_id, model, seed, nth.
        base: the model that the others are compared with.
        models: all of them: name → fingerprint.
        suite: of which the prompts are; None where they are of none.
        tag: the column of prompts by which results are apart; None without.
        tags: prompt id → tag, of every prompt.
    """

    wanted: pl.DataFrame
    base: str
    models: Mapping[str, str]
    suite: SuiteFacts | None
    tag: str | None
    tags: Mapping[str, str]

    @cached_property
    def fingerprint(self) -> str:
        """Of models, prompts and base: the seed of all draws."""
        return ids.fingerprint(
            {"models": self.models, "prompts": sorted(self.tags), "base": self.base}
        )

    @cached_property
    def places(self) -> pl.DataFrame:
        """Prompt and ``nth`` of every item; ``same_seed``, whether all models drew from one."""
        seed = pl.col("seed")
        return (
            self.wanted.group_by("prompt_id", "nth")
            .agg(same_seed=(seed.n_unique() == 1) & (seed.min() > 0))
            .sort("prompt_id", "nth")
        )

    @property
    def as_suite(self) -> bool:
        """Whether results are apart as the suite's are, if there is one."""
        return self.tag in (None, SUITE_TAG)

    @property
    def units(self) -> Mapping[str, str]:
        """Prompt id → what is independent of others, where it is not the prompt."""
        # A combination of things has one tag of the suite, and may have several of another column.
        return self.suite.units if self.suite and self.as_suite else {}

    def by(self, metric: Metric) -> ComparedValues:
        """What a metric says of the images, in the order of :attr:`places`."""
        items = self._items(metric, self.tags, self.units)
        if self.suite is None or self.as_suite:
            return ComparedValues(self, metric, items, items)
        of_suite = self._items(metric, self.suite.tags, self.suite.units)
        return ComparedValues(self, metric, items, of_suite)

    def _items(self, metric: Metric, tags: Mapping[str, str], units: Mapping[str, str]) -> Items:
        table = self.wanted.join(metric.values, on="candidate_id", how="left")
        wide = table.pivot(on="model", index=["prompt_id", "nth"], values="value")
        rows = self.places.join(wide, on=["prompt_id", "nth"], how="left", maintain_order="left")
        prompts = rows["prompt_id"].to_list()
        return Items(
            {
                model: rows[model].cast(pl.Float64).fill_null(np.nan).to_numpy()
                for model in self.models
            },
            [units.get(prompt, prompt) for prompt in prompts],
            [tags[prompt] for prompt in prompts],
        )


@dataclass(frozen=True, eq=False)
class ComparedValues:
    """What one metric says of compared images.

    Args:
        items: its values by the tags of ``images``; NaN where there is none.
        items_of_suite: the same by the suite's own tags and units, where there is a suite.
    """

    images: ComparedImages
    metric: Metric
    items: Items
    items_of_suite: Items

    def results(self) -> list[Result]:
        """What each model got, overall and of each tag."""
        images = self.images
        suite, fingerprint = images.suite, images.fingerprint
        few = suite.without_interval if suite and images.tag == SUITE_TAG else frozenset[str]()
        found = compare_models(
            self.items,
            images.base,
            fingerprint=fingerprint,
            overall=self.metric.overall,
            without_interval=few,
        )
        if suite is None or images.as_suite:
            return found
        # Overall is the suite's own number, by whichever column results are apart.
        own = compare_models(
            self.items_of_suite, images.base, fingerprint=fingerprint, overall=suite.overall
        )
        return [
            *(one for one in own if one.tag == OVERALL),
            *(one for one in found if one.tag != OVERALL),
        ]

    def table(self) -> pa.Table:
        """A row of each image, as :data:`VALUES` has it; null where the metric has no value."""
        items = self.items_of_suite
        of_models = [
            self.images.places.select("prompt_id", "nth").with_columns(
                metric=pl.lit(self.metric.name),
                model=pl.lit(model),
                unit=pl.Series(list(items.units)),
                tag=pl.Series(list(items.tags)),
                value=pl.Series(values).fill_nan(None),
            )
            for model, values in items.values.items()
        ]
        return pl.concat(of_models).select(VALUES.names).to_arrow().cast(VALUES)


def compared_images(inventory: Inventory, base: str | None, tag: str | None) -> ComparedImages:
    """The images of a workspace that are compared.

    Args:
        base: that of the recipe's [compare], or the first model, if None.
        tag: a column of the prompts, without its ``meta_``; that of the recipe's [compare], or the
            tags of its suite, if None.

    Raises:
        EvaluationError: there are not two models with images, or two draw alike; a name is unknown.
    """
    wanted = wanted_images(inventory)
    models = compared_models(inventory, wanted)
    compare = inventory.recipe.compare
    base = base_of(base or (compare.base if compare else None), models)
    if not inventory.recipe.models:
        models = {base: models[base], **models}  # ingested ones have no order of their own
    images = wanted.group_by("prompt_id", "model").len()["len"]
    suite = suite_facts(inventory, models, max(images, default=0))
    tag = tag or tag_of(inventory, suite)
    prompts = set(wanted["prompt_id"])
    tags = {prompt: one for prompt, one in tags_of(inventory, tag).items() if prompt in prompts}
    return ComparedImages(wanted, base, models, suite, tag, tags)
