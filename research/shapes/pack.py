"""Put a trained model into the package: half precision on disk, and how it was trained beside it.

    python -m research.shapes.pack runs/mmdit synpic/shapes/weights/mmdit

What is written opens like any other folder of diffusers or transformers.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

__all__ = ["main", "pack"]


def pack(run: Path, target: Path) -> None:
    """Write ``run/model`` to the folder ``target`` in float16, and the log's outline beside it.

    Beside, not inside: what lies in the folder decides the model's fingerprint. Configurations
    go on saying float32, the type in which the weights are to be opened.
    """
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(run / "model", target)
    for file in target.rglob("*.safetensors"):
        halved = {
            name: tensor.half() if tensor.dtype == torch.float32 else tensor
            for name, tensor in load_file(file).items()
        }
        save_file(halved, file, metadata={"format": "pt"})
        file.chmod(0o644)  # written for their owner alone, they would be so in a wheel
    for config in [*target.rglob("config.json"), *target.glob("model_index.json")]:
        settings = json.loads(config.read_text())
        settings.pop("_name_or_path", None)  # where the run lay is nobody's business
        config.write_text(json.dumps(settings, indent=2) + "\n")
    summary = target.with_name(f"{target.name}.training.json")
    summary.write_text(json.dumps(_summary(run), indent=1) + "\n")


def _summary(run: Path, rows: int = 24) -> dict[str, Any]:
    """The steps made, and some two dozen rows of the log spread evenly."""
    file = run / "log.jsonl"  # a short run has none
    log = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if not log:
        return {"steps": 0, "log": []}
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
