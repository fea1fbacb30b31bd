"""What a recipe wants, and what is wrong with it, before anything is spent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl

from synpic.errors import SynpicError, WorkspaceError
from synpic.generate.checks import check_model
from synpic.generate.image_bytes import mean_bytes
from synpic.generate.image_model import Model, check_models, complete, resolve_model, sizes_of
from synpic.generate.recorded import recorded_models
from synpic.generate.schedules import asking
from synpic.generate.schedules.schedule import Schedule, changes_schedule
from synpic.pipeline.comparisons import require_labels
from synpic.pipeline.cuts import Cuts, read_drop, require_condition
from synpic.pipeline.labels import own_source
from synpic.pipeline.list_overlaps import list_overlaps
from synpic.pipeline.ranking import aggregation_of
from synpic.pipeline.scorer_checks import check_scorers
from synpic.pipeline.suite_notes import suite_notes
from synpic.pipeline.validated import ValidatedModel, Validation
from synpic.prompts import read_prompts
from synpic.prompts.meta import in_published_types
from synpic.rank import OWN, require_comparing
from synpic.rank.weights import exact_weights
from synpic.readers.display import count
from synpic.recipe import PromptSettings, SuiteSettings
from synpic.recipe.settings import ModelSettings
from synpic.registry import MODELS
from synpic.release.cards.words import card_notes, read_words
from synpic.safety import check_safety, resolve_safety
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.labels import INGESTED
from synpic.workspace.parts import frame

__all__ = ["ValidatedModel", "Validation", "validate"]


def validate(workspace: Workspace | Snapshot) -> Validation:
    """Check the recipe of ``workspace`` and count what it wants. Nothing is written but the lock.

    Raises:
        RecipeError: it is not even a recipe.
    """
    snapshot = workspace.snapshot()
    recipe = snapshot.recipe
    made = Validation()
    source = recipe.prompts or recipe.suite
    if recipe.ingest is None and source is not None:
        prompts = _check_drawing(made, snapshot, source)
    else:
        prompts = _check_ingest(made, snapshot)
    _check_safety(made, snapshot, [] if prompts is None else prompts["prompt"].to_list())
    check_scorers(made, snapshot, prompts)
    _check_cuts(made, snapshot, prompts)
    if prompts is not None:
        made.overlaps = list_overlaps(snapshot, prompts)
        made.notes += filter(None, map(str, made.overlaps))
    try:
        made.notes += suite_notes(snapshot, prompts)
    except SynpicError as error:
        made.note(error)
    try:
        aggregation = aggregation_of(snapshot)
        if comparing := [name for name in recipe.comparing if name in recipe.weights]:
            require_comparing(aggregation, comparing)
    except SynpicError as error:
        made.note(error)
    _check_labels(made, snapshot)
    try:
        read_words(recipe.publish, snapshot.workspace.store)
    except SynpicError as error:
        made.note(error)
    made.notes += card_notes(recipe.publish)
    if not recipe.rewards:
        judged = " and judged" if recipe.judges else ""
        made.notes.append(f"there are no [rewards.…]: images can be drawn{judged}, but not ranked")
    elif not made.problems:
        try:
            exact_weights(recipe.weights)
        except SynpicError as error:
            made.note(error)
    return made


def _check_labels(made: Validation, snapshot: Snapshot) -> None:
    """Say what labels there are; they may well come later than the recipe."""
    for name in snapshot.recipe.labelled:
        try:
            compared = require_labels(snapshot, name)
            made.notes.append(
                f"rewards.{name} ranks by labels of {compared.source!r}: "
                f"{count(compared.pairs.height, 'pair')} by the question {compared.question!r}"
            )
        except WorkspaceError as error:
            made.notes.append(f"{error.message}: {error.hint}")
        except SynpicError as error:
            made.note(error)


def _check_drawing(
    made: Validation, snapshot: Snapshot, source: PromptSettings | SuiteSettings
) -> pl.DataFrame | None:
    """Prompts and models; the prompts themselves, as far as they can be read."""
    recipe = snapshot.recipe
    texts: pl.DataFrame | None = None
    try:
        prompts = read_prompts(source, snapshot)
        texts = frame(prompts.table)
        made.prompts = prompts.table.num_rows
        made.prompts_empty, made.prompts_duplicate = prompts.empty, prompts.duplicates
    except SynpicError as error:
        made.note(error)
    models: list[Model] = []
    completed: dict[str, ModelSettings] = {}
    schedules: dict[str, Schedule] = {}
    for name, written in recipe.models.items():
        try:
            settings = completed[name] = complete(name, written)
            _note_inherited(made, name, written, settings)
            sizes = resolve_model(name, snapshot)
            models += sizes
            for problem in check_model(snapshot.workspace, sizes[0]):
                made.note(problem)
            if changes_schedule(written):
                schedule = asking.schedule_of_model(snapshot.workspace, sizes[0])
                if schedule is not None:
                    schedules[name] = schedule
        except SynpicError as error:
            made.note(error)
    for name, settings in completed.items():
        found = [model for model in models if model.name == name]
        made.models.append(_model(made, name, settings, snapshot, found))
    _check_own(made, snapshot, brought=False)
    _check_schedules(made, snapshot, schedules)
    if len({model.name for model in models}) == len(recipe.models):
        try:
            check_models(recipe, models)
        except SynpicError as error:
            made.note(error)
    return texts


def _note_inherited(
    made: Validation, name: str, written: ModelSettings, settings: ModelSettings
) -> None:
    """Say what a model with a checkpoint of its own has from the registered one of its name."""
    if written.checkpoint is None or written.model is not None or name not in MODELS:
        return
    plain = ModelSettings()
    kept = [
        f"{key} = {json.dumps(value)}"
        for key in ("family", "variant", "dtype", "sizes", "steps", "guidance")
        if key not in written.model_fields_set
        and (value := getattr(settings, key)) != getattr(plain, key)
    ]
    if kept:
        made.notes.append(
            f"models.{name} has the name of a registered model, and what it leaves out is that "
            f"model's: {', '.join(kept)}; set them, or give it another name"
        )


def _check_schedules(
    made: Validation, snapshot: Snapshot, schedules: Mapping[str, Schedule]
) -> None:
    """Have the schedulers that the recipe changes tried."""
    answers = asking.ask(snapshot.lock, list(schedules.values()))
    for (name, schedule), answer in zip(schedules.items(), answers, strict=True):
        if answer is None:
            made.notes.append(
                f"models.{name}: whether {schedule.name} does {_steps(schedule)} is not known: a "
                "trial of it did not end"
            )
            continue
        if answer.problem is not None:
            message = f"models.{name}.{answer.problem.message}"
            made.problems.append((message, answer.problem.hint))
        for option in answer.ignored:
            made.notes.append(
                f"models.{name}.scheduler_options.{option} changes nothing: {schedule.name} makes "
                f"{_steps(schedule)} the same without it"
            )


def _steps(schedule: Schedule) -> str:
    return "its steps" if schedule.steps is None else count(schedule.steps, "step")


def _check_ingest(made: Validation, snapshot: Snapshot) -> pl.DataFrame | None:
    """Check the source of images; the prompts themselves, as far as they can be read."""
    from synpic.ingest import read_index

    try:
        index = read_index(snapshot)
    except SynpicError as error:
        made.note(error)
        return None
    note = index.prompts_note
    made.prompts = note["read"] - note["empty"] - note["duplicates"]
    made.prompts_empty, made.prompts_duplicate = note["empty"], note["duplicates"]
    made.sharing = index.sharing
    made.notes += index.notes
    sound = index.rows.filter(pl.col("problem").is_null())
    counted = sound.group_by("model", maintain_order=True).agg(pl.len(), pl.col("bytes").sum())
    for name, images, size in counted.iter_rows():
        made.models.append(ValidatedModel(name, index.source, images, size))
    for problem, number in index.rows["problem"].drop_nulls().value_counts().iter_rows():
        made.notes.append(f"{count(number, 'image')} cannot be ingested: {problem}")
    if sound["prompt_id"].n_unique() == sound.height:
        made.notes.append("no prompt has two images: they can be scored, but not ranked")
    _check_own(made, snapshot, index.labelled_by is not None)
    return index.prompts


def _check_own(made: Validation, snapshot: Snapshot, brought: bool) -> None:
    """Say where the recipe's own pairs are missing; a study may bring them later.

    Args:
        brought: whether labels come with the images.
    """
    records = snapshot.recipe.records
    if records.pairs == OWN and not (brought and records.labels in (None, INGESTED)):
        try:
            own_source(snapshot)
        except SynpicError as error:
            made.notes.append(f"{error.message}; {error.hint}")


def _check_safety(made: Validation, snapshot: Snapshot, prompts: Sequence[str]) -> None:
    try:
        wanted = resolve_safety(snapshot)
        if wanted is None:
            return
        check_safety(wanted, snapshot.workspace)
    except SynpicError as error:
        made.note(error)
        return
    if wanted.words is not None:
        listed = sum(map(wanted.words.flags, prompts))
        where, of = wanted.settings.words, count(len(prompts), "prompt")
        made.notes.append(f"{listed:,} of {of} hold a word of {where}")


def _check_cuts(made: Validation, snapshot: Snapshot, prompts: pl.DataFrame | None) -> None:
    """Whether what is dropped can be read, and the condition on prompts computed."""
    cuts = Cuts.of(snapshot.recipe)
    if cuts.drop is not None:
        try:
            named = read_drop(snapshot.workspace, cuts.drop)
            made.notes.append(f"ranking.drop: {named.source} names {named.described}")
        except SynpicError as error:
            made.note(error)
    if cuts.where is not None and prompts is not None:
        try:
            passing = int(require_condition(cuts.where, in_published_types(prompts)).sum())
            of = count(prompts.height, "prompt")
            made.notes.append(f"records.where is true for {passing:,} of {of}")
        except SynpicError as error:
            made.note(error)


def _model(
    made: Validation,
    name: str,
    settings: ModelSettings,
    snapshot: Snapshot,
    found: Sequence[Model],
) -> ValidatedModel:
    """``found``: each of its sizes; none where its weights are not found."""
    workspace, images = snapshot.workspace, snapshot.recipe.images
    sizes = list(sizes_of(settings))
    try:
        folders = {(one.width, one.height): one.folder for one in found}
        if not found:
            folders = {one.sides: one.folder for one in recorded_models(name, snapshot)[0]}
        each = [mean_bytes(workspace, folders.get(size), *size, images) for size in sizes]
    except SynpicError as error:
        made.note(error)
        each = [mean_bytes(workspace, None, *size, images) for size in sizes]
    drawn = made.prompts * settings.samples
    return ValidatedModel(
        name=name,
        checkpoint=str(settings.checkpoint),
        images=drawn * len(sizes),
        bytes=round(drawn * sum(one.bytes for one in each)),
        mean_of=sum(one.mean_of for one in each),
    )
