"""Text from strangers, as Markdown: what cards of datasets need of ``synpic.cards``."""

from __future__ import annotations

from synpic.cards.markdown import fence, markdown_text, one_line, paragraphs

__all__ = ["fence", "markdown_text", "one_line", "paragraphs"]
