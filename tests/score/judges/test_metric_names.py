"""The model that judges is part of a metric's name."""

from __future__ import annotations

import pytest

from synpic.score.judges.metric_names import metric_name, metric_names, short_name


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b-instruct"),
        ("/models/judges/My-VLM/", "my-vlm"),
        ("gpt-5", "gpt-5"),
        (" a/model[fp8] ", "model(fp8)"),
        ("C:\\Users\\alice\\Qwen", "qwen"),
        ("a/two\nlines\x1b", "two\\nlines\\x1b"),
    ],
)
def test_short_names(model: str, short: str) -> None:
    assert short_name(model) == short
    assert metric_name("dpg", model) == f"dpg[{short}]"


def test_two_judges_never_share_a_name() -> None:
    qwen, other = "Qwen/Qwen3-VL-8B-Instruct", "someone/Qwen3-VL-8B-Instruct"
    assert metric_names("dsg", {"a" * 64: qwen, "b" * 64: "gpt-5"}) == {
        "a" * 64: "dsg[qwen3-vl-8b-instruct]",
        "b" * 64: "dsg[gpt-5]",
    }
    assert metric_names("dsg", {"a" * 64: qwen, "b" * 64: other}) == {
        "a" * 64: "dsg[qwen/qwen3-vl-8b-instruct]",
        "b" * 64: "dsg[someone/qwen3-vl-8b-instruct]",
    }
    # One model asked in two ways.
    assert metric_names("dsg", {"a" * 64: qwen, "b" * 64: qwen}) == {
        "a" * 64: "dsg[qwen3-vl-8b-instruct, aaaaaaaa]",
        "b" * 64: "dsg[qwen3-vl-8b-instruct, bbbbbbbb]",
    }


def test_a_path_is_left_out() -> None:
    one, two, hub = "/home/alice/secret/Qwen", "/home/bob/Qwen/", "Org/Qwen"
    assert metric_names("dpg", {"a" * 64: one, "b" * 64: two, "c" * 64: hub}) == {
        "a" * 64: "dpg[qwen, aaaaaaaa]",
        "b" * 64: "dpg[qwen, bbbbbbbb]",
        "c" * 64: "dpg[org/qwen]",
    }
    # Alone among its kind, it is still not to be taken for another.
    assert metric_names("dpg", {"a" * 64: one, "c" * 64: hub})["a" * 64] == "dpg[qwen]"
