"""Rewards of pyiqa on small random weights in OpenAI's format, read by OpenAI's own loader."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms.functional import to_tensor


def no_archive(*_: Any, **__: Any) -> Any:
    """What the loader takes for "no archive"."""
    raise RuntimeError


class Pyiqa:
    """A metric of pyiqa: a tensor of pictures in 0 … 1."""

    def __init__(self, root: str) -> None:
        # The loader asks for the file of a known model: it is given the small one.
        clip: Any = import_module("clip.clip")
        clip._download = lambda *_: str(Path(root) / "ViT-L-14.pt")
        # The published file is an archive of TorchScript, and this one a dictionary of weights.
        clip.torch.jit.load = no_archive
        self._model = self.open(Path(root)).eval()

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        raise NotImplementedError

    def ask(self, pixels: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Scores of a batch."""
        raise NotImplementedError

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """All pictures at once, which have to be of one size."""
        with torch.no_grad():
            pixels = torch.stack([to_tensor(image) for image in images])
            found: list[float] = self.ask(pixels, list(prompts)).flatten().tolist()
            return found


class Aesthetic(Pyiqa):
    """Aesthetic."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        whole: Any = import_module("pyiqa.archs.laion_aes_arch").LAIONAes(pretrained=False)
        head = torch.load(root / "aesthetic/sac+logos+ava1-l14-linearMSE.pth", weights_only=True)
        whole.mlp.load_state_dict(head)
        return whole

    def ask(self, pixels: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Scores of a batch."""
        found: torch.Tensor = self._model(pixels)
        return found


class ClipScore(Pyiqa):
    """ClipScore."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        return import_module("pyiqa.archs.clipscore_arch").CLIPScore(backbone="ViT-L/14")

    def ask(self, pixels: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Scores of a batch."""
        found: torch.Tensor = self._model(pixels, caption_list=prompts)
        return found
