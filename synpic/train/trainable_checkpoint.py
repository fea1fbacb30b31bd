"""The model that is trained: where its weights lie, its parts as they are needed, its reference.

Text encoders are opened to fill the cache and let go; then the denoiser alone is opened. So the
most that is in memory at once is the larger of the two.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synpic.errors import CheckpointError, ModelError, SynpicError
from synpic.generate.checkpoint import Checkpoint as Files
from synpic.generate.checkpoint import components_of
from synpic.generate.image_model import complete
from synpic.generate.loading import load_own
from synpic.generate.opening import left_out
from synpic.hub import checkpoints
from synpic.hub.libraries import naming_hub_errors
from synpic.readers.pretrained import open_whole
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from synpic.train.adapters import add_adapters, merge_adapters, without_adapters
from synpic.train.families.family import TrainableFamily
from synpic.train.families.find import family_name, find_family
from synpic.train.settings import NoiseSettings, TuningSettings
from synpic.train.untrained import copy_untrained

__all__ = [
    "Reference",
    "TrainableCheckpoint",
    "find_checkpoint",
    "prepare_tuning",
    "trained",
]


@dataclass(frozen=True)
class TrainableCheckpoint:
    """A pipeline to be fine-tuned.

    Args:
        settings: complete.
        identity: what of the weights decides a result.
        location, commit: what ``from_pretrained`` takes.
    """

    settings: ModelSettings
    identity: Mapping[str, Any]
    location: str
    commit: str | None

    _index: list[dict[str, Any]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def index(self) -> dict[str, Any]:
        """``model_index.json``, read once.

        Raises:
            CheckpointError: there is none, or it cannot be read.
        """
        if not self._index:
            self._index.append(self._read_index())
        return self._index[0]

    def _read_index(self) -> dict[str, Any]:
        from diffusers import DiffusionPipeline

        folder = Path(self.location)
        if folder.is_dir() and not (folder / "model_index.json").exists():
            raise CheckpointError(
                f"{self.settings.checkpoint} is no pipeline: it has no model_index.json",
                hint="save one there with pipeline.save_pretrained(folder)",
            )
        with self._explaining("model_index.json"):
            return dict(DiffusionPipeline.load_config(self.location, revision=self.commit))

    def family(self, noise: NoiseSettings) -> TrainableFamily:
        """How this kind of model is trained.

        Raises:
            TrainingError: it is none that can be, or does not take a setting of ``noise``.
            UnknownName: the family that the recipe names is unknown, or does not import.
        """
        pipeline, checkpoint = str(self.index().get("_class_name")), self.settings.checkpoint or ""
        name = family_name(pipeline, self.settings.family, checkpoint)
        kind = find_family(name)
        family = kind(
            self.settings,
            self.configuration("scheduler"),
            noise,
            self.configuration(kind.denoiser),
        )
        code = FAMILIES.provenance(name, kind)
        family.code = {"name": name, **code} if code else {}
        return family

    def configuration(self, name: str) -> Any:
        """What a part of the pipeline says of itself: the JSON beside its weights.

        Raises:
            CheckpointError, ModelError: it is not there, or cannot be read.
        """
        import diffusers

        with self._explaining(name):
            return getattr(diffusers, self.index()[name][1]).load_config(
                self.location, subfolder=name, revision=self.commit
            )

    def denoiser(self, family: TrainableFamily, dtype: torch.dtype) -> Any:
        """The part that is trained, on the CPU."""
        import diffusers

        name = family.denoiser
        with self._explaining(name):
            return open_whole(
                getattr(diffusers, self.index()[name][1]),
                self.location,
                error=ModelError,
                source=f"model.checkpoint: {self.location}/{name}",
                subfolder=name,
                revision=self.commit,
                variant=self.settings.variant,
                dtype=dtype,
                use_safetensors=True,
            )

    def skeleton(self, family: TrainableFamily) -> Any:
        """The part that is trained, without weights: its layers and their names."""
        import diffusers

        name = family.denoiser
        with self._explaining(name), torch.device("meta"):
            return getattr(diffusers, self.index()[name][1]).from_config(dict(family.shape))

    def encoders(self, family: TrainableFamily, device: Any) -> Any:
        """The pipeline without its denoiser; the autoencoder in float32, which makes no NaN.

        It is read in float32 too: SDXL's weights, rounded to half precision, make other latents.
        """
        dtype = getattr(torch, self.settings.dtype or "float32")
        dtypes = {"vae": torch.float32, "default": dtype}
        return self._pipeline({family.denoiser: None}, dtypes).to(device)

    def drawing(self, family: TrainableFamily, denoiser: Any, device: Any) -> Any:
        """The pipeline around ``denoiser`` that draws from encoded prompts: it has no encoders."""
        silent = {name: None for name in self.index() if name.startswith(("text_enc", "tokenizer"))}
        pipeline = self._pipeline({**silent, family.denoiser: denoiser}, torch.float32)
        pipeline.vae.to(device)
        name, options = self.settings.scheduler, self.settings.scheduler_options
        if name or options:
            import diffusers

            own = pipeline.scheduler
            with self._explaining(f"scheduler {name or ''}"):
                kind = getattr(diffusers, name) if name else type(own)
                pipeline.scheduler = kind.from_config(own.config, **options)
        return pipeline

    def merged(self, family: TrainableFamily, denoiser: Any, tuning: TuningSettings) -> Any:
        """The denoiser to be saved: in float32, whatever it was trained in.

        A step of training changes a weight by less than half precision can hold. The code that
        loads it chooses a dtype. Adapters are merged into the checkpoint's weights, read anew.

        Args:
            denoiser: as it was trained; it is left as it is.
        """
        if tuning.method == "lora":
            adapters, denoiser = trained(denoiser), self.denoiser(family, torch.float32)
            prepare_tuning(denoiser, family, tuning)
            with torch.no_grad():
                for name, parameter in trained(denoiser).items():
                    parameter.copy_(adapters[name])
            merge_adapters(denoiser)
        return denoiser

    def copy_untrained(self, folder: Path, family: TrainableFamily) -> None:
        """Copy everything but the denoiser's weights into ``folder``, byte for byte.

        Raises:
            ModelError: it cannot be downloaded.
            OSError: a file cannot be read or written.
        """
        import diffusers

        absent, source = left_out(self.index()), self.location
        if not Path(source).is_dir():
            kind = getattr(diffusers, str(self.index()["_class_name"]))
            with self._explaining("pipeline"):
                source = kind.download(
                    source,
                    revision=self.commit,
                    variant=self.settings.variant,
                    use_safetensors=True,
                    **absent,
                )
        copy_untrained(Path(source), folder, family.denoiser, list(absent), self.settings.variant)

    def _pipeline(self, parts: dict[str, Any], dtype: torch.dtype | dict[str, torch.dtype]) -> Any:
        import diffusers
        import transformers

        diffusers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        kind = getattr(diffusers, str(self.index()["_class_name"]))
        files, variant = Files(self.location, self.commit), self.settings.variant
        arguments = {"dtype": dtype, "use_safetensors": True}
        parts = {**left_out(self.index()), **parts}
        with self._explaining("pipeline"):
            components = components_of(files, self.index(), "model.checkpoint")
            parts |= load_own(kind, components, parts, variant, arguments)
            pipeline = kind.from_pretrained(
                self.location, revision=self.commit, variant=variant, **arguments, **parts
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        hub = naming_hub_errors(self.location, self.commit) if self.commit else nullcontext()
        try:
            with hub:
                yield
        except SynpicError:
            raise
        except Exception as error:
            # Several libraries read files here, and their errors have no ancestor but this one.
            raise ModelError(
                f"{self.settings.checkpoint}: its {what} cannot be opened: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights; "
                "a gated one needs its terms accepted and `hf auth login`",
            ) from error


def find_checkpoint(settings: ModelSettings) -> TrainableCheckpoint:
    """Where the model of a training recipe lies; a branch or tag becomes a commit.

    Raises:
        CheckpointError, UnknownName: it is nowhere.
        ModelError: a registered model takes weights from several places.
    """
    settings = complete("model", settings)
    for key in ("adapters", "components", "without"):
        if getattr(settings, key):
            raise ModelError(
                f"model.{key}: the registered model {settings.model} has them, and training reads "
                "a checkpoint as it is",
                hint="save the pipeline with them merged, and name that folder as the checkpoint",
            )
    try:
        identity, location, commit = checkpoints.resolve_unlocked(
            str(settings.checkpoint), settings.revision
        )
    except CheckpointError as error:
        raise type(error)(f"model.checkpoint: {error.message}", hint=error.hint) from error
    return TrainableCheckpoint(
        settings, {**identity, "variant": settings.variant}, location, commit
    )


class Reference:
    """The model as it was: with adapters it is the same weights, adapters off; else a frozen copy.

    Args:
        denoiser: as it is before the first step.
        method: "lora" or "full".
        dtype: that autocast computes in. The copy's larger layers are kept in it, which halves the
            copy and changes nothing: under autocast it gives the model's output to the last bit.
    """

    def __init__(self, denoiser: Any, method: str, dtype: torch.dtype) -> None:
        self._adapted = denoiser if method == "lora" else None
        self._copy = None
        if method == "full":
            self._copy = copy.deepcopy(denoiser).eval().requires_grad_(False)
            # Not the rest: what rounds otherwise than autocast does, β would make thousands of.
            for layer in self._copy.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    layer.to(dtype)

    @contextmanager
    def model(self) -> Iterator[Any]:
        """The reference, for the time of the block, without gradients."""
        with torch.no_grad():
            if self._copy is not None:
                yield self._copy
                return
            assert self._adapted is not None
            with without_adapters(self._adapted):
                yield self._adapted

    def to(self, device: Any) -> None:
        """Move the copy, if there is one."""
        if self._copy is not None:
            self._copy.to(device)


def prepare_tuning(denoiser: nn.Module, family: TrainableFamily, tuning: TuningSettings) -> None:
    """Freeze what is not trained, and add what is.

    Raises:
        TrainingError: ``tuning.targets`` names a layer that is not there.
    """
    denoiser.requires_grad_(tuning.method == "full")
    if tuning.method == "lora":
        add_adapters(denoiser, family, tuning)


def trained(denoiser: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by name."""
    return {name: p for name, p in denoiser.named_parameters() if p.requires_grad}
