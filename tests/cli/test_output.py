from __future__ import annotations

import json

import pytest

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
