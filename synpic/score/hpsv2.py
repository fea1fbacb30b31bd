"""The reward ``hpsv2``: which of two pictures of one prompt people would choose.

Wu et al., *Human Preference Score v2* (arXiv 2306.09341): a CLIP ViT-H-14 of open_clip, trained on
people's choices. The score is hpsv2/img_score.py's of github.com/tgxs002/HPSv2: the cosine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.lineage import CLIP_H_BACKBONE, Lineage
from synpic.score.reward import RewardInfo
from synpic.score.texts import TextFeatures
from synpic.score.towers.clip_pixels import MEAN, STD
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, fill, find_file, read_tensors

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["HPSv2"]

FILES = {
    version: (f"{stem}.safetensors", f"{stem}.pt")
    for version, stem in {"2.1": "HPS_v2.1_compressed", "2.0": "HPS_v2_compressed"}.items()
}
"""The versions, and what their weights are called; scores of one say nothing to the other's."""


class HPSv2(TwoStageReward):
    """Cosine of a preference-trained CLIP's features. Upstream's benchmarks print it times 100.

    Upstream's package scores version 2.0 by default, one image at a time, and on a GPU
    in half precision. The whole picture is seen: its longest side is resized, the rest is black.

    Args:
        checkpoint: folder or repository with the weights.
        revision: its commit.
        device: where it runs.
        version: "2.1" or "2.0".
        antialias: whether pixels are averaged where an image is made smaller. Upstream leaves it to
            torchvision, whose default for tensors was off until 0.17.
        dtype: of the towers; features are compared in float32 in any case.

    Raises:
        RewardError: there is no such version; antialias is neither true nor false; weights are
            missing or belong to nothing.
        CheckpointError: the repository lacks the file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="HPSv2.1: CLIP ViT-H-14 trained on people's choices between pictures",
        score_range="-1 … 1",
        checkpoint="xswu/HPSv2",
        files=("|".join(FILES["2.1"]),),
        files_by_option={"version": {name: ("|".join(files),) for name, files in FILES.items()}},
        licence="Apache-2.0 (the authors' code)",
        paper="2306.09341",
        text_limit="77 tokens of CLIP; what is longer is cut off",
        verified="against upstream's own code, in small (tests/score/test_hpsv2.py) and at full "
        "size (make parity), with random weights",
    )

    lineage: ClassVar[Lineage] = Lineage(
        CLIP_H_BACKBONE,
        986,
        "HPDv2: 798,090 choices by people",
        {"HPDv2": 83.3, "HPDv3": 65.3, "MMRB2": 54.7, "GenAI-Bench": 56.1},
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        version: str = "2.1",
        antialias: bool = True,
        dtype: str = "float32",
    ) -> None:
        from accelerate import init_empty_weights
        from open_clip import CLIP, SimpleTokenizer

        self._device, self._dtype = device, as_dtype(dtype)
        if version not in FILES:
            raise RewardError(
                f"hpsv2 has no version {version!r}", hint=f"one of: {', '.join(FILES)}"
            )
        if not isinstance(antialias, bool):
            raise RewardError(
                f"hpsv2: antialias is {antialias!r}, expected true or false",
                hint="true is the default",
            )
        self._antialias = antialias
        path = find_file(checkpoint, revision, *FILES[version])
        architecture = self._architecture()
        with init_empty_weights(include_buffers=False):
            self._model: Any = CLIP(**architecture)
        fill(self._model, read_tensors(path, inside="state_dict"), path, self._dtype)
        self._model.to(device).eval()
        self._tokenizer: Any = SimpleTokenizer(context_length=self._model.context_length)
        self._texts = TextFeatures(self._read)

        self._size: int = architecture["vision_cfg"]["image_size"]
        self.preprocessing: Hashable = (
            "resize longest, pad centred",
            self._size,
            f"bicubic, {'antialiased' if antialias else 'as it is'}, of floats",
            MEAN,
            STD,
        )

    @staticmethod
    def _architecture() -> dict[str, Any]:
        """What open_clip's CLIP is built from; tests name a smaller one."""
        from open_clip import get_model_config

        found: dict[str, Any] = get_model_config("ViT-H-14")
        return found

    def pixels(self, image: Image) -> Tensor:
        """The whole image in a square: its longest side resized, zeros around what is left.

        Upstream resizes after the conversion to floats, so that bicubic overshoot is not clipped.
        It fails on an image whose longest side fits and whose other does not.
        """
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms import functional as F  # noqa: N812

        shown: Tensor = F.to_tensor(image)
        scale = self._size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        if scale != 1:
            shown = F.resize(
                shown, [height, width], InterpolationMode.BICUBIC, antialias=self._antialias
            )
        left, top = (self._size - width) // 2, (self._size - height) // 2
        right, bottom = self._size - width - left, self._size - height - top
        shown = F.pad(shown, [left, top, right, bottom])
        return F.normalize(shown, MEAN, STD)  # type: ignore[no-any-return]

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Cosines in -1 … 1."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.inference_mode():
            features = self._model.encode_image(pixels.to(self._device, self._dtype)).float()
            cosines: list[float] = cosine_similarity(features, self._texts(prompts)).tolist()
        return cosines

    def _read(self, prompts: list[str]) -> Tensor:
        """Features of texts, ``Float[Tensor, "text width"]``."""
        features: Tensor = self._model.encode_text(self._tokenizer(prompts).to(self._device))
        return features.float()
