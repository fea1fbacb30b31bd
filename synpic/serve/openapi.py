"""A description of a wire as OpenAPI has it, made of its messages.

Source: the OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from synpic import __version__
from synpic.score.wires.synpic import ServerProblem

__all__ = ["WireEndpoint", "openapi"]

_SCHEMAS = "#/components/schemas/{model}"


@dataclass(frozen=True)
class WireEndpoint:
    """One address: what is sent there, if anything, and what is answered."""

    method: str
    path: str
    summary: str
    request: type[BaseModel] | None
    answer: type[BaseModel]


def openapi(endpoints: Sequence[WireEndpoint]) -> dict[str, Any]:
    """The document of these endpoints."""
    requests = [(one.request, "validation") for one in endpoints if one.request]
    answers = [(one.answer, "serialization") for one in endpoints]
    _, schemas = models_json_schema(
        [*requests, *answers, (ServerProblem, "serialization")],  # type: ignore[list-item]
        ref_template=_SCHEMAS,
    )
    paths: dict[str, Any] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "synpic serve", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{}, {"token": []}, {"password": []}],
    }


def _operation(one: WireEndpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": one.summary,
        "operationId": one.path.strip("/").replace("/", "_"),
        "responses": {
            "200": _content("The answer.", one.answer),
            "default": _content("What is wrong, and what to do.", ServerProblem),
        },
    }
    if one.request:
        operation["requestBody"] = {"required": True, **_content(None, one.request)}
    return operation


def _content(description: str | None, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _SCHEMAS.format(model=model.__name__)}
    content = {"content": {"application/json": {"schema": schema}}}
    return content if description is None else {"description": description, **content}
