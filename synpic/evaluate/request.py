"""What a run of `synpic eval` is asked for, and the mistakes in it that are seen early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synpic.evaluate.compared import require_distinct, require_model, require_tag
from synpic.evaluate.fid.distances import require_distances
from synpic.evaluate.metrics import require_metrics
from synpic.evaluate.report import require_room
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.tasks import chosen_scorers
from synpic.prompts import current_prompts
from synpic.workspace import Snapshot
from synpic.workspace.parts import frame

__all__ = ["EvaluationRequest"]


@dataclass(frozen=True)
class EvaluationRequest:
    """What a run of `synpic eval` is asked for.

    Args:
        base: the model that the others are compared with; that of the recipe if None.
        metrics: rewards and judges; all that there are if None.
        tag: a column of the prompts; that of the recipe's [compare] if None.
        references: of Fréchet distances; none are computed if None.
        features: of Fréchet distances.
        to: the folder of the report; none is written if None.
        overwrite: whether a report that is there is replaced.
    """

    base: str | None = None
    metrics: Sequence[str] | None = None
    tag: str | None = None
    references: str | None = None
    features: str = "inception"
    to: Path | None = None
    overwrite: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its answer is what the workspace is recorded with: all metrics, the own tag."""
        return self.metrics is None and self.tag is None

    def require_options(self) -> None:
        """Refuse what cannot be followed in any workspace.

        Raises:
            EvaluationError: no report can be written there.
            SynpicError: no Fréchet distance comes of these names.
        """
        if self.to is not None:
            require_room(self.to, overwrite=self.overwrite)
        if self.references is not None:
            require_distances(self.references, self.features)

    def require_answer(self, snapshot: Snapshot, *, makes_images: bool) -> None:
        """Refuse what no comparison can come of in this workspace, before anything is drawn.

        What is known of images that exist already only when they are read is not checked.

        Args:
            makes_images: whether what is missing is drawn, scored and judged first.

        Raises:
            EvaluationError: the recipe has no such model, reward or judge, or the prompts no such
                tag; or images are to be made, and it has not two models, or two are the same.
            RecipeError: images are to be made, and nothing looks at them; the hint names the table
                to write.
            SynpicError: the prompts cannot be read, or as taking an inventory.
        """
        recipe = snapshot.recipe
        require_metrics(self.metrics or [], [*recipe.judges, *recipe.scoring])
        if self.base is not None and recipe.models:
            require_model(self.base, recipe.models)
        tag = self.tag or (recipe.compare.tag if recipe.compare else None)
        if tag is not None and (recipe.prompts is not None or recipe.suite is not None):
            prompts, _ = current_prompts(snapshot)
            require_tag(frame(prompts.table), tag)
        if makes_images:
            inventory = take_inventory(snapshot)
            chosen_scorers(inventory, None)
            if recipe.models:
                require_distinct(inventory, list(recipe.models))
