"""Whatever ``training.json`` holds, a card comes of it, or one error names the file and the key."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from synpic.errors import PublishError
from synpic.release.cards.model_card import load_lines, render_card
from synpic.release.cards.training import read_training
from tests.release.cards.facts import about
from tests.release.test_manifest import WRONG, changed, places

WHERE = "model/training.json"


def read(data: bytes) -> Any:
    return read_training(data, WHERE, error=PublishError, hint="run it again")


@pytest.mark.parametrize("preset", ["rankdpo-sdxl"])
def test_any_key_taken_away_or_of_another_type(preset: str) -> None:
    facts = json.loads(json.dumps(about(preset, absent=["text_encoder_3"])))
    assert read(json.dumps(facts).encode()) == facts
    gone = [(place, ...) for place in places(facts)]  # each of them
    wrong = [(place, value) for place in places(facts) for value in WRONG]
    refused = 0
    for place, value in [*gone, *random.Random(14).sample(wrong, 400)]:
        other, _ = changed(copy.deepcopy(facts), place, value)
        try:
            found = read(json.dumps(other).encode())
        except PublishError as error:
            assert error.message.startswith(f"{WHERE}: {place[0]}")
            refused += 1
            continue
        assert render_card(found).startswith("---\n")
        assert load_lines(found, "here").startswith("from diffusers")
    assert refused > 150


@pytest.mark.parametrize("key", sorted(set(about()) - {"objective"}))
def test_every_key_is_required(key: str) -> None:
    facts = {name: value for name, value in about().items() if name != key}
    with pytest.raises(PublishError, match=f"^{WHERE}: {key}: is missing$"):
        read(json.dumps(facts).encode())


def test_what_an_earlier_synpic_recorded_of_an_objective() -> None:
    """A name and a beta, and nothing that it declared."""
    facts = {key: value for key, value in about().items() if key != "objective"}
    card = render_card(read(json.dumps(facts).encode()))
    assert "| objective | rankdpo, β = 5000 |" in card
    assert "| minimised |" not in card


def test_a_beta_that_the_objective_reads_is_there() -> None:
    facts = json.loads(json.dumps(about()))
    del facts["recipe"]["objective"]["beta"]
    with pytest.raises(PublishError, match=r"recipe\.objective\.beta is missing"):
        read(json.dumps(facts).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"steps": NaN}'])
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(PublishError, match=f"^{WHERE}: "):
        read(data)
