"""Put a trained model into the package: half precision on disk, and how it was trained beside it.

    python -m synpic.shapes.pack runs/mmdit synpic/shapes/weights/mmdit

What is written opens like any other diffusers folder.
"""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

__all__ = ["main", "pack"]


def pack(run: Path, target: Path) -> None:
    """Write ``run/model`` to the folder ``target`` in float16, and the log's outline beside it.

    Beside, not inside: what lies in the folder decides the model's fingerprint.
    """
    pipeline = DiffusionPipeline.from_pretrained(run / "model", dtype=torch.float32)
    pipeline.to(torch.float16).save_pretrained(target)
    for config in [*target.glob("*/config.json"), target / "model_index.json"]:
        settings = json.loads(config.read_text())
        settings.pop("_name_or_path", None)  # where the run lay is nobody's business
        if config.parent.name.startswith("text_encoder"):
            # transformers opens a checkpoint in the type that its configuration names, diffusers
            # in float32; they have to agree, and a CPU wants float32.
            settings["dtype"] = "float32"
        config.write_text(json.dumps(settings, indent=2) + "\n")
    for file in target.rglob("*.safetensors"):
        file.chmod(0o644)  # written for their owner alone, they would be so in a wheel
    summary = target.with_name(f"{target.name}.training.json")
    summary.write_text(json.dumps(_summary(run), indent=1) + "\n")


def _summary(run: Path, rows: int = 24) -> dict[str, Any]:
    """The steps made, and some two dozen rows of the log spread evenly."""
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    kept = log[:: -(-len(log) // rows)]
    return {"steps": log[-1]["step"], "log": kept if kept[-1] == log[-1] else [*kept, log[-1]]}


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Put a trained shapes model into the package.")
    parser.add_argument("run", type=Path, help="the trainer's --out")
    parser.add_argument("target", type=Path)
    args = parser.parse_args(argv)
    pack(args.run, args.target)


if __name__ == "__main__":
    main()
