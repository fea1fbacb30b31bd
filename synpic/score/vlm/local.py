"""A vision-language model of transformers on this machine: how likely it is to answer what.

Any architecture that ``AutoModelForImageTextToText`` opens. Nothing is generated: one forward pass
over images and question gives the probability of every first token of an answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.vlm.answers import Spelling, refuse_marks, spellings
from synpic.score.vlm.fitting import fit
from synpic.score.vlm.questions import TOP, VlmAnswer, place_of
from synpic.score.vlm.shared_images import SharedImages
from synpic.score.weights import open_pretrained, reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["LocalVlm", "load_processor", "open_local", "open_processor"]

_ANYTHING = "a red circle"

_REMEMBERED = 256
"""Answers that are remembered: two rewards that ask the same take turns, a batch each."""

_opened: WeakValueDictionary[Hashable, LocalVlm] = WeakValueDictionary()


def open_local(
    checkpoint: str, revision: str | None, device: str, dtype: torch.dtype, max_pixels: int
) -> LocalVlm:
    """A model, opened once in this process for all rewards that ask it.

    Args:
        checkpoint, revision, device, dtype, max_pixels: of :class:`LocalVlm`.
    """
    key = (checkpoint, revision, device, dtype, max_pixels)
    found = _opened.get(key)
    if found is None:
        found = _opened[key] = LocalVlm(*key)
    return found


class LocalVlm:
    """An opened model.

    Args:
        checkpoint: folder or repository with a model and its processor.
        revision: its commit.
        device: where it runs.
        dtype: of its weights; probabilities are computed in float32.
        max_pixels: larger images are made smaller first, in their proportions.

    Raises:
        RewardError: it has no chat template, or begins to think before it answers; weights are
            missing or belong to nothing.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        dtype: torch.dtype,
        max_pixels: int,
    ) -> None:
        from transformers import AutoModelForImageTextToText

        self._checkpoint, self._device, self._max_pixels = checkpoint, device, max_pixels
        self._processor = open_processor(checkpoint, revision)
        self._sharing = copy(self._processor)
        self._sharing.image_processor = SharedImages(self._processor.image_processor)
        self._model = open_pretrained(AutoModelForImageTextToText, checkpoint, revision, dtype).to(
            device
        )
        self._texts: dict[int, str] = {}
        self._answers: dict[Hashable, VlmAnswer] = {}
        self._refuse_thoughts()

    @property
    def preprocessing(self) -> Hashable:
        """What decides the pixels that :meth:`fit` gives."""
        return ("at most", self._max_pixels)

    def fit(self, image: Image) -> Image:
        """``image``, made smaller where it has more than ``max_pixels``; bicubic, by Pillow."""
        return fit(image, self._max_pixels)

    def spellings(self, texts: Sequence[str]) -> list[Spelling]:
        """The tokens of answers; see :func:`synpic.score.vlm.answers.spellings`."""
        return spellings(self._processor.tokenizer, self._chat(None, _ANYTHING), texts)

    def chats(self, prompts: Sequence[str], question: str) -> list[str]:
        """The text before an answer, for each of ``prompts``.

        Args:
            question: with ``{}`` for the prompt.

        Raises:
            ValueError: a prompt holds one of the tokenizer's marks.
        """
        for prompt in prompts:
            refuse_marks(self._processor.tokenizer, prompt)
        return [self._chat(None, question.format(prompt)) for prompt in prompts]

    def chat(self, parts: Sequence[str | None], prompt: str) -> str:
        """The text before an answer to a question that may hold several images.

        Args:
            parts: texts, and None for each image.
            prompt: that stands in one of the texts.

        Raises:
            ValueError: the prompt holds one of the tokenizer's marks.
        """
        refuse_marks(self._processor.tokenizer, prompt)
        return self._chat(*parts)

    def log_probabilities(
        self,
        chats: Sequence[str],
        images: Sequence[Image | Sequence[Image]],
        answers: Sequence[Spelling],
    ) -> Tensor:
        """ln P(answer | images, question), ``Float[Tensor, "n answers"]``, float32 on the CPU.

        Answers of one token share one forward pass. One of several is fed to the model (teacher
        forcing), and the logarithms of its tokens add up.

        Args:
            chats: n, from :meth:`chats` or :meth:`chat`.
            images: n, from :meth:`fit`; of a question about several images those, in its order.
        """
        import torch

        found = torch.empty(len(chats), len(answers))
        short = [at for at, answer in enumerate(answers) if len(answer.tokens) == 1]
        if short:
            after = self._after(chats, images, 0)[:, 0]
            found[:, short] = after[:, [answers[at].tokens[0] for at in short]]
        for at, answer in enumerate(answers):
            if len(answer.tokens) == 1:
                continue
            whole = [chat + answer.text for chat in chats]
            after = self._after(whole, images, len(answer.tokens))
            places = torch.arange(len(answer.tokens))
            found[:, at] = after[:, places, list(answer.tokens)].sum(dim=1)
        return found

    def first_tokens(
        self, chats: Sequence[str], images: Sequence[Image], together: int
    ) -> Iterator[tuple[Tensor, VlmAnswer]]:
        """Of each of n questions ln P of every first token of an answer, ``Float[Tensor,
        "vocabulary"]``, float32 on the CPU, and of these the 20 likeliest, as a server returns
        them.

        The next pass is made ready on the CPU while the model computes one.

        Args:
            chats: n, from :meth:`chats`.
            images: n, from :meth:`fit`. One that stands there several times is made ready once;
                best these follow each other.
            together: questions of one forward pass.
        """
        import torch

        passes = [slice(start, start + together) for start in range(0, len(chats), together)]
        with ThreadPoolExecutor(1, "prepare") as pool:
            # One pass ahead alone: each holds its pixels.
            prepare = partial(self._prepared, self._sharing)
            ready = [pool.submit(prepare, chats[one], images[one]) for one in passes[:1]]
            for at in range(len(passes)):
                inputs = ready.pop().result()
                for one in passes[at + 1 : at + 2]:
                    ready.append(pool.submit(prepare, chats[one], images[one]))
                with torch.inference_mode():
                    logits = self._model(**self._placed(inputs), logits_to_keep=1).logits[:, -1]
                    after = logits.float().log_softmax(dim=-1).cpu()
                wait(ready)  # a tokenizer is one thread's at a time
                values, found = after.topk(min(TOP, after.shape[-1]), dim=-1)
                for row, chances, tokens in zip(
                    after, values.tolist(), found.tolist(), strict=True
                ):
                    texts = map(self._text_of, tokens)
                    yield row, VlmAnswer([place_of(zip(texts, chances, strict=True))])

    def answers(
        self, chats: Sequence[str], images: Sequence[Image], tokens: int
    ) -> list[VlmAnswer]:
        """What the model answers, greedily: at each place the 20 likeliest tokens, as a server
        returns them.

        Args:
            chats: n, from :meth:`chats`.
            images: n, from :meth:`fit`.
            tokens: how many an answer has, at most; it ends with the model's end of an answer.
        """
        keys = [
            (chat, hashlib.sha256(image.tobytes()).digest(), image.size, tokens)
            for chat, image in zip(chats, images, strict=True)
        ]
        new = [at for at, key in enumerate(keys) if key not in self._answers]
        if new:
            answers = self._generated([chats[at] for at in new], [images[at] for at in new], tokens)
            self._answers.update(zip([keys[at] for at in new], answers, strict=True))
        found = [self._answers[key] for key in keys]
        while len(self._answers) > max(_REMEMBERED, len(keys)):
            del self._answers[next(iter(self._answers))]
        return found

    def _generated(
        self, chats: Sequence[str], images: Sequence[Image], tokens: int
    ) -> list[VlmAnswer]:
        import torch
        from transformers import GenerationConfig

        # Of the checkpoint's own settings only these: penalties and temperatures are for chats.
        own = self._model.generation_config
        greedy = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=own.eos_token_id,
            pad_token_id=self._processor.tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            made = self._model.generate(
                **self._inputs(chats, images),
                generation_config=greedy,
                output_logits=True,
                return_dict_in_generate=True,
            )
        after = torch.stack(made.logits, dim=1).float().log_softmax(dim=-1)
        values, found = after.topk(min(TOP, after.shape[-1]), dim=-1)
        ends = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
        return [
            self._answer(*row, ends) for row in zip(values.tolist(), found.tolist(), strict=True)
        ]

    def _answer(
        self, values: list[list[float]], found: list[list[int]], ends: Sequence[int | None]
    ) -> VlmAnswer:
        places = []
        for chances, tokens in zip(values, found, strict=True):
            if tokens[0] in ends:
                break
            texts = map(self._text_of, tokens)
            places.append(place_of(zip(texts, chances, strict=True)))
        return VlmAnswer(places).slim()

    def _text_of(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = self._processor.tokenizer.decode([token])
        return self._texts[token]

    def _inputs(self, texts: Sequence[str], images: Sequence[Image | Sequence[Image]]) -> Any:
        """What the model takes, padded on the left, on its device."""
        return self._placed(self._prepared(self._processor, texts, images))

    @staticmethod
    def _prepared(
        processor: Any, texts: Sequence[str], images: Sequence[Image | Sequence[Image]]
    ) -> Any:
        return processor(
            text=list(texts),
            images=[list(one) if isinstance(one, Sequence) else [one] for one in images],
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )

    def _placed(self, inputs: Any) -> Any:
        import torch

        inputs = inputs.to(self._device)
        for name, value in inputs.items():
            if torch.is_tensor(value) and value.is_floating_point():
                inputs[name] = value.to(self._model.dtype)
        return inputs

    def _after(
        self, texts: Sequence[str], images: Sequence[Image | Sequence[Image]], back: int
    ) -> Tensor:
        """ln P of each next token, ``Float[Tensor, "n back+1 vocabulary"]``, after each of the last
        ``back`` + 1 tokens; on the CPU."""
        import torch

        inputs = self._inputs(texts, images)
        with torch.inference_mode():
            logits = self._model(**inputs, logits_to_keep=back + 1).logits[:, -back - 1 :]
            after: Tensor = logits.float().log_softmax(dim=-1).cpu()
        return after

    def _chat(self, *parts: str | None) -> str:
        content = [
            {"type": "image"} if part is None else {"type": "text", "text": part} for part in parts
        ]
        # A template that does not know the word would have it taken for an option of the processor.
        thinks = "enable_thinking" in str(self._processor.chat_template)
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=False,
            **({"enable_thinking": False} if thinks else {}),
        )
        return text

    def _refuse_thoughts(self) -> None:
        end = self._chat(None, _ANYTHING).rstrip()
        if end.endswith("<think>"):
            raise RewardError(
                f"{self._checkpoint} thinks before it answers, so that its first token is no "
                "answer",
                hint="name the variant without thoughts: the one that is called Instruct",
            )


def open_processor(checkpoint: str, revision: str | None) -> Any:
    """The processor of a model that can be asked about an image.

    Raises:
        RewardError: it takes no images, or has no chat template.
        CheckpointError: a file is not there or damaged, or cannot be reached.
    """
    processor = load_processor(checkpoint, revision)
    if getattr(processor, "image_processor", None) is None or not processor.chat_template:
        lacking = "chat template" if not getattr(processor, "chat_template", None) else "images"
        raise RewardError(
            f"{checkpoint} cannot be asked about an image: its processor has no {lacking}",
            hint="name a model that was tuned to chat about images",
        )
    return processor


def load_processor(checkpoint: str, revision: str | None) -> Any:
    """A processor, whose images are resized by Pillow where the architecture has such a one.

    Raises:
        CheckpointError: a file is not there or damaged, or cannot be reached.
    """
    from transformers import AutoImageProcessor, AutoProcessor

    with reading(checkpoint, revision):
        processor: Any = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            checkpoint, revision=revision
        )
        # Of some architectures there is one by torchvision alone.
        with suppress(ImportError, ValueError):
            processor.image_processor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                checkpoint, revision=revision, backend="pil"
            )
    return processor
