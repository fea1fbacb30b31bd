from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import PublishError
from synpic.publish.previous import (
    NOTHING,
    changes_block,
    parse_previous,
    with_evaluation,
    with_yours,
    yours_block,
)
from synpic.release.cards.markdown import fence

YOURS = "<!-- synpic:yours -->"

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["```", "````python", "~~~", YOURS, "<!-- synpic:changes v1 -->", "", "\r"]
        ),
        st.text("ab`~<>!- \r", max_size=8),
    )
).map("\n".join)


def test_of_a_card_that_is_not_ours_nothing_stays() -> None:
    assert parse_previous("") == NOTHING
    card = "# Title\n\nWords. <!-- synpic:yours --> is a mark.\n"
    assert parse_previous(card) == replace(NOTHING, body=card)


def test_the_body_follows_the_head() -> None:
    assert parse_previous("---\nlicense: mit\n---\n\n# Title\n").body == "\n# Title\n"


@given(LINES, LINES)
def test_blocks_are_found_as_they_were_written(prose: str, before: str) -> None:
    text = "\n\n".join([fence(before, "text"), yours_block(prose + "\n"), fence(before, "")])
    found = parse_previous(text + "\n")
    assert found.prose == prose + "\n"
    assert not found.changes


def test_line_ends_stay_as_they_are() -> None:
    card = f"# Title\r\n\r\n{YOURS}\r\nOne.\r\nTwo.\r\n<!-- /synpic:yours -->\r\n"
    assert parse_previous(card).prose == "One.\r\nTwo.\r\n"
    headed = parse_previous("---\r\nviewer: false\r\nlicense: mit\r\n---\r\n" + card)
    assert headed.written == {"viewer": "viewer: false", "license": "license: mit"}


@pytest.mark.parametrize(
    "fenced", ["```\n{}\n```", "~~~~ text\n```\n~~~\n{}\n~~~~", "    {}", "x {}"]
)
def test_a_mark_in_code_or_in_a_line_is_none(fenced: str) -> None:
    assert parse_previous(fenced.format(YOURS) + "\n").prose is None


def test_changes_are_told_apart() -> None:
    one, two = changes_block("v1.0.0", "- a\n"), changes_block("v1.1.0-rc.1", "")
    assert parse_previous(f"{two}\n\n{one}\n").changes == {"v1.1.0-rc.1": "", "v1.0.0": "- a\n"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{YOURS}\nwords\n", "`<!-- synpic:yours -->` is never closed"),
        (f"{yours_block('a')}\n".replace("a<", "a\n<") * 2, "is there twice"),
        (f"{changes_block('v1', '')}\n" * 2, "synpic:changes v1 -->` is there twice"),
        ("---\nlicense: [mit\n---\n", "its head is not what the Hub would read"),
        ("---\n- a\n- b\n---\n", "its head is not"),
        ("---\n{license: mit}\n---\n", "its head is not"),
        ("---\na: &x 1\nb: *x\n---\n", "stands for"),
    ],
)
def test_nothing_is_lost_in_silence(text: str, message: str) -> None:
    with pytest.raises(PublishError) as caught:
        parse_previous(text, "card of someone/set")
    assert message in caught.value.message
    assert caught.value.message.startswith("card of someone/set: ")
    assert caught.value.hint


@given(LINES, LINES, LINES)
def test_a_block_is_put_in_and_taken_out_again(prose: str, before: str, found: str) -> None:
    section = found.replace("<!--", "") + "\n"
    card = "\n\n".join([fence(before, "text"), yours_block(prose + "\n"), "## Use it\n"])
    with_results = with_evaluation(card, section)
    kept = parse_previous(with_results)
    assert (kept.evaluation, kept.prose) == (section, prose + "\n")
    assert with_evaluation(with_results, section) == with_results
    assert parse_previous(with_evaluation(with_results, "Other.\n")).evaluation == "Other.\n"
    assert with_evaluation(with_results, None).split() == card.split()
    assert with_results.index("synpic:evaluation") < with_results.rindex("## Use it")
    assert parse_previous(with_yours(with_results, "Mine.\n")).prose == "Mine.\n"


def test_a_card_without_a_place_has_results_last() -> None:
    assert with_evaluation("# Mine", "Found.\n").startswith(
        "# Mine\n\n<!-- synpic:evaluation -->\n"
    )
    assert with_evaluation("# Mine", None) == with_yours("# Mine", "x") == "# Mine"
