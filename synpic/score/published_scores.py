"""Scores that upstreams published of pictures that are available, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synpic.score.published_pictures import Picture

__all__ = ["KNOWN", "Known"]


@dataclass(frozen=True)
class Known:
    """Scores that an upstream published. Each has been seen where ``source`` says.

    Args:
        reward: its registered name.
        prompts: one for each score.
        pictures: one for each score.
        expected: the scores.
        tolerance: how far ours may lie off: other devices and libraries made theirs.
        source: repository, commit, file and line.
        checkpoint: whose scores they are, if not those of the reward's own.
        options: of the reward, with which they are its scores.
        either: settings of which the source does not say which it had: one of them has to give the
            scores.
    """

    reward: str
    prompts: tuple[str, ...]
    pictures: tuple[Picture, ...]
    expected: tuple[float, ...]
    tolerance: float
    source: str
    checkpoint: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    either: tuple[Mapping[str, Any], ...] = ({},)


_OCEAN = "a painting of an ocean with clouds and birds, day time, low depth field effect"
_GITHUB = "https://raw.githubusercontent.com"
_IMAGE_REWARD = (
    f"{_GITHUB}/THUDM/ImageReward/c1392c6dd0fd6ecd6d416c96959ab744a6d0a8fb/assets/images"
)
_CATS = Picture("http://images.cocodataset.org/val2017/000000039769.jpg")
_IQA = (
    f"{_GITHUB}/chaofengc/IQA-PyTorch/01ae427f9afd66842031d3a7cb694dcad5b5cbb8/"
    "ResultsCalibra/dist_dir"
)
_HORSE = (
    f"{_GITHUB}/shunk031/simple-aesthetics-predictor/717b9412258688ba0d5951d5b8ea764f6aab5afe/"
    "assets/a-photo-of-an-astronaut-riding-a-horse.png"
)
_HPSV2 = (
    "https://files.pythonhosted.org/packages/46/f3/"
    "4ff37b7e5c5079bdc2880c9a72300c5b962e62ac0ebdcda2af358c3ddc4f/hpsv2-1.2.0-py3-none-any.whl"
)

KNOWN: tuple[Known, ...] = (
    Known(
        reward="imagereward",
        prompts=(_OCEAN,) * 4,
        pictures=(
            Picture(
                f"{_IMAGE_REWARD}/1.webp",
                "a5fcd126763da8b3fe2a9e620fc1ba03d215d20de36c77bf6770a540a9bc972d",
            ),
            Picture(
                f"{_IMAGE_REWARD}/2.webp",
                "dc13919a49a37987d19c8be3ba0c1ef2941570f820f90fb66ac91a9a9db24082",
            ),
            Picture(
                f"{_IMAGE_REWARD}/3.webp",
                "ee859bac167e6a04cbcde63454757b6fc7d9b8704429c15725ca8c4accf176e3",
            ),
            Picture(
                f"{_IMAGE_REWARD}/4.webp",
                "84faf59d59d9ca7ab298c9acb957d727365ae104768ac1a1ec55ab96be68aaf9",
            ),
        ),
        expected=(0.5811622738838196, 0.2745276093482971, -1.4131819009780884, -2.029569625854492),
        # "may be slightly different depending on the compute device", it says there.
        tolerance=0.01,
        source="THUDM/ImageReward@c1392c6d, README.md, line 129",
    ),
    Known(
        reward="clip_score",
        prompts=("a photo of a cat", "a photo of a dog"),
        pictures=(_CATS, _CATS),
        # There as logits, with a hundredth and a thousandth of slack: 100 times the cosine.
        expected=(0.245701, 0.193049),
        tolerance=0.0005,
        source="huggingface/transformers@0e1bc2c8, tests/models/clip/test_modeling_clip.py, "
        "CLIPModelIntegrationTest.test_inference",
        checkpoint="openai/clip-vit-base-patch32",
    ),
    Known(
        reward="hpsv2",
        prompts=("A cat with two horns on its head",),
        pictures=(
            Picture(
                _HPSV2,
                "798dfb5bc544fca70ea15d21571530c4389a25536d6a511e0b0c915b0aba144d",
                "hpsv2/assets/demo_image.jpg",
            ),
        ),
        expected=(0.2876,),
        # In half precision on a GPU.
        tolerance=0.005,
        source="tgxs002/HPSv2#27 (the picture is in hpsv2@1.2.0, whose default was version 2.0)",
        options={"version": "2.0"},
        # Upstream leaves it to torchvision, and nothing says which one it was.
        either=({"antialias": True}, {"antialias": False}),
    ),
    Known(
        reward="aesthetic",
        prompts=("",) * 5,
        pictures=(
            Picture(
                f"{_IQA}/I03.bmp",
                "bb817e7fef614dcc12b3a99af33ce3d201bc4d56c4827254c0bcc4fa6ea11151",
            ),
            Picture(
                f"{_IQA}/I04.bmp",
                "f3d685983aacd76b2c131579ea60cee345205a1169a4bd2ff5f3039ecf81729e",
            ),
            Picture(
                f"{_IQA}/I06.bmp",
                "726e043e99d8e07235c2535107d4bb6fc85bad0cb3cc7d6ba3ecf3364ac97539",
            ),
            Picture(
                f"{_IQA}/I08.bmp",
                "8ad39042d7e17d6c96ecfd8c4b9f0e98c803b303a92d368ef57bc9c3c40f5330",
            ),
            Picture(
                f"{_IQA}/I19.bmp",
                "e0c6000652d270d1c39b7094761d01e14695fc5aa7cb76b945be6391327ee886",
            ),
        ),
        expected=(3.6420, 5.5836, 5.0716, 4.6458, 3.0889),
        # Another preprocessing moves the first to 3.7204.
        tolerance=0.01,
        source="chaofengc/IQA-PyTorch@01ae427f, ResultsCalibra/results_official.csv, line 29",
    ),
    Known(
        reward="aesthetic",
        prompts=("",),
        pictures=(
            Picture(_HORSE, "59e7267a6e55a65ce809e4d1eb89a5e7743e24bba43e10a63018ff2ab97f1dd7"),
        ),
        expected=(5.7546,),
        tolerance=0.05,
        source="shunk031/simple-aesthetics-predictor@717b9412, "
        "tests/aesthetics_predictor_v2_test.py",
    ),
)
"""Read for scores of a picture that is available, and without one: the READMEs of HPSv2
(866735ec), MPS (be9027f3), PickScore (f79607ff), t2v_metrics (6ecb74f9, and 3.0's),
improved-aesthetic-predictor (6934dd81) and cyclereward (36e10773), and the package hpsv3 1.0.0."""
