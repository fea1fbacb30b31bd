"""Makes tests/parity/fixtures/mps: what upstream's own modules and scripts say of a few pictures.

    python tests/parity/oracle_mps.py UPSTREAM IMSCORE OUT

Run outside the product's environment, with transformers 4.27.3, which upstream asks for (torch
2.2.2, numpy < 2, einops, fire, tqdm, opencv-python-headless and matplotlib go with it). UPSTREAM is
a checkout of github.com/Kwai-Kolors/MPS, IMSCORE one of github.com/RE-N-Y/imscore.

At the threshold 0.3 it runs ``infer_one_sample`` of eval_overall_mps_on_hpdv2.py, at 0.01 the
README's ``infer_example``, as they stand: one prompt at a time, so that the greatest similarity of
the batch is that of the prompt. The model is upstream's ``CLIPModel``, with a smaller CLIP and a
smaller ``Cross_model`` in place of those whose sizes it names; ``half`` does nothing, as there is
no GPU. The weights are saved in float16 by imscore's ``MPS``, as the mirror's were, and the oracle
reads what is saved.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from oracle_pickscore import (
    PROMPTS,
    Softmaxed,
    blur,
    halved,
    origin,
    readme_code,
    save_clip,
    save_inputs,
    save_pictures,
    write_json,
)
from torch import nn
from transformers import AutoTokenizer, CLIPImageProcessor

OTHER = "zebra quick"
FEATURES, LAYERS, HEADS, HEAD = 24, 2, 2, 8


def build(upstream: Path, clip: Path) -> Any:
    """Upstream's model, in small, with random weights rounded to float16."""
    sys.path.insert(0, str(upstream))
    from trainer.models import clip_model

    clip_model.Cross_model = partial(_smaller, clip_model.Cross_model)
    model = clip_model.CLIPModel(str(clip))
    blur(model.cross_model, 0.1)
    # So that words differ more than their places do, and some of them are far from the condition.
    model.model.text_model.embeddings.token_embedding.weight.data *= 8
    projection = model.model.text_projection.weight.data
    projection[3:] *= 0.05
    model.model.text_model.final_layer_norm.bias.data += 1.5 * projection[0]
    # Always 0 upstream; but they are in the file, and so they are read.
    for name, tensor in model.cross_model.named_buffers():
        if name.endswith("norm.bias"):
            tensor += 0.1 * torch.randn_like(tensor)
    model.load_state_dict(halved(model))
    return model.eval()


def _smaller(whole: type[nn.Module], **_: Any) -> nn.Module:
    return whole(dim=FEATURES, layer_num=LAYERS, dim_head=HEAD, heads=HEADS)


def save(imscore: Path, clip: Path, model: nn.Module, out: Path) -> None:
    """The weights as imscore's class saves them."""
    sys.path.insert(0, str(imscore / "src" / "imscore"))
    from mps import model as theirs

    towers = theirs.XCLIPModel
    theirs.XCLIPModel = SimpleNamespace(from_pretrained=lambda _: towers.from_pretrained(clip))
    theirs.CrossModel = partial(_smaller, theirs.CrossModel)
    theirs.AutoTokenizer = SimpleNamespace(from_pretrained=lambda *_, **__: None)
    whole = theirs.MPS()
    whole.mps.load_state_dict(model.state_dict())
    whole.to(torch.float16).save_pretrained(out)


def ask_evaluation(
    condition: str | None, model: Any, pictures: list[Any], tokenizer: Any, images: Any
) -> Any:
    """Scores of every prompt and picture by ``infer_one_sample``, whose threshold is 0.3."""
    import eval_overall_mps_on_hpdv2 as evaluation

    def score(prompt: str, picture: Any) -> float:
        asked = (picture, prompt, model, images, tokenizer, "cpu", condition)
        return float(evaluation.infer_one_sample(*asked).item())

    return [[score(prompt, picture) for picture in pictures] for prompt in PROMPTS]


def ask_readme(upstream: Path, model: Any, pictures: list[Any], tokenizer: Any, images: Any) -> Any:
    """Those by ``infer_example`` of the README, whose threshold is 0.01; it takes two pictures."""
    names: dict[str, Any] = {"torch": torch}
    block = readme_code(upstream, "infer_example", "img_0, img_1 =")
    code = "def infer_example" + block.split("def infer_example")[1]
    exec(compile(code, "README.md", "exec"), names)
    condition = re.search(r'condition = "(.*?)"', (upstream / "README.md").read_text())
    assert condition
    torch.softmax = softmaxed = Softmaxed()  # type: ignore[assignment]
    scores: list[list[float]] = []
    for prompt in PROMPTS:
        scores.append([])
        for start in range(0, len(pictures), 2):
            pair = pictures[start : start + 2]
            names["infer_example"](pair, prompt, condition[1], model, images, tokenizer, "cpu")
            scores[-1] += softmaxed.given.flatten().tolist()
    return scores


def main(upstream: Path, imscore: Path, out: Path) -> None:
    """Write the fixture."""
    torch.manual_seed(1)
    processor = out / "processor"
    tokens = save_inputs(processor)
    save_clip(processor, tokens, FEATURES)
    pictures = save_pictures(out / "images")
    model = build(upstream, processor)
    save(imscore, processor, model, out)
    (processor / "model.safetensors").unlink()
    (out / "README.md").unlink()

    torch.Tensor.half = lambda self: self  # type: ignore[method-assign]
    asked = (
        model,
        pictures,
        AutoTokenizer.from_pretrained(processor),
        CLIPImageProcessor.from_pretrained(processor),
    )
    expected = {
        **origin("Kwai-Kolors/MPS", upstream, "tokenizers", "numpy", "pillow"),
        "weights": origin("RE-N-Y/imscore", imscore)["upstream"],
        "images": [Path(picture.filename).name for picture in pictures],
        "prompts": PROMPTS,
        "condition": OTHER,
        "scores": {
            "evaluation": ask_evaluation(None, *asked),
            "evaluation, other condition": ask_evaluation(OTHER, *asked),
            "readme": ask_readme(upstream, *asked),
        },
    }
    write_json(out / "expected.json", expected)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
