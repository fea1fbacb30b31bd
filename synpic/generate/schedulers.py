"""The scheduler that a recipe asks for: made from the checkpoint's own, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from synpic.errors import ModelError, did_you_mean
from synpic.settings import ModelSettings

__all__ = ["make_scheduler"]


def make_scheduler(settings: ModelSettings, own: Any) -> Any:
    """The scheduler to draw with; ``own`` itself where the recipe asks for nothing else.

    Args:
        own: the checkpoint's.

    Raises:
        ModelError: it is none, does not take an option, or is for another kind of model.
    """
    name, options = settings.scheduler, settings.scheduler_options
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


def _named(name: str) -> Any:
    import diffusers

    kind = getattr(diffusers, name, None)
    if isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin):
        return kind
    known = [word for word in dir(diffusers) if word.endswith("Scheduler")]
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
