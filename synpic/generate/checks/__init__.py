"""What can be known of a model without its weights: whether it is there, and takes its settings.

Names of files, small JSON and signatures of classes say it in seconds; weights would take minutes.
``synpic validate`` shows everything that is found, and opening a model refuses the first of it.

``subject`` reads what a checkpoint says of itself, and refuses what is no pipeline, is another
family's, or brings code that the recipe does not allow. The others look at that subject, in
this order: ``call`` (arguments, and the scheduler by its name), ``sizes``, ``components``,
``adapters``, ``weights``. Each gives errors whose messages begin with a key of the recipe's model.
What the Hub did not answer is one of the errors, a ``HubUnreachable``: a note to ``validate``, and
nothing where a model is opened, since loading shows it. What a scheduler can do is found out in
:mod:`synpic.generate.schedules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from synpic.errors import HubUnreachable, ModelError, SynpicError
from synpic.generate.checks.adapters import check_adapters
from synpic.generate.checks.call import check_call, check_scheduler
from synpic.generate.checks.components import check_components, check_prior, check_without
from synpic.generate.checks.sizes import check_sizes
from synpic.generate.checks.subject import InspectedModel, inspect_checkpoint
from synpic.generate.checks.weights import check_weights
from synpic.generate.image_model import Model
from synpic.generate.placement import check_placement
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from synpic.workspace import Workspace

__all__ = ["check_model", "check_subject", "find_problems"]


def check_model(workspace: Workspace, model: Model) -> list[SynpicError]:
    """What is wrong with ``model``, as far as it is known without reading its weights.

    Returns:
        Errors that name keys of the recipe; a ``HubUnreachable`` for what could not be looked at.
        Of a family that says nothing (it has no ``problems``), none.
    """
    family = FAMILIES.load(model.family, workspace.folder)
    problems = getattr(family, "problems", None)
    if problems is None:
        return []
    try:
        found = problems(*model.located(workspace))
    except SynpicError as error:
        found = [error]
    return [_named(model.name, error) for error in found]


def _named(name: str, error: SynpicError) -> SynpicError:
    """``error`` with the model's ``name`` in it; what is said of a repository stands as it is."""
    if isinstance(error, HubUnreachable):
        return error
    to_key = "." if isinstance(error, ModelError) else ": "
    return type(error)(f"models.{name}{to_key}{error.message}", hint=error.hint)


def find_problems(
    family: Any, settings: ModelSettings, location: str, commit: str | None
) -> list[SynpicError]:
    """What is wrong with a checkpoint and its settings: errors whose messages begin with a key.

    Args:
        family: class of the family.
        settings: complete, and its weights located.
        location, commit: of the checkpoint.
    """
    try:
        return check_subject(inspect_checkpoint(family, settings, location, commit))
    except SynpicError as error:
        return [error]


def check_subject(subject: InspectedModel) -> list[SynpicError]:
    """What is wrong with a model that has been looked at; each thing once."""
    found: list[SynpicError] = []
    for check in _CHECKS:
        try:
            found += check(subject)
        except SynpicError as error:
            found.append(error)
    # Where the Hub does not answer, every check that asks it says so.
    told: dict[object, SynpicError] = {}
    for problem in found:
        told.setdefault("Hub" if isinstance(problem, HubUnreachable) else problem.message, problem)
    return list(told.values())


def _check_placement(subject: InspectedModel) -> Iterable[SynpicError]:
    check_placement(subject.settings, subject.components)
    return ()


_CHECKS: tuple[Callable[[InspectedModel], Iterable[SynpicError]], ...] = (
    check_call,
    check_scheduler,
    check_sizes,
    check_prior,
    check_without,
    check_components,
    check_adapters,
    check_weights,
    _check_placement,
)
