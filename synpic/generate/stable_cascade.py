"""The family ``stable_cascade``: Stable Cascade, a prior and a decoder (arXiv 2306.00637).

A checkpoint is either a folder that holds both stages, as ``StableCascadeCombinedPipeline`` saves
it, or a decoder, and then ``prior`` names the first stage. Both are pinned in recipe.lock; a prior
that a decoder's card names is not opened, for nothing says which commit of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

from synpic.generate.auto import AutoFamily
from synpic.generate.checks.subject import InspectedModel
from synpic.generate.loading import load_components, load_own
from synpic.generate.opening import left_out
from synpic.generate.schedulers import make_scheduler
from synpic.recipe.settings import ModelSettings

__all__ = ["StableCascade"]

_READS_IMAGES = ("image_encoder", "feature_extractor")
"""Components of the prior that turn images into prompts: nothing here gives it any."""


class StableCascade(AutoFamily):
    """``StableCascadeCombinedPipeline``; steps, guidance and scheduler are the prior's.

    The decoder's are ``num_inference_steps`` and ``decoder_guidance_scale`` in ``call``.
    """

    pipeline_class: ClassVar[str] = "StableCascadeCombinedPipeline"
    relatives: ClassVar[tuple[str, ...]] = ("StableCascadeDecoderPipeline",)
    scheduler_slot: ClassVar[str] = "prior_scheduler"
    takes_prior: ClassVar[bool] = True

    @classmethod
    def call_arguments(
        cls, settings: ModelSettings, width: int | None, height: int | None
    ) -> dict[str, Any]:
        """See :meth:`OpenedPipeline.call_arguments`."""
        named = {
            "prior_num_inference_steps": settings.steps,
            "prior_guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "width": width,
            "height": height,
        }
        return {key: value for key, value in named.items() if value is not None} | settings.call

    def _load(self, subject: InspectedModel, arguments: dict[str, Any]) -> Any:
        import diffusers

        whole = _unconnected(diffusers.StableCascadeCombinedPipeline)
        settings, index = self.settings, subject.index
        location, commit = subject.checkpoint.location, subject.checkpoint.commit
        with _names_of_old():
            parts = load_components(subject, arguments)
            variant, own = settings.variant, subject.components
            if subject.prior is None:
                silent = {n: None for n in own if n.endswith(_READS_IMAGES)}
                parts = {**left_out(index), **silent, **parts}
                parts |= load_own(whole, own, parts, variant, arguments)
                return whole.from_pretrained(
                    location, revision=commit, variant=variant, **arguments, **parts
                )
            first, first_index = subject.prior
            silent = {name: None for name in first_index if name in _READS_IMAGES}
            ahead = {**left_out(first_index), **silent, **_of_prior(parts)}
            behind = {**left_out(index), **{n: p for n, p in parts.items() if not _is_prior(n)}}
            open_prior: Any = diffusers.StableCascadePriorPipeline
            open_decoder: Any = diffusers.StableCascadeDecoderPipeline
            ahead |= load_own(open_prior, _of_prior(own), ahead, variant, arguments)
            inner = {n: one for n, one in own.items() if not _is_prior(n)}
            behind |= load_own(open_decoder, inner, behind, variant, arguments)
            prior = open_prior.from_pretrained(
                first.location, revision=first.commit, variant=variant, **arguments, **ahead
            )
            decoder = open_decoder.from_pretrained(
                location, revision=commit, variant=variant, **arguments, **behind
            )
        both = {f"prior_{name}": part for name, part in prior.components.items()}
        return whole(**decoder.components, **both)

    def _set_scheduler(self) -> None:
        prior = self.pipeline.prior_pipe
        prior.scheduler = make_scheduler(self.settings, prior.scheduler)


def _is_prior(name: str) -> bool:
    return name.startswith("prior_")


def _of_prior(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The prior's of a combined pipeline's parts, by its own names for them."""
    return {name.removeprefix("prior_"): part for name, part in parts.items() if _is_prior(name)}


def _unconnected(kind: Any) -> Any:
    """``kind``, but that it opens no pipeline that a card names, at whatever commit that is."""
    return type(kind.__name__, (kind,), {"_load_connected_pipes": False})


@contextmanager
def _names_of_old() -> Iterator[None]:
    """While it lasts, checkpoints find ``PaellaVQModel`` where they say it is.

    They say ``wuerstchen`` or ``diffusers``; diffusers 0.42 moved the class out of both, and then
    does not open what it saved. Passing the part itself does not help: its name is looked up first.
    """
    import diffusers
    from diffusers import pipelines
    from diffusers.pipelines.stable_cascade import pipeline_stable_cascade as user_of_it

    paella = vars(user_of_it)["PaellaVQModel"]
    names = [
        (diffusers, "PaellaVQModel", paella),
        (pipelines, "wuerstchen", SimpleNamespace(PaellaVQModel=paella)),
    ]
    missing = [entry for entry in names if not hasattr(entry[0], entry[1])]
    for module, name, thing in missing:
        setattr(module, name, thing)
    try:
        yield
    finally:
        for module, name, _ in missing:
            delattr(module, name)
