from __future__ import annotations

import pytest

from synpic import Workspace, generate_candidates, score_candidates, status
from tests import fakes
from tests.conftest import MakeRecipe, edit


def test_a_reward_that_is_not_to_be_had_hides_nothing_else(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    planned = edit(workspace, recipe(more="[rewards.hpsv2]"))
    generate_candidates(planned).raise_if_unfinished()
    score_candidates(planned, only=["red", "blue"]).raise_if_unfinished()
    found = status(planned)
    assert [name for name, _ in found.unresolved] == ["rewards.hpsv2"]
    assert all(count.missing == 0 for count in found.counts)
    assert not found.complete


def test_bytes_are_those_of_the_parts(workspace: Workspace) -> None:
    generate_candidates(workspace)
    for count in status(workspace).counts[:2]:
        (part,) = workspace.parts(count.folder)
        assert count.bytes == len(workspace.store.read(part))


def test_what_failed_and_was_made_at_last_is_done(
    workspace: Workspace, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = edit(workspace, recipe(a='call = { refuse = ["0-3"] }'))
    generate_candidates(refusing)
    assert [(c.done, c.failed, c.missing) for c in status(refusing).counts[:1]] == [(9, 1, 0)]
    draw = fakes.Painter.draw
    monkeypatch.setattr(
        fakes.Painter,
        "draw",
        lambda self, prompts, *rest: draw(self, ["x" for _ in prompts], *rest),
    )
    generate_candidates(refusing, retry_failed=True).raise_if_unfinished()
    found = status(refusing)
    assert [(c.done, c.failed, c.missing) for c in found.counts[:1]] == [(10, 0, 0)]
    assert found.failures == []


def test_failures_belong_to_a_name_and_its_settings(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    generate_candidates(edit(workspace, recipe(a='call = { refuse = ["0-3"] }')))
    renamed = edit(
        workspace, recipe(a='call = { refuse = ["0-3"] }').replace("[models.a]", "[models.c]")
    )
    assert [c.missing for c in status(renamed).counts if c.name == "c"] == [10]
    generate_candidates(renamed)
    assert [(c.failed, c.missing) for c in status(renamed).counts if c.name == "c"] == [(1, 0)]
