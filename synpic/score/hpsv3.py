"""The reward ``hpsv3``: what people would prefer, by a Qwen2-VL that was tuned to say so.

Ma et al., *HPSv3* (arXiv 2508.03789): picture and prompt are shown to Qwen2-VL-7B with an
instruction, and a head reads the token that ends it. The score is the first output of the class
``Qwen2VLRewardModelBT`` (hpsv3/model/qwen2vl_trainer.py of ``hpsv3==1.0.0``), as hpsv3/inference.py
calls it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image, Resampling

from synpic.errors import RewardError
from synpic.score.hpsv3_text import MARK, Hpsv3Text, read_text
from synpic.score.lineage import Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.hpsv3_tower import QUANTIZATIONS, rated_tower
from synpic.score.two_stage import TwoStageReward
from synpic.score.vlm.answers import refuse_marks
from synpic.score.vlm.local import open_processor
from synpic.score.weights import as_dtype, find_file, read_tensors, reading

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["Hpsv3"]

WEIGHTS = "HPSv3.safetensors"

PIXELS = 256 * 28 * 28
"""Of every image, about: the authors set the least and the most to this."""

OUTPUTS = ("mean", "sigma")

POSITIONS = ("sequential", "mrope")


class Hpsv3(TwoStageReward):
    """A head's rating of what a tuned Qwen2-VL read, at the token that ends its instruction.

    Attention looks back only, so that nothing after that token is computed. Rows are padded on the
    right.

    Args:
        checkpoint: folder or repository with ``HPSv3.safetensors``.
        revision: its commit.
        device: where it runs.
        processor: folder or repository of Qwen2-VL's tokenizer, image processor and configuration;
            no weights of it are read.
        processor_revision: its commit.
        dtype: of the tower; the head is computed in float32 in any case.
        output: "mean", the score; or "sigma", how unsure the model is of it: another reward, which
            orders images by doubt.
        positions: "sequential", as under the authors' package, which counts the tokens of an image
            like those of a text; or "mrope", rows and columns, as the model was made for.
        quantization: "none"; "8bit" or "4bit" of the language model, by bitsandbytes.

    Raises:
        RewardError: the authors' package with the instruction is not installed; an option is
            unknown; weights are missing, or belong to nothing.
        MissingExtra: quantization without bitsandbytes.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="HPSv3: Qwen2-VL-7B tuned on people's choices between pictures",
        score_range="unbounded; about -5 … 15",
        checkpoint="MizzenAI/HPSv3",
        files=(WEIGHTS,),
        companions={
            "processor": Companion(
                "Qwen/Qwen2-VL-7B-Instruct",
                (
                    "config.json",
                    "tokenizer*",
                    "vocab.json",
                    "merges.txt",
                    "preprocessor_config.json",
                    "chat_template*|",
                ),
            )
        },
        licence="Apache-2.0 (the card of the weights); MIT (the authors' package)",
        paper="2508.03789",
        text_limit="the model's context (32,768 tokens); nothing is cut off",
        verified="against the class of hpsv3 1.0.0 on transformers 4.45.2, at a reduced size, with "
        "random weights in float32 (tests/score/test_hpsv3.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        "Qwen2-VL-7B",
        7749,
        "HPDv3: 1.17 million choices by people",
        {"HPDv2": 85.4, "HPDv3": 76.9, "MMRB2": 60.2},
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
        output: str = "mean",
        positions: str = "sequential",
        quantization: str = "none",
    ) -> None:
        _check("output", output, OUTPUTS)
        _check("positions", positions, POSITIONS)
        _check("quantization", quantization, QUANTIZATIONS)
        self._device, self._dtype = device, as_dtype(dtype)
        self._output, self._positions = output, positions
        self._alone = quantization == "8bit"
        # First what is small and may be missing.
        self._text = self._instruction()
        self._processor: Any = open_processor(processor, processor_revision)
        self._processor.tokenizer.add_tokens([MARK], special_tokens=True)
        config = _config(processor, processor_revision, len(self._processor.tokenizer))
        self._image_token: int = config.image_token_id
        self._merged: int = config.vision_config.spatial_merge_size**2
        path = find_file(checkpoint, revision, WEIGHTS)
        self._tower, self._head = rated_tower(
            config, read_tensors(path), path, self._dtype, device, quantization
        )
        self.preprocessing: Hashable = ("hpsv3", str(self._processor.image_processor))

    @classmethod
    def check_installed(cls) -> None:
        """Whether the authors' package with the instruction is there; asked by ``validate``.

        Raises:
            RewardError: it is not, or is another.
        """
        cls._instruction()

    @staticmethod
    def _instruction() -> Hpsv3Text:
        """What stands around a prompt; tests have a text of their own."""
        return read_text()

    def pixels(self, image: Image) -> tuple[Tensor, Tensor]:
        """The image cut into patches, and how many down and across.

        About 200,704 pixels in the image's proportions, both sides multiples of 28; resized by
        Pillow, bicubic.

        Returns:
            ``Float[Tensor, "patch value"]``, and ``Int[Tensor, "3"]``: 1, rows, columns.

        Raises:
            ValueError: a side is over 200 times the other; it is the failure of this image.
        """
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        images = self._processor.image_processor
        height, width = smart_resize(
            image.height,
            image.width,
            factor=images.patch_size * images.merge_size,
            min_pixels=PIXELS,
            max_pixels=PIXELS,
        )
        shown = image.resize((width, height), Resampling.BICUBIC)
        made = images(shown, do_resize=False, return_tensors="pt")
        return made["pixel_values"], made["image_grid_thw"][0]

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any proportions."""
        return list(pixels)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Ratings, or how unsure they are, of n prompts and n images.

        Raises:
            ValueError: a prompt holds one of the tokenizer's marks: the failure of its images.
        """
        import torch

        rows = [
            self._tokens(prompt, grid) for prompt, (_, grid) in zip(prompts, pixels, strict=True)
        ]
        # LLM.int8() takes apart columns that stand out in any row: with others, a score would
        # depend on them.
        at_once = 1 if self._alone else max(1, len(rows))
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(rows), at_once):
                some = slice(start, start + at_once)
                rated = self._head(self._read(rows[some], pixels[some]).float())
                chosen = rated[:, 0] if self._output == "mean" else rated[:, 1].exp()
                found += chosen.tolist()
        return found

    def _tokens(self, prompt: str, grid: Tensor) -> list[int]:
        """What the model reads up to the mark, with a token for each four patches of the image."""
        refuse_marks(self._processor.tokenizer, prompt)
        content = [{"type": "image"}, {"type": "text", "text": self._text.around(prompt)}]
        chat: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False
        )
        read, mark, _ = chat.partition(MARK)
        tokens: list[int] = self._processor.tokenizer(read + mark, add_special_tokens=False)[
            "input_ids"
        ]
        place = tokens.index(self._image_token)
        seen = [self._image_token] * (int(grid.prod()) // self._merged)
        return [*tokens[:place], *seen, *tokens[place + 1 :]]

    def _read(self, rows: Sequence[list[int]], pixels: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """What the model has read at each row's last token, ``Float[Tensor, "n width"]``."""
        import torch

        lengths = torch.tensor([len(row) for row in rows])
        tokens = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : len(row)] = torch.tensor(row)
        there = torch.arange(tokens.shape[1]) < lengths[:, None]
        hidden = self._tower(
            input_ids=tokens.to(self._device),
            attention_mask=there.long().to(self._device),
            pixel_values=torch.cat([values for values, _ in pixels]).to(self._device, self._dtype),
            image_grid_thw=torch.stack([grid for _, grid in pixels]).to(self._device),
            use_cache=False,
            **self._places(tokens, there),
        ).last_hidden_state
        last: Tensor = hidden[torch.arange(len(rows)), lengths - 1]
        return last

    def _places(self, tokens: Tensor, there: Tensor) -> dict[str, Tensor]:
        """What tells the model where tokens stand: transformers 5 counts M-RoPE if not told."""
        import torch

        if self._positions == "mrope":
            of_image = (tokens == self._image_token) & there
            return {"mm_token_type_ids": of_image.int().to(self._device)}
        counted = torch.arange(tokens.shape[1], device=self._device)
        return {"position_ids": counted.expand(3, *tokens.shape)}


def _config(processor: str, revision: str | None, tokens: int) -> Any:
    """The model's configuration; its vocabulary has no rows beyond the tokenizer's."""
    from transformers import Qwen2VLConfig

    with reading(processor, revision):
        config: Any = Qwen2VLConfig.from_pretrained(processor, revision=revision or "main")
    config.text_config.vocab_size = tokens
    return config


def _check(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise RewardError(
            f"hpsv3: {option} is {value!r}, expected {' or '.join(map(repr, known))}",
            hint=f"{known[0]!r} is the default",
        )
