"""The API's description, complete in itself: no page of it needs another server."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from wegewart_api.intake.routes import SENT_MODELS

SCHEMAS = "#/components/schemas/{model}"
OWN_WORDS_FOR_ERRORS = ("HTTPValidationError", "ValidationError")


class ProblemDetails(BaseModel):
    """An error as RFC 9457 writes it; some kinds carry further fields, such as `results`."""

    type: str = Field(examples=["urn:wegewart:problem:not-found"])
    title: str
    status: int
    detail: str


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI document of an app, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.update(_sent_schemas())
        for name in OWN_WORDS_FOR_ERRORS:
            schemas.pop(name, None)
        components["securitySchemes"] = {
            "device": {"type": "http", "scheme": "bearer", "bearerFormat": "wgd_<id>_<secret>"},
            "login": {"type": "apiKey", "in": "cookie", "name": "wegewart_session"},
        }
        document["security"] = [{"device": []}, {"login": []}]
        for operations in document["paths"].values():
            for operation in operations.values():
                _tell_problems(operation)
        app.openapi_schema = document
    return app.openapi_schema


def _sent_schemas() -> dict[str, Any]:
    models = [(model, "validation") for model in (*SENT_MODELS, ProblemDetails)]
    _, schema = models_json_schema(models, ref_template=SCHEMAS)  # type: ignore[arg-type]  # str, not its Literal
    sent: dict[str, Any] = schema["$defs"]
    return sent


def _tell_problems(operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)  # FastAPI's own shape of errors, which is not ours
    problem = {"schema": {"$ref": SCHEMAS.format(model="ProblemDetails")}}
    operation["responses"]["default"] = {
        "description": "Problem",
        "content": {"application/problem+json": problem},
    }
