"""Puts the parts together: store, settings, routes of every part, and what completes a pass."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
import anyio.to_thread
from fastapi import FastAPI
from sqlalchemy import text
from starlette.middleware.gzip import GZipMiddleware

from wegewart.damage import shipped_taxonomy
from wegewart_api.app.middleware import AccessLog, LimitedBody, ProtectingHeaders
from wegewart_api.app.openapi import describe
from wegewart_api.app.problems import add_problem_answers
from wegewart_api.auth import routes as auth
from wegewart_api.auth.access import StoreOf
from wegewart_api.dashboard.mount import mount_dashboard
from wegewart_api.database.engine import Database
from wegewart_api.defects import condition_routes
from wegewart_api.defects import routes as defects
from wegewart_api.defects.condition import condition_limits
from wegewart_api.defects.severity import severity_limits
from wegewart_api.flow import refresh_seen_streets
from wegewart_api.intake import routes as intake
from wegewart_api.intake.evidence_store import EvidenceFolder
from wegewart_api.intake.processing import ProcessPass, WaitingPasses
from wegewart_api.settings import Settings
from wegewart_api.streets import routes as streets
from wegewart_api.tickets import routes as tickets

logger = logging.getLogger(__name__)

RETRY_INTERVAL_S = 60.0
ROUTERS = (
    auth.router,
    intake.router,
    streets.router,
    defects.router,
    condition_routes.router,
    tickets.router,
)


def create_app(
    settings: Settings,
    database: Database,
    process_pass: ProcessPass,
    retry_interval_s: float = RETRY_INTERVAL_S,
) -> FastAPI:
    """Application over a store whose tables are up to date.

    Args:
        process_pass: What turns a complete pass into defects and tickets.
        retry_interval_s: How often passes that could not be processed are looked for, while the app runs.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # as many threads as connections: a thread never waits for a connection that only threads can free
        anyio.to_thread.current_default_thread_limiter().total_tokens = settings.request_threads
        waiting = WaitingPasses(database, process_pass)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_process_waiting, waiting, retry_interval_s)
            tasks.start_soon(_keep_seen_streets_fresh, database, retry_interval_s)
            yield
            tasks.cancel_scope.cancel()
        database.close()

    app = FastAPI(
        title="Wegewart",
        version=version("wegewart"),
        description="Observations in, defects and tickets out. Times are UTC, positions ETRS89 unless named.",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its pages come from a foreign server
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.taxonomy = shipped_taxonomy(settings.taxonomy)
    app.state.severity_limits = severity_limits(settings, app.state.taxonomy)
    app.state.condition_limits = condition_limits(settings)
    app.state.evidence_store = EvidenceFolder(settings.evidence_dir)
    app.state.process_pass = process_pass
    add_problem_answers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    mount_dashboard(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_middleware(LimitedBody, most_bytes=settings.body_limit_bytes)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(ProtectingHeaders, https=settings.cookies_are_secure)
    app.add_middleware(AccessLog)
    return app


async def _process_waiting(waiting: WaitingPasses, interval_s: float) -> None:
    """Try again what could not be processed, until cancelled; an attempt that has begun is finished."""
    while True:
        await anyio.sleep(interval_s)
        await anyio.to_thread.run_sync(waiting.process_due)


async def _keep_seen_streets_fresh(database: Database, interval_s: float) -> None:
    """After an import of streets, or the first start of this version, find again what drives saw of them."""
    while True:
        await anyio.to_thread.run_sync(_refresh_seen_streets, database)
        await anyio.sleep(interval_s)


def _refresh_seen_streets(database: Database) -> None:
    try:
        refresh_seen_streets(database)
    except Exception:  # the store may be away for a moment: the next minute asks again
        logger.exception("what drives saw of the streets could not be found again; tried again in a minute")


def healthz(database: StoreOf) -> dict[str, str]:
    """Whether the server and its store answer."""
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
    return {"status": "ok", "version": version("wegewart")}
