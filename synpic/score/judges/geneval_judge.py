"""The judge ``geneval``: the objects that a prompt asks for, found, counted, placed and coloured.

Ghosh et al., "GenEval" (arXiv 2310.11513). Detections are those of mmdet's Mask2Former, computed by
transformers; the rule is :mod:`synpic.score.judges.geneval`.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from PIL import Image

from synpic.score.judges.detection.colours import ColourReader, cut_out
from synpic.score.judges.detection.detector import ARCHITECTURE, Detector
from synpic.score.judges.detection.instances import SeenObject
from synpic.score.judges.detection.published import ADDRESS, FILE, SHORT_NAME
from synpic.score.judges.detection.shown import PREPROCESSING, ReadyImage, shown
from synpic.score.judges.detection.specifications import specification
from synpic.score.judges.geneval import (
    ColourOf,
    Detection,
    Specification,
    confident,
    judge_objects,
)
from synpic.score.judges.geneval_forms import geneval_forms
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.clip_inputs import FILES
from synpic.score.weights import as_dtype

__all__ = ["GenEvalJudge"]

_LOG = logging.getLogger(__name__)


class GenEvalJudge(Judge):
    """Whether an image has the objects that its prompt asks for, as GenEval decides it.

    Thresholds are the authors': a detection counts above 0.3, where objects are counted above 0.9,
    and of a class the 16 most confident.

    Args:
        checkpoint: the address of mmdet's published file; a folder or repository that holds it; or
            a Mask2Former in transformers' layout that was trained on the instances of COCO. Other
            weights than the published ones give another metric, and a warning names it.
        revision: the commit of a repository.
        device: where both networks run.
        clip: folder or repository of the CLIP that reads colours.
        clip_revision: its commit.
        dtype: of both networks; probabilities, masks and cosines are computed in float32 in any
            case.

    Raises:
        RewardError: the file is another than its name says; weights are missing, or belong to
            nothing; the CLIP is not OpenAI's.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="GenEval: objects found by Mask2Former, their number, place and colour",
        score_range="correct or not",
        checkpoint=ADDRESS,
        files=(f"{FILE}|{SHORT_NAME}|model.safetensors", "config.json|"),
        companions={
            "clip": Companion(
                "openai/clip-vit-large-patch14", ("config.json", "model.safetensors", *FILES)
            )
        },
        licence="MIT (GenEval's code and prompts); Apache-2.0 (mmdetection)",
        paper="2310.11513",
        text_limit="none: the prompt is not read, but what its suite knows of it",
        verified="cases of the authors' rule (tests/score/judges/test_geneval.py); the network and "
        "its outputs against an independent port, with random weights "
        "(tests/score/judges/detection/test_detector.py, test_instances.py)",
    )

    forms_given: ClassVar[tuple[str, ...]] = ("graded", "strict", "correct")
    form_range: ClassVar[str] = "≤ 1 (graded), or 0 and 1"
    _published: ClassVar[str] = FILE
    _architecture: ClassVar[Mapping[str, Any]] = ARCHITECTURE
    """What is published; tests have a smaller one."""

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        clip: str,
        clip_revision: str | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        kind = as_dtype(dtype)
        self._detector = Detector(
            checkpoint, revision, device, kind, self._published, self._architecture
        )
        if not self._detector.published:
            _LOG.warning(
                "geneval: the detector's weights are those of %s, and not the published ones: its "
                "accuracy is not comparable with that of others",
                checkpoint,
            )
        self._colours = ColourReader(clip, clip_revision, device, kind)
        self.preprocessing: Hashable = PREPROCESSING

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse a requirement without ``objects``, or with such as cannot be looked for.

        Raises:
            EvaluationError: it names the key.
        """
        specification(requirement)

    def pixels(self, image: Image.Image) -> ReadyImage:
        """An image as mmdet makes it ready, with the image itself beside it."""
        return shown(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """The verdicts on n images; each clause is a part, and each that fails a reason.

        Raises:
            ValueError: the detector's outputs are not all numbers.
        """
        seen, colour_of = self._look(requirements, pixels)
        return [judge_objects(wanted, objects, colour_of) for wanted, objects in seen]

    def forms(
        self, requirements: Sequence[Requirement], pixels: Sequence[Any]
    ) -> list[dict[str, float]]:
        """As rewards: Flow-GRPO's ``graded`` and ``strict`` (:mod:`~.geneval_forms`), and
        ``correct``, 1 where the verdict is, else 0.

        Raises:
            ValueError: the detector's outputs are not all numbers.
        """
        seen, colour_of = self._look(requirements, pixels)
        return [
            {
                **geneval_forms(wanted, objects, colour_of),
                "correct": float(judge_objects(wanted, objects, colour_of).correct or False),
            }
            for wanted, objects in seen
        ]

    def canary(self) -> Requirement:
        """A dog."""
        objects = {"include": [{"class": "dog", "count": 1}]}
        return Requirement("a photo of a dog", "single_object", {"objects": objects})

    def _look(
        self, requirements: Sequence[Requirement], pixels: Sequence[Any]
    ) -> tuple[list[tuple[Specification, Sequence[SeenObject]]], ColourOf]:
        """What is wanted and what is there in each image, and the colours that are asked for."""
        asked = [specification(requirement) for requirement in requirements]
        found = self._detector.find(pixels)
        colours = self._read_colours(asked, found, pixels)

        def colour_of(seen: Detection) -> str:
            return colours[id(seen)]

        return list(zip(asked, found, strict=True)), colour_of

    def _read_colours(
        self,
        asked: Sequence[Specification],
        found: Sequence[Sequence[SeenObject]],
        images: Sequence[ReadyImage],
    ) -> dict[int, str]:
        """The colour of every object whose colour the rule asks for, by its identity."""
        seen: list[SeenObject] = []
        crops: list[Image.Image] = []
        for wanted, objects, image in zip(asked, found, images, strict=True):
            coloured = _coloured(wanted, objects)
            seen += coloured
            crops += [cut_out(image.image, one) for one in coloured]
        read = self._colours.read(crops, [one.name for one in seen])
        return {id(one): colour for one, colour in zip(seen, read, strict=True)}


def _coloured(wanted: Specification, objects: Sequence[SeenObject]) -> list[SeenObject]:
    """Those that a clause with a colour looks at: the most confident, where there are enough."""
    counted = confident(objects, wanted.tag)
    chosen: dict[int, SeenObject] = {}
    for clause in wanted.include:
        some = counted.get(clause.name, ())[: clause.count]
        if clause.colour is not None and len(some) == clause.count:
            chosen |= {id(one): one for one in some if isinstance(one, SeenObject)}
    return list(chosen.values())
