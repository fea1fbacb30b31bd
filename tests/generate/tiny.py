"""Pipelines of random weights, a few kilobytes each, made on the spot and saved as a user has them.

They draw noise, and draw it by the same classes, files and calls as the models they stand for.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import sentencepiece
import torch
import transformers
from diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model import PaellaVQModel

SIDE = 16
"""Pixels each side, where a pipeline has no other."""
CASCADE_SIDE = 128
SANA_SIDE = 32


def side(name: str) -> int:
    """Pixels each side that the pipeline called ``name`` draws."""
    return CASCADE_SIDE if "cascade" in name else SANA_SIDE if name == "sana" else SIDE


def clip_tokenizer() -> transformers.CLIPTokenizer:
    """CLIP's byte-level BPE without a single merge: a token a byte, 514 in all."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable]
    letters += [chr(256 + n) for n in range(256 - len(printable))]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def clip_text_encoder(kind: str = "CLIPTextModel", width: int = 8) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_attention_heads=2,
        num_hidden_layers=2,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return getattr(transformers, kind)(config)


def t5_tokenizer() -> transformers.T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(chr(97 + n) for n in range(26))]
    return transformers.T5Tokenizer(
        vocab=[(piece, -float(n)) for n, piece in enumerate(pieces)], extra_ids=0
    )


def spell_as_sentencepiece(folder: Path) -> None:
    """Put a T5 tokenizer into ``folder`` as checkpoints on the Hub have it: ``spiece.model`` alone.

    It takes sentencepiece and protobuf to read one, which a tokenizer made here does not.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the quick brown fox jumps over a lazy dog", "green squares"] * 9),
        model_writer=model,
        vocab_size=40,
        hard_vocab_limit=False,
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "pad_piece": "<pad>"},
        minloglevel=2,
    )
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "spiece.model").write_bytes(model.getvalue())
    told = {"tokenizer_class": "T5Tokenizer", "model_max_length": 512, "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


def t5_text_encoder(width: int = 8) -> transformers.T5EncoderModel:
    config = transformers.T5Config(
        vocab_size=40, d_model=width, d_kv=4, d_ff=8, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def vae(**options: Any) -> diffusers.AutoencoderKL:
    """Two pixels to a latent each way."""
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=2,
        sample_size=SIDE,
        **options,
    )


def unet(**options: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=SIDE // 2,
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=2,
        **options,
    )


def sd() -> Any:
    return diffusers.StableDiffusionPipeline(
        unet=unet(cross_attention_dim=8),
        vae=vae(),
        text_encoder=clip_text_encoder(),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sd21() -> Any:
    """As Stable Diffusion 2.1: the denoiser predicts velocities, by linear layers at its ends."""
    return diffusers.StableDiffusionPipeline(
        unet=unet(cross_attention_dim=8, use_linear_projection=True),
        vae=vae(),
        text_encoder=clip_text_encoder(),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.DDIMScheduler(
            clip_sample=False, steps_offset=1, prediction_type="v_prediction"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        unet=unet(
            cross_attention_dim=16,
            addition_embed_type="text_time",
            addition_time_embed_dim=2,
            projection_class_embeddings_input_dim=8 + 6 * 2,
        ),
        vae=vae(),
        text_encoder=clip_text_encoder(),
        text_encoder_2=clip_text_encoder("CLIPTextModelWithProjection"),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        scheduler=diffusers.EulerDiscreteScheduler(),
    )


def sd3(*, t5: bool = True, **options: Any) -> Any:
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=SIDE // 2,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            joint_attention_dim=16,
            caption_projection_dim=8,
            pooled_projection_dim=16,
            out_channels=4,
            pos_embed_max_size=16,
            **options,
        ),
        vae=vae(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text_encoder("CLIPTextModelWithProjection"),
        text_encoder_2=clip_text_encoder("CLIPTextModelWithProjection"),
        text_encoder_3=t5_text_encoder(width=16) if t5 else None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer() if t5 else None,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def sd3_without_t5() -> Any:
    return sd3(t5=False)


def sd35() -> Any:
    """As Stable Diffusion 3.5 Medium: normalised queries and keys, and attention twice."""
    return sd3(qk_norm="rms_norm", dual_attention_layers=(0,))


def pixart_sigma() -> Any:
    return diffusers.PixArtSigmaPipeline(
        transformer=diffusers.PixArtTransformer2DModel(
            sample_size=SIDE // 2,
            patch_size=2,
            in_channels=4,
            out_channels=8,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            cross_attention_dim=8,
            caption_channels=8,
        ),
        vae=vae(),
        text_encoder=t5_text_encoder(),
        tokenizer=t5_tokenizer(),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
    )


def flux() -> Any:
    """A kind that has no family of its own."""
    return diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=8,
            pooled_projection_dim=8,
            axes_dims_rope=(2, 2, 4),
        ),
        vae=vae(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_text_encoder(),
        text_encoder_2=t5_text_encoder(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def gemma_tokenizer() -> transformers.GemmaTokenizer:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *(chr(97 + n) for n in range(26))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return transformers.GemmaTokenizer(vocab=vocabulary, merges=[])


def sana() -> Any:
    """Another without a family, with a language model for a text encoder. Sides are of 32."""
    language = transformers.Gemma2Config(
        vocab_size=31,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    return diffusers.SanaPipeline(
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=16,
        ),
        vae=diffusers.AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "ResBlock"),
            decoder_block_types=("ResBlock", "ResBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), ()),
            decoder_qkv_multiscales=((), ()),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            scaling_factor=0.41407,
        ),
        text_encoder=transformers.Gemma2Model(language),
        tokenizer=gemma_tokenizer(),
        scheduler=diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


def ddpm() -> Any:
    """Draws without being asked for anything: no text-to-image pipeline."""
    return diffusers.DDPMPipeline(
        unet=diffusers.UNet2DModel(
            sample_size=8,
            block_out_channels=(4,),
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),
            layers_per_block=1,
            norm_num_groups=2,
            attention_head_dim=2,
        ),
        scheduler=diffusers.DDPMScheduler(),
    )


def cascade_prior() -> Any:
    return diffusers.StableCascadePriorPipeline(
        prior=_cascade_unet(
            16,
            clip_text_in_channels=8,
            clip_text_pooled_in_channels=8,
            clip_image_in_channels=8,
            switch_level=(False,),
        ),
        text_encoder=clip_text_encoder("CLIPTextModelWithProjection"),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


def cascade_decoder() -> Any:
    return diffusers.StableCascadeDecoderPipeline(
        decoder=_cascade_unet(4, clip_text_pooled_in_channels=8, effnet_in_channels=16),
        vqgan=PaellaVQModel(bottleneck_blocks=1, num_vq_embeddings=2, embed_dim=8),
        text_encoder=clip_text_encoder("CLIPTextModelWithProjection"),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


def stable_cascade() -> Any:
    """Both stages as one."""
    prior = {f"prior_{name}": part for name, part in cascade_prior().components.items()}
    return diffusers.StableCascadeCombinedPipeline(**cascade_decoder().components, **prior)


ALWAYS: dict[str, dict[str, Any]] = {
    "pixart_sigma": {"clean_caption": False, "use_resolution_binning": False},
}
"""Builder → what its family adds to every call, so that a pipeline can be called by hand as it."""

BUILDERS: dict[str, Callable[[], Any]] = {
    "sd": sd,
    "sd21": sd21,
    "sdxl": sdxl,
    "sd3": sd3,
    "sd3_without_t5": sd3_without_t5,
    "sd35": sd35,
    "pixart_sigma": pixart_sigma,
    "stable_cascade": stable_cascade,
    "cascade_decoder": cascade_decoder,
    "cascade_prior": cascade_prior,
    "flux": flux,
    "sana": sana,
    "ddpm": ddpm,
}


def save(name: str, folder: Path, seed: int = 0) -> Path:
    """Build the pipeline called ``name`` and save it into ``folder``, as safetensors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = BUILDERS[name]()
    pipeline.save_pretrained(folder, safe_serialization=True)
    if name == "pixart_sigma":
        spell_as_sentencepiece(folder / "tokenizer")
    return folder


def _cascade_unet(channels: int, **options: Any) -> diffusers.StableCascadeUNet:
    block = ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock")
    return diffusers.StableCascadeUNet(
        in_channels=channels,
        out_channels=channels,
        timestep_ratio_embedding_dim=8,
        conditioning_dim=8,
        block_out_channels=(8, 8),
        num_attention_heads=(2, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        # As published: attention to the text where there are few places.
        block_types_per_layer=(block[:2], block),
        **options,
    )
