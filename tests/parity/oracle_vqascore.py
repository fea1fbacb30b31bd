"""Makes tests/parity/fixtures/vqascore: what upstream's own classes say of a few pictures.

    python tests/parity/oracle_vqascore.py UPSTREAM OUT

Run outside the product's environment, with torch 2.6.0 and transformers 4.49.0 (upstream's pins
when it had this model), sentencepiece, protobuf and accelerate. UPSTREAM is a clone of
github.com/linzhiqiu/t2v_metrics; the last commit with CLIP-FlanT5 is read from its history.

Upstream's modules run as they stand, but for: its packages' ``__init__``, which import every model
and want ffmpeg; OpenCV, which only its videos need; the names of the repositories, which are
folders here; and the precision. It casts all weights to bfloat16, so the fixture's are kept in
bfloat16, lose nothing by that, and are cast to float32 before the first score. Autocast is for CUDA
alone and does nothing on a CPU.

The checkpoint has more rows of words than the tokenizer has tokens, as FlanT5's has, and its words
under two of the names that upstream's class gives them. ``tower.safetensors`` is another tower: a
checkpoint that holds it is scored as well, to show which one counts.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

COMMIT = "74c7208~1"
NEEDED = (
    "t2v_metrics/constants.py",
    "t2v_metrics/models/model.py",
    "t2v_metrics/models/vqascore_models/clip_t5",
    "t2v_metrics/models/vqascore_models/clip_t5_model.py",
    "t2v_metrics/models/vqascore_models/mm_utils.py",
    "t2v_metrics/models/vqascore_models/vqa_model.py",
)
SIZE, PATCH, EXTRA_ROWS = 28, 7, 28
SHAPES = [(28, 28), (31, 50), (70, 33), (9, 14)]
PROMPTS = [
    "a red circle",
    "A  Photo of   THREE green stars,\ton a black background! ",
    " leading, and\na new line\r\nand\u00a0another\u3000space\u2028or\u200btwo",
    'it\'s a "quoted" ‘word’ … a {brace} and a \\ — café, cafe\u0301, naïve, ﬁne ½ Å',
    "東京の夜 🚀 한국 नमस्ते ไทย \u202bعربي\u202c",
    "",
    "   ",
    "a </s> b <pad> c <unk>d<extra_id_0> e <extra_id_99>f <extra_id_100> <EXTRA_ID_1>",
    "a red </s>",
    "▁a▁b \x00\x07\x1c\x85\ufeff\ufffd",
    "\ufb01\u0301 b\u3398\u0307a a\u0301\u200d e\u0307\ufe0fe",
    "red star " * 200 + "blue",
    "red star " * 550 + "blue",
]
QUESTIONS = [
    ("Is it so that {}?", "No, it shows {}"),
    ("What is it?", "{}"),
]
CORPUS = """a red circle on a black background; three green stars and a blue square, photo of it
A chat between a curious user and an artificial intelligence assistant. The assistant gives
helpful, detailed, and polite answers to the user's questions. USER: ASSISTANT:
Does this figure show "a cat" or "the dog"? Please answer yes or no. Yes No yes no
it's what you see: a café by night, and the moon; is it so that it shows a star? What is it?"""


def save_tokenizer(folder: Path) -> None:
    """A ``spiece.model`` trained as T5's was, and nothing beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.splitlines() * 20),
        model_writer=model,
        vocab_size=110,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())


def noisy(module: torch.nn.Module, spread: float) -> dict[str, torch.Tensor]:
    """Its weights with noise on everything, in bfloat16, each under every name it has."""
    for tensor in module.parameters():
        tensor.data += spread * torch.randn_like(tensor)
    return {
        name: tensor.bfloat16().clone() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in module.state_dict().items()
    }


def save_tower(folder: Path) -> None:
    """The image tower and its processor, as OpenAI's repository has them."""
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=PATCH,
    )
    config.save_pretrained(folder)
    save_file(noisy(CLIPVisionModel(config), 0.2), folder / "model.safetensors", {"format": "pt"})
    CLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    ).save_pretrained(folder)


def save_checkpoint(folder: Path, tower: Path, clip_t5: Any, tokens: int) -> None:
    """A small CLIP-T5 without a tower, in two files and an index."""
    config = clip_t5.CLIPT5Config(
        vocab_size=tokens + EXTRA_ROWS,
        d_model=16,
        d_kv=6,
        d_ff=24,
        num_layers=2,
        num_decoder_layers=1,
        num_heads=3,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
        relative_attention_max_distance=96,
        mm_vision_tower=str(tower),
        mm_projector_type="mlp2x_gelu",
        mm_hidden_size=16,
        mm_vision_select_layer=-2,
        mm_vision_select_feature="patch",
    )
    model = clip_t5.CLIPT5ForConditionalGeneration(config)
    aliases = ("vision_tower.", "encoder.embed_tokens.", "decoder.embed_tokens.")
    own = {k: v for k, v in noisy(model, 0.15).items() if not k.startswith(aliases)}
    own["lm_head.weight"] *= 0.4
    names = sorted(own)
    shards = {
        f"model-{number:05}-of-00002.safetensors": {name: own[name] for name in some}
        for number, some in enumerate((names[::2], names[1::2]), start=1)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, tensors in shards.items():
        save_file(tensors, folder / name, {"format": "pt"})
    where = {key: name for name, tensors in shards.items() for key in tensors}
    index = {"metadata": {}, "weight_map": where}
    write_json(folder / "model.safetensors.index.json", index)
    config.architectures = ["CLIPT5ForConditionalGeneration"]
    # The tower's name is upstream's: nothing here says where this machine keeps things.
    described = {**config.to_dict(), "mm_vision_tower": "openai/clip-vit-large-patch14-336"}
    write_json(folder / "config.json", described)


def with_tower(checkpoint: Path, tower: Path, folder: Path, more: Path | None) -> Path:
    """A copy that says where the tower is, and may hold one of its own."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "mm_vision_tower": str(tower.absolute())})
    if more is not None:
        shutil.copy(more, folder / "tower.safetensors")
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        index["weight_map"] |= dict.fromkeys(load_file(more), "tower.safetensors")
        write_json(folder / "model.safetensors.index.json", index)
    return folder


def save_pictures(folder: Path) -> list[str]:
    """Blots of colour."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(0)
    for width, height in SHAPES:
        coarse = Image.fromarray(rng.randint(0, 256, (5, 5, 3)).astype(np.uint8))
        picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
        picture.save(folder / f"{width}x{height}.png")
    return [f"{width}x{height}.png" for width, height in SHAPES]


def write_json(path: Path, value: Any) -> None:
    """As people read it, but for rows of numbers, which stay rows."""
    text = json.dumps(value, indent=1)
    rows = re.sub(r"\[[\s\d,.e-]+\]", lambda row: re.sub(r"\s+", " ", row[0]), text)
    path.write_text(rows + "\n")


def upstream_modules(upstream: Path, out: Path) -> tuple[Any, Any]:
    """Upstream's ``clip_t5_model`` and ``language_model.clip_t5``."""
    packed = subprocess.run(
        ["git", "-C", str(upstream), "archive", COMMIT, *NEEDED],
        check=True,
        capture_output=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(out, filter="data")
    for name in ("t2v_metrics", "t2v_metrics.models", "t2v_metrics.models.vqascore_models"):
        package = types.ModuleType(name)
        package.__path__ = [str(out.joinpath(*name.split(".")))]
        sys.modules[name] = package
    sys.modules["cv2"] = types.ModuleType("cv2")
    from t2v_metrics.models.vqascore_models import clip_t5_model
    from t2v_metrics.models.vqascore_models.clip_t5.model.language_model import clip_t5

    return clip_t5_model, clip_t5


def judge(clip_t5_model: Any, checkpoint: Path, tokenizer: Path, work: Path) -> Any:
    """Upstream's scorer, in float32."""
    clip_t5_model.CLIP_T5_MODELS["clip-flant5-xl"]["model"]["path"] = str(checkpoint)
    clip_t5_model.CLIP_T5_MODELS["clip-flant5-xl"]["tokenizer"]["path"] = str(tokenizer)
    found = clip_t5_model.CLIPT5Model("clip-flant5-xl", "cpu", str(work / "cache"))
    found.model.float()
    return found


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    torch.manual_seed(0)
    work = Path(tempfile.mkdtemp())
    clip_t5_model, clip_t5 = upstream_modules(upstream, work / "upstream")
    tokenizer, tower, checkpoint = out / "tokenizer", out / "vision", out / "checkpoint"
    save_tokenizer(tokenizer)
    # T5's repository says which class reads the file; upstream's AutoTokenizer has to be told.
    told = shutil.copytree(tokenizer, work / "tokenizer")
    write_json(told / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"})
    save_tower(tower)
    tokens = len(
        clip_t5_model.load_pretrained_model.__globals__["AutoTokenizer"].from_pretrained(
            told, use_fast=False
        )
    )
    save_checkpoint(checkpoint, tower, clip_t5, tokens)
    other = noisy(CLIPVisionModel.from_pretrained(tower), 0.2)
    other = {f"vision_tower.vision_tower.{key}": value for key, value in other.items()}
    save_file(other, out / "tower.safetensors", {"format": "pt"})
    names = save_pictures(out / "images")
    files = [str(out / "images" / name) for name in names]

    plain = judge(clip_t5_model, with_tower(checkpoint, tower, work / "plain", None), told, work)
    pairs = [(prompt, file) for prompt in PROMPTS for file in files]

    def scores(scorer: Any, pairs: list[tuple[str, str]], **templates: str) -> list[float]:
        # One at a time: nothing shares a batch.
        return [float(scorer.forward([file], [text], **templates)) for text, file in pairs]

    own = judge(
        clip_t5_model,
        with_tower(checkpoint, tower, work / "own", out / "tower.safetensors"),
        told,
        work,
    )
    short = [(prompt, file) for prompt in PROMPTS[:4] for file in files[:2]]
    command = ["git", "-C", str(upstream), "rev-parse", COMMIT]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    packages = ("torch", "transformers", "sentencepiece", "numpy", "pillow")
    expected = {
        "upstream": f"linzhiqiu/t2v_metrics@{commit}",
        "versions": {name: version(name) for name in packages},
        "tokens": tokens,
        "images": names,
        "prompts": PROMPTS,
        "ids": [plain.tokenizer(prompt).input_ids for prompt in PROMPTS],
        "scores": scores(plain, pairs),
        "own_tower": {"prompts": PROMPTS[:4], "images": names[:2], "scores": scores(own, short)},
        "templates": [
            {
                "question": question,
                "answer": answer,
                "prompts": PROMPTS[:4],
                "images": names[:2],
                "scores": scores(plain, short, question_template=question, answer_template=answer),
            }
            for question, answer in QUESTIONS
        ],
    }
    write_json(out / "expected.json", expected)
    shutil.rmtree(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
