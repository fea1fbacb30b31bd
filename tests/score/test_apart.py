"""Rewards in an environment of their own: numbers, failures, deaths, how environments are made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

import synpic
from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.errors import RewardError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.validation import validate
from synpic.score.environments import python_of, resolve_environment
from synpic.workspace.lock import RecipeLock
from tests.cli.conftest import in_process
from tests.conftest import ENVIRONMENT, MakeRecipe, edit
from tests.parity.inputs import picture

PICTURES = [picture(number, 20 + number, 16) for number in range(4)]

MINE = """
import os, signal

def width(prompt, image, by=1):
    if "-3" in prompt:
        raise ValueError(f"no score for {prompt}")
    return sum(image.getpixel((0, 0))) * by

class Dies:
    def __init__(self, at):
        self.at = at

    def score(self, prompts, images):
        if self.at in prompts:
            os.kill(os.getpid(), signal.SIGSEGV)
        print("not a message")
        return [image.size[0] for image in images]
"""

TABLE = """
[rewards.mine]
reward = "mine:width"
environment = "{environment}"
options = {{ by = {by} }}
batch_size = 8
"""


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with code of one's own."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def apart(name: str, **options: object) -> synpic.OpenedReward:
    more = {"options": options} if options else {}
    return synpic.reward("apart", code=f"mine:{name}", environment=sys.prefix, **more)


def test_a_score_is_that_of_a_direct_call(beside: Path) -> None:
    found = apart("width", by=2).score("a", PICTURES)
    assert found == [2 * sum(one.getpixel((0, 0))) for one in PICTURES]


def test_in_a_workspace_as_any_reward(workspace: Workspace, recipe: MakeRecipe) -> None:
    (workspace.folder / "mine.py").write_text(MINE)
    one = edit(workspace, recipe(more=TABLE.format(environment=sys.prefix, by=2)))
    assert not validate(one).problems
    generate_candidates(one)
    report = score_candidates(one)
    assert [(o.made, o.failed) for o in report.outcomes][-1] == (18, 2)
    reasons = one.failures("score").filter(pl.col("name") == "mine")["reason"]
    assert all("no score for prompt" in reason for reason in reasons)
    assert '"kind": "environment"' in one.store.read("recipe.lock").decode()
    again = score_candidates(Workspace.open(one.store.root))
    assert [o.made for o in again.outcomes] == [0, 0, 0]
    # Another text of the code is another reward.
    (workspace.folder / "mine.py").write_text(MINE.replace("* by", "+ by"))
    edited = score_candidates(Workspace.open(one.store.root))
    assert [o.made for o in edited.outcomes] == [0, 0, 18]
    inventory = take_inventory(Workspace.open(one.store.root))
    assert inventory.scored()["score_mine"].null_count() == 2


def test_a_death_is_a_failure_of_the_image_at_which_it_happens(beside: Path) -> None:
    reward = apart("Dies", at="bad")
    with pytest.raises(RewardError, match=r"image 2: .*its process ended: signal 11"):
        reward.score(["a", "b", "bad", "c"], PICTURES)
    assert reward.score("a", PICTURES[:1]) == [20.0]


def test_a_process_that_does_not_stay_alive_ends_it(beside: Path) -> None:
    reward = apart("Dies", at="bad").opened
    for _ in range(2):
        with pytest.raises(ValueError, match="signal 11"):
            reward.score(["bad"], PICTURES[:1])
    with pytest.raises(RewardError, match="signal 11") as error:
        reward.score(["bad"], PICTURES[:1])
    assert "3 times in a row" in str(error.value.hint)


def test_ctrl_c_is_for_the_command(beside: Path) -> None:
    """It goes to every process of the terminal, and the batch in hand is finished."""
    reward = apart("width")
    process = reward.opened._process._process
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        assert reward.score("a", PICTURES[:1]) == [sum(PICTURES[0].getpixel((0, 0)))]
    assert reward.opened._process._process is process
    reward.opened.close()
    assert process.returncode == 0


def test_a_process_that_died_idle_is_started_again_and_leaves_no_folder(beside: Path) -> None:
    reward = apart("width")
    inner = reward.opened._process
    folder = Path(inner._folder)
    inner._process.kill()
    inner._process.wait()
    assert reward.score("a", PICTURES[:1]) == [sum(PICTURES[0].getpixel((0, 0)))]
    assert not folder.exists()
    reward.opened.close()


def test_a_process_that_lives_and_does_not_answer_is_ended(
    beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synpic.score.apart.process._ENDING", 0.1)
    reward = apart("width")
    (Path(reward.opened._process._folder) / "socket").unlink()  # as what cleans /tmp does
    with pytest.raises(ValueError, match="signal 9"):
        reward.opened.score(["a"], PICTURES[:1])
    assert reward.score("a", PICTURES[:1]) == [sum(PICTURES[0].getpixel((0, 0)))]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("absent", "module 'mine' has no attribute 'absent'"),
        ("Dies", "missing 1 required positional argument"),
    ],
)
def test_what_cannot_be_opened_says_why(beside: Path, name: str, match: str) -> None:
    with pytest.raises(RewardError, match=match):
        apart(name)


def gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_the_process_ends_with_the_command_that_started_it(beside: Path) -> None:
    program = (
        "import sys, time, synpic\n"
        "one = synpic.reward('apart', code='mine:width', environment=sys.prefix)\n"
        "print(one.opened._process._process.pid, one.opened._process._folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert command.stdout is not None
    pid, folder = command.stdout.readline().split()
    assert not gone(int(pid))
    command.send_signal(signal.SIGKILL)
    command.wait()
    ends = time.monotonic() + 30
    while not gone(int(pid)) and time.monotonic() < ends:
        time.sleep(0.02)
    assert gone(int(pid))
    assert not Path(folder).exists()


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    all_files = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": tag}
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        for path, text in all_files.items():
            made.writestr(path, text)
        made.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in all_files))


PILLOW = """
def open(stream):
    return Image(stream.read())

class Image:
    def __init__(self, png):
        self.size = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")

    def convert(self, mode):
        return self
"""
"""As much of Pillow as a test needs, so that no index is."""


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A requirements file that needs no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "pillow", "99.0", {"PIL/__init__.py": "", "PIL/Image.py": PILLOW})
    for version in ("1.0", "2.0"):
        code = f"def area(prompt, image):\n    return image.size[0] * image.size[1] * {version}\n"
        code += "def letters(prompt, image):\n    return sum(prompt.encode())\n"
        wheel(wheels, "tiny_reward", version, {"tiny_reward.py": code})
    file = tmp_path / "requirements.txt"
    file.write_text(f"--no-index\n--find-links {wheels}\ntiny-reward==1.0\n")
    return file


def test_an_environment_is_made_once_and_named_by_what_was_resolved(
    requirements: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = RecipeLock(workspace.store)
    entry = resolve_environment(lock, str(requirements), workspace.folder)
    with ThreadPoolExecutor(2) as two:
        pythons = set(two.map(lambda _: python_of(entry, workspace.folder), range(2)))
    (python,) = pythons
    assert sorted(one.name[0] for one in python.parents[2].iterdir()) == [python.parts[-3][0]] * 3
    options = {"code": "tiny_reward:area", "environment": str(requirements)}
    assert synpic.reward("apart", **options).score("a", PICTURES[:1]) == [320.0]
    # Once it is there, uv is not needed; and another comment resolves to the same.
    again = RecipeLock.read(workspace.store)
    requirements.write_text(requirements.read_text() + "# the same\n")
    assert (
        resolve_environment(again, str(requirements), workspace.folder).identity == entry.identity
    )
    with monkeypatch.context() as without:
        without.setattr("synpic.score.environments._uv", None)
        assert resolve_environment(again, str(requirements), workspace.folder)
        assert python_of(entry, workspace.folder) == python
    requirements.write_text(requirements.read_text().replace("1.0", "2.0"))
    with pytest.raises(RewardError, match=r"no longer what recipe\.lock has"):
        resolve_environment(again, str(requirements), workspace.folder)
    requirements.unlink()
    assert (
        resolve_environment(again, str(requirements), workspace.folder).identity == entry.identity
    )


def test_a_file_that_the_requirements_name_is_a_part_of_them(
    requirements: Path, workspace: Workspace
) -> None:
    inner = requirements.rename(requirements.with_name("inner.txt"))
    requirements.write_text("-r inner.txt\n-r requirements.txt\n")
    lock = RecipeLock(workspace.store)
    entry = resolve_environment(lock, str(requirements), workspace.folder)
    inner.write_text(inner.read_text().replace("1.0", "2.0"))
    with pytest.raises(RewardError, match=r"no longer what recipe\.lock has"):
        resolve_environment(lock, str(requirements), workspace.folder)
    inner.write_text(inner.read_text().replace("2.0", "1.0"))
    assert resolve_environment(lock, str(requirements), workspace.folder) == entry


def test_an_environment_that_is_there_is_told_by_commits_too(tmp_path: Path) -> None:
    """Two commits of a repository are mostly of one version."""
    made = tmp_path / "made"
    venv.create(made, symlinks=True)
    (packages,) = made.glob("lib/python*/site-packages")

    def identity(commit: str | None) -> str:
        info = packages / "theirs-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        vcs = {} if commit is None else {"vcs_info": {"vcs": "git", "commit_id": commit}}
        (info / "direct_url.json").write_text(json.dumps({"url": "https://git.test/theirs", **vcs}))
        return resolve_environment(None, str(made), tmp_path).identity

    assert len({identity("a" * 40), identity("b" * 40), identity(None)}) == 3
    assert identity("a" * 40) == identity("a" * 40)


def test_only_what_scores_asks_the_index(
    requirements: Path,
    workspace: Workspace,
    recipe: MakeRecipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Validate, status and ranking say that the packages are resolved at first use."""
    table = f'[rewards.tiny]\nreward = "tiny_reward:letters"\nenvironment = "{requirements}"\n'
    one = edit(workspace, recipe(more=table))
    generate_candidates(one)
    score_candidates(one, only=["red", "blue"])
    says = "its packages are resolved when its reward is first used"
    with monkeypatch.context() as without:
        without.setattr("synpic.score.environments._uv", None)
        found = validate(one)
        assert not found.problems
        assert [says in note for note in found.notes].count(True) == 1
        ((place, why),) = status(one).unresolved
        assert (place, says in why) == ("rewards.tiny", True)
        shown = in_process("-C", one.store.root, "score", "--dry-run")
        assert says in shown.output
        assert shown.exit_code == 0
    score_candidates(one).raise_if_unfinished()
    assert take_inventory(one).scored()["score_tiny"].null_count() == 0
    with monkeypatch.context() as without:
        without.setattr("synpic.score.environments._uv", None)
        assert status(one).complete
        requirements.write_text(requirements.read_text() + "# another comment\n")
        assert "have changed, and are resolved again" in validate(one).notes[0]
        assert take_inventory(one).scored()["score_tiny"].null_count() == 0, "still read"


def test_an_environment_whose_making_was_killed_is_not_used(
    requirements: Path, tmp_path: Path
) -> None:
    entry = resolve_environment(None, str(requirements), tmp_path)
    listed = next((tmp_path / "cache/synpic/environments").glob("*.txt"))
    left = listed.with_name(f".{listed.stem}.01234567")
    (left / "bin").mkdir(parents=True)
    (left / "bin" / "python").symlink_to(sys.executable)
    assert python_of(entry, tmp_path).is_file()
    assert not left.exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda file: file.write_text(file.read_text() + "no-such-package\n"), "no-such-package"),
        (lambda file: file.unlink(), "there is no such file or folder"),
        (lambda file: (file.unlink(), file.mkdir()), "is no environment: it has no bin/python"),
    ],
)
def test_what_cannot_be_made_says_why(
    requirements: Path, tmp_path: Path, change: Callable[[Path], object], match: str
) -> None:
    change(requirements)
    with pytest.raises(RewardError, match=match):
        resolve_environment(None, str(requirements), tmp_path)


def test_a_run_whose_environment_cannot_be_opened_scores_the_rest(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    one = edit(workspace, recipe(more=TABLE.format(environment=sys.prefix, by=1)))
    generate_candidates(one)
    report = score_candidates(one)
    with pytest.raises(Unfinished, match="No module named 'mine'"):
        report.raise_if_unfinished()
    assert [o.made for o in report.outcomes] == [20, 20, 0]
