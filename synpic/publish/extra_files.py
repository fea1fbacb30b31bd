"""What goes beside the shards of a release: pictures, card and manifest, as bytes.

Made last, because they say the size and hash of everything else. The manifest is the very last: it
names every file but itself.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from synpic.publish.card.card import CARD, render_card
from synpic.publish.card.charts import chart_paths, draw_charts
from synpic.publish.card.picture import PicturedPrompt, contact_sheet
from synpic.publish.draft import Draft
from synpic.publish.manifest import describe_bytes
from synpic.publish.previous import NOTHING, Previous
from synpic.release.manifest import MANIFEST, File, encode

__all__ = ["PICTURE", "extra_files", "extra_paths"]

PICTURE = "pictures/examples.png"


def extra_files(
    draft: Draft,
    shards: Mapping[str, File],
    *,
    repository: str | None = None,
    version: str | None = None,
    changes: Sequence[str] = (),
    previous: Previous = NOTHING,
) -> dict[str, bytes]:
    """The files of a release that are no shards: path → content, the manifest last.

    Args:
        shards: path → size and hash of each shard.
        repository: the dataset's name on the Hub; None for a folder.
        version: "1.2.0"; None for a folder, which has none.
        changes: since the release before, a line each.
        previous: what stays of its card.
    """
    examples = _examples(draft)
    made = {PICTURE: _picture(examples), **draw_charts(draft.manifest)}
    files = {**shards, **{path: describe_bytes(data) for path, data in made.items()}}
    card = render_card(
        draft.manifest.with_files(version, files),
        draft.shards,
        draft.settings,
        [example.prompt for example in examples],
        repository,
        tag=f"v{version}" if version else None,
        changes=changes,
        previous=previous,
        words=draft.words,
    )
    made[CARD] = card.encode()
    manifest = draft.manifest.with_files(version, {**files, CARD: describe_bytes(made[CARD])})
    return {**made, MANIFEST: encode(manifest)}


def extra_paths(draft: Draft) -> list[str]:
    """The paths of the files that :func:`extra_files` makes, known before any shard is packed."""
    return [PICTURE, *chart_paths(draft.manifest), CARD, MANIFEST]


def _picture(examples: Sequence[PicturedPrompt]) -> bytes:
    """The PNG of a contact sheet."""
    data = io.BytesIO()
    contact_sheet(examples).save(data, "PNG")
    return data.getvalue()


def _examples(draft: Draft) -> list[PicturedPrompt]:
    """The draft's examples with their pixels."""
    examples: list[PicturedPrompt] = []
    for row in draft.examples.iter_rows(named=True):
        images = [row[f"image_{place}"] for place in range(len(row["models"]))]
        examples.append(
            PicturedPrompt(
                prompt=row["prompt"],
                images=draft.read([(one["candidate_id"], one["sha256"]) for one in images]),
                models=row["models"],
                preference=row["preference"],
                rank=row["rank"],
                scores={
                    name: row[f"score_{name}"]
                    for name in draft.ranked.ranking.weights
                    if name not in draft.ranked.ranking.comparisons
                },
            )
        )
    return examples
