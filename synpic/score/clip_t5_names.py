"""What the tensors of a CLIP-FlanT5 are called in its checkpoint's files."""

from __future__ import annotations

__all__ = ["LEFTOVERS", "TOWER", "WORDS", "in_the_file"]

TOWER = "vision_tower.vision_tower."
"""Before the names of a checkpoint's own copy of the CLIP's tower."""

WORDS = ("shared", "embed_tokens", "encoder.embed_tokens", "decoder.embed_tokens")
"""All that one matrix is called; files hold it under one name, or some, or all."""

LEFTOVERS = {
    f"{TOWER}*position_ids": "numbers of positions",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": "unused in any T5",
}


def in_the_file(part: str, key: str) -> str:
    """The name in the files of ``key`` of a part: reader, vision, head or projector."""
    if part == "reader":
        return "shared.weight" if key.removesuffix(".weight") in WORDS else key
    if part == "vision":
        # Versions of transformers differ in whether they write the prefix.
        return f"{TOWER}vision_model.{key.removeprefix('vision_model.')}"
    return f"{'lm_head' if part == 'head' else 'mm_projector'}.{key}"
