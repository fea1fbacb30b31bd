"""A checkpoint becomes a diffusers pipeline on a device, as the recipe has it, or says why not."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from synpic.errors import ModelError, did_you_mean
from synpic.recipe import ModelSettings

__all__ = ["OpenedPipeline", "left_out"]

_OURS = {"prompt", "generator", "output_type", "num_images_per_prompt", "return_dict"}
"""Arguments of a pipeline's call that no recipe sets."""


class OpenedPipeline:
    """A pipeline, opened and checked. A family says how by its class attributes."""

    pipeline_class: ClassVar[str] = "DiffusionPipeline"
    """The class of diffusers that opens the checkpoint; other families want one saved by it."""
    relatives: ClassVar[tuple[str, ...]] = ()
    """Other classes that may have saved it."""
    always: ClassVar[dict[str, Any]] = {}
    """Arguments of every call, unless the recipe's ``call`` says otherwise."""
    components: ClassVar[dict[str, Any]] = {}
    """Arguments of ``from_pretrained``."""

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        self.settings = settings
        self.pipeline = self._open(location, commit, device)
        self.pipeline.set_progress_bar_config(disable=True)
        self._set_scheduler()
        self._check_call()

    def arguments(self, width: int | None, height: int | None) -> dict[str, Any]:
        """Keyword arguments of the pipeline's call, besides prompts and generators."""
        settings = self.settings
        named = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "width": width,
            "height": height,
        }
        given = {key: value for key, value in named.items() if value is not None}
        return {**self.always, **given, **settings.call}

    def _open(self, location: str, commit: str | None, device: str) -> Any:
        import diffusers
        import torch
        import transformers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        kind = getattr(diffusers, self.pipeline_class)
        try:
            index = kind.load_config(location, revision=commit)
            self._check_kind(location, index.get("_class_name"))
            pipeline = self._load(
                kind,
                location,
                commit,
                variant=self.settings.variant,
                dtype=getattr(torch, self.settings.dtype or "float32"),
                use_safetensors=True,  # None would fall back to pickles
                **left_out(index),
                **self.components,
            )
            return pipeline.to(device)
        except ModelError:
            raise
        except Exception as error:
            # Six libraries read files here, and their errors have no ancestor but this one.
            raise ModelError(
                f"{location} cannot be opened as {self.pipeline_class}: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights; "
                "a gated one needs its terms accepted and `hf auth login`",
            ) from error

    def _load(self, kind: Any, location: str, commit: str | None, **arguments: Any) -> Any:
        return kind.from_pretrained(location, revision=commit, **arguments)

    def _check_kind(self, location: str, found: str | None) -> None:
        # diffusers would open a neighbour's checkpoint as far as the parts' names agree.
        wanted = (self.pipeline_class, *self.relatives)
        if found not in wanted and self.pipeline_class != "DiffusionPipeline":
            raise ModelError(
                f"{location} is a {found}, and this family opens {' or '.join(wanted)}",
                hint='name the family of that checkpoint; "auto" opens any',
            )

    def _set_scheduler(self) -> None:
        self.pipeline.scheduler = self._scheduler(self.pipeline.scheduler)

    def _scheduler(self, own: Any) -> Any:
        """The scheduler that the recipe asks for, given the checkpoint's ``own``."""
        import diffusers

        name, options = self.settings.scheduler, self.settings.scheduler_options
        if name is None and not options:
            return own
        kind = getattr(diffusers, name, None) if name else type(own)
        if not (isinstance(kind, type) and issubclass(kind, diffusers.SchedulerMixin)):
            known = [word for word in dir(diffusers) if word.endswith("Scheduler")]
            raise ModelError(
                f"scheduler {name!r} is not in diffusers.{did_you_mean(str(name), known)}",
                hint="use the class name of a diffusers scheduler, as DPMSolverMultistepScheduler",
            )
        known = list(inspect.signature(kind.__init__).parameters)
        for option in options:
            if option not in known:
                raise ModelError(
                    f"scheduler_options.{option}: {kind.__name__} takes no such option."
                    f"{did_you_mean(option, known)}",
                    hint=f"it takes: {', '.join(known[1:])}",
                )
        try:
            return kind.from_config(own.config, **options)  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, NotImplementedError, ImportError) as error:
            raise ModelError(
                f"{kind.__name__} cannot be made from the checkpoint's settings and "
                f"scheduler_options: {error}",
                hint="change scheduler_options, or name another scheduler",
            ) from error

    def _check_call(self) -> None:
        for key in sorted(_OURS & self.settings.call.keys()):
            raise ModelError(f"call.{key}: synpic sets this itself", hint="leave it out")
        # **kwargs is no excuse: diffusers' pipelines look in it for deprecated names only.
        parameters = inspect.signature(type(self.pipeline).__call__).parameters
        side = 8 if self.settings.sizes else None
        for key in ["prompt", "generator", *self.arguments(side, side)]:
            if key not in parameters:
                raise ModelError(
                    f"{type(self.pipeline).__name__} takes no {key}."
                    f"{did_you_mean(key, parameters)}",
                    hint="leave that setting out, or name another family or checkpoint",
                )


def left_out(index: dict[str, Any]) -> dict[str, None]:
    """Parts to be told to ``from_pretrained`` as None.

    Those that a checkpoint says it lacks (an SD3 without its T5 does not open otherwise), and a
    safety checker: it would paint what it flags black, and a black image that nobody asked for
    is worse than one that is flagged.
    """
    absent = {part for part, value in index.items() if value == [None, None]}
    return dict.fromkeys(sorted(absent | ({"safety_checker"} & index.keys())))
