"""What a recipe says of a model, how its images are encoded, and what is plain from that alone."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from synpic.recipe.secrets import refuse_secrets
from synpic.recipe.toml import Table

__all__ = [
    "AdapterSettings",
    "ComponentSettings",
    "ImageSettings",
    "ModelSettings",
    "Options",
    "Place",
    "Size",
    "rough_bytes",
    "written_size",
]

MAX_BATCH = 64
"""A part holds at most 64 images and whole batches only, so a batch is no larger."""

BYTES_PER_PIXEL = {"png": 1.52, "jpeg": 0.5, "webp": 0.25}
"""Rough means for photographs at the default quality: 232,000 PNGs of 1024² are about 370 GB."""
DEFAULT_PIXELS = 1024 * 1024


def _size(text: str) -> str:
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise ValueError('a size is written "WIDTHxHEIGHT", in pixels, as "1024x1024"')
    return text


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"texts, finite numbers, booleans, lists and tables only: {error}"
        ) from None
    refuse_secrets(options)
    return options


def written_size(width: int | None, height: int | None) -> str | None:
    """As a recipe has it, "1280x768"; None where the pipeline chooses."""
    return None if width is None or height is None else f"{width}x{height}"


def _place(text: str) -> str:
    if len(text) > 4096 or any(len(name.encode()) > 255 for name in text.split("/")):
        raise ValueError("no file or repository has a name as long as that")
    return text


Size = Annotated[str, AfterValidator(_size)]
Place = Annotated[str, AfterValidator(_place)]
"""A file, a folder or a repository."""
Options = Annotated[dict[str, Any], AfterValidator(_plain)]


class ImageSettings(Table):
    """How a drawn image is encoded. Decides bytes, and so is part of a model's fingerprint."""

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """JPEG and lossy WebP: 1 … 100; 95 where it is not given."""
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] | None = None
    """JPEG only; "4:4:4" where it is not given."""

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """What decides bytes, with the defaults written out."""
        fingerprint_inputs: dict[str, Any] = {"format": self.format}
        if self.format != "png":
            fingerprint_inputs["quality"] = self.quality or 95
        if self.format == "jpeg":
            fingerprint_inputs["subsampling"] = self.subsampling or "4:4:4"
        return fingerprint_inputs

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.quality is not None and self.format == "png":
            raise ValueError("quality: PNG is lossless and takes none")
        if self.subsampling is not None and self.format != "jpeg":
            raise ValueError(f"subsampling: only JPEG takes it, the format is {self.format}")
        return self


def rough_bytes(width: int | None, height: int | None, images: ImageSettings) -> float:
    """About what an encoded photograph takes; of a pipeline's own size, as of 1024²."""
    pixels = DEFAULT_PIXELS if width is None or height is None else width * height
    return pixels * BYTES_PER_PIXEL[images.format]


class AdapterSettings(Table):
    """A LoRA, laid over a model's weights."""

    checkpoint: Place
    """A Hub repository, a folder, or a safetensors file; paths are relative to the recipe."""
    revision: str | None = None
    file: Place | None = None
    """The file in it, where it holds several."""
    scale: Annotated[float, Field(ge=-100, le=100)] = 1.0


class ComponentSettings(Table):
    """A component (UNet, transformer, VAE, text encoder …) from another checkpoint."""

    checkpoint: Place
    """A Hub repository, or a folder: a pipeline's, or the component's own."""
    revision: str | None = None
    subfolder: Place | None = None
    """Where in it; the component's own name where there is such a folder, else its root."""
    variant: str | None = None


class ModelSettings(Table):
    """A checkpoint with the settings that decide its pixels.

    What is left out comes from the registered model of that name (``model``, or the table's own
    name), and else from the pipeline.
    """

    model: str | None = None
    """A registered model to start from; the table's own name where it is registered."""
    checkpoint: Place | None = None
    """A Hub repository, or a folder relative to the recipe."""
    revision: str | None = None
    """Branch, tag or commit; resolved once, into recipe.lock."""
    variant: str | None = None
    """The files' variant: "fp16"."""
    prior: Place | None = None
    """Stable Cascade: the repository or folder of the first stage, where it is another."""
    prior_revision: str | None = None
    adapters: list[AdapterSettings] = []
    """LoRAs, in the order in which they are added."""
    components: dict[str, ComponentSettings] = {}
    """Components of the pipeline to take from elsewhere, by the pipeline's name for them."""
    without: list[str] = []
    """Components of the pipeline to do without: SD3's "text_encoder_3" and "tokenizer_3"."""
    allow: list[Literal["pickled weights", "remote code"]] = []
    """Both can run anything on this machine, and are refused unless they are written here."""
    family: str | None = None
    """How to draw with it; "auto" for whatever ``DiffusionPipeline`` opens."""
    scheduler: str | None = None
    """A scheduler class of diffusers; the checkpoint's own where it is not given."""
    scheduler_options: Options = {}
    """Overrides of the scheduler's configuration."""
    steps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    guidance: Annotated[float, Field(ge=0)] | None = None
    negative_prompt: str | None = None
    sizes: Annotated[list[Size], Field(min_length=1)] | None = None
    """Sizes in pixels, "WIDTHxHEIGHT"; each is drawn for every prompt."""
    samples: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Images per prompt and size."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    call: Options = {}
    """Further keyword arguments of the pipeline's call."""
    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH)] | None = None
    """Images drawn at once; decides speed, and no id or seed."""
    offload: Literal["none", "text", "model", "sequential"] | None = None
    """What waits in the host's memory: nothing; the text encoders, but while they read a few
    hundred prompts; every component that is not at work; every layer. As little as there is room
    for, where it is not given."""
    vae_slicing: bool = False
    """Decode an image at a time."""
    vae_tiling: bool = False
    """Decode in tiles, blended where they meet: large images then have slightly other pixels."""
    channels_last: bool = False
    """Lay images out as convolutions on tensor cores like them."""
    compile: bool = False
    """``torch.compile`` the denoiser: minutes at the start, then faster steps."""
