"""Merging workspaces: compare everything, fill a hidden folder, check it, put it in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synpic.errors import WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.merge.contents import PartToPlace, compare, join_marks, list_parts
from synpic.pipeline.merge.labels import study_remarks
from synpic.pipeline.merge.prompts import JoinedPrompts, join_prompts, widest_index
from synpic.pipeline.merge.recipes import (
    joined_lock,
    joined_text,
    read_recipe_file,
    recipe_clashes,
)
from synpic.pipeline.merge.result import Merged, refusal
from synpic.pipeline.merge.source import Clash, RecipeText, Source, open_source
from synpic.pipeline.merge.staging import (
    link_or_copy,
    links,
    put_in_place,
    require_free,
    staged,
)
from synpic.pipeline.merge.suites import joined_suite
from synpic.prompts.joined import JOINED, write_joined
from synpic.readers.display import count
from synpic.recipe import parse_recipe
from synpic.workspace import PROMPTS, RECIPE, Snapshot, Workspace
from synpic.workspace.lock import RecipeLock, TriedSchedule
from synpic.workspace.marks import Marks, write_marks
from synpic.workspace.storage import Store
from synpic.workspace.suite_images import with_images_of_suite
from synpic.workspace.workspace import INGEST, OLD_INGEST, SUITE

__all__ = ["Merged", "merge_workspaces"]


@dataclass(frozen=True)
class _Plan:
    """What the new workspace will hold."""

    sources: Sequence[Source]
    target: Path
    recipe_text: str
    prompts: JoinedPrompts
    joined: bool
    index: Source | None
    suite: Store | None
    files: Mapping[str, Store]
    marks: Marks
    parts: Sequence[PartToPlace]
    locked: tuple[Sequence[LockEntry], Sequence[TriedSchedule]]


def merge_workspaces(
    workspaces: Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str],
    *,
    recipe: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Make a workspace at ``to`` that holds what ``workspaces`` hold, with nothing made again.

    Parts are hard links, or copies where the file system makes none. Killed at any moment, ``to``
    is absent or whole. The others are left as they are.

    Args:
        workspaces: two or more; folders, or addresses that fsspec opens.
        to: a folder that does not exist yet, or an empty one.
        recipe: a file with the recipe of the new one; joined from theirs if None. Without
            ``[prompts]``, it gets the joined prompts.
        dry_run: compare everything, and make nothing.
        on_progress: called with the parts read and placed so far, and all of them (each counts
            twice).

    Returns:
        What was merged. Of a dry run, also what stands against it: ``clashes``.

    Raises:
        WorkspaceError: workspaces clash, with a line for each clash; or ``to`` is taken.
        RecipeError: the recipes make none together.
        CorruptPart: naming a part that is damaged.
        StorageError: the disk is full, or refuses.
    """
    target = _target(to)
    names = [os.fspath(one) for one in workspaces]
    opened = _open(names, target)
    sources = [open_source(name, one, target) for name, one in zip(names, opened, strict=True)]
    given = None
    if recipe is not None:
        given = RecipeText.of(read_recipe_file(Path(recipe)), target)
    parts = list_parts(sources)
    progress = _Progress(parts, on_progress)
    compared = compare(sources, progress.read)
    progress.read_all()
    prompts, differing = join_prompts(sources)
    plan, clashes = _plan(sources, target, given, parts, prompts, differing)
    clashes = [*clashes, *compared.clashes]
    merged = Merged(
        workspaces=names,
        to=str(target),
        dry_run=dry_run,
        prompts=prompts.table.num_rows,
        images=compared.images,
        scores=compared.scores,
        clashes=clashes,
        remarks=study_remarks(sources),
    ).with_parts(parts, [part for part in parts if links(part.workspace.store, target)])
    if dry_run:
        look = plan is not None and not clashes
        return merged.remarking(_look(plan)) if plan and look else merged
    if clashes or plan is None:
        raise refusal(clashes)
    return _make(plan, merged, progress)


def _target(to: str | os.PathLike[str]) -> Path:
    written = os.fspath(to)
    if "://" in written:
        raise WorkspaceError(
            f"--to {written}: a merged workspace is made in a folder, and that is an address",
            hint="name a folder, and copy it to where it shall be",
        )
    target = Path(written).absolute()
    # From behind a symbolic link, ".." is not the folder before it; a link itself stays.
    if ".." in target.parts or target.is_symlink():
        target = Path(os.path.realpath(target))
    require_free(target)
    return target


def _open(names: Sequence[str], target: Path) -> list[Workspace]:
    if len(names) < 2:
        raise WorkspaceError(
            "there is nothing to merge: name two or more workspaces", hint="synpic merge A B --to C"
        )
    # They are left as they are: also without the prompts and names that are read on the way.
    opened = [Workspace.open(name).without_writing() for name in names]
    roots: dict[str, str] = {}
    for name, workspace in zip(names, opened, strict=True):
        store = workspace.store
        root = os.path.realpath(store.root) if store.is_local else str(store)
        if root in roots:
            raise WorkspaceError(
                f"{name} and {roots[root]} are one workspace", hint="name each workspace once"
            )
        roots[root] = name
        place = os.path.realpath(target)
        if store.is_local and os.path.commonpath([root, place]) == root:
            raise WorkspaceError(
                f"--to {target} lies in the workspace {name}", hint="name a folder outside of it"
            )
    return opened


def _plan(
    sources: Sequence[Source],
    target: Path,
    given: RecipeText | None,
    parts: Sequence[PartToPlace],
    prompts: JoinedPrompts,
    differing: Sequence[Clash],
) -> tuple[_Plan | None, list[Clash]]:
    """What to make; None, and why, where the workspaces clash.

    Args:
        differing: where they differ about ``prompts``.
    """
    index, more = widest_index(sources)
    clashes = [*differing, *more]
    if given is None:
        clashes = [*recipe_clashes(sources), *clashes]
    entries, schedules, more = joined_lock(sources, target)
    clashes += more
    marks, more = join_marks(sources)
    clashes += more
    texts = [source.recipe for source in sources]
    prompt_table = None
    if index is None:
        own = prompts.of.recipe.data.get("prompts") if prompts.of else {"file": JOINED}
        asked = given.snapshot.recipe.prompts if given else None
        # A recipe that is given without prompts is read with this in their place.
        if given is None or (asked is not None and asked.file == JOINED):
            prompt_table = own
    # A recipe that is given names its files; modules may lie in a workspace.
    along = _files(texts, _owner(prompts, index))
    if given is not None:
        own = [(given, name) for name in given.files(prompts=prompt_table is None)]
        along = [*own, *((text, name) for text in texts for name in text.modules)]
    files, more = _one_of_each(along)
    clashes += more
    suite, more = joined_suite(sources)
    clashes += more
    if clashes:
        return None, clashes
    text = joined_text([given] if given else texts, prompt_table)
    joined = prompt_table is not None and prompts.of is None
    locked = entries, schedules
    plan = _Plan(sources, target, text, prompts, joined, index, suite, files, marks, parts, locked)
    return plan, []


def _owner(prompts: JoinedPrompts, index: Source | None) -> RecipeText | None:
    """The recipe whose file of prompts goes along."""
    source = index or prompts.of
    return source.recipe if source else None


def _files(texts: Sequence[RecipeText], owner: RecipeText | None) -> list[tuple[RecipeText, str]]:
    return [(text, name) for text in texts for name in text.files(prompts=text is owner)]


def _one_of_each(
    along: Sequence[tuple[RecipeText, str]],
) -> tuple[dict[str, Store], list[Clash]]:
    """Files that go along: name → where it lies; and names of two contents."""
    found: dict[str, Store] = {}
    clashes = []
    for text, name in along:
        store = text.snapshot.workspace.store
        other = found.setdefault(name, store)
        if other is not store and other.read(name) != store.read(name):
            clashes.append(Clash("files", f"{name} is not the same in {other} and {store}"))
    return found, clashes


class _Progress:
    """Parts that were read, and placed."""

    def __init__(
        self, parts: Sequence[PartToPlace], show: Callable[[int, int], None] | None
    ) -> None:
        self._parts, self._show, self._done = parts, show, 0

    def read(self, folder: str) -> None:
        """All parts of ``folder`` were read."""
        self._advance(sum(part.name.startswith(f"{folder}/") for part in self._parts))

    def read_all(self) -> None:
        """All that is compared was read; the others are not looked into."""
        self._advance(len(self._parts) - self._done)

    def placed(self) -> None:
        """One part was placed."""
        self._advance(1)

    def _advance(self, by: int) -> None:
        self._done += by
        if self._show is not None:
            self._show(self._done, 2 * len(self._parts))


def _make(plan: _Plan, merged: Merged, progress: _Progress) -> Merged:
    with staged(plan.target) as folder:
        workspace = Workspace(folder)
        linked = []
        for part in plan.parts:
            if link_or_copy(part.workspace.store, part.name, workspace.store):
                linked.append(part)
            progress.placed()
        made = _take(plan, workspace)
        _require_all(plan, made)
        remarks = _not_found(plan, made)
        workspace.store.write(RECIPE, plan.recipe_text.encode())
        put_in_place(folder, plan.target)
    return merged.with_parts(plan.parts, linked).remarking(remarks)


def _look(plan: _Plan) -> Sequence[str]:
    """What :func:`_make` would check, on symbolic links; nothing where there can be none.

    Returns:
        Its remarks.
    """
    if not all(part.workspace.store.is_local for part in plan.parts):
        return ()
    with staged(plan.target) as folder:
        try:
            for part in plan.parts:
                link = folder / part.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(part.workspace.store.path(part.name))
        except (OSError, NotImplementedError):
            return ()
        made = _take(plan, Workspace(folder))
        _require_all(plan, made)
        return _not_found(plan, made)


def _not_found(plan: _Plan, made: Inventory) -> list[str]:
    """Lines for what the new workspace cannot find, and so cannot make more of."""
    staging, remarks = str(made.workspace.folder), made.remarks()
    return [remarks[place].replace(staging, str(plan.target)) for place in made.unresolved]


def _take(plan: _Plan, workspace: Workspace) -> Inventory:
    """Write everything but parts and recipe, and take stock of the whole."""
    store = workspace.store
    for name, where in plan.files.items():
        store.write(name, where.read(name))
    if plan.marks != Marks():
        write_marks(store, plan.marks)
    if plan.joined:
        write_joined(store, plan.prompts.table)
    if plan.suite is not None:
        store.write(SUITE, plan.suite.read(SUITE))
    held = plan.index or plan.prompts.of
    for name in (PROMPTS, INGEST, OLD_INGEST):
        if held is not None and held.workspace.store.exists(name):
            store.write(name, held.workspace.store.read(name))
    return take_inventory(_snapshot(plan, workspace))


def _snapshot(plan: _Plan, workspace: Workspace) -> Snapshot:
    lock = RecipeLock(workspace.store, *plan.locked)
    lock.write()
    recipe = parse_recipe(plan.recipe_text, f"the recipe of {plan.target}")
    recipe = with_images_of_suite(recipe, workspace.store, SUITE)
    return Snapshot(workspace, recipe, plan.recipe_text, lock)


def _require_all(plan: _Plan, made: Inventory) -> None:
    """Hold the new workspace to what the others have: it wants all of that under its own recipe.

    Raises:
        WorkspaceError: an image or the scores of a reward would be left out.
    """
    made.require_readable([])
    there = made.candidates().select("candidate_id")
    makers = [*made.rewards, *made.comparers, *made.judges]
    rewards = {one.name: one.folder for one in makers}
    for source in plan.sources:
        rows = source.held.join(there, on="candidate_id", how="anti")
        if rows.height:
            models = rows.group_by("model").len().sort("model").iter_rows()
            listed = ", ".join(f"{number:,} of {model}" for model, number in models)
            ids = rows["candidate_id"].sort().to_list()
            raise WorkspaceError(
                f"the recipe of {plan.target} does not want {count(rows.height, 'image')} of "
                f"{source.name}: {listed} ({', '.join(ids[:3])})",
                hint="its prompts, seeds, samples and models have to be those with which they were "
                "drawn; correct the file of --recipe",
            )
        for name, folder in source.scored.items():
            if rewards.get(name) != folder:
                judges = folder.startswith("verdicts/")
                table, did = ("judges", "judged") if judges else ("rewards", "scored")
                raise WorkspaceError(
                    f"the recipe of {plan.target} does not use {folder} of {source.name}, "
                    f"but {rewards.get(name, f'no [{table}.{name}]')}",
                    hint=f"[{table}.{name}] has to be the one that {did}; correct the file "
                    "of --recipe",
                )
