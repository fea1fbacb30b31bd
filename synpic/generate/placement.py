"""Where a pipeline's parts wait and where they work: as many on the device as there is room for.

The levels, each with more room and less speed than the one before:

====================  ===========================================================================
``none``              everything stays on the device
``text``              text encoders wait in the host's memory, but while they read
``model``             every part does, but while it is at work
``sequential``        every layer does
====================  ===========================================================================

None of them changes a number that is computed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from synpic.engine.attempt import out_of_memory
from synpic.engine.device import free_memory, raise_if_lost
from synpic.errors import ModelError
from synpic.generate.checkpoint import Component
from synpic.generate.facts.lookup import component_facts
from synpic.recipe.settings import ModelSettings

__all__ = ["Placement", "check_placement", "place", "stages", "text_encoders", "vae_of"]

Level = Literal["none", "text", "model", "sequential"]
_LEVELS: tuple[Level, ...] = ("none", "text", "model", "sequential")

_SHORT = "the device is short of memory: "
_WAITING: dict[Level, str | None] = {
    "none": None,
    "text": f"{_SHORT}text encoders are kept in the host's memory, but while they read",
    "model": f"{_SHORT}parts are kept in the host's memory until they work",
    "sequential": f"{_SHORT}layers are kept in the host's memory until they work, which is slow",
}

_DENOISERS = ("unet", "transformer", "transformer_2", "prior", "prior_prior", "decoder")
_VAES = ("vae", "vqgan", "movq")


class Placement:
    """A pipeline whose parts have been put where the recipe wants them, or where there is room.

    Args:
        pipeline: of diffusers, in the host's memory.
        settings: ``offload`` says the level; None tries one after the other.
        device: as torch names it.

    Raises:
        ModelError: the pipeline or the device cannot do what is asked.
        torch.OutOfMemoryError: there is no room, and nothing more may be tried.
    """

    def __init__(self, pipeline: Any, settings: ModelSettings, device: str) -> None:
        self.pipeline, self.device = pipeline, device
        self._fixed, self._compiled = settings.offload is not None, settings.compile
        self._encoders = text_encoders(pipeline)
        self.level: Level = settings.offload or "none"
        if self.level == "text" and not self._readable:
            raise ModelError(
                f'offload = "text": {type(pipeline).__name__} reads no prompts ahead of drawing',
                hint='take "model", which moves every part by itself',
            )
        self._put_or_retreat()

    @property
    def lean(self) -> bool:
        """Whether text encoders are away, so that reading many prompts at a time is worth it."""
        return self.level == "text"

    @property
    def note(self) -> str | None:
        """What waits in the host's memory unasked; None where nothing does."""
        return None if self._fixed else _WAITING[self.level]

    def retreat(self) -> bool:
        """Make room on the device, at the cost of speed; whether recipe and device allow it.

        Raises:
            ModelError: parts cannot be moved.
            torch.OutOfMemoryError: there is no room even so, and nothing more may be tried.
            DeviceLost: the device failed on the way.
        """
        following = self._following()
        if following is None:
            return False
        self.level = following
        free_memory()
        self._put_or_retreat()
        return True

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While it lasts, text encoders are where they can work."""
        if self.level != "text":
            yield
            return
        import torch

        waiting = [
            (tensor, tensor.data)
            for encoder in self._encoders.values()
            for tensor in (*encoder.parameters(), *encoder.buffers())
        ]
        try:
            with torch.inference_mode(False):
                for tensor, data in waiting:
                    tensor.data = data.to(self.device, non_blocking=True)
            yield
        finally:
            # What is in the host's memory has not changed: nothing has to be copied back.
            for tensor, data in waiting:
                tensor.data = data

    @property
    def _readable(self) -> bool:
        return bool(self._encoders) and all(
            hasattr(stage, "encode_prompt") for stage in stages(self.pipeline)
        )

    def _following(self) -> Level | None:
        if self._fixed or self.device == "cpu":
            return None
        for level in _LEVELS[_LEVELS.index(self.level) + 1 :]:
            if level == "text" and not self._readable:
                continue
            if level != "sequential" or not self._compiled:  # refused where it is asked for
                return level
        return None

    def _put_or_retreat(self) -> None:
        while True:
            # In words, not as an exception in flight: that would hold what there was no room for.
            problem = self._put()
            if problem is None:
                return
            following = self._following()
            if following is None:
                raise problem
            self.level = following
            free_memory()

    def _put(self) -> Exception | None:
        try:
            if self.level == "none":
                self.pipeline.to(self.device)
            elif self.level == "text":
                self._put_all_but_encoders()
            elif self.level == "model":
                self.pipeline.enable_model_cpu_offload(device=self.device)
            else:
                self.pipeline.enable_sequential_cpu_offload(device=self.device)
        except Exception as error:
            # accelerate, diffusers and the driver raise what they like; only memory is retried.
            if out_of_memory(error):
                return error.with_traceback(None)
            raise_if_lost(error)
            problem = self._refused(error)
            if self.level == "model" and not self._fixed:
                # A pipeline without an order of its parts cannot move them one by one.
                return problem
            raise problem from error
        return None

    def _refused(self, error: Exception) -> ModelError:
        return ModelError(
            f'offload = "{self.level}": {type(self.pipeline).__name__} cannot be put so: {error}',
            hint="name another level, or another device",
        )

    def _put_all_but_encoders(self) -> None:
        import torch

        for name, part in self.pipeline.components.items():
            if isinstance(part, torch.nn.Module):
                part.to("cpu" if name in self._encoders else self.device)


def place(pipeline: Any, settings: ModelSettings, device: str) -> Placement:
    """Put ``pipeline`` where the recipe wants it, with the options of its settings.

    Raises:
        ModelError: it, or the device, does not take one of them.
    """
    _, vae = vae_of(pipeline)
    _check_vae(settings, type(vae).__name__ if vae is not None else None, dir(vae))
    _check_device(settings, device)
    if settings.vae_slicing:
        vae.enable_slicing()
    if settings.vae_tiling:
        vae.enable_tiling()
    denoisers = [part for name in _DENOISERS if (part := getattr(pipeline, name, None)) is not None]
    if settings.channels_last:
        for part in [*denoisers, vae]:
            if part is not None:
                _to_channels_last(part)
    if settings.compile:
        for part in denoisers:
            _compile(part)
    return Placement(pipeline, settings, device)


def check_placement(
    settings: ModelSettings, components: Mapping[str, Component], device: str | None = None
) -> None:
    """Refuse what a pipeline cannot do, before its weights are read.

    Args:
        components: the pipeline's.
        device: where it is to draw, if that is known.

    Raises:
        ModelError: an option of ``settings`` is not for this pipeline or device.
    """
    vaes = [components[name] for name in _VAES if name in components]
    # A class that is nobody's but the checkpoint's is looked at when it has been loaded.
    kind = component_facts(vaes[0].library, vaes[0].kind) if vaes else None
    if kind is not None:
        _check_vae(settings, kind.name, kind.methods)
    if device is not None:
        _check_device(settings, device)


def stages(pipeline: Any) -> list[Any]:
    """The pipelines that do the work: of a combined one its parts, else itself."""
    import diffusers

    inner = [
        part for part in vars(pipeline).values() if isinstance(part, diffusers.DiffusionPipeline)
    ]
    return inner or [pipeline]


def text_encoders(pipeline: Any) -> dict[str, Any]:
    """Its text encoders, by the pipeline's names for them."""
    import torch

    return {
        name: part
        for name, part in pipeline.components.items()
        if "text_encoder" in name and isinstance(part, torch.nn.Module)
    }


def vae_of(pipeline: Any) -> tuple[str | None, Any]:
    """Its VAE, with the pipeline's name for it; None, where it has none."""
    for name in _VAES:
        if (part := getattr(pipeline, name, None)) is not None:
            return name, part
    return None, None


def _check_vae(settings: ModelSettings, kind: str | None, methods: Sequence[str]) -> None:
    for key, method in (("vae_slicing", "enable_slicing"), ("vae_tiling", "enable_tiling")):
        if getattr(settings, key) and method not in methods:
            whose = f"{kind} takes none" if kind else "this pipeline has no VAE"
            raise ModelError(f"{key}: {whose}", hint=f"leave out {key}")


def _check_device(settings: ModelSettings, device: str) -> None:
    if device == "cpu" and settings.offload in ("model", "sequential"):
        raise ModelError(
            f'offload = "{settings.offload}": parts would wait in the host\'s memory, and on a CPU '
            "that is where they work",
            hint="leave out offload, or name an accelerator: --device cuda",
        )
    if not settings.compile:
        return
    if settings.offload == "sequential":
        raise ModelError(
            'compile with offload = "sequential": layers that come and go cannot be compiled',
            hint='leave out one of them, or take offload = "model"',
        )
    compilers = [os.environ.get("CXX"), "g++", "clang++", "c++", "cl"]
    if not any(name and shutil.which(name) for name in compilers):
        raise ModelError(
            "compile: torch.compile needs a C++ compiler, and there is none on the PATH",
            hint="install g++ or clang++, or leave out compile",
        )


def _to_channels_last(part: Any) -> None:
    """Kernels of pictures alone: those of videos, of 5 dimensions, have no such order."""
    import torch

    for tensor in (*part.parameters(), *part.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def _compile(part: Any) -> None:
    """Its repeated blocks, where they are named: seconds to compile one instead of minutes."""
    try:
        part.compile_repeated_blocks()
    except (AttributeError, ValueError):
        part.compile()
