"""Train the world's models from nothing, on one CPU core.

    python -m research.shapes.train vae   --steps 2800 --out runs/vae
    python -m research.shapes.train mmdit --steps 7000 --out runs/mmdit --vae runs/vae/model
    python -m research.shapes.train unet  --steps 7000 --out runs/unet  --vae runs/vae/model

and in seconds, to see that it runs:

    python -m research.shapes.train vae --steps 20 --batch-size 4 --out runs/vae

Data are drawn afresh for every step from (seed, step), so a run that was killed and started again
continues as if nothing had happened, and a run can be made longer; one cannot be continued with
another seed, batch size or type. Prompts are of the train split alone; the autoencoder, which
reads none, sees any scene. ``--out`` gets ``log.jsonl``, ``grid.png``, ``state.pt`` (to continue
from) and ``model/``: an ordinary folder of diffusers or transformers, of the averaged weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from research.shapes.jobs import JOBS, Job
from synpic.shapes.scene import sheet

__all__ = ["main", "schedule", "train"]

LOG_EVERY = 50
"""Steps between two rows of the log, which says the mean loss of those between."""


def schedule(step: int, steps: int) -> float:
    """Share of the full learning rate: 100 steps up, held, then down over the last 40 %."""
    return min((step + 1) / 100, 1.0, max((steps - step) / (0.4 * steps), 0.01))


@contextmanager
def averaged(modules: nn.ModuleDict, average: list[Tensor]) -> Iterator[None]:
    """Put the averaged weights in place for the time of the block."""
    weights = [parameter.detach().clone() for parameter in modules.parameters()]
    with torch.no_grad():
        for parameter, mean in zip(modules.parameters(), average, strict=True):
            parameter.copy_(mean)
        yield
        for parameter, weight in zip(modules.parameters(), weights, strict=True):
            parameter.copy_(weight)


def train(
    name: str,
    out: Path,
    *,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
    vae: Path | None = None,
    save_every: float = 180.0,
    bf16: bool = False,
) -> list[float]:
    """Train job ``name`` up to ``steps`` steps in ``out``; returns the loss of each step done.

    Continues from ``out/state.pt`` where there is one. ``save_every`` is in seconds; ``bf16``
    computes in bfloat16 where torch's autocast thinks it safe.
    """
    torch.manual_seed(seed)
    job = JOBS[name](vae)
    parameters: list[Tensor] = list(job.modules.parameters())
    average = [parameter.detach().clone() for parameter in parameters]
    opt = torch.optim.AdamW(parameters, lr=job.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    out.mkdir(parents=True, exist_ok=True)
    settings = {"seed": seed, "batch_size": batch_size or job.batch_size, "bf16": bf16}
    done = resume(out, job, average, opt, settings)
    losses: list[float] = []
    started = saved_at = time.monotonic()
    for step in range(done, steps):
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(int(rng.integers(2**62)))
        learning_rate = schedule(step, steps) * job.learning_rate
        for group in opt.param_groups:
            group["lr"] = learning_rate
        # Plain matrix products: flash attention is slower on so few tokens.
        with sdpa_kernel(SDPBackend.MATH):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = job.loss(rng, batch_size or job.batch_size)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        opt.step()
        opt.zero_grad()
        with torch.no_grad():
            # The average forgets its beginning: a tenth of the run at first, then ever longer.
            torch._foreach_lerp_(average, parameters, max(1 - job.average, 9 / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % LOG_EVERY == 0:
            row = {
                "step": step + 1,
                "loss": round(sum(losses[-LOG_EVERY:]) / len(losses[-LOG_EVERY:]), 5),
                "learning_rate": round(learning_rate, 6),
                "steps_per_second": round(len(losses) / (time.monotonic() - started), 3),
            }
            with (out / "log.jsonl").open("a") as log:
                print(json.dumps(row), file=log)
        if step + 1 == steps or time.monotonic() - saved_at > save_every:
            save(out, step + 1, job, average, opt, settings)
            saved_at = time.monotonic()
    return losses


def save(
    out: Path,
    step: int,
    job: Job,
    average: list[Tensor],
    opt: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> None:
    """Write what is needed to go on, and what the averaged weights draw by now."""
    state = {
        "step": step,
        "settings": settings,
        "modules": job.modules.state_dict(),
        "average": average,
        "optimizer": opt.state_dict(),
    }
    torch.save(state, out / "state.tmp")
    (out / "state.tmp").replace(out / "state.pt")
    with averaged(job.modules, average):
        job.save(out / "model")
        sheet(job.pictures(), columns=6).save(out / "grid.png")


def resume(
    out: Path,
    job: Job,
    average: list[Tensor],
    opt: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> int:
    """Take up the state that ``out`` holds, if any; returns how many steps were made."""
    if not (out / "state.pt").exists():
        return 0
    state = torch.load(out / "state.pt", weights_only=True)
    before = state.get("settings", settings)
    if before != settings:
        raise SystemExit(f"{out} was begun with {before}, not {settings}: name another --out")
    job.modules.load_state_dict(state["modules"])
    opt.load_state_dict(state["optimizer"])
    for tensor, saved in zip(average, state["average"], strict=True):
        tensor.copy_(saved)
    done: int = state["step"]
    log = out / "log.jsonl"
    if log.exists():
        # Steps after the state was kept are made, and logged, again.
        rows = log.read_text().splitlines(keepends=True)
        log.write_text("".join(row for row in rows if json.loads(row)["step"] <= done))
    return done


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Train a model of the shapes world.")
    parser.add_argument("name", choices=list(JOBS))
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--steps", type=int, required=True, help="steps in all, earlier ones too")
    parser.add_argument("--batch-size", type=int, help="pictures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vae", type=Path, help="folder of the trained autoencoder")
    parser.add_argument("--bf16", action="store_true", help="faster where the CPU has bfloat16")
    args = parser.parse_args(argv)
    torch.set_flush_denormal(True)  # numbers too small to matter are slow on a CPU
    try:
        train(
            args.name,
            args.out,
            steps=args.steps,
            batch_size=args.batch_size,
            seed=args.seed,
            vae=args.vae,
            bf16=args.bf16,
        )
    finally:
        torch.set_flush_denormal(False)


if __name__ == "__main__":
    main()
