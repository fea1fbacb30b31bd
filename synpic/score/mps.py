"""The reward ``mps``: people's overall preference, by the words of the prompt that matter to it.

Zhang et al., *Learning Multi-dimensional Human Preference for Text-to-Image Generation* (CVPR 2024,
arXiv 2405.14705; upstream is github.com/Kwai-Kolors/MPS). All tokens of a CLIP-H's image read the
words of the prompt; words that are far from a condition, a list of what to look at, are not seen.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.lineage import CLIP_H_BACKBONE, Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.texts import TextFeatures
from synpic.score.towers.clip_inputs import CLIP_H, FILES, ClipInputs
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, fill, find_file, read_tensors, reading

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    import torch
    from torch import Tensor

__all__ = ["MPS", "OVERALL"]

OVERALL = (
    "light, color, clarity, tone, style, ambiance, artistry, shape, face, hair, hands, limbs, "
    "structure, instance, texture, quantity, attributes, position, number, location, word, things."
)
"""Upstream's condition for the overall preference."""

WEIGHTS = (
    "model.safetensors",
    "model.pt",
    "MPS_overall_state_dict.pt",
    "MPS_overall_checkpoint.pth",
)
"""Where weights may lie. The third is the state dict that AI-ModelScope/MPS publishes; the last is
upstream's own, a pickle of code, which is refused by name."""

KEPT = 256
"""Prompts remembered: the 78 vectors of each are 0.3 MB, and candidates of one come together."""


class MPS(TwoStageReward):
    """exp(logit_scale) · cosine of what the image has read and the prompt's feature, in float32.

    A word is seen if its greatest similarity to a word of the condition, divided by the greatest of
    its own prompt, is above ``threshold``. Upstream divides by the greatest of the batch, which is
    the same for a batch of one; its two evaluation scripts, which score one image at a time, put
    the threshold at 0.3, its README and its model at 0.01. It runs in float16, the angles of the
    rotary embedding included; the numbers here are those of its code in float32.

    Args:
        checkpoint: folder or repository with the weights, named as imscore's ``MPS`` or as
            upstream's own ``CLIPModel`` names them.
        revision: its commit.
        device: where it runs.
        processor: folder or repository with the tokenizer, the image processor and the
            architecture of the CLIP that was tuned.
        processor_revision: its commit.
        dtype: of the towers; features and all that reads them are in float32 in any case.
        threshold: in [0, 1).
        condition: what to look at.

    Raises:
        RewardError: weights are missing or belong to nothing, or an option is out of its range.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="MPS, overall preference: a CLIP-H whose image tokens read the prompt's words",
        score_range="±exp(logit_scale) of the checkpoint",
        checkpoint="RE-N-Y/mpsv1",
        files=("|".join(WEIGHTS[:3]),),
        companions={"processor": Companion(CLIP_H, ("config.json", *FILES))},
        licence="MIT (the authors' code, github.com/Kwai-Kolors/MPS)",
        paper="2405.14705",
        text_limit="77 tokens; what is longer is cut off",
        verified="against upstream's own modules and evaluation code on transformers 4.27.3, at a "
        "reduced size, for single images (tests/score/test_mps.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        CLIP_H_BACKBONE, 1105, "MHP: 918,315 choices by people", {"HPDv2": 83.5, "HPDv3": 64.3}
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        processor: str,
        processor_revision: str | None = None,
        *,
        dtype: str = "float32",
        threshold: float = 0.3,
        condition: str = OVERALL,
    ) -> None:
        import torch

        from synpic.score.towers.mps_head import open_head

        if not 0 <= threshold < 1:
            raise RewardError(
                f"mps: threshold {threshold} is not in [0, 1)",
                hint="0.3 is upstream's evaluation, 0.01 its README; at 1 no word would be seen",
            )
        self._device, self._dtype, self._threshold = device, as_dtype(dtype), threshold
        self._inputs = ClipInputs(processor, processor_revision)
        self.preprocessing: Hashable = self._inputs.preprocessing
        source = find_file(checkpoint, revision, *WEIGHTS)
        tensors = {key.removeprefix("mps."): value for key, value in read_tensors(source).items()}
        tower = {
            key.removeprefix("model."): tensors.pop(key)
            for key in list(tensors)
            if key.startswith("model.")
        }
        self._clip = _open_clip(tower, source, processor, processor_revision, self._dtype)
        self._clip.to(device)
        # Of the file, not of the model: cast to bfloat16 it would be off by a percent.
        self._scale: float = tower["logit_scale"].float().exp().item()
        self._head = open_head(tensors, source).to(device)
        self._texts = TextFeatures(self._read, keep=KEPT)
        with torch.inference_mode():
            self._condition = self._read([condition])[0, :-1]

    def pixels(self, image: Image) -> Tensor:
        """As the image processor makes them, resized by Pillow."""
        return self._inputs.pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """exp(logit_scale) · cosine."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.inference_mode():
            pixels = pixels.to(self._device, self._dtype)
            # Without the norm that follows in CLIP, which was never applied to all tokens.
            seen = self._clip.vision_model(pixels).last_hidden_state
            tokens = self._clip.visual_projection(seen).float()
            texts = self._texts(prompts)
            words, whole = texts[:, :-1], texts[:, -1]
            found = self._head(tokens, words, self._matter(words))
            scores: list[float] = (self._scale * cosine_similarity(found, whole)).tolist()
        return scores

    def _matter(self, words: Tensor) -> Tensor:
        """Which words the condition asks for, ``Bool[Tensor, "text word"]``."""
        nearest = (words @ self._condition.T).amax(-1)
        return nearest / nearest.amax(-1, keepdim=True) > self._threshold

    def _read(self, prompts: list[str]) -> Tensor:
        """Features of a text's tokens, then its own, ``Float[Tensor, "text token+1 width"]``."""
        import torch

        places = self._clip.config.text_config.max_position_embeddings
        ids = self._inputs.tokens(prompts, places).to(self._device)
        states = self._clip.text_model(ids).last_hidden_state
        words: Tensor = self._clip.text_projection(states).float()
        # A text's own feature is that of its end, the highest id of CLIP's vocabulary; padding may
        # have the same id, and comes after. Configurations old and new disagree on its number.
        end = ids.argmax(dim=1)
        return torch.cat([words, words[torch.arange(len(ids)), end][:, None]], dim=1)


def _open_clip(
    tensors: dict[str, Tensor],
    source: Path,
    processor: str,
    revision: str | None,
    dtype: torch.dtype,
) -> Any:
    """The tuned CLIP: the architecture of ``processor`` with ``tensors`` for weights."""
    from accelerate import init_empty_weights
    from transformers import CLIPConfig, CLIPModel

    with reading(processor, revision):
        config: Any = CLIPConfig.from_pretrained(
            processor,
            revision=revision,  # type: ignore[arg-type]
        )
    with init_empty_weights(include_buffers=False):
        clip: Any = CLIPModel(config)
    fill(clip, tensors, source, dtype, {"*.position_ids": "numbers of positions"})
    return clip.eval()
