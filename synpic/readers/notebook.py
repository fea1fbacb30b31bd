"""Small tables for notebooks: what ``_repr_html_`` of results returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table"]


def html_table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    notes: Iterable[str] = (),
) -> str:
    """A table in HTML; all text is escaped.

    Args:
        caption: stands above it.
        head: the columns' names.
        rows: cells; numbers are aligned to the right, None is an empty cell.
        notes: lines below it.
    """
    lines = [f"<p><b>{escape(caption)}</b></p>", "<table>", "<thead><tr>"]
    lines += [f"<th>{escape(name)}</th>" for name in head]
    lines += ["</tr></thead>", "<tbody>"]
    lines += [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    lines += ["</tbody>", "</table>"]
    lines += [f"<p>{escape(note)}</p>" for note in notes]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
        return f'<td style="text-align: right">{shown}</td>'
    return f"<td>{escape(str(value))}</td>"
