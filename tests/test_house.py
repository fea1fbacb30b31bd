"""What holds for the house as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import synpic
from tests.conftest import ENVIRONMENT
from tests.properties import properties_with_io
from tests.publish.fixtures import build

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "synpic").rglob("*.py"), *(ROOT / "cli" / "synpic_cli").rglob("*.py")])
HEAVY = ["torch", "diffusers", "transformers", "polars", "pyarrow", "datasets", "pydantic"]
TOO_HEAVY = ["torch", "diffusers", "transformers", "datasets", "pandas", "huggingface_hub"]
OF_OTHER_COMMANDS = ["starlette", "synpic.ingest", "synpic.train", "synpic.view", "synpic.shapes"]


def wrong(rule: Callable[[Path], object]) -> dict[str, object]:
    """Module → what ``rule`` has against it, of those that break it."""
    found = {path.relative_to(ROOT).as_posix(): rule(path) for path in MODULES}
    return {name: fault for name, fault in found.items() if fault}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_public_name_is_there() -> None:
    assert synpic.__all__
    assert len(set(synpic.__all__)) == len(synpic.__all__)
    for name in synpic.__all__:
        assert hasattr(synpic, name), name


def test_type_checkers_see_the_public_names() -> None:
    stub = ast.parse((ROOT / "synpic" / "__init__.pyi").read_text(encoding="utf-8"))
    seen = {
        one.asname or one.name: f"{node.module}:{one.name}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    }
    assert seen == synpic._PUBLIC
    (listed,) = (
        ast.literal_eval(node.value)
        for node in stub.body
        if isinstance(node, ast.Assign) and _names(node) == ["__all__"]
    )
    assert listed == sorted(synpic.__all__)


def test_every_module_says_which_of_its_names_others_may_use() -> None:
    """What is not in ``__all__`` is the module's own, and may change without notice."""
    silent = []
    for path in (ROOT / "synpic").rglob("*.py"):
        body = tree_of(path).body
        defines = any(isinstance(node, _DEFINITIONS) for node in body)
        if defines and not any(_names(node) == ["__all__"] for node in body):
            silent.append(path.relative_to(ROOT).as_posix())
    assert not silent, "give each an __all__"


_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign)


def _names(node: ast.stmt) -> list[str]:
    return [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []


def test_help_is_light() -> None:
    code = (
        "import sys\n"
        "from synpic_cli.main import run\n"
        "sys.argv = ['synpic', '--help']\n"
        "try:\n"
        "    run()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    *shown, loaded = ended.stdout.splitlines()
    assert "generate" in "\n".join(shown)
    assert loaded == "loaded:"


def test_looking_imports_no_torch(tmp_path: Path) -> None:
    """``status``, ``rank`` and ``validate`` of registered models: tables, and nothing to draw with.

    What they cost is what they import; ``python benchmarks/startup.py`` measures it.
    """
    code = (
        "import sys\n"
        "from synpic_cli.main import run\n"
        "for verb in (['init', 'set'], ['-C', 'set', 'validate'], ['status'], ['rank']):\n"
        "    sys.argv = ['synpic', *verb]\n"
        "    try:\n"
        "        run()\n"
        "    except SystemExit as end:\n"
        "        print('ended', verb[-1], end.code, flush=True)\n"
        f"print('loaded:', *(name for name in {TOO_HEAVY!r} if name in sys.modules))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    shown = ended.stdout.splitlines()
    # A set that is empty has no ranking.
    assert [line for line in shown if line.startswith("ended")] == [
        "ended set 0",
        "ended validate 0",
        "ended status 0",
        "ended rank 1",
    ], ended.stderr
    assert "The recipe is good." in shown
    assert shown[-1] == "loaded:"


def test_ranking_and_publishing_import_what_they_use(tmp_path: Path) -> None:
    """A tenth of a second of imports is a tenth of the time in which a small set is ranked."""
    workspace = build(tmp_path / "set")
    names = [*TOO_HEAVY, *OF_OTHER_COMMANDS]
    code = (
        "import sys\n"
        "from synpic_cli.main import run\n"
        "for verb in (['rank'], ['publish', '--to', 'released']):\n"
        "    sys.argv = ['synpic', *verb]\n"
        "    try:\n"
        "        run()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, end.code\n"
        f"print('loaded:', *(name for name in {names!r} if name in sys.modules))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=workspace.folder,
        env=ENVIRONMENT,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "set" / "released" / "manifest.json").exists()
    assert ended.stdout.splitlines()[-1] == "loaded:"


def test_a_module_is_short_and_says_what_it_is() -> None:
    assert len(MODULES) > 200
    assert not wrong(lambda path: len(path.read_text(encoding="utf-8").splitlines()) > 400), (
        "a module has at most 400 lines: move a subject to a module of its own"
    )
    assert not wrong(lambda path: ast.get_docstring(tree_of(path)) is None), (
        "begin it with a docstring that says what the module holds"
    )


def test_a_dataclass_has_few_fields() -> None:
    assert not wrong(lambda path: _large_dataclasses(tree_of(path))), (
        "a dataclass has at most 12 fields: make a class of those that belong together"
    )
    twelve = "; ".join(f"f{number}: int" for number in range(12))
    assert not _large_dataclasses(ast.parse(f"@dataclass\nclass A: {twelve}; K: ClassVar[int] = 1"))
    assert _large_dataclasses(ast.parse(f"@dataclass(frozen=True)\nclass A: {twelve}; g: int"))


def _large_dataclasses(tree: ast.Module) -> list[str]:
    """Names of those with more than 12 fields: what belongs together is a class of its own."""
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(one) for one in node.decorator_list)
        and sum(
            isinstance(one, ast.AnnAssign) and "ClassVar" not in ast.unparse(one.annotation)
            for one in node.body
        )
        > 12
    ]


SAYS_NOTHING = {"base", "common", "helpers", "loop", "misc", "model", "types", "util", "utils"}


def test_a_module_is_named_for_what_it_holds() -> None:
    """Two of one name are told apart by their rooms; these names say nothing in any room."""
    assert not wrong(lambda path: path.stem in SAYS_NOTHING), (
        f"name the module for what it holds: {sorted(SAYS_NOTHING)} say nothing"
    )


def test_no_two_public_classes_have_one_name() -> None:
    library = [path for path in MODULES if path.is_relative_to(ROOT / "synpic")]
    assert (
        _repeated({path.relative_to(ROOT).as_posix(): tree_of(path) for path in library}) == {}
    ), "give one of two public classes another name"


def test_a_repeated_class_is_found() -> None:
    modules = {
        "a.py": ast.parse("class One: ...\nclass _Own: ...\nclass Two:\n    class Inner: ..."),
        "b.py": ast.parse("class One: ...\nclass _Own: ...\nclass Inner: ..."),
    }
    assert _repeated(modules) == {"One": ["a.py", "b.py"]}


def _repeated(modules: dict[str, ast.Module]) -> dict[str, list[str]]:
    """Public class → its modules, of those that more than one module defines."""
    found: dict[str, list[str]] = {}
    for name, tree in modules.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name)
    return {name: places for name, places in found.items() if len(places) > 1}


def test_a_lock_is_filelock_s() -> None:
    """``fcntl`` is not on every system, and says nothing on file systems without locks."""
    assert not wrong(lambda path: {"fcntl", "msvcrt"} & set(_imported(tree_of(path))))


def _imported(tree: ast.Module) -> Iterator[str | None]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_what_is_imported_is_found() -> None:
    tree = ast.parse("import a, fcntl as b\ndef f():\n    from msvcrt import c")
    assert {*_imported(tree)} == {"a", "fcntl", "msvcrt"}


FOREIGN = "runs code of a plug-in, which may raise anything"
READERS = "several libraries read files here; their errors have no common ancestor"
CLIENTS = "the Hub's clients: their errors have no common ancestor"
WAITED_FOR = "the error goes to who waits for the result, in another thread or process"

BLANKET: dict[str, tuple[int, str]] = {
    "synpic/engine/attempt.py": (1, FOREIGN),
    "synpic/engine/workers/ray_pool.py": (2, WAITED_FOR),
    "synpic/engine/workers/worker.py": (1, WAITED_FOR),
    "synpic/errors.py": (1, FOREIGN),
    "synpic/generate/adapters/lora.py": (1, READERS),
    "synpic/generate/drawing.py": (1, "of one image: it becomes a failure row"),
    "synpic/generate/loading.py": (1, READERS),
    "synpic/generate/opening.py": (1, READERS),
    "synpic/generate/placement.py": (1, READERS),
    "synpic/generate/schedules/trial.py": (1, "schedulers check little, and fail with any error"),
    "synpic/readers/images.py": (1, READERS),
    "synpic/hub/commits/branches.py": (2, CLIENTS),
    "synpic/hub/commits/commit.py": (1, CLIENTS),
    "synpic/hub/libraries.py": (1, CLIENTS),
    "synpic/hub/retry.py": (1, CLIENTS),
    "synpic/prompts/hub.py": (1, READERS),
    "synpic/publish/hub/load_check_program.py": (1, "a program; its parent reads the words"),
    "synpic/registry/__init__.py": (1, FOREIGN),
    "synpic/registry/own_code.py": (1, FOREIGN),
    "synpic/release/load.py": (1, READERS),
    "synpic/release/source.py": (1, CLIENTS),
    "synpic/safety/classifiers.py": (1, READERS),
    "synpic/score/api.py": (1, FOREIGN),
    "synpic/score/apart/inside/server.py": (1, FOREIGN),
    "synpic/score/prefetch.py": (3, WAITED_FOR),
    "synpic/score/weights/__init__.py": (2, READERS),
    "synpic/train/trainable_checkpoint.py": (1, READERS),
    "synpic/train/data/records.py": (1, READERS),
    "synpic/train/state.py": (1, READERS),
    "synpic/serve/batching.py": (1, WAITED_FOR),
    "synpic/serve/service.py": (1, WAITED_FOR),
}
"""Where ``except Exception`` is right, how often, and why. A number here may only go down: code
that raises errors of its own catches those, and a command never catches everything."""


def test_the_hubs_client_is_imported_in_its_room_alone() -> None:
    """The import contract does not see benchmarks and examples."""
    pattern = re.compile(r"^\s*(?:from|import) (?:huggingface_hub|hf_xet)\b", re.MULTILINE)
    others = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    found = {
        path.relative_to(ROOT).as_posix()
        for path in [*MODULES, *others]
        if pattern.search(path.read_text(encoding="utf-8"))
    }
    elsewhere = {name for name in found if not name.startswith("synpic/hub/")}
    # A program of its own, which loads a release with nothing of synpic.
    assert elsewhere == {"synpic/publish/hub/load_check_program.py"}


def test_no_blanket_except_hides_a_bug() -> None:
    found: dict[str, int] = {}
    silent: list[str] = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        for first, last in _blankets(tree_of(path)):
            found[name] = found.get(name, 0) + 1
            if "#" not in "".join(text.splitlines()[first - 2 : last]):
                silent.append(f"{name}:{first}")
    more = {name: number for name, number in found.items() if number > BLANKET.get(name, (0,))[0]}
    assert not more, (
        "catch the errors that are meant; where only `except Exception` will do, enter it in "
        "BLANKET with its reason"
    )
    assert not silent, "say in a comment why everything is caught"


def _blankets(tree: ast.Module) -> list[tuple[int, int]]:
    """First and last line of each place that catches everything and goes on."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_blanket(node.type):
            end = node.body[-1]
            # Cleaning up and raising again hides nothing.
            if not (isinstance(end, ast.Raise) and end.exc is None):
                found.append((node.lineno, node.body[0].lineno))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name == "suppress" and any(_is_blanket(one) for one in node.args):
                found.append((node.lineno, node.lineno))
    return found


def _is_blanket(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(n, ast.Name) and n.id in ("Exception", "BaseException") for n in names)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("try:\n    f()\nexcept:\n    pass", 1),
        ("try:\n    f()\nexcept Exception:\n    pass", 1),
        ("try:\n    f()\nexcept (ValueError, BaseException) as e:\n    raise X from e", 1),
        ("with suppress(Exception):\n    f()", 1),
        ("with contextlib.suppress(BaseException):\n    f()", 1),
        ("try:\n    f()\nexcept BaseException:\n    clean()\n    raise", 0),
        ("try:\n    f()\nexcept (OSError, ValueError):\n    pass", 0),
        ("with suppress(OSError):\n    f()", 0),
    ],
)
def test_what_counts_as_blanket(code: str, number: int) -> None:
    assert len(_blankets(ast.parse(code))) == number


TRANSPORT = {"Connection", "Listener", "Manager", "Pipe", "Queue", "SimpleQueue", "pipe", "socket"}
"""How processes speak to each other where no executor and no Ray does it for them."""


def _transport(tree: ast.Module, thread: bool = False) -> set[str]:
    """Names of what carries messages, or waits for them.

    Args:
        thread: one may be begun.
    """
    names = TRANSPORT | (set() if thread else {"Thread"})
    modules = {"asyncio", "multiprocessing.connection", "queue", "socket", "subprocess"}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= modules & {alias.name for alias in node.names}
        # The listener of progress is a function.
        elif isinstance(node, ast.ImportFrom) and node.module != "synpic.engine.progress":
            found |= (names & {alias.name for alias in node.names}) | (modules & {node.module})
        elif isinstance(node, ast.Attribute):
            found |= names & {node.attr}
    return found


def test_the_engine_has_no_transport_of_its_own() -> None:
    """Work and results travel as calls of executors and of Ray, and what was made as parts.

    The one thread that waits for something ends a worker whose command is gone.
    """

    engine = ROOT / "synpic" / "engine"
    watching = engine / "workers" / "worker_process.py"

    def rule(path: Path) -> set[str]:
        return _transport(tree_of(path), path == watching) if engine in path.parents else set()

    assert wrong(rule) == {}
    assert _transport(tree_of(watching)) == {"Thread"}


@pytest.mark.parametrize(
    "code",
    [
        "import queue",
        "from queue import Queue",
        "from multiprocessing import Pipe",
        "from multiprocessing.connection import wait",
        "context.SimpleQueue()",
        "context.Manager()",
        "os.pipe()",
        "import subprocess",
        "threading.Thread(target=read)",
        "from threading import Thread",
    ],
)
def test_transport_is_found(code: str) -> None:
    assert _transport(ast.parse(code))


SECOND_COPIES = {
    "size": re.compile(r"""/ 1e[369]:[^}]*\} ?[kMG]B|["'][kM]B["']"""),
    "count": re.compile(r""":,\} \w+s\b|["']s["'] if """),
    "duration": re.compile(r"// 3600"),
    "number": re.compile(r"lambda \w+: f\"\{\w+:,\}\""),
    "visible": re.compile(r"unicode_escape|rich\.markup"),
}
"""How the functions of synpic/readers/display.py look where they are written a second time."""


def test_numbers_sizes_plurals_and_texts_are_shown_by_one_function_each() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: use synpic.readers.display.{name}: {line.strip()}"
        for path in MODULES
        if path != ROOT / "synpic" / "readers" / "display.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for name, pattern in SECOND_COPIES.items()
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (\S+)$", citation, re.MULTILINE)
    assert cited is not None
    assert project["version"] == synpic.__version__ == cited[1]


def test_every_package_is_in_the_wheel() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    found = (path.relative_to(ROOT).parent for path in ROOT.glob("synpic/**/__init__.py"))
    here = {".".join(folder.parts) for folder in found}
    assert here == {n for n in setup["setuptools"]["packages"] if n.partition(".")[0] == "synpic"}


def test_images_are_decoded_in_one_module() -> None:
    """Rewards, safety checks, cards, training and exports see the same pixels of a file."""
    found = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in _OPENS_IMAGES)
        or (isinstance(node, ast.ImportFrom) and node.module == "PIL.Image" and _imports_open(node))
    }
    # A program in another environment, which is given PNG of pixels that were decoded here.
    assert found - {"synpic/score/apart/inside/server.py"} == {"synpic/readers/images.py"}


_OPENS_IMAGES = ("Image.open", "PIL.Image.open")


def _imports_open(node: ast.ImportFrom) -> bool:
    return any(one.name == "open" for one in node.names)


def test_no_property_does_io() -> None:
    """What looks like an attribute costs nothing, never fails and gives the same value twice."""
    assert not wrong(lambda path: properties_with_io(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "body",
    [
        "return self.store.read('recipe.toml')",
        "return open('x').name",
        "return Path('x').is_dir()",
        "return self._deeper()",
        "return self._also",
        "return helper()",
    ],
)
@pytest.mark.parametrize("decorator", ["property", "cached_property", "functools.cached_property"])
def test_a_property_that_does_io_is_found(decorator: str, body: str) -> None:
    source = f"""
def helper(): return Path("x").read_text()
class A:
    @{decorator}
    def a(self):
        {body}
    def _deeper(self): return helper()
    @property
    def _also(self): return self._deeper()
    @property
    def harmless(self): return self.name.upper()
"""
    found = properties_with_io(source)
    assert [line for line in found if line.startswith("A.a: ")]
    assert not [line for line in found if "harmless" in line]


READS_PARQUET = {
    "ParquetFile",
    "ParquetDataset",
    "read_metadata",
    "read_parquet",
    "read_parquet_schema",
    "read_schema",
    "scan_parquet",
}

PARTS = "workspace/parts.py"
"""The one module that opens parts of a workspace."""

OTHERS = ("hub", "ingest", "prompts", "publish/hub/load_check", "readers", "release", "train")
"""Where files of others and releases are read."""


def test_one_module_opens_parts() -> None:
    assert not wrong(lambda path: _reads_past_parts(path, tree_of(path)))


def _reads_past_parts(path: Path, tree: ast.Module) -> str | None:
    """What is wrong with how a module reads parquet."""
    named = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    place = path.relative_to(ROOT).as_posix().removeprefix("synpic/")
    if place == PARTS:
        return None if named & READS_PARQUET else "it opens no parts"
    if not named & READS_PARQUET:
        return None
    if place.startswith(OTHERS):
        return "it opens parts" if named & {"list_parts", "open_part", "read_part"} else None
    return "use synpic.workspace.parts"


def test_reading_past_parts_is_found() -> None:
    def found(place: str, code: str) -> str | None:
        return _reads_past_parts(ROOT / "synpic" / place, ast.parse(code))

    assert found("rank/a.py", "pl.scan_parquet(x)") == "use synpic.workspace.parts"
    assert found("rank/a.py", "read_part(x)") is None
    assert found("readers/a.py", "pq.ParquetFile(x)") is None
    assert found("readers/a.py", "pq.ParquetFile(x), read_part(x)") == "it opens parts"
    assert found(PARTS, "x") == "it opens no parts"
    assert found(PARTS, "pq.read_schema(x)") is None
