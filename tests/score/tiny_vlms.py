"""Small VLMs of random weights in three architectures, saved as their repositories are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

__all__ = ["ARCHITECTURES", "generated", "save_vlm", "tiny_tokenizer"]

CORPUS = """Does this figure show "a cat" or "the dog"? Please answer Yes or No. yes no YES NO
a red circle on a black background; three green stars and a blue square, photo of it
a café by night, and the moon; is it so that it shows a star? What is it? 1 2 3 4 5 6 7 8 9 0
You are a helpful assistant. user assistant system Yes No Yes No"""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_tokenizer(special: Sequence[str], **named: str) -> PreTrainedTokenizerFast:
    """Bytes, merged where the corpus repeats itself: what such models have."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([*CORPUS.splitlines(), *["Yes", "No", "yes", "no"] * 50], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<|pad|>", eos_token="<|im_end|>", **named
    )


def _text(words: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": len(words),
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        **more,
    }


def _qwen(kind: str, **text: Any) -> tuple[Any, Any]:
    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tiny_tokenizer(marks)
    number = words.convert_tokens_to_ids
    config, model, vision = _QWENS[kind]
    described = _text(words, max_position_embeddings=4096, **text)
    head = described["hidden_size"] // described["num_attention_heads"]
    sections = [head // 2 - 2 * (head // 8), head // 8, head // 8]
    described |= {
        "head_dim": head,
        "rope_scaling": {"rope_type": "default", "mrope_section": sections},
    }
    patch = 16 if text else 8
    joined = "hidden_size" if kind == "qwen2_vl" else "out_hidden_size"
    made = config(
        text_config=described,
        vision_config={"patch_size": patch, **vision, joined: described["hidden_size"]},
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
    )
    template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    images = Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, size={"shortest_edge": 256, "longest_edge": 1 << 24}
    )
    processor = Qwen3VLProcessor(
        images, words, Qwen3VLVideoProcessor(patch_size=patch), chat_template=template
    )
    return model(made), processor


_QWENS: Mapping[str, tuple[Any, Any, dict[str, Any]]] = {
    "qwen2_vl": (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
    ),
    "qwen2_5_vl": (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        {
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "window_size": 32,
            "fullatt_block_indexes": [1],
        },
    ),
    "qwen3_vl": (
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        {
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
    ),
}


def _llava() -> tuple[Any, Any]:
    words = tiny_tokenizer(["<image>"])
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
            projection_dim=16,
        ),
        text_config=LlamaConfig(**_text(words)),
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    images = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = LlavaProcessor(
        images,
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHATML.replace("IMAGE", "<image>\n"),
    )
    return LlavaForConditionalGeneration(config), processor


def _idefics3() -> tuple[Any, Any]:
    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    words = tiny_tokenizer(marks)
    config = Idefics3Config(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config=LlamaConfig(**_text(words)),
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    processor = Idefics3Processor(
        images, words, image_seq_len=4, chat_template=CHATML.replace("IMAGE", "<image>")
    )
    return Idefics3ForConditionalGeneration(config), processor


ARCHITECTURES: Mapping[str, Callable[..., tuple[Any, Any]]] = {
    **{kind: partial(_qwen, kind) for kind in _QWENS},
    "llava": _llava,
    "idefics3": _idefics3,
}


def save_vlm(architecture: str, folder: Path, **text: Any) -> Path:
    """A model and its processor, as ``from_pretrained`` reads them.

    Weights follow from their names by a formula, and so are the same with every version of torch:
    what another program computed of them can be kept.

    Args:
        text: of a Qwen, the size of the language model, by the names of its configuration; its
            weights are as they begin.
    """
    model, processor = ARCHITECTURES[architecture](**text)
    if not text:
        _set_by_formula(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _set_by_formula(model: Any) -> None:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            start = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)
            place = torch.arange(weight.numel(), dtype=torch.float64) + start
            noise = (torch.sin(place * 12.9898) * 43758.5453).frac()
            weight.copy_((0.6 * noise).reshape(weight.shape))


def generated(folder: Path, text: str, image: Image.Image, steps: list[str]) -> list[float]:
    """ln P of each of ``steps``, after the ones before it, by ``generate``, one at a time."""
    processor: Any = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    content = [{"type": "image"}, {"type": "text", "text": text}]
    chat = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    found = []
    for at, step in enumerate(steps):
        inputs = processor(text=[chat + "".join(steps[:at])], images=[[image]], return_tensors="pt")
        made = model.generate(
            **inputs,
            max_new_tokens=1,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
        (token,) = processor.tokenizer(step, add_special_tokens=False)["input_ids"]
        found.append(float(made.scores[0][0].double().log_softmax(-1)[token]))
    return found
