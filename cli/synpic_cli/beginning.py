"""How ``synpic eval`` begins an evaluation from nothing, or goes on with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synpic.readers.display import count

if TYPE_CHECKING:
    from synpic.evaluate.asked_suite import AskedSuite
    from synpic.workspace import Workspace

__all__ = ["begun", "begun_with_images", "refuse_options_of_new"]


def refuse_options_of_new(begins: bool, options: dict[str, Any]) -> None:
    """Refuse options of a new evaluation where none begins, and one without a suite."""
    from synpic.errors import EvaluationError

    given = [name for name, value in options.items() if value not in (None, [])]
    if begins and options["--suite"] is None:
        raise EvaluationError(
            "nothing says on which prompts to compare the models",
            hint="name a suite: --suite NAME; `synpic list suites` shows what there is",
        )
    if not begins and given:
        raise EvaluationError(
            f"{given[0]} begins a new evaluation, and no model is named",
            hint="name the models to compare: synpic eval MODEL --suite NAME; in a workspace, the "
            "recipe has [suite] and [judges.NAME]",
        )


def begun(
    models: list[str], base: str | None, suite: AskedSuite, folder: Path, dry_run: bool
) -> tuple[Workspace, dict[str, int]]:
    """The workspace of a new evaluation, or of one that was begun so; and no images."""
    from synpic.evaluate.beginning import evaluation_recipe
    from synpic.pipeline.asked import ask_model

    recipe = evaluation_recipe(
        _beside(folder, dry_run),
        models=[ask_model(model) for model in models],
        base=None if base is None else ask_model(base),
        suite=suite,
    )
    return _with_recipe(folder, recipe, dry_run, suite), {}


def begun_with_images(
    images: list[str], base: str | None, suite: AskedSuite, folder: Path, dry_run: bool
) -> tuple[Workspace, dict[str, int]]:
    """The same, of images that exist already; and how many of the suite each model has."""
    from synpic.errors import EvaluationError
    from synpic.evaluate.beginning import images_recipe
    from synpic.evaluate.existing_images import existing_images, link_images
    from synpic.ingest.names import name_models
    from synpic.prompts.suites import open_suite
    from synpic_cli.output import say_aside

    pairs = [one.partition("=") for one in images]
    for one, (name, equals, place) in zip(images, pairs, strict=True):
        if not (name and equals and place):
            raise EvaluationError(f"--images {one}: expected NAME=FOLDER")
    names = name_models([name for name, _, _ in pairs], {})
    if len(names) < max(2, len(images)):
        raise EvaluationError(
            "a comparison takes images of two models or more, each under a name of its own",
            hint="--images base=FOLDER --images tuned=FOLDER",
        )

    def recipe(in_memory: bool) -> str:
        where = _beside(folder, in_memory)
        return images_recipe(where, models=[*names.values()], base=base, suite=suite)

    # First in memory: a mistake in a folder leaves no workspace behind.
    snapshot = _with_recipe(folder, recipe(True), True, suite).snapshot()
    settings = snapshot.recipe.suite
    assert settings is not None, "images_recipe writes it"
    items = open_suite(settings, snapshot).items
    found = {names[name]: existing_images(Path(place), items) for name, _, place in pairs}
    for name, there in found.items():
        say_aside(f"{name}: {count(len(there), 'image')} of the suite")
    workspace = _with_recipe(folder, recipe(dry_run), dry_run, suite)
    if not dry_run:
        link_images(folder, found)
    return workspace, {name: len(there) for name, there in found.items()}


def _beside(folder: Path, in_memory: bool) -> Path | None:
    """From where a recipe names files; a folder that is not there leads nowhere."""
    return folder if folder.is_dir() or not in_memory else None


def _with_recipe(folder: Path, recipe: str, dry_run: bool, suite: AskedSuite) -> Workspace:
    from synpic.evaluate.running import begin_evaluation
    from synpic.workspace import RECIPE, Workspace
    from synpic_cli.looking import from_the_user
    from synpic_cli.output import say_aside

    workspace = Workspace(folder)
    if dry_run:
        workspace = workspace.without_writing()
    new = not workspace.store.exists(RECIPE)
    suite.import_modules()
    begun = begin_evaluation(workspace, recipe)
    if new and not dry_run:
        suite.bring_modules(folder)
        say_aside(f"Wrote {from_the_user(folder) / RECIPE}: the same command goes on from there.")
    return begun
