"""Makes tests/parity/fixtures/geneval: what an independent port of GenEval's detector computes.

    PYTHONPATH=. python tests/parity/oracle_geneval.py UPSTREAM OUT

Run outside the product's environment, with jax, flax, numpy, pillow and safetensors. UPSTREAM is a
checkout of github.com/PeppaKing8/jax-geneval, a port to JAX that its authors held to mmdet with the
published weights (1e-4 of class logits, 2e-4 of masks). Here it gets a small network of random
weights, which are made from a seed and not kept, and made-up outputs of a detector, which are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.score.judges.detection.mmdet import TINY, Size, weights

SHOWN = [(64, 96), (96, 160), (32, 32)]
"""Heights and widths of images for the network."""

CASES: dict[str, dict[str, Any]] = {
    # Sizes of an image, of the resized one, and of the padded one.
    "smaller": {"image": (40, 61), "resized": (63, 96), "padded": (64, 96)},
    "larger": {"image": (150, 97), "resized": (96, 62), "padded": (96, 64)},
    "equal": {"image": (64, 64), "resized": (64, 64), "padded": (64, 64)},
}

SPECIFICATIONS: list[dict[str, Any]] = [
    {"tag": "counting", "include": [{"class": "clock", "count": 2}],
     "exclude": [{"class": "clock", "count": 3}]},
    {"tag": "counting", "include": [{"class": "clock", "count": 4}],
     "exclude": [{"class": "clock", "count": 17}]},
    {"tag": "counting", "include": [{"class": "clock", "count": 16}]},
    {"tag": "counting", "include": [{"class": "clock", "count": 17}]},
    {"tag": "two_object", "include": [
        {"class": "clock", "count": 1}, {"class": "dog", "count": 1}]},
    {"tag": "single_object", "include": [{"class": "dog", "count": 2}]},
    {"tag": "single_object", "include": [{"class": "toothbrush", "count": 1}]},
    *(
        {"tag": "position", "include": [
            {"class": "clock", "count": 1},
            {"class": "dog", "count": 1, "position": [relation, 0]}]}
        for relation in ("left of", "right of", "above", "below")
    ),
    {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "blue"}]},
    {"tag": "colors", "include": [{"class": "clock", "count": 3, "color": "red"}]},
]  # fmt: skip


def outputs(name: str, case: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Made-up class and mask logits: clocks of which most are sure, two dogs, and noise."""
    rng = np.random.default_rng(sorted(CASES).index(name))
    queries = 28
    classes = rng.standard_normal((queries, 81), np.float32)
    classes[:20, 74] += np.linspace(14, 7, 20, dtype=np.float32)
    classes[20:22, 16] += np.float32([9, 6])
    classes[22:25] *= 5
    height, width = (side // 4 for side in case["padded"])
    masks = np.zeros((queries, height, width), np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    for mask in masks:
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        reach = rng.uniform(2, height / 3)
        mask += (reach - np.hypot(rows - y, columns - x)).astype(np.float32) * 4
    masks += rng.standard_normal(masks.shape, np.float32)
    masks[-1] = -3
    return classes, masks


def detector(size: Size, pixels: NDArray[np.float32]) -> tuple[Any, Any]:
    """Class logits, and mask logits before they are enlarged, by the port's parts."""
    import jax
    import jax.numpy as jnp
    from jax_geneval.convert import convert_mask2former_detector_state_dict
    from jax_geneval.mask2former_head import mask2former_head_forward
    from jax_geneval.swin import SwinTransformerConfig, swin_transformer_forward

    params = convert_mask2former_detector_state_dict(
        weights(size),
        depths=size.depths,
        num_encoder_layers=size.pixel_layers,
        num_decoder_layers=size.decoder_layers,
    )
    swin = SwinTransformerConfig(
        embed_dims=size.embed, depths=size.depths, num_heads=size.heads, window_size=size.window
    )

    @jax.jit
    def forward(pixels: Any, params: Any) -> Any:
        features = swin_transformer_forward(pixels, params["backbone"], swin)
        return mask2former_head_forward(
            features, params["head"], num_decoder_layers=size.decoder_layers
        )

    classes, masks = forward(jnp.asarray(pixels.transpose(0, 2, 3, 1)), params)
    return np.asarray(classes[-1]), np.asarray(masks[-1])


def noise(height: int, width: int) -> NDArray[np.float32]:
    """An image for the network, as it is made anew where it is compared."""
    rng = np.random.default_rng(height)
    return rng.standard_normal((1, 3, height, width), np.float32)


def found(case: dict[str, Any], classes: Any, masks: Any) -> tuple[Any, Any, Any]:
    """Labels, boxes with scores, and masks."""
    import jax.numpy as jnp
    from jax_geneval import ops
    from jax_geneval.postprocess import instance_postprocess, resize_bilinear_nchw_np

    large = ops.resize_bilinear_nhwc(jnp.asarray(masks[None].transpose(0, 2, 3, 1)), case["padded"])
    logits = np.asarray(large).transpose(0, 3, 1, 2)
    height, width = case["resized"]
    logits = resize_bilinear_nchw_np(logits[:, :, :height, :width], case["image"])[0]
    return instance_postprocess(classes, logits)


def judged(case: dict[str, Any], labels: Any, boxes: Any, masks: Any) -> list[dict[str, Any]]:
    """What the port counts and decides; the first colour asked for is what everything has."""
    from jax_geneval.evaluation import EvalOptions, evaluate_metadata, filter_detected_objects
    from PIL import Image

    verdicts = []
    for metadata in SPECIFICATIONS:
        objects = filter_detected_objects(
            labels, boxes, masks, metadata=metadata, options=EvalOptions()
        )
        correct, _ = evaluate_metadata(
            Image.new("RGB", case["image"][::-1]),
            objects,
            metadata,
            color_classifier=lambda _, these, __: ["blue"] * len(these),
            options=EvalOptions(),
        )
        counts = {name: len(these) for name, these in objects.items()}
        verdicts.append({"correct": bool(correct), "counted": counts})
    return verdicts


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    sys.path.insert(0, str(upstream / "src"))
    command = ["git", "-C", str(upstream), "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    tensors: dict[str, Any] = {}
    for height, width in SHOWN:
        classes, masks = detector(TINY, noise(height, width))
        tensors[f"{height}x{width}.classes"], tensors[f"{height}x{width}.masks"] = classes, masks
    cases = {}
    for name, case in CASES.items():
        classes, masks = outputs(name, case)
        labels, boxes, inside = found(case, classes, masks)
        tensors |= {f"{name}.classes": classes, f"{name}.masks": masks}
        tensors |= {f"{name}.labels": labels, f"{name}.boxes": boxes}
        tensors[f"{name}.areas"] = inside.sum(axis=(1, 2))
        cases[name] = {**case, "verdicts": judged(case, labels, boxes, inside)}
    kept = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(kept, out / "outputs.safetensors")
    expected = {
        "upstream": f"PeppaKing8/jax-geneval@{commit}",
        "versions": {name: version(name) for name in ("jax", "numpy")},
        "shown": SHOWN,
        "cases": cases,
        "specifications": SPECIFICATIONS,
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (out / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
