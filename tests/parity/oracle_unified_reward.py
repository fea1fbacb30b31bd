"""What UnifiedReward's own client sends, recorded; and that ours sends the same.

    git clone https://github.com/CodeGoat24/UnifiedReward upstream   (read at ff6f520; MIT)
    python -m tests.parity.oracle_unified_reward upstream

It runs their ``vllm_qwen/vllm_request.py`` and takes the text of the question from
``inference_qwen/UnifiedReward-2.0-inference/point_score_ACS_image_generation.py``, as that script
makes it, against a server on the loopback. Then ``vlm_rating_endpoint`` asks the same with their
template in a file. The messages have to be equal but for the image's encoding: theirs is JPEG of
quality 95, ours is PNG. Theirs go on for 4,096 tokens and leave the temperature to the server; ours
asks for probabilities.

It needs ``requests`` and ``tqdm`` beside what synpic needs.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synpic.recipe import RewardSettings
from synpic.score.option_files import with_files
from synpic.score.vlm_rating_endpoint import VlmRatingEndpoint
from tests.parity.inputs import picture
from tests.score.endpoint_server import completion, served

FIXTURE = Path(__file__).parent / "fixtures/unified_reward.json"
SCRIPT = "inference_qwen/UnifiedReward-2.0-inference/point_score_ACS_image_generation.py"
CAPTION = "a red circle left of [two] green stars"
ANSWER = (
    "Alignment Score (1-5): {alignment}\n"
    "Coherence Score (1-5): {coherence}\n"
    "Style Score (1-5): {style}"
)
SAID = "Alignment Score (1-5): 2\nCoherence Score (1-5): 3\nStyle Score (1-5): 4"


def question(upstream: Path, caption: str) -> str:
    """Their text for a caption: the assignment to ``problem`` in their script, evaluated."""
    tree = ast.parse((upstream / SCRIPT).read_text())
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "problem"
    ]
    code = compile(ast.Expression(value), SCRIPT, "eval")
    text: str = eval(code, {"prompt": caption})
    return text


def reply(body: dict[str, Any]) -> tuple[int, Any]:
    return 200, completion(*({one: -0.1, "9": -5.0} for one in SAID))


def pixels(url: str) -> np.ndarray:
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64)


def main(upstream: Path) -> None:
    sys.path.insert(0, str(upstream))
    from vllm_qwen.vllm_request import evaluate_batch  # type: ignore[import-not-found]

    image = picture(3, 96, 64)
    with tempfile.TemporaryDirectory() as folder, served(reply) as server:
        file, template = Path(folder) / "image.png", Path(folder) / "unified.txt"
        image.save(file)
        item = {"problem": question(upstream, CAPTION), "images": [str(file)]}
        host = server.url.removesuffix("/v1")
        (found,) = evaluate_batch([item], host, output_file=str(Path(folder) / "out.json"))
        theirs, path = server.asked[-1], server.paths[-1]
        assert found["model_output"] == SAID

        template.write_text(question(upstream, "{}"))
        options = {"rubric": {"file": "unified.txt"}, "answer": ANSWER}
        settings = with_files("ours", RewardSettings(options=options), Path(folder))
        reward = VlmRatingEndpoint(model="UnifiedReward", endpoint=server.url, **settings.options)
        (score,) = reward.score([CAPTION], [image])
        ours = server.asked[-1]
        assert server.paths[-1] == path
    assert abs(score - 3) < 0.1, score

    (mine,), (message,) = ours["messages"], theirs["messages"]
    assert mine["role"] == message["role"]
    assert mine["content"][1] == message["content"][1]
    assert ours["model"] == theirs["model"]
    far = np.abs(
        pixels(mine["content"][0]["image_url"]["url"])
        - pixels(message["content"][0]["image_url"]["url"])
    ).mean()
    assert far < 4, f"the images differ by {far:.2f} of 255 on average"
    record = {
        "source": "CodeGoat24/UnifiedReward@ff6f520, vllm_qwen/vllm_request.py",
        "path": path,
        "role": message["role"],
        "parts": [part["type"] for part in message["content"]],
        "keys": sorted(theirs),
        "text_sha256": hashlib.sha256(message["content"][1]["text"].encode()).hexdigest(),
        "image": message["content"][0]["image_url"]["url"].partition(",")[0],
    }
    FIXTURE.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1), f"\nequal; images differ by {far:.2f} of 255 on average")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
