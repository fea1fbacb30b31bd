"""The card of a released model: the folder's, with what stays of the one on the Hub.

The words between the marks of ``synpic:yours`` and a licence stay in any case. Results of
evaluations stay as long as the repository holds the same model, which its ``training.json`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.errors import PublishError
from synpic.hub.commits.repository import Head, Remote
from synpic.publish.hub.model_evaluations import ENTRIES, ModelEvaluations, written_by_synpic
from synpic.publish.hub.trained_folder import TrainedFolder, card_text
from synpic.publish.previous import (
    NOTHING,
    Previous,
    decode_card,
    parse_previous,
    with_evaluation,
    with_yours,
)
from synpic.readers.card_head import with_key
from synpic.release.cards.evaluated import SOURCE
from synpic.release.cards.head import yaml_head
from synpic.release.cards.model_card import UNKNOWN, render_card, without_warning
from synpic.release.cards.training import FACTS
from synpic.release.manifest import CARD

__all__ = ["released_card", "stale_entries"]

_INDEX = "model-index"
_HINT = (
    "write it as a list of names with results (`model-index` of "
    "https://huggingface.co/docs/hub/model-cards), or take it out, then publish again"
)


def released_card(
    model: TrainedFolder, remote: Remote, head: Head, evaluations: ModelEvaluations | None
) -> str:
    """The card that goes with ``model`` on top of ``head``.

    Args:
        evaluations: what the card is to say was found; it takes the place of what an earlier one
            has. If None, that stays where the model is the same, and goes where it is another.

    Raises:
        PublishError: the card there is somebody's own, or one of the two cannot be read.
    """
    card = card_text(model.files[CARD])
    if card == render_card(model.about):  # else somebody has edited it, and means it so
        card = render_card(model.about, remote.repository)
    where = f"{remote.repository}/{CARD}"
    now, before = parse_previous(card, CARD), NOTHING
    if CARD in head.files:
        published = decode_card(remote.read(CARD, head.commit), where)
        before = parse_previous(published, where)
        if before.prose is None and before.body.strip() and _without(published) != _without(card):
            raise PublishError(
                f"{where} was not written by synpic",
                hint="put what is to stay between the lines `<!-- synpic:yours -->` and "
                "`<!-- /synpic:yours -->`; the rest of a card is written anew",
            )
    if before.prose is not None:
        card = with_yours(card, before.prose)
    if "license" in before.written and now.head.get("license") == "unknown":
        card = with_key(card, "license", before.written["license"])
    same = _is_same(model, remote, head)
    if parse_previous(card, CARD).head.get("license") not in (None, UNKNOWN):
        card = without_warning(card)
    else:
        remote.patience.tell(
            f"the card says that the license is {UNKNOWN}: write `license: …` into the head of "
            f"{CARD}, there or on the Hub, which keeps it"
        )
    if evaluations is None:
        if not same and (before.evaluation is not None or _INDEX in before.head):
            remote.patience.tell(
                f"{where} has results of another model, as {FACTS} there says: they are left out"
            )
        return _with_kept(card, now, before, where) if same else card
    return _with_found(card, now, before if same else NOTHING, where, evaluations, remote)


def stale_entries(
    model: TrainedFolder, remote: Remote, head: Head, evaluations: ModelEvaluations | None
) -> list[str]:
    """Results for benchmarks that publishing wrote once, and that do not hold any more.

    They are of another model, or their evaluation is replaced.
    """
    if evaluations is None and _is_same(model, remote, head):
        return []
    written = evaluations.entries(remote.page) if evaluations else {}
    return [
        path
        for path in sorted(head.files)
        if path.startswith(ENTRIES)
        and path not in written
        and written_by_synpic(remote.read(path, head.commit))
    ]


def _is_same(model: TrainedFolder, remote: Remote, head: Head) -> bool:
    return remote.is_there(head, FACTS, model.described[FACTS].model_dump())


def _without(card: str) -> str:
    """A card without what evaluations add."""
    return with_key(with_evaluation(card, None), _INDEX, None).strip()


def _with_kept(card: str, now: Previous, before: Previous, where: str) -> str:
    """``card`` with the results of the one before it, where it has none itself."""
    if now.evaluation is None and before.evaluation is not None:
        card = with_evaluation(card, before.evaluation)
    if _INDEX not in before.head:
        return card
    if _INDEX not in now.head:
        return with_key(card, _INDEX, before.written[_INDEX])
    name, mine = _entries(now.head, CARD)
    _, theirs = _entries(before.head, where)
    found = any(map(_is_ours, mine))
    more = [one for one in theirs if one not in mine and not (found and _is_ours(one))]
    return _with_index(card, name, [*mine, *more]) if more else card


def _with_found(
    card: str,
    now: Previous,
    before: Previous,
    where: str,
    evaluations: ModelEvaluations,
    remote: Remote,
) -> str:
    """``card`` with what was found, and with the results of others that either card has."""
    name, mine = _entries(now.head, CARD)
    name_before, theirs = _entries(before.head, where)
    others = [one for one in mine if not _is_ours(one)]
    others += [one for one in theirs if not _is_ours(one) and one not in others]
    found = evaluations.results(remote.page)
    suites = {one["dataset"]["name"] for one in found}
    gone = {_suite(one) for one in theirs if _is_ours(one)} - suites
    if gone:
        remote.patience.tell(
            f"{where} has results of {', '.join(sorted(gone))}, which no --evaluation is of: they "
            "are left out"
        )
    short = remote.repository.rpartition("/")[2]
    card = _with_index(card, name or name_before or short, [*others, *found])
    return with_evaluation(card, evaluations.section)


def _entries(head: Mapping[str, Any], where: str) -> tuple[str | None, list[dict[str, Any]]]:
    """The name in a ``model-index``, and its results.

    Raises:
        PublishError: it is written in a form that the Hub does not read.
    """
    index = head.get(_INDEX)
    if index is None:
        return None, []
    found: list[dict[str, Any]] = []
    for one in index if isinstance(index, list) else [None]:
        results = one.get("results") if isinstance(one, dict) else None
        if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
            raise PublishError(f"{where}: {_INDEX} has no list of results", hint=_HINT)
        found += results
    return (str(index[0].get("name", "")) or None) if index else None, found


def _is_ours(result: Mapping[str, Any]) -> bool:
    source = result.get("source")
    return isinstance(source, dict) and source.get("name") == SOURCE


def _suite(result: Mapping[str, Any]) -> str:
    dataset = result.get("dataset")
    return str(dataset.get("name")) if isinstance(dataset, dict) else "a suite"


def _with_index(card: str, name: str | None, results: list[dict[str, Any]]) -> str:
    index = [{"name": name, "results": results}]
    return with_key(card, _INDEX, yaml_head({_INDEX: index}) if results else None)
