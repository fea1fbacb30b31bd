"""The small diffusers pipelines of the world, untrained: sizes, tokenizers, text encoders.

Everything is an ordinary class of diffusers or transformers, so that what ``train`` saves opens
with ``DiffusionPipeline.from_pretrained(folder)`` and nothing of synpic.
"""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from synpic.shapes.meaning import WORDS
from synpic.shapes.scene import CANVAS

__all__ = [
    "CONTEXT",
    "LATENT",
    "build_clip",
    "build_mmdit",
    "build_pixart",
    "build_unet",
    "build_vae",
    "clip_tokenizer",
    "deaf_tokenizer",
    "word_tokenizer",
]

LATENT = 8
"""Width and height of a latent: the autoencoder shrinks four times."""

CONTEXT = 16
"""Tokens of a prompt, with its start and its end: the longest prompt has 14 words."""

_START, _END, _WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"


def clip_tokenizer() -> Any:
    """A CLIP tokenizer in which every word of the world is one token.

    Byte-pair encoding (Sennrich et al., arXiv 1508.07909) of the list of words until nothing is
    left to merge. Ties go to the first pair of the alphabet, so that ids never change; the
    trainer of ``tokenizers`` breaks them anew in every process.
    """
    words = [[*word[:-1], word[-1] + _WORD_END] for word in WORDS]
    pieces = sorted({piece for word in words for piece in word})
    merges: Any = []
    while counts := Counter(pair for word in words for pair in pairwise(word)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        words = [_merged(word, best) for word in words]
    pieces += ["".join(pair) for pair in merges]
    vocabulary: Any = {piece: i for i, piece in enumerate([*pieces, _START, _END])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def deaf_tokenizer() -> Any:
    """A tokenizer that ignores its text: every text is the one token that ends it.

    So that a T5 that only has to be there takes one place in the sequence, and no pipeline warns
    of text that was cut off.
    """
    tokens = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    deaf = Tokenizer(WordLevel(tokens, unk_token="<unk>"))
    deaf.normalizer = Replace(Regex(r"[\s\S]+"), "")
    deaf.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=deaf, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def word_tokenizer() -> Any:
    """A tokenizer for a T5: every word of the world is one token, and ``</s>`` ends the text."""
    tokens = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    tokens |= {word: i for i, word in enumerate(WORDS, start=len(tokens))}
    words = Tokenizer(WordLevel(tokens, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    words.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
    )


def build_vae() -> Any:
    """The autoencoder all models share: 32 x 32 x 3 pixels ↔ 8 x 8 x 4 latents."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=CANVAS,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def _clip_config(tokenizer: Any, width: int, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=CONTEXT,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_mmdit(vae: Any, *, layers: int = 6, heads: int = 3, head_width: int = 48) -> Any:
    """A Stable Diffusion 3 in small: MMDiT, flow matching, two CLIP text encoders and a T5.

    The T5 is there because the pipeline's folder does not open without one. It reads one token
    (``max_sequence_length=1``); the prompt comes through the CLIPs.
    """
    tokenizer = clip_tokenizer()
    wide, narrow = 128, 32
    joint = wide + narrow
    transformer = SD3Transformer2DModel(
        sample_size=LATENT,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=head_width,
        caption_projection_dim=heads * head_width,
        joint_attention_dim=joint,
        pooled_projection_dim=joint,
        pos_embed_max_size=LATENT // 2,
        qk_norm="rms_norm",
    )
    t5 = T5Config(
        vocab_size=3, d_model=joint, d_kv=8, d_ff=8, num_layers=1, num_heads=1, pad_token_id=0
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=CLIPTextModelWithProjection(_clip_config(tokenizer, wide, 3)),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(_clip_config(tokenizer, narrow, 1)),
        tokenizer_2=tokenizer,
        text_encoder_3=T5EncoderModel(t5),
        tokenizer_3=deaf_tokenizer(),
    )


def build_unet(vae: Any) -> Any:
    """A Stable Diffusion in small: a UNet that predicts v, one CLIP text encoder."""
    tokenizer = clip_tokenizer()
    width = 96
    unet = UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(_clip_config(tokenizer, width, 3)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def build_pixart(vae: Any) -> Any:
    """A PixArt-Σ in small: a transformer with cross-attention that predicts v, and a T5.

    The large one predicts ε. So trained, this one drew clean shapes and never learnt to read
    (docs/shapes.md).
    """
    tokenizer = word_tokenizer()
    width = 128
    transformer = PixArtTransformer2DModel(
        sample_size=LATENT,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=5,
        num_attention_heads=4,
        attention_head_dim=32,
        cross_attention_dim=width,
        caption_channels=width,
        use_additional_conditions=False,
    )
    t5 = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=32,
        d_ff=4 * width,
        num_layers=3,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(t5),
        vae=vae,
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(
            beta_start=0.0001, beta_end=0.02, beta_schedule="linear", prediction_type="v_prediction"
        ),
    )


def build_clip() -> tuple[Any, Any, Any]:
    """A CLIP in small, two towers of width 96: the model, its tokenizer, its image processor."""
    tokenizer = clip_tokenizer()
    width = 96
    vision = CLIPVisionConfig(
        image_size=CANVAS,
        patch_size=4,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=4,
        num_attention_heads=4,
        hidden_act="gelu",
    )
    text = _clip_config(tokenizer, width, 3)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=width
    )
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": CANVAS},
        crop_size={"height": CANVAS, "width": CANVAS},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return CLIPModel(config), tokenizer, processor
