"""The scheduler that a recipe asks for: made from the checkpoint's own, or refused.

Many schedulers take fresh noise at every step. Each image's comes from its own seed, or the
scheduler is refused.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from synpic.errors import ModelError, did_you_mean
from synpic.generate.placement import stages
from synpic.recipe.settings import ModelSettings

__all__ = ["StepNoise", "check_seeded", "make_scheduler"]

_SHARED = "a batch shares what it draws, whatever the seeds of its images"
_UNSEEDED = {
    "DPMSolverSDEScheduler": "it takes one seed for all batches, and none of an image",
    "CosineDPMSolverMultistepScheduler": "it keeps the seeds of the first batch for all others",
    "AmusedScheduler": _SHARED,
    "VQDiffusionScheduler": _SHARED,
}
"""Schedulers whose noise is not of an image's own seed, and why."""


def make_scheduler(settings: ModelSettings, own: Any) -> Any:
    """The scheduler to draw with; ``own`` itself where the recipe asks for nothing else.

    Args:
        own: the checkpoint's.

    Raises:
        ModelError: it is none, does not take an option, is for another kind of model, or draws
            noise that no seed of an image decides.
    """
    name, options = settings.scheduler, settings.scheduler_options
    check_seeded(name or type(own).__name__, asked=name is not None)
    if name is None and not options:
        return own
    kind = type(own) if name is None else _named(name)
    known = list(inspect.signature(kind.__init__).parameters)
    for option in options:
        if option not in known:
            raise ModelError(
                f"scheduler_options.{option}: {kind.__name__} takes no such option."
                f"{did_you_mean(option, known)}",
                hint=f"it takes: {', '.join(known[1:])}",
            )
    _check_kind(kind, {**own.config, **options}, own)
    try:
        return kind.from_config(own.config, **options)
    except (TypeError, ValueError, NotImplementedError, ImportError) as error:
        raise ModelError(
            f"{'scheduler_options' if options else 'scheduler'}: {kind.__name__} cannot be made "
            f"from the checkpoint's settings and scheduler_options: {error}",
            hint="change scheduler_options, or name another scheduler",
        ) from error


def check_seeded(name: str, *, asked: bool) -> None:
    """Refuse a scheduler whose noise is not of an image's own seed.

    Args:
        name: of its class.
        asked: whether the recipe names it; else it is the checkpoint's.

    Raises:
        ModelError: the same recipe would not draw the same image again.
    """
    if name in _UNSEEDED:
        raise ModelError(
            f"{'scheduler' if asked else 'checkpoint'}: {name} draws noise that cannot be seeded "
            f"image by image: {_UNSEEDED[name]}",
            hint="name another scheduler, as EulerAncestralDiscreteScheduler",
        )


class StepNoise:
    """Noise of a pipeline's steps, from now on: of the seeds of the images that are drawn.

    Half of all pipelines hand their generators to ``scheduler.step``. The others (Stable Diffusion
    3, Flux) hand it none, and what it then draws is another noise each time.

    Args:
        pipeline: with its schedulers in place.
    """

    def __init__(self, pipeline: Any) -> None:
        import diffusers

        self.generators: list[Any] | None = None
        for stage in stages(pipeline):
            for part in stage.components.values():
                if isinstance(part, diffusers.SchedulerMixin):
                    step = part.step  # type: ignore[attr-defined]
                    if "generator" in inspect.signature(step).parameters:
                        part.step = _Seeded(step, self)  # type: ignore[attr-defined]

    @contextmanager
    def of(self, generators: Sequence[Any]) -> Iterator[None]:
        """While it lasts, one image for each of ``generators`` is drawn, in their order."""
        self.generators = list(generators)
        try:
            yield
        finally:
            self.generators = None


class _Seeded:
    """In the place of a scheduler's ``step``."""

    def __init__(self, step: Callable[..., Any], noise: StepNoise) -> None:
        self._step, self._noise = step, noise
        # Pipelines look here for what they may hand over.
        self.__signature__ = inspect.signature(step)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self.__signature__.bind(*args, **kwargs)
        if call.arguments.get("generator") is None:
            call.arguments["generator"] = self._noise.generators
        return self._step(*call.args, **call.kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Seeded:
        # Of the copied scheduler, and of the same images.
        return _Seeded(copy.deepcopy(self._step, memo), self._noise)


def _named(name: str) -> Any:
    import diffusers

    kind = getattr(diffusers, name, None)
    if isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin):
        return kind
    known = [word for word in dir(diffusers) if word.endswith("Scheduler")]
    if name in known:  # a stand-in for a class that needs another package
        needs = " and ".join(one for one in getattr(kind, "_backends", ()) if one != "torch")
        raise ModelError(
            f"scheduler: {name} needs {needs or 'a package'}, which is not installed",
            hint="install it, or name another scheduler",
        )
    raise ModelError(
        f"scheduler: {name!r} is not in diffusers.{did_you_mean(name, known)}",
        hint="use the class name of a diffusers scheduler, as DPMSolverMultistepScheduler",
    )


def _check_kind(kind: Any, config: Mapping[str, Any], own: Any) -> None:
    """See that a scheduler is for the noise that the model was trained on.

    One for another would draw, and draw noise.
    """
    wanted, found = _noise(type(own), own.config), _noise(kind, config)
    flow = "flow matching" in (wanted, found)
    if wanted == found or (not flow and kind.__name__ in own._compatibles):
        return
    if wanted == "flow matching":
        hint = (
            "name a FlowMatch… scheduler; or one that takes use_flow_sigmas, and set "
            'scheduler_options = { use_flow_sigmas = true, prediction_type = "flow_prediction" }'
        )
    else:
        hint = f"leave it out, or name one like the checkpoint's own {type(own).__name__}"
    raise ModelError(
        f"scheduler: {kind.__name__} is for {found}, and the checkpoint was trained with {wanted}",
        hint=hint,
    )


def _noise(kind: Any, config: Mapping[str, Any]) -> str:
    """The kind of noise that a scheduler of class ``kind`` and with ``config`` takes away."""
    known = inspect.signature(kind.__init__).parameters
    if kind.__name__.startswith("FlowMatch"):
        return "flow matching"
    if "use_flow_sigmas" in known and config.get("use_flow_sigmas"):
        return "flow matching"
    if "beta_schedule" in known:
        return "diffusion"
    return f"what a {kind.__name__} makes"
