"""What a scheduler cannot do is known before weights are read, and by which key of the recipe."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest

from synpic.errors import ModelError
from synpic.generate.facts.table import TimestepFacts
from synpic.generate.schedules import asking
from synpic.generate.schedules.answer import Answer
from synpic.generate.schedules.schedule import Schedule
from synpic.generate.schedules.trial import answer_of
from synpic.pipeline.validation import Validation, validate
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from synpic.workspace.lock import LOCK, RecipeLock
from synpic.workspace.storage import Store
from tests.generate.by_recipe import workspace_of
from tests.generate.tiny import side

Folder = Callable[[str], Path]

SCHEDULERS = sorted(name for name in dir(diffusers) if name.endswith("Scheduler"))
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}


def validated(folder: Path, root: Path, **settings: Any) -> Validation:
    found = validate(workspace_of(root, m={"checkpoint": folder, "steps": 3, **settings}))
    # Of the card's words others tell.
    return replace(found, notes=[note for note in found.notes if "card" not in note])


def draws(kind: str, folder: Path, **settings: Any) -> bool:
    """Whether the pipeline itself draws, with nothing known before."""
    written = ModelSettings(checkpoint=str(folder), **settings)
    try:
        family = FAMILIES.load("auto")(written, str(folder), None, "cpu")
        pixels = family.draw(["a"], [1], side(kind), side(kind))
    except Exception:  # what a scheduler raises is anything
        return False
    return bool((pixels == pixels).all())


@pytest.mark.parametrize(
    ("kind", "settings", "told", "advice"),
    [
        ("sd", {"scheduler": "PNDMScheduler", "steps": 1}, "steps: PNDMScheduler does not .* 1 st",
         "works with 4"),
        ("sd", {"steps": 1001}, "steps: DDIMScheduler .* 1,001 steps: .*cannot be larger", "works"),
        ("sd", {"scheduler": "LCMScheduler", "steps": 51}, "steps: LCMScheduler", "works with 50"),
        ("sd", {"scheduler_options": {"timestep_spacing": "even"}},
         r"scheduler_options\.timestep_spacing: DDIMScheduler does not work with it: even is not",
         "leave out timestep_spacing"),
        ("sd", {"scheduler_options": {"prediction_type": "flow"}},
         r"scheduler_options\.prediction_type: .*prediction_type given as flow", "leave out pred"),
        ("sd", {"scheduler": "RePaintScheduler"}, "scheduler: RePaint.* missing 2 .*mask", "DDIMS"),
        ("sd", {"call": {"sigmas": [1.0, 0.5]}}, r"call\.sigmas: DDIM.*takes no sigmas", "leave"),
        ("sd", {"call": {"timesteps": [5, 3]}}, r"call\.timesteps: DDIM.*no timesteps", "leave"),
        ("flux", {"scheduler": "DPMSolverMultistepScheduler", "scheduler_options": FLOW},
         "scheduler: DPMSolverMultistepScheduler .*: AssertionError at `assert",
         "add use_dynamic_shifting = true to scheduler_options"),
        ("flux", {"scheduler": "FlowMatchHeunDiscreteScheduler"}, "scheduler: .*no sigmas", "Flow"),
    ],
)  # fmt: skip
def test_what_a_scheduler_cannot_do_names_its_key(
    kind: str, settings: dict[str, Any], told: str, advice: str, saved: Folder, tmp_path: Path
) -> None:
    ((message, hint),) = validated(saved(kind), tmp_path / "set", **settings).problems
    assert re.search(f"^models.m.{told}", message), message
    assert advice in str(hint), hint


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("sd", {"scheduler": "PNDMScheduler", "steps": 4}),
        ("sd", {"scheduler": "PNDMScheduler", "scheduler_options": {"skip_prk_steps": True},
                "steps": 1}),
        ("sd", {"scheduler": "EulerDiscreteScheduler", "call": {"timesteps": [900, 500, 20]}}),
        ("sd", {"scheduler": "EulerDiscreteScheduler", "steps": 999}),
        ("sd", {"scheduler": "LMSDiscreteScheduler", "steps": 20}),
        ("sd3", {"call": {"sigmas": [1.0, 0.7, 0.2]}}),
        ("flux", {"scheduler": "DPMSolverMultistepScheduler",
                  "scheduler_options": {**FLOW, "use_dynamic_shifting": True}}),
        ("stable_cascade", {"steps": 1, "family": "stable_cascade"}),
    ],
)  # fmt: skip
def test_what_a_scheduler_can_do(
    kind: str, settings: dict[str, Any], saved: Folder, tmp_path: Path
) -> None:
    found = validated(saved(kind), tmp_path / "set", **settings)
    assert (found.problems, found.notes[:-1]) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd", "sd3", "flux"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_validate_says_what_drawing_does(
    name: str, kind: str, saved: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every scheduler of diffusers, in pipelines that ask for timesteps in three forms."""
    takes = inspect.signature(getattr(diffusers, name).__init__).parameters
    options = FLOW if kind != "sd" and "use_flow_sigmas" in takes else {}
    for steps in [1, 2, 20]:
        asked = {"scheduler": name, "scheduler_options": options, "steps": steps}
        found = validated(saved(kind), tmp_path / str(steps), **asked).problems
        with monkeypatch.context() as patched:
            patched.setattr("synpic.generate.opening.check_schedule", lambda schedule: None)
            assert draws(kind, saved(kind), **asked) == (not found), (asked, found)


@pytest.mark.parametrize(
    ("kind", "options", "ignored"),
    [
        ("sd3", {"max_shift": 2.0}, ["max_shift"]),  # of dynamic shifting, which is off
        ("sd3", {"max_shift": 2.0, "use_dynamic_shifting": True}, []),
        ("sd3", {"shift": 5.0}, []),
        ("sd3", {"shift": 5.0, "use_dynamic_shifting": True}, ["shift"]),
        ("sd", {"dynamic_thresholding_ratio": 0.5}, ["dynamic_thresholding_ratio"]),
        (
            "sd",
            {"dynamic_thresholding_ratio": 0.5, "thresholding": True, "sample_max_value": 9.0},
            [],
        ),
        ("sd", {"num_train_timesteps": 1000}, []),  # what it is already
    ],
)
def test_options_that_change_nothing_are_named(
    kind: str, options: dict[str, Any], ignored: list[str], saved: Folder, tmp_path: Path
) -> None:
    found = validated(saved(kind), tmp_path / "set", scheduler_options=options)
    assert found.problems == []
    named = [note for note in found.notes if "changes nothing" in note]
    assert [note.partition(" ")[0] for note in named] == [
        f"models.m.scheduler_options.{option}" for option in ignored
    ]


def test_generate_says_it_before_weights_are_read(copied: Folder) -> None:
    folder = copied("sd")
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"")
    settings = ModelSettings(checkpoint=str(folder), scheduler="PNDMScheduler", steps=1)
    with pytest.raises(ModelError, match=r"^steps: PNDMScheduler does not work with 1 step"):
        FAMILIES.load("sd")(settings, str(folder), None, "cpu")


# -- asked once --------------------------------------------------------------------------------


def schedule(steps: int, **more: Any) -> Schedule:
    config = {"num_train_timesteps": 1000}
    asks = TimestepFacts(steps=50)
    return Schedule(own="DDIMScheduler", config=config, steps=steps, asks=asks, **more)


@pytest.fixture
def lock(tmp_path: Path) -> RecipeLock:
    return RecipeLock.read(Store(tmp_path))


def test_a_process_of_its_own_tries_them(lock: RecipeLock, tried_there: None) -> None:
    pndm = schedule(1, scheduler="PNDMScheduler")
    idle = schedule(3, options={"dynamic_thresholding_ratio": 0.5})
    good, bad, named = asking.ask(lock, [schedule(3), pndm, idle])
    assert good == Answer()
    assert bad is not None
    assert bad.problem is not None
    assert bad.problem.message.startswith("steps: PNDMScheduler")
    assert named == Answer(ignored=["dynamic_thresholding_ratio"])


def test_what_works_is_asked_once(
    lock: RecipeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def watched(schedules: Sequence[Schedule]) -> list[Answer | None]:
        asked.extend(one.steps for one in schedules)
        return [answer_of(one) for one in schedules]

    monkeypatch.setattr(asking, "try_all", watched)
    several = [schedule(3), schedule(5000), schedule(3)]
    first = asking.ask(lock, several)
    assert asked == [3, 5000]
    again = RecipeLock.read(Store(tmp_path))
    assert asking.ask(again, several) == first
    assert asked == [3, 5000, 5000]
    (kept,) = json.loads((tmp_path / LOCK).read_text())["schedules"]
    assert (kept["scheduler"], kept["steps"]) == ("DDIMScheduler", 3)
    # Another version of diffusers, or another configuration, is another question.
    monkeypatch.setattr("synpic.generate.schedules.schedule.diffusers_version", lambda: "0.1")
    asking.ask(again, several[:1])
    assert asked[3:] == [3]


def test_a_trial_that_does_not_end_is_a_note(
    copied: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "try_all", lambda schedules: [None for _ in schedules])
    found = validated(copied("sd"), tmp_path / "set")
    assert found.problems == []
    assert any("whether DDIMScheduler does 3 steps is not known" in note for note in found.notes)
    assert "schedules" not in json.loads((tmp_path / "set" / LOCK).read_text())


def test_a_process_that_dies_leaves_the_rest_unknown(
    monkeypatch: pytest.MonkeyPatch, tried_there: None
) -> None:
    code = "print(open(0).read() and '{}', flush=True); import os; os.abort()"
    monkeypatch.setattr(asking, "_COMMAND", [sys.executable, "-c", code])
    assert asking.try_all([schedule(3), schedule(4)]) == [Answer(), None]


def test_what_libraries_print_is_among_no_answers(
    monkeypatch: pytest.MonkeyPatch, tried_there: None
) -> None:
    code = (
        "import os\n"
        "from synpic.generate.schedules import program, trial\n"
        "from synpic.generate.schedules.answer import Answer\n"
        "def noisy(schedule):\n"
        "    print('[INFO] Setting ds_accelerator to cuda', flush=True)\n"
        "    os.write(1, b'{}\\n')\n"
        "    return Answer(ignored=[str(schedule.steps)])\n"
        "trial.answer_of = noisy\n"
        "program.main()\n"
    )
    monkeypatch.setattr(asking, "_COMMAND", [sys.executable, "-c", code])
    found = asking.try_all([schedule(3), schedule(4)])
    assert found == [Answer(ignored=["3"]), Answer(ignored=["4"])]


def test_after_a_line_that_is_no_answer_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, tried_there: None
) -> None:
    code = "print('{}\\n[INFO] cuda\\n{}', flush=True)"
    monkeypatch.setattr(asking, "_COMMAND", [sys.executable, "-c", code])
    assert asking.try_all([schedule(3), schedule(4), schedule(5)]) == [Answer(), None, None]
