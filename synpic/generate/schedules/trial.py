"""A schedule, tried on a tensor of a few numbers; and which setting it is that fails."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synpic.errors import ModelError
from synpic.generate.schedulers import make_scheduler
from synpic.generate.schedules.answer import Answer, ScheduleProblem
from synpic.generate.schedules.schedule import Schedule
from synpic.readers.display import count
from synpic.recipe.settings import ModelSettings

__all__ = ["answer_of", "check_schedule", "ignored_options"]

_SHAPE = (1, 4, 8, 8)
_TOKENS = 1000
"""Of an image of about 500 pixels each side, where the shift grows with the image."""


@dataclass(frozen=True)
class _Setting:
    """What is tried: the recipe's settings, or these without one of them."""

    scheduler: str | None
    options: Mapping[str, Any]
    steps: int
    call: Mapping[str, Any]


class _Fails(Exception):
    """A scheduler does not do what it is asked for. The message is the library's own."""


def answer_of(schedule: Schedule) -> Answer:
    """All that a trial of ``schedule`` finds."""
    try:
        check_schedule(schedule)
    except ModelError as error:
        return Answer(problem=ScheduleProblem(message=error.message, hint=error.hint))
    return Answer(ignored=ignored_options(schedule))


def check_schedule(schedule: Schedule) -> None:
    """See that a scheduler can be made, and does every step.

    A setting is refused only where the scheduler works without it: where the checkpoint's own does
    not work here either, it needs what only its pipeline gives it, and nothing is known.

    Raises:
        ModelError: its message begins with the key at fault.
    """
    own = _own(schedule)
    if own is None:
        return
    make_scheduler(_settings(schedule.scheduler, schedule.options), own)
    asked = _asked(schedule)
    if asked is None:
        return
    try:
        _run(schedule, own, asked)
    except _Fails as failure:
        _blame(schedule, own, asked, failure)


def ignored_options(schedule: Schedule) -> list[str]:
    """Options that change nothing: the scheduler does every step the same without them.

    An option that only repeats the checkpoint's own value is not one of them.
    """
    own, asked = _own(schedule), _asked(schedule)
    if own is None or asked is None or not asked.options:
        return []
    try:
        steps = _run(schedule, own, asked)
        found = []
        for option in asked.options:
            without = _without(asked, option)
            config = make_scheduler(_settings(asked.scheduler, without.options), own).config
            repeats = config.get(option) == asked.options[option]
            if not repeats and _same(steps, _run(schedule, own, without)):
                found.append(option)
        return found
    except (_Fails, ModelError):  # without one of them it does not work: it is not ignored
        return []


def _own(schedule: Schedule) -> Any:
    """The checkpoint's scheduler; None for one that diffusers does not make."""
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    kind: Any = getattr(diffusers, schedule.own, None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
        return None
    from_config: Any = kind.from_config
    try:
        return from_config(dict(schedule.config))
    except (TypeError, ValueError, NotImplementedError, ImportError):
        return None  # opening the checkpoint says it, with its place


def _settings(scheduler: str | None, options: Mapping[str, Any]) -> ModelSettings:
    return ModelSettings(scheduler=scheduler, scheduler_options=dict(options))


def _asked(schedule: Schedule) -> _Setting | None:
    steps = schedule.steps or (schedule.asks.steps if schedule.asks else None)
    if schedule.asks is None or steps is None:
        return None
    return _Setting(schedule.scheduler, schedule.options, steps, schedule.call)


def _without(asked: _Setting, option: str) -> _Setting:
    rest = {name: value for name, value in asked.options.items() if name != option}
    return replace(asked, options=rest)


def _run(schedule: Schedule, own: Any, asked: _Setting) -> list[Any]:
    """The tensor after each step.

    Raises:
        _Fails: what the scheduler raised; or numbers that are not finite.
    """
    try:
        return _steps(schedule, own, asked)
    except ModelError as error:
        raise _Fails(error.message) from error
    except Exception as error:
        # A scheduler checks little: what it cannot do ends wherever its arithmetic does.
        raise _Fails(_words(error)) from error


def _steps(schedule: Schedule, own: Any, asked: _Setting) -> list[Any]:
    import torch

    scheduler = make_scheduler(_settings(asked.scheduler, asked.options), own)
    set_timesteps = scheduler.set_timesteps
    arguments = _arguments(schedule, scheduler, asked)
    given = [name for name in ("timesteps", "sigmas") if name in arguments]
    for name in given:
        if name not in inspect.signature(set_timesteps).parameters:
            raise ValueError(f"set_timesteps takes no {name}")
    if len(given) > 1:
        raise ValueError("timesteps and sigmas cannot both be set")
    if not given:
        arguments["num_inference_steps"] = asked.steps
    set_timesteps(device="cpu", **arguments)

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(_SHAPE, generator=generator)
    latents = noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    more: dict[str, Any] = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        more["generator"] = generator
    made = []
    for timestep in scheduler.timesteps:
        seen = latents
        if hasattr(scheduler, "scale_model_input"):
            seen = scheduler.scale_model_input(latents, timestep)
        # Any function of what is seen stands for a model; this one stays within bounds.
        output = torch.tanh(seen) + 0.5 * noise
        latents = scheduler.step(output, timestep, latents, return_dict=False, **more)[0]
        made.append(latents)
    if not made:
        raise ValueError("it makes no step at all")
    if not torch.isfinite(latents).all():
        raise ValueError("its steps end in numbers that are not finite")
    return made


def _arguments(schedule: Schedule, scheduler: Any, asked: _Setting) -> dict[str, Any]:
    """Of ``set_timesteps``, as the pipeline gives them."""
    import numpy as np

    asks, config = schedule.asks, scheduler.config
    assert asks is not None
    arguments: dict[str, Any] = {**asks.more, **asked.call}
    own_sigmas = asks.sigmas == "always" or (
        asks.sigmas == "unless flow" and not config.get("use_flow_sigmas")
    )
    if own_sigmas and arguments.get("sigmas") is None:
        arguments["sigmas"] = np.linspace(1.0, 1 / asked.steps, asked.steps)
    if asks.mu == "always" or (asks.mu == "dynamic" and config.get("use_dynamic_shifting")):
        arguments["mu"] = _shift(config)
    return arguments


def _shift(config: Mapping[str, Any]) -> float:
    """Flux's ``calculate_shift``: a line through two points that the configuration names."""
    few, many = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return float(low + (high - low) * (_TOKENS - few) / (many - few))


def _same(one: list[Any], other: list[Any]) -> bool:
    import torch

    return len(one) == len(other) and all(map(torch.equal, one, other))


def _words(error: Exception) -> str:
    """What ``error`` says; of one that says nothing, the line that raised it."""
    text = " ".join(str(error).split())
    if text in ("", "None"):
        frames = traceback.extract_tb(error.__traceback__)
        text = f"{type(error).__name__} at `{frames[-1].line}`" if frames else type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}…"


def _blame(schedule: Schedule, own: Any, asked: _Setting, failure: _Fails) -> None:
    name = asked.scheduler or schedule.own
    for argument in asked.call:
        rest = {key: value for key, value in asked.call.items() if key != argument}
        if _works(schedule, own, replace(asked, call=rest)):
            raise ModelError(
                f"call.{argument}: {name} does not work with it: {failure}",
                hint=f"leave out call.{argument}; or name another scheduler",
            ) from failure
    for steps in _others(asked.steps, schedule):
        if _works(schedule, own, replace(asked, steps=steps)):
            raise ModelError(
                f"steps: {name} does not work with {count(asked.steps, 'step')}: {failure}",
                hint=f"it works with {steps}; or name another scheduler",
            ) from failure
    for option in asked.options:
        if _works(schedule, own, _without(asked, option)):
            raise ModelError(
                f"scheduler_options.{option}: {name} does not work with it: {failure}",
                hint=f"leave out {option}, or set it to something else",
            ) from failure
    if asked.options and _works(schedule, own, replace(asked, options={})):
        raise ModelError(
            f"scheduler_options: {name} does not work with them: {failure}",
            hint="leave out scheduler_options, or change them",
        ) from failure
    if asked.scheduler is not None:
        _blame_scheduler(schedule, own, asked, failure)


def _blame_scheduler(schedule: Schedule, own: Any, asked: _Setting, failure: _Fails) -> None:
    base = replace(asked, scheduler=None, options={})
    if any(
        _works(schedule, own, replace(base, steps=steps))
        for steps in (asked.steps, *_others(asked.steps, schedule))
    ):
        helps = next(_switches(schedule, own, asked), None)
        hint = f"leave it out, or name one like the checkpoint's own {schedule.own}"
        if helps is not None:
            hint = f"add {helps} to scheduler_options: then it works"
        raise ModelError(
            f"scheduler: {asked.scheduler} does not work in this pipeline: {failure}", hint=hint
        ) from failure


def _switches(schedule: Schedule, own: Any, asked: _Setting) -> Iterator[str]:
    """Options, as a recipe writes them, one of which would make it work."""
    config = make_scheduler(_settings(asked.scheduler, asked.options), own).config
    for option, value in sorted(config.items()):
        if isinstance(value, bool) and option not in asked.options:
            switched = {**asked.options, option: not value}
            if _works(schedule, own, replace(asked, options=switched)):
                yield f"{option} = {str(not value).lower()}"


def _others(steps: int, schedule: Schedule) -> list[int]:
    """Other numbers of steps, the nearest first."""
    usual = schedule.asks.steps if schedule.asks else None
    tried = {steps + 1, steps + 2, steps + 3, steps - 1, 10, 50, 1000, usual or 50} - {steps, 0}
    return sorted(tried, key=lambda other: (abs(other - steps), other))


def _works(schedule: Schedule, own: Any, asked: _Setting) -> bool:
    try:
        _run(schedule, own, asked)
    except _Fails:
        return False
    return True
