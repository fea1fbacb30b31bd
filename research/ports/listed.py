"""The ports that are run, each with what differs from the authors' code and is shown by it."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from research.ports import mechanisms, ours
from research.ports.port import Port
from research.ports.weights import CLIP_L, LOGIT_SCALE

__all__ = ["PORTS"]

Reward = Any
Opened = Callable[[Path], Any]

FLOATS = "resize of floats"
"""Bicubic, where the authors resize 8-bit pixels by Pillow: what overshoots is not cut off."""
SCALE = math.exp(LOGIT_SCALE)
DEPTH = "two layers a tower"
NARROW = "narrower towers"
HEAD = "one layer of the head"


def _as_floats(opened: Opened) -> Callable[[Path], Reward]:
    return lambda root: mechanisms.with_pixels(opened(root), mechanisms.in_tensors())


def _imscore(name: str, code: str, weights: str, opened: Opened, **more: Any) -> Port:
    return Port(
        f"imscore/{more.pop('suffix', name)}",
        "imscore 0.0.11",
        name,
        f"imscore_ports:{code}",
        "imscore.txt",
        (weights,),
        opened,
        **{"alike": _as_floats(opened), "mechanisms": FLOATS, **more},
    )


def _clip_score_of_imscore(root: Path) -> Reward:
    pixels = mechanisms.in_tensors(mechanisms.BILINEAR)
    return mechanisms.with_pixels(ours.clip_score(root), pixels)


def _mps_of_imscore(root: Path, *, batch: bool = False) -> Reward:
    reward = mechanisms.with_pixels(ours.mps(root, 0.01), mechanisms.in_tensors())
    reward = mechanisms.batch_maximum(reward) if batch else reward
    return mechanisms.in_halves(reward)


MPS_OF_IMSCORE = f"threshold 0.01 for 0.3; {FLOATS}"

IMSCORE = [
    _imscore("pickscore", "PickScore", "clip_h", ours.pickscore),
    _imscore("hpsv2", "HPSv2", "hpsv2", ours.hpsv2, alike=None, mechanisms="none", changed=NARROW),
    _imscore("imagereward", "ImageReward", "blip", ours.imagereward, changed=DEPTH),
    _imscore("cyclereward", "CycleReward", "blip", ours.cyclereward, changed=DEPTH),
    _imscore("aesthetic", "Aesthetic", "clip_l", ours.aesthetic),
    _imscore(
        "clip_score",
        "ClipScore",
        "clip_l",
        ours.clip_score,
        alike=_clip_score_of_imscore,
        mechanisms="bilinear resize of floats; times exp(logit_scale)",
        scale=SCALE,
    ),
    _imscore(
        "mps",
        "MPS",
        "mps",
        ours.mps,
        alike=_mps_of_imscore,
        mechanisms=MPS_OF_IMSCORE,
        changed=HEAD,
    ),
]


def _hpsv2_of_evalscope(root: Path) -> Reward:
    reward = mechanisms.with_pixels(ours.hpsv2(root), mechanisms.padded)
    return mechanisms.changed_scores(reward, _float16)


def _float16(score: float) -> float:
    return float(struct.unpack("e", struct.pack("e", score))[0])


def _clip_score_of_evalscope(root: Path) -> Reward:
    reward = mechanisms.with_pixels(ours.clip_score(root), mechanisms.cropped())
    return mechanisms.with_gelu(reward)


def _evalscope(name: str, code: str, weights: str, opened: Opened, **more: Any) -> Port:
    return Port(
        f"evalscope/{name}",
        "evalscope 1.14.1",
        name,
        f"evalscope_ports:{code}",
        "evalscope.txt",
        (weights,),
        opened,
        **more,
    )


EVALSCOPE = [
    _evalscope(
        "pickscore",
        "PickScore",
        "clip_h",
        ours.pickscore,
        mechanisms="exp(logit_scale) left out",
        scale=1 / SCALE,
    ),
    _evalscope(
        "hpsv2",
        "HPSv2",
        "hpsv2",
        ours.hpsv2,
        alike=_hpsv2_of_evalscope,
        mechanisms="resize of 8-bit pixels instead of floats; scores rounded to float16",
        changed=f"{NARROW}; no autocast, which fails on a CPU",
    ),
    _evalscope(
        "clip_score",
        "ClipScore",
        "open_clip_l",
        ours.clip_score,
        alike=_clip_score_of_evalscope,
        mechanisms="GELU for QuickGELU",
        changed=NARROW,
    ),
    _evalscope("imagereward", "ImageReward", "blip", ours.imagereward, changed=DEPTH),
    _evalscope(
        "mps",
        "MPS",
        "mps",
        ours.mps,
        alike=lambda root: mechanisms.in_halves(ours.mps(root)),
        mechanisms="pixels rounded to float16",
        changed=HEAD,
    ),
]


def _clip_score_of_pyiqa(root: Path) -> Reward:
    reward = mechanisms.with_pixels(ours.clip_score(root), mechanisms.in_tensors())
    reward = mechanisms.prefixed(reward, "A photo depicts ")
    return mechanisms.changed_scores(reward, lambda score: max(0.0, score))


def _aesthetic_by_transformers(root: Path) -> Reward:
    return mechanisms.backend(ours.aesthetic(root), str(root / CLIP_L), "pil")


OTHERS = [
    Port(
        "pyiqa/aesthetic",
        "pyiqa 0.1.16",
        "aesthetic",
        "pyiqa_ports:Aesthetic",
        "pyiqa.txt",
        ("clip_l",),
        ours.aesthetic,
        _as_floats(ours.aesthetic),
        FLOATS,
        changed=NARROW,
    ),
    Port(
        "pyiqa/clip_score",
        "pyiqa 0.1.16",
        "clip_score",
        "pyiqa_ports:ClipScore",
        "pyiqa.txt",
        ("clip_l",),
        ours.clip_score,
        _clip_score_of_pyiqa,
        f'the paper\'s "A photo depicts" and 2.5 · max(cosine, 0); {FLOATS}',
        scale=2.5,
        changed=f"{NARROW}; ViT-L/14 for ViT-B/32",
    ),
    Port(
        "simple-aesthetics-predictor/aesthetic",
        "simple-aesthetics-predictor 0.1.2",
        "aesthetic",
        "simple_aesthetics_ports:Aesthetic",
        "simple_aesthetics.txt",
        ("clip_l",),
        ours.aesthetic,
        _aesthetic_by_transformers,
        "transformers crops one pixel beside torchvision where a margin is odd",
    ),
    Port(
        "hpsv2/hpsv2",
        "hpsv2 1.2.0",
        "hpsv2",
        "upstream_ports:HPSv2",
        "synpic:upstream",
        ("hpsv2",),
        ours.hpsv2,
        changed=NARROW,
    ),
    Port(
        "image-reward/imagereward",
        "image-reward 1.5",
        "imagereward",
        "upstream_ports:ImageReward",
        "synpic:upstream",
        ("blip",),
        ours.imagereward,
        changed=DEPTH,
    ),
]

BATCHED = [
    _imscore(
        "mps",
        "MPS",
        "mps",
        ours.mps,
        suffix="mps, prompts together",
        alike=lambda root: _mps_of_imscore(root, batch=True),
        mechanisms=f"similarities divided by the batch's maximum; {MPS_OF_IMSCORE}",
        changed=HEAD,
        together=True,
    )
]

PORTS = {port.name: port for port in (*OTHERS, *IMSCORE, *EVALSCOPE, *BATCHED)}
