"""Options that several commands of ``synpic study`` take."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated

import typer

from synpic.errors import SynpicError

__all__ = ["MinMedian", "MinPassed", "NameOption", "name_option", "names_of", "share_of"]

NameOption = Annotated[str, typer.Option("--name", help="Of the study.")]


def share_of(text: str | float) -> float:
    """ "5%" or "0.05" as 0.05.

    Raises:
        SynpicError: it is no share.
    """
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)(%?)", str(text), re.ASCII)
    share = Fraction(found[1]) / (100 if found[2] else 1) if found else Fraction(-1)
    if not 0 <= share <= 1:
        raise SynpicError(f"{text}: not a share", hint="write 5%, or 0.05")
    return float(share)  # the float that "0.05" is: 28.1 / 100 is another one


def names_of(text: str) -> list[str]:
    """ "a, b" as ["a", "b"]."""
    return [name.strip() for name in text.split(",") if name.strip()]


MinPassed = Annotated[
    float,
    typer.Option(
        "--min-passed",
        metavar="SHARE",
        parser=share_of,
        show_default="60%",
        help="Leave out a rater who passed a smaller share of three or more checks.",
    ),
]
MinMedian = Annotated[
    int,
    typer.Option(min=0, help="Leave out a rater whose median time is shorter, in milliseconds."),
]


def name_option(name: str) -> str:
    """``--name`` as the next command needs it; "" where it need not be given."""
    return "" if name == "study" else f" --name {name}"
