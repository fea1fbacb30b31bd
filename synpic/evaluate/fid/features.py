"""What makes numbers of images: Inception through torch-fidelity, or a CLIP that is a reward."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from synpic import ids
from synpic.engine.device import pick_device
from synpic.errors import EvaluationError, MissingExtra
from synpic.registry import REWARDS
from synpic.score.api import reward
from synpic.score.precision import full_float32
from synpic.score.weights import read_tensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "INCEPTION",
    "ImageFeatures",
    "InceptionFeatures",
    "RewardFeatures",
    "open_features",
    "require_features",
]

INCEPTION = "inception"
"""InceptionV3, by which FID is published."""

_HASH = "6726825d"
"""The beginning of the SHA-256 of its weights, as their name has it."""

_EXTRACTOR, _LAYER = "inception-v3-compat", "2048"


class ImageFeatures(Protocol):
    """What a distance is measured in.

    Attributes:
        name: with what tells it from another of that name.
        resize: what becomes of an image before the network sees it.
    """

    name: str
    resize: str

    def ready(self, image: Image) -> Any:
        """An RGB image made ready on the CPU."""
        ...

    def of(self, ready: Sequence[Any]) -> NDArray[Any]:
        """Features of n images that were made ready, ``Float[n, d]``."""
        ...


def require_features(name: str) -> None:
    """Refuse what :func:`open_features` cannot open, as far as that is known without weights.

    Raises:
        MissingExtra: torch-fidelity is not installed.
        UnknownName: there is no such reward.
        EvaluationError: the reward has no features of images.
    """
    if name == INCEPTION:
        if find_spec("torch_fidelity") is None:
            raise _no_fidelity()
        return
    code = REWARDS.load(name)
    if isinstance(code, type) and not callable(getattr(code, "features", None)):
        raise _no_features(name)


def _no_fidelity() -> MissingExtra:
    return MissingExtra("FID by Inception needs torch-fidelity", hint="pip install 'synpic[fid]'")


def _no_features(name: str) -> EvaluationError:
    return EvaluationError(
        f"reward {name!r} has no features of images",
        hint=f"{INCEPTION}, or a CLIP: clip_score, shapes_clip",
    )


def open_features(
    name: str, *, device: str | None = None, weights: Path | None = None
) -> ImageFeatures:
    """What is called ``name``.

    Args:
        name: :data:`INCEPTION`, or a reward that is a CLIP: ``clip_score``, ``shapes_clip``.
        device: as torch names it; the first accelerator if None.
        weights: a file of Inception's weights; torch-fidelity's own, downloaded once, if None.

    Raises:
        MissingExtra: torch-fidelity is not installed.
        EvaluationError: weights cannot be fetched, or the reward has no features of images.
        SynpicError: as opening a reward.
    """
    if name == INCEPTION:
        return InceptionFeatures(pick_device(device), weights)
    return RewardFeatures(name, device)


class InceptionFeatures:
    """The 2,048 features of torch-fidelity's InceptionV3, the network of TensorFlow's FID.

    torch-fidelity would unpickle a file of weights, which can run code: here it is read as tensors
    before, and refused where it holds more.

    Args:
        device: where it runs.
        weights: a file of weights, as of :func:`open_features`.

    Raises:
        MissingExtra, EvaluationError, RewardError: as :func:`open_features`.
    """

    resize = "299 x 299, bilinear as TensorFlow 1 has it, without antialiasing; ratio not kept"

    def __init__(self, device: str, weights: Path | None = None) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (
                URL_INCEPTION_V3,
                FeatureExtractorInceptionV3,
            )
        except ImportError as error:
            raise _no_fidelity() from error
        path = _fetched(URL_INCEPTION_V3) if weights is None else weights
        read_tensors(path)
        self._device = device
        self._network: Any = FeatureExtractorInceptionV3(
            _EXTRACTOR, [_LAYER], feature_extractor_weights_path=str(path)
        ).to(device)
        release = version("torch-fidelity")
        self.name = f"{INCEPTION} ({_LAYER}, torch-fidelity {release}, {path.stem[-8:]})"

    def ready(self, image: Image) -> Tensor:
        """``UInt8[3, height, width]``: the network resizes it."""
        import torch

        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def of(self, ready: Sequence[Tensor]) -> NDArray[Any]:
        """Features of images of any sizes; those of one size are seen together."""
        import torch

        found: list[NDArray[Any]] = [np.zeros(0)] * len(ready)
        sizes: dict[tuple[int, ...], list[int]] = {}
        for place, pixels in enumerate(ready):
            sizes.setdefault(tuple(pixels.shape), []).append(place)
        for places in sizes.values():
            together = torch.stack([ready[place] for place in places]).to(self._device)
            with torch.inference_mode(), full_float32():
                features = self._network(together)[0].cpu().numpy()
            for place, one in zip(places, features, strict=True):
                found[place] = one
        return np.stack(found)


def _fetched(url: str) -> Path:
    """Inception's weights, in the folder where torch-fidelity looks for them too.

    Raises:
        EvaluationError: they are not there and cannot be fetched, or are others.
    """
    import torch

    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if path.is_file():
        if not ids.file_hash(path).startswith(_HASH):
            raise EvaluationError(
                f"{path} is not Inception's weights: its SHA-256 does not begin with {_HASH}",
                hint="delete it, and it is fetched again",
            )
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=_HASH, progress=False)
    except (OSError, RuntimeError) as error:
        raise EvaluationError(
            f"Inception's weights cannot be fetched from {url}: {error}",
            hint=f"put the file at {path}, or name it as the weights; features of a reward, such "
            "as shapes_clip, need none of it",
        ) from error
    return path


class RewardFeatures:
    """Features of images of a reward that compares them with texts.

    Args:
        name: of the reward.
        device: where it runs; the first accelerator if None.

    Raises:
        EvaluationError: it has none.
        SynpicError: as :func:`synpic.score.api.reward`.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        opened: Any = reward(name, device=device).opened
        if not callable(getattr(opened, "features", None)):
            raise _no_features(name)
        self._reward = opened
        self.name = f"{name} ({opened.info.checkpoint})"
        self.resize = f"as {name} makes images ready"

    def ready(self, image: Image) -> Any:
        """As the reward makes it."""
        return self._reward.pixels(image)

    def of(self, ready: Sequence[Any]) -> NDArray[Any]:
        """As the reward has them before they are normalised."""
        import torch

        with torch.inference_mode(), full_float32():
            found: NDArray[Any] = (
                self._reward.features(self._reward.side_by_side(ready)).cpu().numpy()
            )
        return found
