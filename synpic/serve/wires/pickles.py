"""Wires of pickles: verl-omni's, and those of Flow-GRPO's clients of GenEval and DeQA.

Off unless asked for. A pickle that holds anything but plain data is refused before it runs
(:mod:`synpic.serve.wires.plain_pickle`). Their clients know an address and no name of a reward:
``POST /pickles/NAME`` is the reward ``NAME``, ``POST /`` the one that was named first, or the first
that knows GenEval's forms where ``meta_datas`` are sent: Flow-GRPO's addresses are fixed to
``http://127.0.0.1:18085/`` and ``:18086/``.

An error is a pickle ``{"error": message}`` and never a 500: verl-omni's client would send the same
request again, and Flow-GRPO's a thousand times.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from synpic.score.wires.pickles import GENEVAL_TAGS, NO_TAG, GenEvalScores, PickledRequest
from synpic.serve.asking import Ask, DescribedScorer, Refused, Scored, Scorer
from synpic.serve.wires.plain_pickle import read_plain
from synpic.serve.wires.reading import in_words, mistakes_of

__all__ = ["routes"]

_FORMS = ("graded", "correct", "strict")
"""Parts of a score of GenEval."""

_GENEVAL = "geneval"


def routes(scorer: DescribedScorer, limits: object) -> list[Route]:
    """The addresses of these wires."""
    del limits  # The application holds every body to them.

    async def score(request: Request) -> Response:
        try:
            asked = await run_in_threadpool(_asked, await request.body())
            name = request.path_params.get("reward") or _first(scorer, asked)
            answer = await _answer(scorer, name, asked)
        except Refused as error:
            return _pickled({"error": in_words(error)}, error.status, error.headers)
        return _pickled(answer)

    return [
        Route("/", score, methods=["POST"]),
        Route("/pickles/{reward}", score, methods=["POST"]),
    ]


def _pickled(
    value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = pickle.dumps(value, protocol=4)
    return Response(body, status, headers, media_type="application/octet-stream")


def _asked(body: bytes) -> PickledRequest:
    try:
        asked = PickledRequest.model_validate(read_plain(body), strict=True)
    except ValidationError as error:
        raise Refused(422, mistakes_of(error, "the pickle")) from error
    for field, held in (("prompts", asked.prompts), ("meta_datas", asked.meta_datas)):
        if held is not None and len(held) != len(asked.images):
            raise Refused(422, f"{len(held)} {field} for {len(asked.images)} images")
    return asked


def _first(scorer: Scorer, asked: PickledRequest) -> str:
    if asked.meta_datas is not None and _GENEVAL in scorer.names:
        return _GENEVAL
    return scorer.names[0]


async def _answer(scorer: DescribedScorer, name: str, asked: PickledRequest) -> dict[str, Any]:
    described = scorer.described.get(name)
    if described is not None and described.reads_prompt and not _has_prompts(asked):
        raise Refused(
            422,
            f"prompts: there are none, and {name} reads them",
            hint="send a text for each image; without prompts, ask a reward that reads none, such "
            "as aesthetic, at /pickles/NAME",
        )
    scored = await _scored(scorer, name, _asks(asked))
    if asked.meta_datas is not None:
        tags = [str(row.get("tag", "")) for row in asked.meta_datas]
        return _geneval(name, tags, scored, asked.only_strict).model_dump()
    scores = [one.value for one in scored]
    return {"scores": scores, "outputs": scores}


def _has_prompts(asked: PickledRequest) -> bool:
    """GenEval's rows say what is asked for in other words."""
    return asked.prompts is not None or asked.meta_datas is not None


def _asks(asked: PickledRequest) -> list[Ask]:
    if asked.meta_datas is not None:
        rows = zip(asked.images, asked.meta_datas, strict=True)
        return [Ask(str(row.get("prompt", "")), image, row) for image, row in rows]
    prompts = asked.prompts if asked.prompts is not None else [""] * len(asked.images)
    return [Ask(prompt, image) for image, prompt in zip(asked.images, prompts, strict=True)]


async def _scored(scorer: Scorer, name: str, asks: Sequence[Ask]) -> list[Scored]:
    scored = []
    for number, one in enumerate((await scorer.score(asks, [name]))[name]):
        if not isinstance(one, Scored):
            raise Refused(422, f"image {number}: {one.message}", hint=one.hint)
        scored.append(one)
    return scored


def _geneval(
    name: str, tags: Sequence[str], scored: Sequence[Scored], only_strict: bool
) -> GenEvalScores:
    if any(form not in one.parts for one in scored for form in _FORMS):
        raise Refused(
            422,
            f"{name} knows no forms of GenEval, and meta_datas were sent",
            hint="serve the reward geneval",
        )
    strict = [one.parts["strict"] for one in scored]
    correct = [0.0 if only_strict else one.parts["correct"] for one in scored]
    return GenEvalScores(
        scores=[one.parts["graded"] for one in scored],
        rewards=correct,
        strict_rewards=strict,
        group_rewards=_by_tag(tags, correct),
        group_strict_rewards=_by_tag(tags, strict),
    )


def _by_tag(tags: Sequence[str], values: Sequence[float]) -> dict[str, list[float]]:
    pairs = list(zip(tags, values, strict=True))
    return {tag: [value if own == tag else NO_TAG for own, value in pairs] for tag in GENEVAL_TAGS}
