"""A small HPSv3: the two repositories as they are published, with random weights.

What the authors' code is given in tests/parity/oracle_hpsv3.py and what ours is given come from
here, so nothing but numbers has to be kept. Runs with transformers 4.45.2, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

__all__ = [
    "ENDING",
    "INSTRUCTION",
    "PAIRS",
    "TOKENS",
    "WEIGHTS",
    "save_processor",
]

WEIGHTS = "HPSv3.safetensors"

INSTRUCTION = (
    "\nHow good is the picture?  Think of these: \n- **Text:** is it what the text asks for? \n"
    "The text - {text_prompt}\n\n\n"
)
"""Of the form of the authors', blanks at ends of lines included; the words are ours."""

ENDING = """
So, the mark of it is: <|Reward|>

THE END
"""

PAIRS = (
    ("a red circle", 64, 48),
    ("three green stars and a blue square on a black background, oil painting", 640, 300),
    ("", 120, 700),
    ("café 🚀 {braces} and {text_prompt}\n on a new line ", 512, 512),
    ("a crab, a cat and a circle, " * 12 + "in red", 1200, 40),
    ("a red circle on a blue background", 448, 448),
    ("a red circle", 30, 31),
)
"""Prompt, width and height; pictures are those of tests/parity/inputs.py, seeded by their place."""

MARKS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

MERGES = ("t h", "th e", "i n", "e r", "r e", "re d", "Ġ c", "Ġ a", "Ġ the", "c i", "ci r", "Ċ Ċ")

TOKENS = 256 + len(MERGES) + len(MARKS) + 1
"""The authors' mark is one more than the tokenizer has."""

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Qwen2's tokenizer cuts a text."""


def save_processor(
    folder: Path, *, width: int = 32, layers: int = 2, heads: int = 4, vision: int = 16
) -> Path:
    """Configuration, tokenizer and image processor, as Qwen2-VL's repository holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merged = [merge.replace(" ", "") for merge in MERGES]
    vocabulary = {token: at for at, token in enumerate([*letters, *merged])}
    _save_tokenizer(folder, vocabulary)
    number = {mark: len(vocabulary) + at for at, mark in enumerate(MARKS)}
    head = width // heads
    config = {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "attention_dropout": 0.0,
        "bos_token_id": number["<|endoftext|>"],
        "eos_token_id": number["<|im_end|>"],
        "vision_start_token_id": number["<|vision_start|>"],
        "vision_end_token_id": number["<|vision_end|>"],
        "image_token_id": number["<|image_pad|>"],
        "video_token_id": number["<|video_pad|>"],
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "max_position_embeddings": 8192,
        "max_window_layers": layers,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": max(1, heads // 2),
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 8192,
        "tie_word_embeddings": False,
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": {
            "depth": layers,
            "embed_dim": vision,
            "mlp_ratio": 2,
            "num_heads": 2,
            "in_chans": 3,
            "hidden_size": width,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
        "rope_scaling": {
            "type": "mrope",
            "mrope_section": [head // 2 - 2 * (head // 8), head // 8, head // 8],
        },
        # As published, with rows that no token has: the authors cut them off.
        "vocab_size": len(vocabulary) + len(MARKS) + 9,
    }
    _write(folder / "config.json", config)
    _write(
        folder / "preprocessor_config.json",
        {
            "min_pixels": 3136,
            "max_pixels": 12845056,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2VLProcessor",
        },
    )
    _write(folder / "chat_template.json", {"chat_template": TEMPLATE})
    return folder


def _save_tokenizer(folder: Path, vocabulary: dict[str, int]) -> None:
    pairs = [(merge.split(" ")[0], merge.split(" ")[1]) for merge in MERGES]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, normalized=False, special=True) for mark in MARKS])
    made.save(str(folder / "tokenizer.json"))
    _write(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(MERGES) + "\n", encoding="utf-8")
    added = {
        str(len(vocabulary) + at): {
            "content": mark,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for at, mark in enumerate(MARKS)
    }
    _write(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "added_tokens_decoder": added,
            "additional_special_tokens": list(MARKS[1:]),
            "bos_token": None,
            "chat_template": TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 32768,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
