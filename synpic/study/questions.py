"""What raters are asked: three questions of synpic's own, and those of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from synpic.errors import RecipeError, did_you_mean
from synpic.readers.json_models import Record
from synpic.recipe import Recipe

__all__ = ["QUESTIONS", "StudyQuestion", "find_questions"]


class StudyQuestion(Record, extra="forbid"):
    """A question about two images.

    Args:
        name: in votes and labels.
        text: what a rater reads.
        shows_prompt: whether the prompt is shown with the images. Where it is not, no check can be
            made: nothing says to which prompt an image belongs.
    """

    name: str = Field(pattern=r"\A[a-z][a-z0-9_]{0,63}\z")
    text: str = Field(min_length=1, max_length=300)
    shows_prompt: bool


QUESTIONS: Mapping[str, StudyQuestion] = {
    one.name: one
    for one in [
        StudyQuestion(
            name="overall",
            text="All in all, which image would you rather have for this text?",
            shows_prompt=True,
        ),
        StudyQuestion(
            name="alignment",
            text="Which image shows better what the text says?",
            shows_prompt=True,
        ),
        StudyQuestion(name="appeal", text="Which image looks better to you?", shows_prompt=False),
    ]
}
"""Overall preference, prompt alignment and visual appeal: what Diffusion-DPO asks of its raters
(arXiv 2311.12908, section 5.1), in words of our own."""


def find_questions(names: Sequence[str], recipe: Recipe) -> list[StudyQuestion]:
    """The questions called ``names``, in that order: the recipe's, else synpic's own.

    Raises:
        RecipeError: there is none of that name, or one is named twice.
    """
    known = dict(QUESTIONS)
    for name, settings in recipe.study.questions.items():
        known[name] = StudyQuestion(name=name, text=settings.text, shows_prompt=settings.prompt)
    for at, name in enumerate(names):
        if name not in known:
            raise RecipeError(
                f"--question: there is no question {name!r}.{did_you_mean(name, known)}",
                hint=f"known: {', '.join(known)}; [study.questions.NAME] of the recipe adds one",
            )
        if name in names[:at]:
            raise RecipeError(f"--question: {name} is named twice", hint="name it once")
    if not names:
        raise RecipeError("--question: none is named", hint=f"known: {', '.join(known)}")
    return [known[name] for name in names]
