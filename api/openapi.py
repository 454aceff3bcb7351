"""The description of the API: an example for every operation and for every type of problem.

The examples were recorded from a running service (`examples/OPERATION.json`), long lists cut to
two; a test holds each against the description. Responses are listed by status, success first: many
generated clients ask for the media type that they find first.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api import problems

_FOLDER = Path(__file__).parent / "examples"
_COMPONENTS = "#/components/examples/"


def with_examples(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The description with examples of requests, answers and problems, responses by status."""
    description = openapi()
    known = problems.examples()
    description["components"]["examples"] = {
        problem.name: {"summary": problem.title, "value": problem.example} for problem in known
    }
    for operations in description["paths"].values():
        for operation in operations.values():
            operation["responses"] = dict(sorted(operation["responses"].items()))
            _add_recorded(operation)
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get(problems.MEDIA_TYPE)
                if content is not None:
                    names = [p.name for p in known if str(p.status) == str(status)]
                    content["examples"] = {name: {"$ref": _COMPONENTS + name} for name in names}
    return description


def recorded(operation_id: str) -> dict[str, Any]:
    """What an operation was asked and answered, `request` and `response`; empty if neither."""
    file = _FOLDER / f"{operation_id}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _add_recorded(operation: dict[str, Any]) -> None:
    example = recorded(operation["operationId"])
    if "request" in example:
        for content in operation["requestBody"]["content"].values():
            content["example"] = example["request"]
    answers = [r for s, r in operation["responses"].items() if str(s).startswith("2")]
    contents = list(answers[0].get("content", {}).values())
    if "response" in example and contents:
        contents[0]["example"] = example["response"]  # other forms hold the same
