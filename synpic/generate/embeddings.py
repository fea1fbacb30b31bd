"""What text encoders made of prompts, kept while it is wanted: every prompt is read once.

A pipeline reads its prompts in ``encode_prompt``, whose arguments are words and numbers. Asked the
same again, as for the next sample of the same prompts, it gets the earlier result, and no
encoder runs. Prompts are read in the company in which their images are drawn, ahead or not: in the
same batch, and so into the same bits, whatever is kept.

The negative prompt is read once, too: for it, an encoder is given the same tokens in every batch,
and remembers what it made of them.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from synpic.generate.placement import Placement, stages, text_encoders

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Embeddings", "remember_texts"]

AHEAD = 512
"""Prompts to read at once, where text encoders have to be fetched for it."""

Group = tuple[str, ...]


def remember_texts(pipeline: Any) -> None:
    """Let text encoders remember what they made of a batch of one text, from now on.

    To be called before ``pipeline`` is placed: what moves a part by parts takes the place of its
    ``forward``, and after every batch puts back the one that it found.
    """
    for encoder in text_encoders(pipeline).values():
        encoder.forward = _Remembering(encoder.forward)


class Embeddings:
    """Stands between a pipeline and its text encoders, from now on.

    Args:
        placement: of the pipeline; where encoders wait in the host's memory, prompts are read a
            few hundred at a time.
    """

    def __init__(self, placement: Placement) -> None:
        self._plan: dict[Group, int] = {}
        self._order: list[Group] = []
        for stage in stages(placement.pipeline):
            if hasattr(stage, "encode_prompt"):
                stage.encode_prompt = _Reader(stage.encode_prompt, placement, self._coming)

    def expect(self, groups: Sequence[Sequence[str]]) -> None:
        """Learn which prompts are to be read, each group in one batch, about in this order."""
        for group in map(tuple, groups):
            if group not in self._plan:
                self._plan[group] = len(self._order)
                self._order.append(group)

    def _coming(self, group: Group) -> list[Group]:
        """``group``, and what is to be read after it."""
        place = self._plan.get(group)
        if place is None:
            return [group]
        groups: list[Group] = []
        prompts = 0
        while place < len(self._order) and (not groups or prompts < AHEAD):
            groups.append(self._order[place])
            prompts += len(self._order[place])
            place += 1
        return groups


class _Reader:
    """In the place of a pipeline's ``encode_prompt``."""

    def __init__(
        self,
        read: Callable[..., Any],
        placement: Placement,
        coming: Callable[[Group], list[Group]],
    ) -> None:
        self._read, self._placement, self._coming = read, placement, coming
        self._signature = inspect.signature(read)
        self._kept: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()
        self._largest = 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        arguments = dict(self._signature.bind(*args, **kwargs).arguments)
        key = _frozen(arguments)
        prompt = arguments.get("prompt")
        if key is None or not isinstance(prompt, list):
            with self._placement.reading():
                return self._read(*args, **kwargs)
        if key not in self._kept:
            self._read_all(arguments, tuple(prompt))
        self._kept.move_to_end(key)
        # A copy each time: whoever is given it may write on it.
        return _mapped(self._kept[key][1], lambda kept: kept.again())

    def _read_all(self, arguments: dict[str, Any], group: Group) -> None:
        lean = self._placement.lean
        self._largest = max(self._largest, len(group))
        with self._placement.reading():
            for other in self._coming(group) if lean else [group]:
                asked = _of(other, arguments, len(group))
                key = _frozen(asked)
                if key in self._kept:
                    continue
                call = inspect.BoundArguments(self._signature, OrderedDict(asked))
                made = self._read(*call.args, **call.kwargs)
                self._keep(key, len(other), _mapped(made, lambda tensor: _Kept(tensor, lean)))
        limit = self._largest + (AHEAD if lean else 0)
        while sum(count for count, _ in self._kept.values()) > limit and len(self._kept) > 1:
            self._kept.popitem(last=False)

    def _keep(self, key: Hashable, count: int, made: Any) -> None:
        if self._kept and self._placement.lean:
            _share(made, next(reversed(self._kept.values()))[1])
        self._kept[key] = count, made


class _Kept:
    """A tensor that waits, in the host's memory or where it is."""

    def __init__(self, tensor: Tensor, in_host: bool) -> None:
        self.device = tensor.device
        self.tensor = tensor.cpu() if in_host else tensor

    def again(self) -> Tensor:
        return self.tensor.to(self.device, copy=True)


class _Remembering:
    """In the place of a text encoder's ``forward``: what it made of the last two batches.

    Only of batches of one text over and over, as a negative prompt makes them.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._last: OrderedDict[Hashable, Any] = OrderedDict()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key = _tokens(args, kwargs)
        if key is None:
            return self._forward(*args, **kwargs)
        if key not in self._last:
            self._last[key] = self._forward(*args, **kwargs)
        self._last.move_to_end(key)
        while len(self._last) > 2:
            self._last.popitem(last=False)
        return self._last[key]


def _frozen(value: Any) -> Hashable | None:
    """Something to look ``value`` up by; None where it is not made of words and numbers."""
    import torch

    if value is None or isinstance(value, str | int | float | torch.device | torch.dtype):
        return type(value).__name__, str(value)
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list | tuple):
        return None
    frozen = tuple(map(_frozen, pairs))
    return None if any(part is None for part in frozen) else (type(value).__name__, frozen)


def _of(group: Group, arguments: dict[str, Any], count: int) -> dict[str, Any]:
    """``arguments``, with which ``count`` prompts are read, as they are for ``group``."""

    def one(name: str, value: Any) -> Any:
        if name == "prompt":
            return list(group)
        if name == "batch_size" and value == count:
            return len(group)
        if name.startswith(("negative_prompt", "prompt_")) and isinstance(value, list):
            return [value[0]] * len(group)
        return value

    # What is guessed wrong here is looked up in vain, and read when its turn comes.
    return {name: one(name, value) for name, value in arguments.items()}


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value``, with every tensor in it (or what is kept of one) changed."""
    import torch

    if isinstance(value, torch.Tensor | _Kept):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(part, change) for part in value)
    return value


def _share(made: Any, before: Any) -> None:
    """Hold once what ``made`` has in common with the batch before, as of a negative prompt."""
    import torch

    if isinstance(made, _Kept):
        if isinstance(before, _Kept) and torch.equal(made.tensor, before.tensor):
            made.tensor = before.tensor
    elif isinstance(made, list | tuple) and isinstance(before, list | tuple):
        for one, other in zip(made, before, strict=False):
            _share(one, other)


def _tokens(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable | None:
    """What an encoder is given, if it is one text in every row; else None."""
    import torch

    parts: list[Hashable] = []
    for name, value in [*enumerate(args), *kwargs.items()]:
        if isinstance(value, torch.Tensor):
            there = value.cpu()
            if there.is_floating_point() or not torch.equal(there, there[:1].expand_as(there)):
                return None
            parts.append((name, str(there.dtype), tuple(there.shape), there.numpy().tobytes()))
        else:
            frozen = _frozen(value)
            if frozen is None:
                return None
            parts.append((name, frozen))
    return tuple(parts)
