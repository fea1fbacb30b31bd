"""The YAML at the head of a README, and the rules that the Hub holds it to.

Only the rules that a dataset's card meets; their list is not published, and this one is not whole.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["check_card", "metadata"]

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)

_SIZES = {
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M",
    "100M<n<1B", "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T",
}  # fmt: skip

_LICENSES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
bigcode-openrail-m openrail++ afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause
bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0
cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl
gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl mpl-2.0 odc-by
odbl openmdw-1.0 osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
gemma unknown other
"""


@functools.lru_cache(256)  # a client asks for the same card with each request
def metadata(content: str) -> Any:
    """What stands between the two lines of dashes, None if there are none. Not to be changed.

    Raises:
        ValueError: it is not YAML.
    """
    front = _FRONT.match(content)
    try:
        return yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError as error:
        raise ValueError(f"bad indentation or other YAML error: {error}") from error


def check_card(content: str) -> tuple[list[str], list[str]]:
    """Errors and warnings about a card; with errors the Hub takes no commit of it."""
    try:
        data = metadata(content)
    except ValueError as error:
        return [str(error)], []
    if data is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(data, dict):
        return ['"metadata" must be an object'], []
    return list(_errors(data)), []


def _errors(data: dict[str, Any]) -> Any:
    for licence in _listed(data.get("license")):
        if licence not in _LICENSES.split():
            yield f'"license" must be one of the licenses the Hub knows, not {licence!r}'
    for size in _listed(data.get("size_categories")):
        if size not in _SIZES:
            yield f'"size_categories" must be one of {sorted(_SIZES)}, not {size!r}'
    for language in _listed(data.get("language")):
        if not isinstance(language, str) or not re.fullmatch(r"[a-z]{2,3}(-.+)?|code", language):
            yield f'"language" must be an ISO 639 code, not {language!r}'
    for key in ("tags", "task_categories", "source_datasets", "annotations_creators"):
        if not all(isinstance(item, str) for item in _listed(data.get(key))):
            yield f'"{key}" must be a list of strings'
    if not isinstance(data.get("pretty_name", ""), str):
        yield '"pretty_name" must be a string'
    configs = data.get("configs", [])
    if not isinstance(configs, list):
        yield '"configs" must be an array'
        return
    for number, config in enumerate(configs):
        if not isinstance(config, dict) or not isinstance(config.get("config_name"), str):
            yield f'"configs[{number}].config_name" must be a string'
    names = [config.get("config_name") for config in configs if isinstance(config, dict)]
    if len(set(names)) != len(names):
        yield '"configs" names a config twice'
    if sum(bool(config.get("default")) for config in configs if isinstance(config, dict)) > 1:
        yield '"configs" has more than one default'


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
