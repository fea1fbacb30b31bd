"""What begins an image: its seed and its first latents, whatever the batch, the order or the shard.

The latents are those that the denoiser is really given, of real pipelines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from synpic import Workspace, generate_candidates
from synpic.engine.shard import Shard
from synpic.generate.auto import AutoFamily
from synpic.pipeline.inventory import take_inventory
from tests.generate.tiny import CASCADE_SIDE, SIDE

Folder = Callable[[str], Path]
Latents = dict[tuple[str, str, int], bytes]
"""Model, prompt and seed → the first latents."""

PROMPTS = [f"{colour} {shape}" for colour in ("red", "blue") for shape in ("circle", "a b")]
KINDS = ("sd", "sd3", "pixart_sigma", "stable_cascade")


@pytest.fixture
def latents(monkeypatch: pytest.MonkeyPatch) -> Latents:
    """What denoisers are given first, from now on."""
    seen: Latents = {}
    draw = AutoFamily.draw

    def watched(family: Any, prompts: Sequence[str], seeds: Sequence[int], *size: Any) -> Any:
        first: list[torch.Tensor] = []

        def look(_: Any, args: Any, kwargs: Any) -> None:
            if not first:
                first.append(next(t for t in (*args, *kwargs.values()) if torch.is_tensor(t)))

        parts = family.pipeline.components
        kind = next(name for name in ("prior_prior", "transformer", "unet") if parts.get(name))
        hook = parts[kind].register_forward_pre_hook(look, with_kwargs=True)
        try:
            pixels = draw(family, prompts, seeds, *size)
        finally:
            hook.remove()
        name = Path(family.settings.checkpoint).name
        for prompt, seed, tensor in zip(prompts, seeds, first[0][: len(seeds)], strict=True):
            assert seen.setdefault((name, prompt, seed), raw(tensor)) == raw(tensor)
        return pixels

    monkeypatch.setattr(AutoFamily, "draw", watched)
    return seen


def raw(tensor: torch.Tensor) -> bytes:
    return np.ascontiguousarray(tensor.numpy()).tobytes()


def make(
    folder: Path, saved: Folder, batch_size: int, prompts: Sequence[str] = PROMPTS, head: str = ""
) -> Workspace:
    (folder.parent / "prompts.txt").write_text("\n".join(prompts))
    text = head + f'[prompts]\nfile = "{folder.parent / "prompts.txt"}"\n'
    for kind in KINDS:
        side = CASCADE_SIDE if kind == "stable_cascade" else SIDE
        call = "call = { num_inference_steps = 1 }\n" if kind == "stable_cascade" else ""
        text += (
            f'[models.tiny_{kind}]\nfamily = "{kind}"\ncheckpoint = "{saved(kind)}"\n'
            f'steps = 1\nguidance = 2.0\nsizes = ["{side}x{side}"]\nsamples = 2\n'
            f"batch_size = {batch_size}\n{call}"
        )
    return Workspace.create(folder, text)


def identities(workspace: Workspace) -> pl.DataFrame:
    columns = ["model", "prompt_id", "sample", "seed", "candidate_id"]
    rows = take_inventory(Workspace.open(workspace.store.root)).candidates()
    return rows.select(columns).sort(columns)


def test_batch_size_order_and_shard_move_no_id_no_seed_and_no_latent(
    latents: Latents, saved: Folder, tmp_path: Path
) -> None:
    found: list[pl.DataFrame] = []
    for run, (batch_size, prompts, shards) in enumerate(
        [
            (4, PROMPTS, [None]),
            (1, PROMPTS, [None]),
            (3, PROMPTS[::-1], [None]),
            (3, PROMPTS, [Shard(2, 2), Shard(1, 2)]),
        ]
    ):
        folder = tmp_path / str(run) / "set"
        folder.parent.mkdir()
        workspace = make(folder, saved, batch_size, prompts)
        for shard in shards:
            # The fixture compares the latents of one seed, whenever it comes again.
            report = generate_candidates(workspace, **({"shard": shard} if shard else {}))
            broken = [outcome for outcome in report.outcomes if outcome.broken or outcome.failed]
            assert broken == []
        found.append(identities(workspace))
    assert found[0].height == len(KINDS) * len(PROMPTS) * 2
    assert all(other.equals(found[0]) for other in found[1:])
    assert len(latents) == found[0].height
    # And they are not all the same.
    assert len({value for (name, _, _), value in latents.items() if name == "sd"}) == 8


def test_models_begin_from_the_same_noise_unless_told_otherwise(
    latents: Latents, saved: Folder, tmp_path: Path
) -> None:
    workspace = make(tmp_path / "set", saved, 4)
    generate_candidates(workspace, only=["tiny_sd", "tiny_sd3", "tiny_pixart_sigma"])
    noise = {
        kind: {key[1:]: value for key, value in latents.items() if key[0] == kind}
        for kind in ("sd", "sd3", "pixart_sigma")
    }
    # These three have latents of one shape, and schedulers that leave the first as they are.
    assert noise["sd"] == noise["sd3"] == noise["pixart_sigma"]
    assert len(noise["sd"]) == 8
    latents.clear()
    (tmp_path / "apart").mkdir()
    apart = make(tmp_path / "apart" / "set", saved, 4, head="shared_seeds = false\n")
    generate_candidates(apart, only=["tiny_sd", "tiny_sd3"])
    values = list(latents.values())
    assert len(values) == len(set(values)) == 16


def test_noise_is_made_on_the_cpu_from_the_seed_alone(
    latents: Latents, saved: Folder, tmp_path: Path
) -> None:
    """So that a seed means the same on every kind of device; what torch draws is what is given."""
    generate_candidates(make(tmp_path / "set", saved, 4), only=["tiny_sd3"])
    for (_, _, seed), value in latents.items():
        generator = torch.Generator("cpu").manual_seed(seed)
        shape = (1, 4, SIDE // 2, SIDE // 2)
        assert raw(torch.randn(shape, generator=generator)) == value
