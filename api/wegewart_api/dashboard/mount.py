"""The dashboard as the app takes it in: pages, forms, map points, static files."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from wegewart_api.dashboard import actions, routes
from wegewart_api.dashboard.assets import BUILT, BUILT_AT


def mount_dashboard(app: FastAPI) -> None:
    """Add the pages to an app; `app.state` must hold `settings` and `database`."""
    app.include_router(routes.marks_router)  # before the pages: /tickets/{id} must not take its .geojson
    app.include_router(routes.router)
    app.include_router(actions.router)
    app.mount(BUILT_AT, StaticFiles(directory=BUILT, check_dir=False), name="built")
