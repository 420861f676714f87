"""The dashboard as the app takes it in: pages, forms, map points, static files, error pages."""

import re

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Scope

from wegewart_api.dashboard import actions, routes
from wegewart_api.dashboard.assets import BUILT, BUILT_AT
from wegewart_api.dashboard.errors import error_page, wants_page

HASHED_NAME = re.compile(r"-[\w-]{8}\.\w+$")  # what Vite builds: another content, another name
FOR_GOOD = "public, max-age=31536000, immutable"


class BuiltFiles(StaticFiles):
    """What npm built; browsers keep for good what has its hash in its name."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 404."""
        response = await super().get_response(path, scope)
        if HASHED_NAME.search(path):
            response.headers["Cache-Control"] = FOR_GOOD
        return response


def mount_dashboard(app: FastAPI) -> None:
    """Add the pages to an app that answers errors already; call it last.

    `app.state` must hold `settings`, `database`, `taxonomy` and `severity_limits`.
    """
    app.include_router(routes.marks_router)  # before the pages: /tickets/{id} must not take its .geojson
    app.include_router(routes.router)
    app.include_router(actions.router)
    app.mount(BUILT_AT, BuiltFiles(directory=BUILT, check_dir=False), name="built")
    _tell_browsers_in_pages(app)


def _tell_browsers_in_pages(app: FastAPI) -> None:
    """An address that no route knows is told as a page to browsers, and as before to programs."""
    tell_programs = app.exception_handlers[HTTPException]

    @app.exception_handler(HTTPException)
    def _tell(request: Request, error: HTTPException) -> Response:
        if wants_page(request):
            return error_page(request, error.status_code)
        answer = tell_programs(request, error)
        assert isinstance(answer, Response), "the app's handler of HTTP errors is a plain function"
        return answer
