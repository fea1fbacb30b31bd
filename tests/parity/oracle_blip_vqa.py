"""Makes tests/parity/fixtures/blip_vqa.json: what T2I-CompBench's own code says of a few pictures.

    PYTHON -m tests.parity.oracle_blip_vqa UPSTREAM tests/parity/fixtures/blip_vqa.json

PYTHON is of an environment with torch, torchvision, transformers, timm and fairscale of
requirements.txt, ruamel.yaml and opencv-python-headless. UPSTREAM is the folder BLIPvqa_eval of a
checkout of github.com/Karine-Huang/T2I-CompBench. Its data set, transforms and ``evaluation`` run
as they stand, on its model with smaller towers, a tokenizer of a few words, and weights that
follow from their names.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch

from tests.parity.blip_vqa_inputs import (
    MED,
    PHRASES,
    VISION,
    authors_weights,
    pictures,
    vocabulary,
)
from tests.parity.upstream import restore_transformers


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    sys.path.insert(0, str(upstream.absolute()))
    sys.path.insert(0, str(upstream.absolute() / "BLIP"))
    restore_transformers()
    from models import blip, blip_vqa, med, vit

    restore_transformers(med)
    from BLIP.train_vqa_func import evaluation
    from data import create_dataset
    from torch.utils.data import DataLoader

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("bert-base-uncased").mkdir()
        Path("bert-base-uncased/vocab.txt").write_text("\n".join(vocabulary()) + "\n")
        Path("med.json").write_text(json.dumps(MED))
        small = vit.VisionTransformer(**VISION)
        blip_vqa.create_vit = lambda *_, **__: (small, VISION["embed_dim"])
        model = blip_vqa.BLIP_VQA(med_config="med.json", image_size=VISION["img_size"]).eval()
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        torch.save({"model": authors_weights(shapes)}, "weights.pth")
        model, message = blip.load_checkpoint(model, "weights.pth")
        assert not message.missing_keys, message
        assert not message.unexpected_keys, message

        asked = [(image, phrase) for image in range(len(pictures())) for phrase in PHRASES]
        for number, image in enumerate(pictures()):
            image.save(f"{number}.png")
        rows = [
            {
                "image": f"{image}.png",
                "question_id": at,
                "question": f"{phrase}?",
                "dataset": "color",
            }
            for at, (image, phrase) in enumerate(asked)
        ]
        Path("vqa_test.json").write_text(json.dumps(rows))
        config: dict[str, Any] = {
            "image_size": VISION["img_size"],
            "ann_root": folder,
            "vqa_root": "",
            "vg_root": "",
            "inference": "vqa_prob",
        }
        data, _ = create_dataset("vqa", config)
        loader = DataLoader(data, batch_size=5)
        texts = [one["answer"] for one in evaluation(model, loader, "cpu", config)]
        exact, plain = [], model.vqa_prob
        model.vqa_prob = lambda *given: exact.append(plain(*given)) or exact[-1]
        evaluation(model, loader, "cpu", config)
        questions = [data[at][1] for at in range(len(PHRASES))]
    expected = {
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("torch", "torchvision", "transformers", "timm", "pillow")
        },
        "shapes": shapes,
        "questions": questions,
        "asked": [
            {"image": image, "phrase": at % len(PHRASES), "yes": float(yes), "written": text}
            for at, ((image, _), yes, text) in enumerate(
                zip(asked, torch.cat(exact), texts, strict=True)
            )
        ],
    }
    out.write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
