"""Every error as problem details (RFC 9457), and nothing of the inside shown."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from starlette.exceptions import HTTPException

from wegewart_api.app.middleware import PROTECTING_HEADERS
from wegewart_api.database.ids import new_id
from wegewart_api.errors import BadRequest, Invalid, NotFound, Problem, StoreUnavailable, TooLarge

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "urn:wegewart:problem:"
RETRY_AFTER_S = "5"
DETAILS = {404: "there is nothing at this address", 405: "this address does not know this method"}
KINDS: dict[int, type[Problem]] = {kind.status: kind for kind in (BadRequest, NotFound, TooLarge, Invalid)}


def add_problem_answers(app: FastAPI) -> None:
    """Let an app answer all errors as problem details."""

    @app.exception_handler(Problem)
    def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return problem_response(problem)

    @app.exception_handler(RequestValidationError)
    def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = error.errors()
        told = [
            {"field": ".".join(str(part) for part in mistake["loc"]), "message": mistake["msg"]}
            for mistake in mistakes
        ]
        unreadable = any(mistake["type"] == "json_invalid" for mistake in mistakes)
        kind = BadRequest if unreadable else Invalid
        summary = "; ".join(f"{one['field']}: {one['message']}" for one in told)
        return problem_response(kind(summary, errors=told))

    @app.exception_handler(HTTPException)
    def _http(_request: Request, error: HTTPException) -> JSONResponse:
        detail = DETAILS.get(error.status_code, str(error.detail))
        headers = dict(error.headers or {})
        if error.status_code in KINDS:
            return problem_response(KINDS[error.status_code](detail, headers=headers))
        title = HTTPStatus(error.status_code).phrase
        return _response(error.status_code, "about:blank", title, detail, {}, headers)

    @app.exception_handler(DataError)
    def _unstorable(_request: Request, error: DataError) -> JSONResponse:
        logger.warning("the store cannot take what was asked for: %s", error.orig)
        return problem_response(
            Invalid("a value is none that the store can compare: look for odd characters")
        )

    @app.exception_handler(OperationalError)
    @app.exception_handler(NoFreeConnection)
    def _store(_request: Request, error: Exception) -> JSONResponse:
        reason = error.orig if isinstance(error, DBAPIError) else error
        logger.error("the store does not answer: %s", reason)
        problem = StoreUnavailable("nothing was changed: try again", headers={"Retry-After": RETRY_AFTER_S})
        return problem_response(problem)

    @app.exception_handler(Exception)
    def _unexpected(request: Request, error: Exception) -> JSONResponse:
        incident = str(new_id())
        logger.error("incident %s at %s %s", incident, request.method, request.url.path, exc_info=error)
        response = problem_response(
            Problem("something went wrong here; the log explains it under this incident", incident=incident)
        )
        response.headers.update(PROTECTING_HEADERS)  # this answer passes no middleware
        return response


def problem_response(problem: Problem) -> JSONResponse:
    """Answer that tells a problem."""
    return _response(
        problem.status,
        PROBLEM_TYPE + problem.kind,
        problem.title,
        problem.detail,
        problem.extensions,
        problem.headers,
    )


def _response(
    status: int, kind: str, title: str, detail: str, extensions: dict[str, Any], headers: dict[str, str]
) -> JSONResponse:
    told = {"type": kind, "title": title, "status": status, "detail": detail}
    return JSONResponse(
        {**jsonable_encoder(extensions), **told}, status, headers, media_type="application/problem+json"
    )
