"""BERT as BLIP has it: its settings, and a vocabulary that stands for the published one."""

from __future__ import annotations

from tests.parity.inputs import PROMPTS

__all__ = ["MED", "vocabulary"]

MED = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30524,
    "encoder_width": 768,
    "add_cross_attention": True,
}
"""The settings of the authors' ``med_config.json``, which cannot be downloaded here."""


def vocabulary(size: int) -> list[str]:
    """As many entries as BERT's, special ones in their places; words of our prompts among them."""
    letters = sorted({sign for sign in "".join(PROMPTS).lower() if not sign.isspace()} | {"e"})
    words = sorted({word.strip(",.!") for word in " ".join(PROMPTS).lower().split()})
    whole = [word for word in words if word.isascii() and word.isalpha() and len(word) > 1]
    special = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # Half of the words are left to be put together from their letters.
    known = [*special, *letters, *(f"##{letter}" for letter in letters), *whole[::2]]
    return [*known, *(f"filler{n}" for n in range(size - len(known)))]
