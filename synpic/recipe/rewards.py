"""What a recipe says of one reward, or of what ranks in a reward's place."""

from __future__ import annotations

from collections.abc import Set
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from synpic.recipe.secrets import refuse_secrets
from synpic.recipe.settings import Options, Place
from synpic.recipe.toml import Table

__all__ = ["LabelName", "RewardSettings", "Wire"]

LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=64)]

Wire = Literal["flow-factory", "unirl", "synpic"]
"""In what messages a server is asked for scores."""


def _address(endpoint: str | dict[str, Any]) -> str | dict[str, Any]:
    refuse_secrets({"endpoint": endpoint})
    return endpoint


_OF_CODE = frozenset({"checkpoint", "revision", "options", "batch_size"})
"""Keys of what is opened, and looks at images."""


class RewardSettings(Table):
    """What ranks, and its weight: a reward that scores images; a comparer, or people, whose labels
    it names, both of pairs of images."""

    of_table: ClassVar[str] = "rewards"
    """The recipe's table that holds tables of these."""

    reward: str | None = None
    """A registered reward, or package.module:callable; the table's own name if not given."""
    judge: Annotated[str, StringConstraints(min_length=1)] | None = None
    """A registered judge, or package.module:callable, whose verdict is the score."""
    weight: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    checkpoint: Place | None = None
    revision: str | None = None
    options: Options = {}
    """Keyword arguments of the reward or comparer, each named in its documentation."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    comparer: Annotated[str, StringConstraints(min_length=1)] | None = None
    """A registered comparer, or package.module:callable, in a reward's place."""
    pairs: Literal["all", "adjacent"] = "all"
    """Of a comparer: which pairs of a prompt's images it compares; "adjacent": neighbours in the
    ranking by the rewards that give scores."""
    labels: LabelName | None = None
    """Labels of the workspace that rank in a reward's place: "ingested", or a study's name."""
    question: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "overall"
    """Of labels: which question's answers count."""
    tie: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Of labels and comparers: a share of votes, or a probability, within this of one half is a win
    of neither image."""

    endpoint: Annotated[str | dict[str, Any], AfterValidator(_address)] | None = None
    """Of a reward that a server gives: its address, or a table of url, key, concurrency, timeout
    and patience. It decides no score."""
    wire: Wire | None = None
    """In what messages that server is asked; ``reward`` is then its own name for the reward."""
    version: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Of what that server computes, in your words: another one is another reward."""

    environment: Place | None = None
    """A requirements file, or an environment of Python, in which the reward runs."""

    @property
    def code(self) -> str | None:
        """A registered name, or package.module:callable; None: the name of its own table."""
        return self.comparer or self.judge or self.reward

    @model_validator(mode="after")
    def _scores_or_compares(self) -> Self:
        if self.labels is not None and self.comparer is not None:
            raise ValueError("give one of labels and comparer; found both")
        if self.labels is not None:
            allowed: Set[str] = {"labels", "question", "tie"}
            why = "what ranks by labels gives no score, and takes labels, question, tie and weight"
        elif self.comparer is not None:
            allowed = {"comparer", "pairs", "tie"} | _OF_CODE
            why = "a comparer gives no score, and takes comparer, pairs, tie, weight and "
            why += ", ".join(sorted(_OF_CODE))
        elif self.endpoint is not None:
            allowed = {"reward", "endpoint", "wire", "version", "batch_size"}
            why = "a reward that a server gives takes reward, endpoint, wire, version, batch_size "
            why += "and weight"
        elif self.judge is not None:
            allowed = {"judge"} | _OF_CODE
            why = "a judge as a reward takes judge, weight and " + ", ".join(sorted(_OF_CODE))
        else:
            allowed, why = {"reward", "environment"} | _OF_CODE, ""
        for key in type(self).model_fields:
            if key in self.model_fields_set - allowed - {"weight"}:
                raise ValueError(f"{key}: {f'{why} alone' if why else _FOREIGN[key]}")
        if self.endpoint is not None and self.wire is None:
            raise ValueError(
                f"wire: expected one of {', '.join(map(repr, get_args(Wire)))}, in "
                "whose messages the endpoint is asked"
            )
        if self.endpoint is not None and self.version is None:
            raise ValueError(
                "version: say which version of the reward the server gives, in words "
                'of your own, such as "2.1": scores of another version are those of another reward'
            )
        return self


_FOREIGN = {
    "question": "only what ranks by labels takes it; name their source in labels",
    "tie": "only what ranks by labels or a comparer takes it; name one in labels or comparer",
    "wire": "only a reward that a server gives takes it; name its address in endpoint",
    "version": "only a reward that a server gives takes it; name its address in endpoint",
    "pairs": "only a comparer takes it; name one in comparer",
}
"""Keys that a reward does not take, and what does."""
