"""``synpic train``."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, number, size
from synpic_cli.options import READING, AsJson, WaitToRead

if TYPE_CHECKING:
    from synpic.engine.progress import Listener
    from synpic.evaluate.at_checkpoints import CheckpointEvaluation, EvaluationImages
    from synpic.train.plan import Plan
    from synpic.train.settings import TrainRecipe
    from synpic.train.training_loop import Trained


def train(
    recipe: Annotated[
        Path | None,
        typer.Argument(metavar="[RECIPE]", help="A training recipe, TOML.", show_default=False),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe that synpic brings, instead.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of the recipe: optimizer.learning_rate=1e-5. Several times too.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the run lies; one that is there goes on. Beside the recipe, named as it "
            "is, if not given.",
        ),
    ] = None,
    show: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print this preset; train nothing.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do and need; train nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on published rankings. Run it again to go on.

    On several GPUs: accelerate launch --num_processes 8 -m synpic_cli train RECIPE
    """
    main = _is_main()
    if show is not None or dry_run:
        if not main:
            return
        if show is not None:
            from synpic.train.presets import preset as text_of

            typer.echo(text_of(show), nl=False)
            return
    from synpic.errors import RecipeError, Stopped, SynpicError

    try:
        settings, beside = _settings(recipe, preset, change or [])
    except RecipeError as error:
        # Each machine reads the file for itself, and one process of each says what is wrong.
        if os.environ.get("LOCAL_RANK", "0") == "0":
            raise
        raise typer.Exit(0) from error
    # Lines of ours say how far it is.
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    from synpic.hub.retry import waiting
    from synpic_cli.watching import note, watched_work

    tell = note if main else None  # of several processes that wait for the Hub, one says so
    if dry_run:
        with waiting(wait, tell):
            _show_plan(settings, out or beside, as_json)
        return
    from synpic.train.training_loop import train as train_

    try:
        with waiting(wait, tell), watched_work(quiet=not main) as (listener, stop):
            # Only the main process evaluates; the others wait for it.
            evaluates = main and settings.evaluate.every is not None
            on_checkpoint = (
                _evaluation(settings, out or beside, listener, stop) if evaluates else None
            )
            trained = train_(
                settings, out or beside, listener=listener, stop=stop, on_checkpoint=on_checkpoint
            )
    except SynpicError as error:
        if main:
            raise
        # The launcher ends all when one ends, so what is wrong has to be said by the first to see
        # it; a line is enough.
        if not isinstance(error, Stopped):
            note(f"process {os.environ['RANK']}: {error.message}")
        raise typer.Exit(error.exit_code) from error
    if main:
        _show(trained, as_json)
        if not as_json:
            _say_pages(out or beside)


def _evaluation(
    settings: TrainRecipe,
    out: Path,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> CheckpointEvaluation:
    from synpic.evaluate.at_checkpoints import CheckpointEvaluation

    return CheckpointEvaluation(settings, out, listener=listener, stop=stop)


def _say_pages(run: Path) -> None:
    from synpic.release.run_folder import EVALUATIONS, finished_evaluations
    from synpic.view.samples import find_samples
    from synpic_cli.looking import say_look

    if find_samples(run) is not None:
        say_look(run)
    if finished_evaluations(run / EVALUATIONS):
        say_look(run / EVALUATIONS)


def _settings(
    recipe: Path | None, preset: str | None, changes: list[str]
) -> tuple[TrainRecipe, Path]:
    """The recipe, and where its run lies unless told otherwise."""
    from synpic.errors import RecipeError
    from synpic.train.presets import preset as text_of
    from synpic.train.presets import presets
    from synpic.train.settings import parse_train_recipe

    if recipe is not None and preset is not None:
        raise RecipeError(
            f"both a recipe, {recipe}, and --preset {preset}: which of the two?",
            hint="give one; --set KEY=VALUE changes either",
        )
    if recipe is None and preset is None:
        raise RecipeError(
            "say what to train: a recipe, or a preset with --preset",
            hint=f"presets: {', '.join(presets())}; `synpic train --show shapes` prints one that "
            "takes minutes on a CPU, to be edited",
        )
    if recipe is None:
        assert preset is not None
        return parse_train_recipe(text_of(preset), preset, changes), Path(preset)
    try:
        text = recipe.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"{recipe} cannot be read: {error.strerror or error}",
            hint="`synpic train --show rankdpo-sdxl > train.toml` writes one to begin with",
        ) from error
    beside = recipe.with_suffix("") if recipe.suffix else recipe.with_name(f"{recipe.name}-run")
    return parse_train_recipe(text, str(recipe), changes), beside


def _is_main() -> bool:
    """Of the processes that a launcher starts, one speaks."""
    return os.environ.get("RANK", "0") == "0"


def _show(trained: Trained, as_json: bool) -> None:
    from synpic.release.cards.model_card import load_lines
    from synpic.release.cards.training import StepEvaluation
    from synpic_cli.output import print_json, say

    load = load_lines(trained.about, str(trained.folder), trained.checkpoint)
    if as_json:
        print_json({"folder": str(trained.folder), "load": load, **trained.about})
        return
    metrics: dict[str, float] = trained.about["metrics"]
    words = [f"loss {metrics['loss']:.4f}"] if "loss" in metrics else []
    if "accuracy" in metrics:
        words.append(f"pairs right {metrics['accuracy']:.0%}")
    steps = trained.about["steps"]
    say(
        f"Trained {count(steps, 'step')}"
        + (f"; over the last of them {', '.join(words)}" if words else "")
    )
    for one in trained.about.get("evaluations", ()):
        say(StepEvaluation.model_validate(one).words)
    say(f"The model is in {trained.folder}. Load it with:")
    say()
    for line in load.splitlines():
        say(f"    {line}".rstrip())
    say()
    say(f"Publish it with:  synpic publish --model {trained.folder} owner/name")


def _show_plan(settings: TrainRecipe, out: Path, as_json: bool) -> None:
    from synpic.train.plan import plan
    from synpic_cli.output import print_json, say

    found = plan(settings, out)
    evaluates = settings.evaluate.every is not None
    images = _evaluation(settings, out).forecast(found.steps.goes_on_from) if evaluates else None
    if as_json:
        print_json(found.as_dict() | ({"evaluations": asdict(images)} if images else {}))
        return
    lines = _lines(found, settings)
    if images is not None:
        lines.insert(-1, ("evaluations", _evaluations(images)))
    for what, words in lines:
        say(f"{what:<14}{words}")


def _evaluations(images: EvaluationImages) -> str:
    if not images.steps:
        return "made"
    return (
        f"{number(len(images.steps))} left, by {count(images.prompts, 'prompt')} of "
        f"{images.suite}: {count(images.images, 'image')} to draw"
    )


def _lines(found: Plan, settings: TrainRecipe) -> list[tuple[str, str]]:
    data, model, steps, costs = found.data, found.model, found.steps, found.costs
    at = f" at {data.commit[:8]}" if data.commit else ""
    model_at = f" at {model.model_commit[:8]}" if model.model_commit else ""
    version = f", version {data.version}" if data.version else ""
    table = f"{data.config}, " if data.config else ""
    pixels = f"{found.size[0]}x{found.size[1]}" if found.size else "each prompt's own"
    learnt = f"{model.trained:,} of {count(model.parameters, 'parameter')}"
    if settings.tuning.method == "lora":
        learnt = (
            f"adapters of {count(model.trained, 'parameter')}, to the model's {model.parameters:,}"
        )
    lacking = ", ".join(f"{number:,} {what}" for what, number in costs.to_encode.items() if number)
    sizes = sorted(costs.memory_bytes.items(), key=lambda item: -item[1])
    memory = ", ".join(f"{what} {size(number)}" for what, number in sizes)
    repeated = f"; {data.repeated:,} of them more often, being few of their size"
    goes_on = f", goes on from step {steps.goes_on_from:,} of {steps.steps:,}"
    return [
        ("dataset", f"{data.dataset}{at}{version} ({table}{data.split})"),
        ("prompts", f"{data.prompts:,}, of {count(data.images, 'image')}"),
        ("left out", f"{data.without_preference:,}, which prefer no image"),
        ("image size", pixels),
        ("model", f"{model.checkpoint}{model_at} ({model.pipeline})"),
        ("trained", learnt),
        ("objective", settings.objective.name),
        ("steps", f"{steps.steps:,}, of {count(steps.prompts_per_step, 'prompt')} each"),
        ("epochs", f"{steps.epochs:.2f}{repeated if data.repeated else ''}"),
        ("to encode", lacking or "nothing: all of it is in the cache"),
        ("cache", f"{costs.cache}, about {size(costs.cache_bytes)} more"),
        ("memory", f"{memory}; activations come on top"),
        ("out", f"{found.out}{goes_on if steps.goes_on_from else ''}"),
    ]
