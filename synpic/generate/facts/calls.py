"""How a pipeline asks its scheduler for timesteps, read from the source of its call.

No signature says it. Nearly all pipelines do it in one of a few forms, and those are known here: a
number of steps, or sigmas of their own, with or without a shift. Of a pipeline that does it in
another, nothing is known.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, Literal

from synpic.generate.facts.table import TimestepFacts

__all__ = ["timestep_facts"]

_STEPS = "num_inference_steps"
_GIVEN = ("timesteps", "sigmas")
"""Arguments of a call that take the place of a number of steps."""


def timestep_facts(call: Callable[..., Any]) -> TimestepFacts | None:
    """How ``call``, of a pipeline, asks for timesteps; None where it is in no known form.

    Source: ``retrieve_timesteps``, which every pipeline of diffusers has a copy of, and
    ``SchedulerMixin.set_timesteps``.
    """
    parameters = inspect.signature(call).parameters
    if _STEPS not in parameters:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(call)))
    except (OSError, TypeError, SyntaxError):
        return None
    asked = [_arguments(node) for node in _calls(tree)]
    found = asked[0] if len(asked) == 1 else None
    if found is None:
        return None
    known = {_STEPS, "device", *_GIVEN, "mu", "**"}
    more: dict[str, Any] = {}
    for name in sorted(found.keys() - known):
        # What the call takes itself, and hands on by the same name.
        if found[name] != name or name not in parameters:
            return None
        more[name] = parameters[name].default
    if found.get(_STEPS) != _STEPS or any(found.get(name, name) != name for name in _GIVEN):
        return None
    sigmas = _own_sigmas(tree) if "sigmas" in found else None
    if sigmas == "other":
        return None
    mu = _mu(found, tree)
    if mu == "other":
        return None
    steps = parameters[_STEPS].default
    return TimestepFacts(
        steps=steps if isinstance(steps, int) else None, sigmas=sigmas, mu=mu, more=more
    )


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "retrieve_timesteps" or name.endswith(".set_timesteps"):
                yield node


def _arguments(node: ast.Call) -> dict[str, str] | None:
    """Argument → what stands for it; None of another scheduler than the pipeline's own."""
    places = list(map(ast.unparse, node.args))
    if ast.unparse(node.func) == "retrieve_timesteps":
        if not places or places.pop(0) != "self.scheduler":
            return None
        order: tuple[str, ...] = (_STEPS, "device", *_GIVEN)
    elif ast.unparse(node.func) == "self.scheduler.set_timesteps":
        order = (_STEPS, "device")
    else:
        return None
    if len(places) > len(order):
        return None
    found = dict(zip(order, places, strict=False))
    return found | {one.arg or "**": ast.unparse(one.value) for one in node.keywords}


def _assigned(tree: ast.AST, name: str) -> list[str]:
    return [
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [ast.unparse(to) for to in node.targets] == [name]
    ]


def _own_sigmas(tree: ast.AST) -> Literal["always", "unless flow", "other"] | None:
    made = _assigned(tree, "sigmas")
    even = [one for one in made if one.startswith("np.linspace(1")]
    if not made:
        return None
    if len(even) != 1 or any(one != "None" for one in made if one not in even):
        return "other"
    if len(made) == 1:
        return "always"
    return "unless flow" if "use_flow_sigmas" in ast.unparse(tree) else "other"


def _mu(found: dict[str, str], tree: ast.AST) -> Literal["always", "dynamic", "other"] | None:
    if "mu" in found:
        return "always"
    if "**" not in found:
        return None
    dynamic = _assigned(tree, "mu") and "use_dynamic_shifting" in ast.unparse(tree)
    return "dynamic" if dynamic else "other"
