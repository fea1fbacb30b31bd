"""No key and no address of an endpoint is published with the text of a recipe."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["published_text", "refuse_secrets"]

_NAMES = re.compile(
    r"(^|[_-])(api[_-]?key|secret|password|authorization|bearer|(access|auth|api)[_-]?token)$",
    re.IGNORECASE,
)
"""What libraries and servers call a key."""

_SHORT_NAMES = re.compile(r"key|token", re.IGNORECASE)
"""The same, of what is sent to a server: other options may well be called so."""

_VALUES = re.compile(
    # Of these, words may follow the prefix: a key ends in many letters and digits without a gap.
    r"\b(sk|pk|rk)[-_]([A-Za-z0-9]+[-_])*(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}"
    r"|\b(hf_|gsk_|xai-|gh[oprsu]_|github_pat_|nvapi-|r8_)[A-Za-z0-9]{2}[A-Za-z0-9_-]{14,}"
    r"|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\bAKIA[A-Z0-9]{16}\b"
    r"|\bBearer\s+[A-Za-z0-9_.~+/-]{6,}"
    r"|://[^/\s@:]*:[^/\s@]+@"
    r"|://\S*[?&]([\w-]*key|[\w-]*token|sig|signature)=(?!\$)[^&\s]+",
)
"""Keys as providers make them, a password in an address, and a key in its query."""

_PIECES = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*",
    re.DOTALL,
)
"""Texts and comments of a TOML document."""

_ADDRESS = re.compile(r"https?://[^\s\"'`,;<>()\[\]{}]+")
_PRIVATE = re.compile(r"\.(internal|local|localdomain|lan|intranet|intra|corp|home|svc|test)$")
_INSTEAD, _REWARD_INSTEAD = "$OPENAI_BASE_URL", "$SYNPIC_ENDPOINT"


def refuse_secrets(options: Mapping[str, Any]) -> None:
    """Refuse options that hold a key. ``$NAME``, which names an environment variable, is none;
    but not in ``request``, which is sent as it stands.

    Raises:
        ValueError: naming the option, and never its value.
    """
    for path, key, value in _leaves(options, ""):
        in_request = path.startswith("request.")
        short = in_request or path.startswith("endpoint.")
        named = _NAMES.search(key) or (short and _SHORT_NAMES.fullmatch(key))
        if not named and not _VALUES.search(str(value)):
            continue
        if in_request:
            raise ValueError(
                f"{path}: this is a key, and a recipe is published with its dataset; what stands "
                "in request is sent as it is, so that $NAME is none either: put the key into the "
                'environment variable that the option endpoint names: key = "$OPENAI_API_KEY"'
            )
        if not str(value).startswith("$"):
            raise ValueError(
                f"{path}: this is a key, and a recipe is published with its dataset; put the key "
                'into an environment variable, and name that: "$OPENAI_API_KEY"'
            )


def published_text(text: str) -> str:
    """The text of a recipe without the addresses of endpoints, which decide nothing.

    Args:
        text: of a recipe that was read already.

    Returns:
        The text, in which ``$OPENAI_BASE_URL`` stands for each, or ``$SYNPIC_ENDPOINT`` for that of
        a server of rewards: it can be followed elsewhere. In comments the former stands for all
        addresses that may be of an endpoint, and ``[secret]`` for keys.
    """
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return text
    addresses = dict(_endpoints(tables))
    hosts = {host for one in addresses if (host := _host(one)) and "." in host}

    def public(piece: re.Match[str]) -> str:
        if piece[0].startswith("#"):
            return _public_comment(piece[0], hosts)
        # As it is read, however it is written: with escapes, or on several lines.
        written = tomllib.loads(f"text = {piece[0]}")["text"]
        return f'"{addresses[written]}"' if written in addresses else piece[0]

    return _PIECES.sub(public, text)


def _endpoints(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The addresses in ``endpoint`` of rewards, comparers and judges, and what stands for each."""
    held = (tables.get(kind) for kind in ("rewards", "judges"))
    for one in (each for kind in held if isinstance(kind, Mapping) for each in kind.values()):
        if not isinstance(one, Mapping):
            continue
        options = one.get("options")
        within = options.get("endpoint") if isinstance(options, Mapping) else None
        for endpoint, instead in ((one.get("endpoint"), _REWARD_INSTEAD), (within, _INSTEAD)):
            url = endpoint.get("url") if isinstance(endpoint, Mapping) else endpoint
            if isinstance(url, str) and "://" in url:
                yield url, instead


def _public_comment(comment: str, hosts: set[str]) -> str:
    def public(address: re.Match[str]) -> str:
        return _INSTEAD if _may_be_endpoint(address[0], hosts) else address[0]

    shown = _ADDRESS.sub(public, _VALUES.sub("[secret]", comment))
    for host in hosts:
        shown = shown.replace(host, _INSTEAD)
    return shown


def _may_be_endpoint(address: str, hosts: set[str]) -> bool:
    """Whether it looks like one: of a known host, of a private network, with a port, or a /v1."""
    host = _host(address)
    if not host or host in hosts or "." not in host or _PRIVATE.search(host):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        rest = address.partition("://")[2]
        return bool(re.match(r"[^/]*:\d", rest) or re.search(r"/v\d+/?$|/chat/completions", rest))
    return True


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _leaves(value: Any, path: str, key: str = "") -> Iterator[tuple[str, str, str | int | float]]:
    """Path, last key and value of every text and number in ``value``, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield path, key, value
