"""Which properties of a module touch a disk or a network, as far as its own source shows it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["properties_with_io"]

_WORDS = """
    open read read_bytes read_text readline readlines write write_bytes write_text
    exists is_file is_dir isdir isfile stat getsize iterdir glob rglob walk listdir scandir ls
    cat_file unlink mkdir resolve
    file_hash folder_hash file_stamp folder_stamp snapshot read_part read_cache
    hf_hub_download list_repo_files repo_info model_info dataset_info
    load_config from_pretrained load_dataset urlopen request Popen
"""
_IO = frozenset(_WORDS.split())
"""Names of functions and methods that read or write something outside the process."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def properties_with_io(source: str) -> list[str]:
    """``Class.property: call`` for each call of I/O that a property makes.

    Followed are methods and properties of the same class, and functions of the same module.
    """
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
    found: list[str] = []
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        methods = {node.name: node for node in kind.body if isinstance(node, _Function)}
        for method in methods.values():
            if _is_property(method):
                calls = _io_of(method, methods, functions, set())
                found += [f"{kind.name}.{method.name}: {call}" for call in sorted(calls)]
    return found


def _is_property(method: _Function) -> bool:
    names = {ast.unparse(one).rpartition(".")[2] for one in method.decorator_list}
    return bool(names & {"property", "cached_property"})


def _io_of(
    function: _Function,
    methods: dict[str, _Function],
    functions: dict[str, _Function],
    seen: set[_Function],
) -> set[str]:
    if function in seen:
        return set()
    seen.add(function)
    found = {name for name in _called(function) if name in _IO}
    for node in ast.walk(function):
        followed: _Function | None = None
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"):
            followed = methods.get(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            followed = functions.get(node.func.id)
        if followed is not None:
            found |= _io_of(followed, methods, functions, seen)
    return found


def _called(function: _Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr
