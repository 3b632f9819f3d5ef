"""The OpenAPI document is complete, and a change of it is a change of the file beside this one.

After a wanted change: `python -m tests.contract.test_openapi` writes the file anew.
"""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel

from orchestrator.api import gate_models, models, schedule_models, service_models
from orchestrator.api.app import create_app
from orchestrator.api.problems import KINDS, FieldError, ProblemOut
from orchestrator.config import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")
MODELS: list[type[BaseModel]] = [
    value
    for module in (models, service_models, schedule_models, gate_models)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
]
MODELS += [ProblemOut, FieldError]
EXAMPLES = [
    (model, example)
    for model in MODELS
    for example in cast(dict[str, Any], model.model_config.get("json_schema_extra") or {}).get("examples", [])
]
WITHOUT_FILE: dict[str, Any] = {"_env_file": None}
WITH_BODY = {"post", "patch"}


def document() -> dict[str, Any]:
    return create_app(Settings(**WITHOUT_FILE)).openapi()


def stable(found: dict[str, Any]) -> str:
    found = found | {"info": found["info"] | {"version": "any"}}
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_the_recorded_one() -> None:
    assert stable(document()) == SNAPSHOT.read_text(encoding="utf-8")


def test_every_operation_has_an_id_a_tag_a_summary_and_a_description() -> None:
    found = operations()
    known = {tag["name"] for tag in document()["tags"]}

    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    for path, _, operation in found:
        assert operation["summary"] and operation["description"], path
        assert operation["tags"] and set(operation["tags"]) <= known, path


@pytest.mark.parametrize("path", ["/generate", "/plan", "/tasks/{task_id}/status"])
def test_a_route_with_a_body_documents_what_its_body_may_do_wrong(path: str) -> None:
    (operation,) = [
        operation for place, method, operation in operations() if place == path and method in WITH_BODY
    ]

    assert set(operation["responses"]) >= {"408", "413", "415", "422", "503"}


def test_what_every_address_may_answer_is_documented_everywhere() -> None:
    for path, method, operation in operations():
        assert set(operation["responses"]) >= {"400", "405", "414", "431"}, (path, method)


def test_every_error_is_a_problem_of_a_documented_code() -> None:
    for path, _, operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/health":
                assert list(response["content"]) == ["application/problem+json"], (path, status)
                assert [code for code in KINDS if f"`{code}`" in response["description"]], (path, status)


@pytest.mark.parametrize("path", ["/tasks/{task_id}/result", "/artifacts/{path}"])
def test_an_artifact_is_documented_as_of_any_media_type(path: str) -> None:
    responses = document()["paths"][path]["get"]["responses"]

    assert [list(responses[status]["content"]) for status in ("200", "206")] == [["*/*"], ["*/*"]]


def test_every_parameter_and_field_of_a_request_is_described() -> None:
    schemas = document()["components"]["schemas"]
    for path, _, operation in operations():
        for parameter in operation.get("parameters", []):
            assert parameter["in"] == "path" or parameter["description"], (path, parameter["name"])
    for name, field in schemas["GenerateIn"]["properties"].items():
        assert field["description"], name


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_examples_are_valid(model: type[BaseModel], example: Any) -> None:
    model.model_validate_json(json.dumps(example))


if __name__ == "__main__":
    SNAPSHOT.write_text(stable(document()), encoding="utf-8")
