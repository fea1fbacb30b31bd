"""An endpoint that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, a provider.

One request asks for the log-probabilities of the likeliest tokens of an answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from synpic.score.servers.address import Address
from synpic.score.servers.server import Call, Server, ServerWords
from synpic.score.vlm.questions import TOP, SentImage, VlmAnswer, VlmQuestion
from synpic.score.vlm.reply import read_reply

__all__ = ["Endpoint", "data_url"]

_AWAY = (
    "answers so far are kept, and the same command goes on from there; "
    "`patience` of the option `endpoint` says for how long a question is repeated"
)
_HINTS = {
    404: "`model` is the name under which the server has it; the address usually ends in /v1",
    429: "the quota is used up; answers so far are kept, and the same command goes on",
}


class Endpoint:
    """A model at an address. Used by several threads at once.

    Args:
        model: as the server names it.
        request: what is added to the body of every request, or replaces what is there.

    Raises:
        RewardError: the address is none.
    """

    def __init__(self, address: Address, model: str, request: Mapping[str, Any]) -> None:
        self.model, self._request = model, dict(request)
        self._server = Server(address, ServerWords(model, _AWAY, _HINTS))

    def body(self, question: VlmQuestion, image: Callable[[SentImage], str]) -> dict[str, Any]:
        """A request.

        Args:
            image: a picture → its URL.
        """
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": image(part)}}
            for part in question.parts
        ]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": question.tokens,
            "logprobs": True,
            "top_logprobs": TOP,
        }
        if "max_completion_tokens" in self._request:  # the newer name; some servers refuse both
            del body["max_tokens"]
        return {**body, **self._request}

    def first(self, question: VlmQuestion) -> None:
        """Name the question that shows whether the endpoint answers at all; the first one stays."""
        self._server.first(self._call(question))

    def ask(self, question: VlmQuestion) -> VlmAnswer:
        """The answer to ``question``, asked until there is one or patience ends.

        Raises:
            ValueError: the server refuses this question, or fails at it while it answers others.
            RewardError: it answers none: it is away, refuses the key, has no such model, returns no
                log-probabilities.
        """
        return self._server.ask(self._call(question))

    def rest(self, seconds: float) -> bool:
        """Wait; whether nothing more is asked."""
        return self._server.rest(seconds)

    def close(self) -> None:
        """Ask nothing again. What is under way is waited for by its own thread."""
        self._server.close()

    def _call(self, question: VlmQuestion) -> Call[VlmAnswer]:
        return Call("/chat/completions", _encoded(self.body(question, data_url)), read_reply)


def _encoded(body: Mapping[str, Any]) -> bytes:
    """A request as it is sent.

    Raises:
        ValueError: its text has no bytes.
    """
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("the prompt holds half of a surrogate pair, which is no text") from None


def data_url(picture: SentImage) -> str:
    """An image as it stands in a request."""
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
