"""Lists of prompts alone: what each asks for, the prompt says.

PartiPrompts, HPDv2 and Pick-a-Pic are for win rates by rewards; T2I-CompBench's have judges.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from synpic import ids
from synpic.errors import EvaluationError
from synpic.hub.published_files import PublishedFile
from synpic.prompts.suites.suite import (
    HubColumn,
    HubFile,
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    SuiteOrigin,
)
from synpic.readers.display import count
from synpic.readers.json_models import parse_json
from synpic.readers.text import is_blank, lines

__all__ = [
    "COMPBENCH_COLOR",
    "COMPBENCH_NON_SPATIAL",
    "COMPBENCH_SHAPE",
    "COMPBENCH_TEXTURE",
    "HPDV2",
    "PARTIPROMPTS",
    "PICKAPIC",
]


def _each_once(items: Iterable[SuiteItem]) -> SuiteContent:
    """The items whose prompt is the first of its kind; others and blank ones are counted."""
    kept: dict[str, SuiteItem] = {}
    twice = blank = 0
    for item in items:
        if is_blank(item.prompt):
            blank += 1
        elif kept.setdefault(ids.prompt_id(item.prompt), item) is not item:
            twice += 1
    remarks = []
    if blank:
        remarks.append(f"{count(blank, 'blank prompt')} left out")
    if twice:
        remarks.append(f"{count(twice, 'repeated prompt')} left out")
    return SuiteContent(list(kept.values()), remarks)


_PARTI_LIST = "PartiPrompts.tsv"
_PARTI_HEADER = "Prompt\tCategory\tChallenge\tNote"


def _read_partiprompts(data: SuiteData) -> SuiteContent:
    """A line for each prompt; tabs divide it, and a quote is a quote."""
    header, *rows = lines(data.files[_PARTI_LIST], _PARTI_LIST, error=EvaluationError)
    if header != _PARTI_HEADER:
        raise EvaluationError(
            f"{_PARTI_LIST}:1: expected Prompt, Category, Challenge and Note, found {header!r:.80}",
            hint="the list is that of google-research/parti",
        )
    items = []
    for number, row in enumerate(rows, start=1):
        cells = row.split("\t")
        if len(cells) != 4:
            raise EvaluationError(
                f"{_PARTI_LIST}:{number + 1}: {count(len(cells), 'cell')}, expected 4",
                hint="the list is that of google-research/parti",
            )
        items.append(SuiteItem(str(number), cells[0], cells[1]))
    return _each_once(items)


PARTIPROMPTS = Suite(
    "partiprompts",
    "prompts of twelve categories, for win rates (P2)",
    _read_partiprompts,
    places={
        _PARTI_LIST: PublishedFile(
            "https://raw.githubusercontent.com/google-research/parti/"
            "5a657978134374ce28973948331b319adef164bd/PartiPrompts.tsv",
            "fab29e41bb512a169b56acab4cf2a41dcb675e285df2efcde6640c7dd3c440eb",
        )
    },
    origin=SuiteOrigin(
        "Apache-2.0",
        "https://arxiv.org/abs/2206.10789",
        1632,
        (
            *("Abstract", "Vehicles", "Illustrations", "Arts", "World Knowledge", "People"),
            *("Animals", "Artifacts", "Food & Beverage", "Produce & Plants", "Outdoor Scenes"),
            "Indoor Scenes",
        ),
    ),
    aggregated="prompts",
)

_STYLES = ("anime", "concept-art", "paintings", "photo")


def _read_hpdv2(data: SuiteData) -> SuiteContent:
    """A JSON list of texts for each style."""
    return _each_once(
        SuiteItem(f"{style}-{number:05}", prompt, style)
        for style in _STYLES
        for number, prompt in enumerate(_json_texts(data.files[style], f"{style}.json"))
    )


def _json_texts(data: bytes, where: str) -> list[str]:
    hint = "a style of HPDv2 is a list of texts"
    found = parse_json(data, where, error=EvaluationError, hint=hint)
    if not isinstance(found, list):
        raise EvaluationError(
            f"{where}: expected a list, found {json.dumps(found)[:60]}", hint=hint
        )
    for number, one in enumerate(found):
        if not isinstance(one, str):
            raise EvaluationError(
                f"{where}: {number}: expected a text, found {one!r:.60}", hint=hint
            )
    return found


HPDV2 = Suite(
    "hpdv2",
    "prompts of four styles, for win rates (the benchmark of HPS v2)",
    _read_hpdv2,
    places={style: HubFile("ymhao/HPDv2", f"benchmark/{style}.json") for style in _STYLES},
    origin=SuiteOrigin("Apache-2.0", "https://arxiv.org/abs/2306.09341", 3200, _STYLES),
    aggregated="prompts",
)
"""How many there are is what its makers say: 800 of each style."""


def _read_pickapic(data: SuiteData) -> SuiteContent:
    return _each_once(
        SuiteItem(str(number), prompt) for number, prompt in enumerate(data.texts["captions"])
    )


PICKAPIC = Suite(
    "pickapic",
    "prompts that people wrote, for win rates (Pick-a-Pic's validation)",
    _read_pickapic,
    places={
        "captions": HubColumn("yuvalkirstain/pickapic_v2_no_images", "validation_unique", "caption")
    },
    origin=SuiteOrigin(None, "https://arxiv.org/abs/2305.01569", 500),
    aggregated="prompts",
)
"""How many there are is what its makers say."""


def _compbench(half: str, judge: str, summary: str, sha256: str) -> Suite:
    """One half of T2I-CompBench: a prompt a line."""
    file = f"{half}_val.txt"

    def read(data: SuiteData) -> SuiteContent:
        found = lines(data.files[file], file, error=EvaluationError)
        # Upstream names images by the number of their line, from 0.
        return _each_once(SuiteItem(f"{n:06}", one, half) for n, one in enumerate(found))

    return Suite(
        f"compbench_{half}",
        summary,
        read,
        places={
            file: PublishedFile(
                "https://raw.githubusercontent.com/Karine-Huang/T2I-CompBench/"
                f"1b7094991a57f3c22abdd4f6e8ba6c1a15517073/examples/dataset/{file}",
                sha256,
            )
        },
        origin=SuiteOrigin("MIT", "https://arxiv.org/abs/2307.06350", 300, (half,)),
        judges={judge: {}},
        aggregated="images",
        protocol=Protocol(
            images=10,
            steps=30,
            seeds="42 + n for the nth image",
            source="Karine-Huang/T2I-CompBench@1b70949 GORS_finetune/inference_eval.py",
        ),
        unofficial=("seeds are synpic's own",),
    )


COMPBENCH_COLOR = _compbench(
    "color",
    "blip_vqa",
    "colours of two things, by BLIP-VQA (T2I-CompBench)",
    "1634259756dbc77d13093d907d414480080ec9790a8c97ad09efaea7b2534f2d",
)
COMPBENCH_SHAPE = _compbench(
    "shape",
    "blip_vqa",
    "shapes of two things, by BLIP-VQA (T2I-CompBench)",
    "37e1a276906c7ea9516cbd7ac8501be896006c0c17ca7344f260562834455bae",
)
COMPBENCH_TEXTURE = _compbench(
    "texture",
    "blip_vqa",
    "textures of two things, by BLIP-VQA (T2I-CompBench)",
    "fbb5363515b4a28009e360afaaaf389d2dd2289e50dbb0c6ef4ea0c7fe4f3d4f",
)
COMPBENCH_NON_SPATIAL = _compbench(
    "non_spatial",
    "clip_text",
    "what people do, by CLIPScore (T2I-CompBench)",
    "04c56cc9ac441dc9ea6c5157652058bd1635b5308526dd31bb29a1caab9a758d",
)
