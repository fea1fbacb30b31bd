from __future__ import annotations

import json

import pytest
from rich.console import Console

from synpic.errors import Stopped, SynpicError
from synpic_cli import output

NASTY = "[red]x[/] :smile: \x1b[31m \u202e \x9b2J \ud800 \\"
SHOWN = r"[red]x[/] :smile: \x1b[31m \u202e \x9b2J \ud800 " + "\\"


def test_every_door_shows_text_as_it_is_and_escapes_what_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.say(NASTY)
    output.print_table([NASTY, "n"], [[NASTY, 1]])
    output.say_aside(NASTY)
    output.show_error(SynpicError(NASTY, hint=NASTY))
    output.show_problem(NASTY, NASTY)
    shown, aside = capsys.readouterr()
    assert shown.count(SHOWN) == 3
    assert aside.count(SHOWN) == 5
    for text in (shown, aside):
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "\u202e" not in text


def test_lines_of_a_message_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_error(SynpicError("one\ntwo", hint=None))
    assert capsys.readouterr().err == "error: one\ntwo\n"


def test_a_stop_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_error(Stopped("stopped", hint="run it again to go on"))
    output.show_error(Stopped("stopped"))
    assert capsys.readouterr().err == "stopped: run it again to go on\nstopped\n"


@pytest.mark.parametrize("write", [output.print_json, output.print_line])
def test_json_is_the_same_value_and_harmless(
    write: object, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {NASTY: [NASTY, "猫", 1]}
    write(value)  # type: ignore[operator]
    written = capsys.readouterr().out
    assert json.loads(written) == value
    assert "猫" in written
    assert not {"\x1b", "\x9b", "\u202e", "\ud800"} & set(written)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 60 columns."""
    monkeypatch.setattr(output, "_table_console", lambda: Console(highlight=False, width=60))


DIFFERENCES = (
    ["metric", "difference", "tag", "mean", "interval", "win rate", "interval"],
    [
        [
            "hpsv2",
            "tuned − base",
            "colour_attribution",
            "+0.1",
            "+0.04 … +0.16",
            "0.61",
            "0.5 … 0.7",
        ],
        ["hpsv2", "tuned − base", "two", "+0.2", "-0.111111 … +0.411111", "0.52", "0.4 … 0.6"],
        ["clip", "other − base", "two", "+0.3", "+0.1 … +0.5", "0.53", "0.5 … 0.6"],
    ],
)


def test_a_wide_table_is_one_where_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.print_wide_table(*DIFFERENCES, ["metric", "difference"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].split("  ")[0] == "hpsv2"


def test_a_narrow_terminal_gets_a_table_for_each_difference(
    narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = ["metric", "difference"]
    assert not output.print_wide_table(*DIFFERENCES, apart, left_out=[6])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 60
    first, second = said.split("\n\n")
    assert first.splitlines()[0] == "metric: hpsv2, difference: tuned − base"
    assert second.splitlines()[0] == "metric: clip, difference: other − base"
    # A line breaks between words.
    words = {word for row in DIFFERENCES[1] for cell in row[2:6] for word in cell.split()}
    assert words <= set(said.split())
    assert "0.5 … 0.7" not in said


def test_columns_of_models_are_rows_in_a_narrow_terminal(
    narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [f"a_model_with_a_long_name_{number}" for number in range(3)]
    rows = [["hpsv2", "two", "0.1", "0.2", "0.3", "7"], ["hpsv2", "one", "0.4", "0.5", "0.6", "8"]]
    output.print_wide_table(["metric", "tag", *models, "images"], rows, ["metric"], models)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        ["metric:", "hpsv2"],
        ["tag", "model", "value", "images"],
        ["two", models[0], "0.1", "7"],
    ]
    assert lines[-1] == ["one", models[2], "0.6", "8"]


@pytest.mark.parametrize("second", ["/of/one/long/word/that/goes/on/and/on", "of some words"])
def test_nothing_is_cut_off_where_a_word_is_longer_than_the_terminal(
    second: str, narrow: None, capsys: pytest.CaptureFixture[str]
) -> None:
    first = "a" * 59 + "b"
    output.print_table(["one", "another", "n"], [[first, second, 1]])
    said = "".join(capsys.readouterr().out.split())
    for word in (first, *second.split()):
        assert all(letters in said for letters in (word[:5], word[-3:]))
    assert said.count("a") >= 59
