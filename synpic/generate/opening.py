"""A checkpoint becomes a diffusers pipeline on a device, as the recipe has it, or says why not."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from synpic.errors import HubUnreachable, ModelError, SynpicError
from synpic.generate.adapters.lora import add_adapters
from synpic.generate.checkpoint import class_of_pipeline
from synpic.generate.checks import check_subject, find_problems
from synpic.generate.checks.call import call_problems
from synpic.generate.checks.subject import InspectedModel, inspect_checkpoint
from synpic.generate.embeddings import remember_texts
from synpic.generate.facts.by_import import of_pipeline
from synpic.generate.facts.table import PipelineFacts
from synpic.generate.loading import load_components, load_own
from synpic.generate.placement import Placement, check_placement, place
from synpic.generate.schedulers import make_scheduler
from synpic.generate.schedules.schedule import Schedule, schedule_of
from synpic.generate.schedules.trial import check_schedule
from synpic.recipe.settings import ModelSettings

__all__ = ["OpenedPipeline", "left_out"]


class OpenedPipeline:
    """A pipeline, opened and checked. A family says how by its class attributes.

    Args:
        settings: complete; its adapters, components and prior name places to load from.
        location, commit: of the checkpoint, as ``from_pretrained`` takes them.
        device: as torch names it.

    Raises:
        ModelError: the checkpoint is not what it should be, or does not take a setting.
    """

    pipeline_class: ClassVar[str] = "DiffusionPipeline"
    """The class of diffusers that opens the checkpoint; other families want one saved by it."""
    relatives: ClassVar[tuple[str, ...]] = ()
    """Other classes that may have saved it."""
    always: ClassVar[dict[str, Any]] = {}
    """Arguments of every call, unless the recipe's ``call`` says otherwise."""
    components: ClassVar[dict[str, Any]] = {}
    """Arguments of ``from_pretrained``."""
    scheduler_slot: ClassVar[str] = "scheduler"
    """The component that ``scheduler`` and its options are about."""
    takes_prior: ClassVar[bool] = False
    """Whether a first stage may come from a checkpoint of its own."""

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        self.settings = settings
        subject = inspect_checkpoint(type(self), settings, location, commit)
        for problem in check_subject(subject):
            # What could not be asked of the Hub may be in its cache: loading will tell.
            if not isinstance(problem, HubUnreachable):
                raise problem
        if (schedule := schedule_of(subject)) is not None:
            check_schedule(schedule)
        self.placement = self._open(subject, device)
        self.pipeline: Any = self.placement.pipeline
        self.pipeline.set_progress_bar_config(disable=True)
        self._set_scheduler()
        # Known before, but of a pipeline that its checkpoint brings as code.
        for problem in call_problems(type(self), settings, of_pipeline(type(self.pipeline))):
            raise problem

    @classmethod
    def problems(
        cls, settings: ModelSettings, location: str, commit: str | None
    ) -> list[SynpicError]:
        """What is wrong with a checkpoint and its settings, without reading weights.

        Returns:
            Errors whose messages begin with a key of the recipe's model; a ``HubUnreachable`` for
            what could not be looked at.
        """
        return find_problems(cls, settings, location, commit)

    @classmethod
    def schedule(
        cls, settings: ModelSettings, location: str, commit: str | None
    ) -> Schedule | None:
        """What the settings ask of the scheduler; None where that cannot be known beforehand.

        Raises:
            HubUnreachable: the Hub did not answer.
            ModelError: the checkpoint is not what it should be.
        """
        return schedule_of(inspect_checkpoint(cls, settings, location, commit))

    @classmethod
    def call_arguments(
        cls, settings: ModelSettings, width: int | None, height: int | None
    ) -> dict[str, Any]:
        """Keyword arguments of the pipeline's call, besides prompts and generators."""
        named = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "width": width,
            "height": height,
        }
        given = {key: value for key, value in named.items() if value is not None}
        return {**cls.always, **given, **settings.call}

    def arguments(self, width: int | None, height: int | None) -> dict[str, Any]:
        """Keyword arguments of this pipeline's call, besides prompts and generators."""
        return self.call_arguments(self.settings, width, height)

    def _open(self, subject: InspectedModel, device: str) -> Placement:
        import diffusers
        import torch
        import transformers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        # Of a long prompt a tokenizer foretells errors, while the pipeline cuts it.
        logging.getLogger("transformers.tokenization_utils_base").setLevel(logging.ERROR)
        settings = self.settings
        check_placement(settings, subject.components, device)
        arguments: dict[str, Any] = {
            "dtype": getattr(torch, settings.dtype or "float32"),
            # None falls back to pickles.
            "use_safetensors": None if "pickled weights" in settings.allow else True,
        }
        if "remote code" in settings.allow:
            arguments["trust_remote_code"] = True
        try:
            with subject.checkpoint.naming_errors():
                pipeline = self._load(subject, arguments)
        except SynpicError:
            raise
        except Exception as error:
            # Six libraries read files here, and their errors have no ancestor but this one.
            raise ModelError(
                f"{subject.checkpoint.location} cannot be opened as {self.pipeline_class}: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights; "
                "a gated one needs its terms accepted and `hf auth login`",
            ) from error
        add_adapters(pipeline, settings, subject.at)
        remember_texts(pipeline)
        return place(pipeline, settings, device)

    def _load(self, subject: InspectedModel, arguments: dict[str, Any]) -> Any:
        """The pipeline in the host's memory, of the components that the recipe wants."""
        import diffusers

        kind = getattr(diffusers, self.pipeline_class)
        absent = left_out(subject.index) | dict.fromkeys(self.settings.without)
        parts = {**absent, **load_components(subject, arguments)}
        variant = self.settings.variant
        own = load_own(kind, subject.components, parts, variant, arguments)
        return kind.from_pretrained(
            subject.checkpoint.location,
            revision=subject.checkpoint.commit,
            variant=variant,
            **arguments,
            **{**_switched_off(subject.pipeline), **self.components},
            **{**parts, **own},
        )

    def _set_scheduler(self) -> None:
        self.pipeline.scheduler = make_scheduler(self.settings, self.pipeline.scheduler)


def left_out(index: Mapping[str, Any]) -> dict[str, None]:
    """Parts that ``from_pretrained`` gets as None.

    Those that a checkpoint says it lacks (an SD3 without its T5 does not open otherwise), and a
    safety checker: it would paint what it flags black, and an unwanted black image
    is worse than one that is flagged.
    """
    absent = {part for part, value in index.items() if value == [None, None]}
    return dict.fromkeys(sorted(absent | ({"safety_checker"} & index.keys())))


def _switched_off(pipeline: PipelineFacts | None) -> dict[str, bool]:
    """Arguments of ``from_pretrained`` without which installed packages would decide on pixels."""
    # Of a pipeline that its checkpoint brings as code, nothing is known yet.
    kind = None if pipeline is None else class_of_pipeline(pipeline.name)
    takes = () if kind is None else inspect.signature(kind.__init__).parameters
    return {"add_watermarker": False} if "add_watermarker" in takes else {}
