"""Models registered under short names: the four of the paper (arXiv 2410.18013, §4).

Commits, download sizes and licences are not written down here: a commit is resolved on first use
into recipe.lock, and terms are on each model's page.
"""

from __future__ import annotations

from synpic.generate.image_model import KnownModel
from synpic.recipe.settings import ModelSettings

__all__ = ["PIXART_SIGMA", "SD3_MEDIUM", "SDXL", "STABLE_CASCADE"]

SDXL = KnownModel(
    ModelSettings(
        checkpoint="stabilityai/stable-diffusion-xl-base-1.0",
        family="sdxl",
        variant="fp16",
        dtype="float16",
        sizes=["1024x1024"],
        steps=50,
        guidance=5.0,
    ),
    source="diffusers' defaults of StableDiffusionXLPipeline",
)

SD3_MEDIUM = KnownModel(
    ModelSettings(
        checkpoint="stabilityai/stable-diffusion-3-medium-diffusers",
        family="sd3",
        dtype="float16",
        sizes=["1024x1024"],
        steps=28,
        guidance=7.0,
    ),
    source="diffusers' defaults of StableDiffusion3Pipeline",
)

PIXART_SIGMA = KnownModel(
    ModelSettings(
        checkpoint="PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
        family="pixart_sigma",
        dtype="float16",
        sizes=["1024x1024"],
        steps=20,
        guidance=4.5,
    ),
    source="diffusers' defaults of PixArtSigmaPipeline",
)

STABLE_CASCADE = KnownModel(
    ModelSettings(
        checkpoint="stabilityai/stable-cascade",
        prior="stabilityai/stable-cascade-prior",
        family="stable_cascade",
        variant="bf16",
        dtype="bfloat16",
        sizes=["1024x1024"],
        steps=20,
        guidance=4.0,
        call={"num_inference_steps": 12},
    ),
    source="diffusers' defaults of StableCascadeCombinedPipeline",
)
