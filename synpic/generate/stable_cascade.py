"""The family ``stable_cascade``: Stable Cascade, a prior and a decoder (arXiv 2306.00637).

A checkpoint is either a folder that holds both stages, as ``StableCascadeCombinedPipeline`` saves
it, or a decoder whose card names its prior (``prior:`` in the front matter of README.md), as
``stabilityai/stable-cascade`` names ``stabilityai/stable-cascade-prior``. Of the two repositories
recipe.lock holds the decoder's commit alone: the prior is opened at its default branch, whatever
that is on the day. A folder that holds both stages leaves nothing open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

from synpic.errors import ModelError
from synpic.generate.auto import AutoFamily
from synpic.recipe import ModelSettings

__all__ = ["StableCascade"]

_GRAIN = 128
"""Pixels. The stages shrink by 42.67 and grow by 10.67 and 4, rounding between them: of multiples
of 128 they draw what was asked, of other sizes something near."""


class StableCascade(AutoFamily):
    """``StableCascadeCombinedPipeline``; steps, guidance and scheduler are the prior's.

    The decoder's are ``num_inference_steps`` and ``decoder_guidance_scale`` in ``call``.
    """

    pipeline_class: ClassVar[str] = "StableCascadeCombinedPipeline"
    relatives: ClassVar[tuple[str, ...]] = ("StableCascadeDecoderPipeline",)

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        for size in settings.sizes or ():
            if any(int(side) % _GRAIN for side in size.split("x")):
                raise ModelError(
                    f"sizes: Stable Cascade cannot draw {size} exactly",
                    hint=f"width and height have to be multiples of {_GRAIN}",
                )
        super().__init__(settings, location, commit, device)

    def arguments(self, width: int | None, height: int | None) -> dict[str, Any]:
        """See :meth:`AutoFamily.arguments`."""
        settings = self.settings
        named = {
            "prior_num_inference_steps": settings.steps,
            "prior_guidance_scale": settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "width": width,
            "height": height,
        }
        return {key: value for key, value in named.items() if value is not None} | settings.call

    def _load(self, kind: Any, location: str, commit: str | None, **arguments: Any) -> Any:
        with _names_of_old():
            if commit is not None:
                # from_pretrained would look for the decoder's commit in the prior's repository.
                location = kind.download(
                    location,
                    revision=commit,
                    variant=arguments["variant"],
                    use_safetensors=arguments["use_safetensors"],
                )
            return kind.from_pretrained(location, **arguments)

    def _set_scheduler(self) -> None:
        prior = self.pipeline.prior_pipe
        prior.scheduler = self._scheduler(prior.scheduler)


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
