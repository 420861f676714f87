"""Errors as pages: what happened, in the reader's language, and what to do next."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from wegewart_api.dashboard.page import LoginNeeded, Page, page_for
from wegewart_api.errors import Problem

logger = logging.getLogger(__name__)

# Statuses with words of their own; any other is told as the nearest of these.
TOLD = (400, 403, 404, 409, 429, 500, 503)


class PageRoute(APIRoute):
    """Route of a page: what goes wrong in it is answered as a page, not as JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handler that turns errors into pages."""
        answer = super().get_route_handler()

        async def answer_with_pages(request: Request) -> Response:
            try:
                return await answer(request)
            except LoginNeeded:
                return _login_first(request)
            except Problem as problem:
                return error_page(request, problem.status, problem.headers)
            except (OperationalError, NoFreeConnection) as error:
                logger.error("the store does not answer: %s", error)
                return error_page(request, 503)
            except RequestValidationError as error:
                in_path = any(mistake["loc"][0] == "path" for mistake in error.errors())
                return error_page(request, 404 if in_path else 400)
            except DataError as error:
                logger.warning("the store cannot take what was asked for: %s", error.orig)
                return error_page(request, 422)
            except Exception:
                logger.exception("%s %s failed", request.method, request.url.path)
                return error_page(request, 500)

        return answer_with_pages


def error_page(request: Request, status: int, headers: dict[str, str] | None = None) -> Response:
    """Page that tells an error; it needs neither a login nor the store."""
    told = status if status in TOLD else (500 if status >= 500 else 400)
    page: Page = page_for(request, request.app.state.settings, getattr(request.state, "who", None))
    response = page.render("error.html", status=status, error=str(told))
    response.headers.update(headers or {})
    return response


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks for a page, rather than a program for an answer."""
    path = request.url.path
    return not path.startswith(("/api/", "/static/")) and "text/html" in request.headers.get("Accept", "")


def _login_first(request: Request) -> Response:
    page = page_for(request, request.app.state.settings, None)
    wanted = page.here if request.method == "GET" else "/"
    return page.lead_to("/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}")
