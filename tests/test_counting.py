from __future__ import annotations

from synpic import Workspace, generate_candidates, score_candidates, status
from tests.conftest import MakeRecipe, edit


def test_a_reward_that_is_not_to_be_had_hides_nothing_else(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    planned = edit(workspace, recipe(more="[rewards.hpsv2]"))
    generate_candidates(planned).raise_if_unfinished()
    score_candidates(planned, only=["red", "blue"]).raise_if_unfinished()
    found = status(planned)
    assert [name for name, _ in found.unresolved] == ["hpsv2"]
    assert all(count.missing == 0 for count in found.counts)
    assert not found.complete


def test_bytes_are_those_of_the_parts(workspace: Workspace) -> None:
    generate_candidates(workspace)
    for count in status(workspace).counts[:2]:
        (part,) = workspace.parts(count.folder)
        assert count.bytes == len(workspace.store.read(part))
