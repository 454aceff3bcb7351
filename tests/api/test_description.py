"""The description of the API: every operation and problem has an example, and all of them hold."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api import openapi
from api.app import create_app
from api.openapi import recorded
from api.problems import examples
from api.settings import Settings

JSON = "application/json"
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("description")
    return create_app(Settings(data_dir=folder), address="127.0.0.1").openapi()


@pytest.fixture(scope="module")
def operations(description: dict[str, Any]) -> list[Operation]:
    return [
        (method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def _check(description: dict[str, Any], schema: dict[str, Any], example: Any) -> None:
    whole = {**schema, "components": description["components"]}
    jsonschema.Draft202012Validator(whole).validate(example)


def test_every_operation_has_an_example_of_what_it_takes_and_gives(
    description: dict[str, Any], operations: list[Operation]
) -> None:
    for _, path, operation in operations:
        name = operation["operationId"]
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            assert "example" in content, f"{name}: no request; record api/examples/{name}.json"
            if media_type == JSON:
                _check(description, content["schema"], content["example"])
        (answer, *_) = [r for s, r in operation["responses"].items() if s.startswith("2")]
        for media_type, content in list(answer.get("content", {}).items())[:1]:
            assert "example" in content, f"{name}: no answer; record api/examples/{name}.json"
            assert content["example"], (name, path)
            if media_type == JSON:
                _check(description, content["schema"], content["example"])


def test_no_example_is_of_an_operation_that_there_is_not(operations: list[Operation]) -> None:
    names = {operation["operationId"] for _, _, operation in operations}
    files = (Path(openapi.__file__).parent / "examples").iterdir()
    assert {file.stem for file in files} <= names
    assert recorded("nothing") == {}


def test_every_type_of_problem_has_an_example_and_every_refusal_names_its_types(
    description: dict[str, Any], operations: list[Operation]
) -> None:
    known = {problem.name: problem for problem in examples()}
    assert set(description["components"]["examples"]) == set(known)
    schema = {"$ref": "#/components/schemas/Problem"}
    for name, example in description["components"]["examples"].items():
        _check(description, schema, example["value"])
        assert example["value"]["type"] == f"urn:softmax-advisor:problem:{name}"
        assert example["value"]["detail"]
    for _, path, operation in operations:
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                for name in content.get("examples", {}):
                    assert str(known[name].status) == status
                if status.startswith(("4", "5")):
                    assert content["examples"], (path, status)


def test_operations_that_cost_compute_take_a_key_and_those_that_look_take_an_etag(
    operations: list[Operation],
) -> None:
    taken = {
        operation["operationId"]: {p["name"].lower() for p in operation.get("parameters", [])}
        for _, _, operation in operations
    }
    for name in ("create_recommendation", "create_calibration"):
        assert "idempotency-key" in taken[name]
    for name in ("get_task", "list_profiles", "get_recommendation", "get_loss", "list_workers"):
        assert "if-none-match" in taken[name]
