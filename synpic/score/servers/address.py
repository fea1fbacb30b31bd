"""Where an endpoint is, and how hard it may be worked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

import httpx2

from synpic.errors import RewardError, did_you_mean

__all__ = ["Address"]

_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")

_HUB = ("huggingface.co", "hf.co", "hf.space", "huggingface.cloud")
_GITHUB = ("github.com", "github.ai", "githubcopilot.com")
_SERVICES = {
    "HF_TOKEN": _HUB,
    "HUGGING_FACE_HUB_TOKEN": _HUB,
    "GITHUB_TOKEN": _GITHUB,
    "GH_TOKEN": _GITHUB,
    "WANDB_API_KEY": ("wandb.ai",),
    "AWS_SECRET_ACCESS_KEY": (),
    "AWS_SESSION_TOKEN": (),
}
"""Environment variables that hold tokens of services, and the domains to which they may go."""


@dataclass(frozen=True)
class Address:
    """Where an endpoint is, and how hard it may be worked: nothing here decides an answer.

    Args:
        url: of the interface, such as ``http://localhost:8000/v1``; ``$NAME`` is read from the
            environment.
        key: the environment variable that holds the key, as ``$NAME``. Where it is not set, none
            is sent.
        concurrency: questions that are under way at once, for each worker.
        timeout: seconds within which the answer to one request is whole.
        patience: seconds for which one question is asked again before it is given up.
    """

    url: str = "$OPENAI_BASE_URL"
    key: str = "$OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    patience: float = 300.0

    @classmethod
    def of(cls, reward: str, option: str | Mapping[str, Any], key: str | None = None) -> Address:
        """The option ``endpoint`` of a reward: an address, or a table of these settings.

        Args:
            reward: for messages.
            key: another default of it.

        Raises:
            RewardError: a setting is unknown, of another type or out of its range.
        """
        given = {"url": option} if isinstance(option, str) else dict(option)
        where = f"{reward}: endpoint"
        known = [one.name for one in fields(cls)]
        for setting in given:
            if setting not in known:
                raise RewardError(
                    f"{where}: unknown key {setting!r}.{did_you_mean(setting, known)}",
                    hint=f"there are: {', '.join(known)}",
                )
        made = cls(**({} if key is None else {"key": key}) | given)
        if not isinstance(made.url, str) or not isinstance(made.key, str):
            raise RewardError(f"{where}: url and key are texts", hint="see docs/judges.md")
        if not _VARIABLE.fullmatch(made.key):
            raise RewardError(
                f"{where}.key: expected the name of an environment variable, and never a key: a "
                "recipe is published with its dataset",
                hint=f'key = "{key or cls.key}"; put the key into that variable',
            )
        limits = {"concurrency": (1, 1024), "timeout": (0.1, 86_400), "patience": (0, 86_400)}
        for name, (least, most) in limits.items():
            value = getattr(made, name)
            kinds = int if name == "concurrency" else int | float
            if (
                not isinstance(value, kinds)
                or isinstance(value, bool)
                or not least <= value <= most
            ):
                raise RewardError(
                    f"{where}.{name} is {value!r}, expected {least} … {most}",
                    hint="leave it out for the default",
                )
        return made

    def resolved(self) -> str:
        """The base URL, without a slash at its end.

        Raises:
            RewardError: it is not set, or is no such address (what stands there is not shown: it
                may be a key); or the key is one that is not for it.
        """
        url, where = self.url, "`endpoint`"
        if _VARIABLE.fullmatch(url):
            where = f"the environment variable {self.url[1:]}"
            url = os.environ.get(url[1:], "").strip()
            if not url:
                raise RewardError(
                    f"the endpoint's address is not set: {self.url} names an environment variable "
                    "that is empty",
                    hint=f"export {self.url[1:]}=http://localhost:8000/v1, or set `endpoint`",
                )
        if not _is_address(url):
            raise RewardError(
                f"what stands in {where} is no address of an endpoint",
                hint="it looks like http://localhost:8000/v1; keys belong in the environment, in a "
                "variable of their own",
            )
        self._refuse_stranger(urlsplit(url).hostname or "")
        return url.rstrip("/").removesuffix("/chat/completions")

    def without(self, path: str) -> Address:
        """The same, where the URL was written with ``path`` at its end."""
        return replace(self, url=self.url.rstrip("/").removesuffix(path))

    def _refuse_stranger(self, host: str) -> None:
        """Refuse to send the token of a service to another one."""
        theirs = _SERVICES.get(self.key[1:])
        if theirs is not None and not any(f".{host}".endswith(f".{one}") for one in theirs):
            raise RewardError(
                f"endpoint.key is {self.key}, which is the token of another service: it is not "
                f"sent to {host}",
                hint="put the endpoint's own key into a variable of its own",
            )


def _is_address(url: str) -> bool:
    """Whether it is of HTTP, with a host, and with nothing in it that could be a key."""
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        return False
    return bool(
        parts.scheme in ("http", "https")
        and parts.hostname
        and port != 0
        and not ("@" in parts.netloc or parts.query or parts.fragment)
    )
