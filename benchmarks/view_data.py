"""A workspace to look at: large pictures of the embedded world, by four painters of other habits.

Nothing is drawn by a model, and no reward looks at anything: each painter draws the scene of a
prompt, or another one, cleanly or not, and the scores follow from that and from chance. So a set of
any size is there in minutes, and looks like one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from synpic import ids
from synpic.pipeline.inventory import take_inventory
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts as world_prompts
from synpic.shapes.scene import BACKGROUNDS, CANVAS, COLOURS, Scene, coverage, random_scene
from synpic.workspace import Workspace, tables
from synpic.workspace.labels import INGESTED, write_labels
from synpic.workspace.parts import frame

__all__ = ["build", "label", "picture"]

MODELS = ("shapes_mmdit", "shapes_mmdit_small", "shapes_pixart", "shapes_unet")
REWARDS = ("shapes_alignment", "shapes_clip", "shapes_quality", "shapes_biased")

_RIGHT = dict(zip(MODELS, (0.9, 0.5, 0.7, 0.8), strict=True))
"""How often a painter draws what is asked for."""
_ROUGH = dict(zip(MODELS, (0.05, 0.3, 0.5, 0.15), strict=True))

RECIPE = """seed = 0

[prompts]
file = "prompts.jsonl"
column = "prompt"
""" + "".join(
    [f"\n[models.{name}]\n" for name in MODELS] + [f"\n[rewards.{name}]\n" for name in REWARDS]
)


def picture(scene: Scene, edge: int, rough: float, rng: np.random.Generator) -> Image.Image:
    """``scene`` with edges, shading and faults: ``edge`` pixels wide, ``rough`` 0 … 1."""
    scale = edge // CANVAS
    low, high = np.array(BACKGROUNDS[scene.background]) * 0.82, BACKGROUNDS[scene.background]
    ramp = np.linspace(0, 1, edge)[:, None, None]
    canvas: NDArray[np.float64] = low + (np.array(high) - low) * (1 - ramp) + np.zeros((1, edge, 3))
    for thing in scene.things:
        size = thing.size * scale
        x, y = thing.x * scale, thing.y * scale
        alpha = np.asarray(coverage(thing.shape, size))[..., None]
        shadow = canvas[y + scale : y + scale + size, x + scale : x + scale + size]
        shadow *= 1 - 0.35 * alpha[: shadow.shape[0], : shadow.shape[1]]
        shade = 1.12 - 0.3 * np.linspace(0, 1, size)[:, None, None]
        colour = np.array(COLOURS[thing.colour]) * shade
        box = canvas[y : y + size, x : x + size]
        box += alpha * (colour - box)
    canvas += rng.normal(0, 34 * rough, canvas.shape)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    if rough > 0.4:
        image = image.filter(ImageFilter.GaussianBlur(edge / 64))
    if rng.random() < rough / 2:
        x, y = rng.integers(0, edge * 3 // 4, 2)
        stain = [int(x), int(y), int(x) + edge // 5, int(y) + edge // 9]
        ImageDraw.Draw(image).rectangle(stain, fill=tuple(rng.integers(0, 255, 3).tolist()))
    return image


def build(root: Path, count: int, *, edge: int = 320, pictures: int | None = None) -> Workspace:
    """A scored workspace of ``count`` prompts and four images each, at ``root``.

    Args:
        edge: pixels of a side, a multiple of 32.
        pictures: draw so many of each painter, and repeat them; one for each prompt if None.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows = list(_prompts(count))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / "prompts.jsonl").write_text(lines, encoding="utf-8")
    workspace = Workspace.create(root, RECIPE)
    inventory = take_inventory(workspace)
    of = {ids.prompt_id(row["prompt"]): number for number, row in enumerate(rows)}
    folders = {reward.name: reward for reward in inventory.rewards}
    for model in inventory.models:
        drawn: dict[int, tuple[bytes, bool]] = {}
        wanted = model.wanted(inventory.recipe, inventory.prompts)
        for chunk in wanted.iter_slices(512):
            images, scores = [], []
            for row in chunk.iter_rows(named=True):
                number = of[row["prompt_id"]]
                key = number if pictures is None else number % pictures
                if key not in drawn:
                    drawn[key] = _draw(rows[key]["prompt"], model.name, edge, key)
                data, right = drawn[key] if pictures is not None else drawn.pop(key)
                about = _image_row(row, model.fingerprint, data, edge)
                images.append(about)
                scores.append((about, _scores(number, model.name, right)))
            part = pa.Table.from_pylist(images, tables.CANDIDATES)
            note = {"model": model.name, "environments": {"e1": {"device": "none"}}}
            workspace.write_part(model.folder, part, note)
            for name, reward in folders.items():
                found = [
                    {
                        "candidate_id": about["candidate_id"],
                        "sha256": about["sha256"],
                        "reward": name,
                        "fingerprint": reward.fingerprint,
                        "score": values[name],
                        "batch_size": 1,
                    }
                    for about, values in scores
                ]
                table = pa.Table.from_pylist(found, tables.SCORES)
                workspace.write_part(reward.folder, table, {})
    return workspace


def label(workspace: Workspace, votes: int = 3) -> int:
    """Label every pair of every prompt with ``votes`` of people each; how many labels.

    People mostly see what ``shapes_alignment`` sees.
    """
    scored = take_inventory(workspace).scored().sort("prompt_id", "candidate_id")
    side = scored.select("prompt_id", "candidate_id", score="score_shapes_alignment")
    pairs = side.join(side, on="prompt_id", suffix="_right")
    pairs = pairs.filter(pl.col("candidate_id") < pl.col("candidate_id_right"))
    rng = np.random.default_rng(0)
    ahead = (pairs["score"] - pairs["score_right"]).to_numpy()
    shares = rng.binomial(votes, 1 / (1 + np.exp(-ahead))) / votes
    labels = pairs.select(
        "prompt_id",
        pl.col("candidate_id").alias("left"),
        pl.col("candidate_id_right").alias("right"),
        pl.lit("overall").alias("question"),
        pl.Series("share", shares),
        pl.lit(votes).alias("n"),
        pl.lit(None).alias("rater"),
        pl.lit("person").alias("kind"),
        pl.lit(None).alias("group"),
        pl.int_range(pl.len()).alias("row"),
    )
    columns = frame(tables.LABELS.empty_table()).schema
    write_labels(workspace, INGESTED, {"votes": votes}, labels.cast(columns))
    return labels.height


def _prompts(count: int) -> Iterator[dict[str, Any]]:
    base = world_prompts(min(count, 600), 0, "train")
    for number in range(count):
        text, about = base[number % len(base)]
        again = number // len(base)
        yield {
            "prompt": f"{text}, picture {again + 1}" if again else text,
            "task": about["task"],
            "things": about["things"],
        }


def _draw(prompt: str, model: str, edge: int, number: int) -> tuple[bytes, bool]:
    rng = np.random.default_rng([number, MODELS.index(model)])
    right = bool(rng.random() < _RIGHT[model])
    asked = parse(prompt.partition(", picture ")[0])
    scene = illustrate(asked, rng) if right else random_scene(rng)
    rough = float(np.clip(_ROUGH[model] + rng.normal(0, 0.15), 0, 1))
    buffer = io.BytesIO()
    picture(scene, edge, rough, rng).save(buffer, "WEBP", quality=90)
    return buffer.getvalue(), right


def _image_row(row: dict[str, Any], fingerprint: str, data: bytes, edge: int) -> dict[str, Any]:
    chance = int(row["candidate_id"][:6], 16) / 0xFFFFFF
    return {
        **{name: row[name] for name in ("candidate_id", "prompt_id", "model", "sample", "seed")},
        "fingerprint": fingerprint,
        "image": {"bytes": data, "path": f"{row['candidate_id']}.webp"},
        "sha256": ids.sha256(data),
        "width": edge,
        "height": edge,
        "batch_size": 1,
        "seconds": 0.5,
        "flagged": chance < 0.02,
        "environment": "e1",
    }


def _scores(number: int, model: str, right: bool) -> dict[str, float]:
    rng = np.random.default_rng([number, MODELS.index(model), 1])
    noise = rng.normal(0, 1, len(REWARDS))
    return {
        "shapes_alignment": float(1.6 * right + 0.5 * noise[0]),
        "shapes_clip": float(20 + 3 * right + 1.5 * noise[1] + noise[0]),
        "shapes_quality": float(0.5 - _ROUGH[model] + 0.2 * noise[2]),
        "shapes_biased": float(0.6 * _ROUGH[model] + 0.3 * noise[3]),
    }
