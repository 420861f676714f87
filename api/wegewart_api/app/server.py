"""Starts the application on a store: tables, tenant, set-up link, what a crash left over, then the socket."""

import json
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn

from wegewart.errors import SettingsInvalid
from wegewart_api.app.composition import create_app
from wegewart_api.auth.login import issue_setup_link, utc_now
from wegewart_api.auth.repository import add_tenant, tenant_of
from wegewart_api.database.engine import Database
from wegewart_api.database.migrate import migrate
from wegewart_api.intake.processing import ProcessPass, process_complete
from wegewart_api.settings import Settings

logger = logging.getLogger(__name__)

DEFAULT_TENANT = "default"
SHUTDOWN_LIMIT_S = 20
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # named, not bound


def open_store(settings: Settings) -> Database:
    """Store with tables of this version and the default tenant in it."""
    database = Database.open(settings.store_url, settings.request_threads)
    try:
        migrate(database)
        with database.writing() as connection:
            if tenant_of(connection, DEFAULT_TENANT) is None:
                add_tenant(connection, DEFAULT_TENANT, "Wegewart", utc_now())
    except BaseException:
        database.close()
        raise
    return database


def serve(settings: Settings, process_pass: ProcessPass, ready_file: Path | None = None) -> int:
    """Serve until told to stop.

    Args:
        ready_file: Where to write {"url", "setup_url"} as soon as the server listens.
    """
    database = open_store(settings)
    processed = process_complete(database, process_pass)
    if processed:
        logger.info("%d drives that waited since the last run were processed", len(processed))
    listening = _listen(settings)
    url = settings.public_url or _url(settings.host, listening.getsockname()[1])
    setup_url = setup_url_of(database, url, DEFAULT_TENANT)
    server = _Announcing(
        uvicorn.Config(
            create_app(settings, database, process_pass),
            log_config=None,
            access_log=False,  # ours leaves the query out
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_graceful_shutdown=SHUTDOWN_LIMIT_S,
        ),
        url,
        setup_url,
        ready_file,
    )
    server.run(sockets=[listening])
    return 0


def setup_url_of(database: Database, url: str, tenant_key: str) -> str | None:
    """Address of a fresh one-time set-up link, None if the tenant has people already.

    Raises:
        SettingsInvalid: If there is no such tenant.
    """
    with database.reading() as connection:
        tenant_id = tenant_of(connection, tenant_key)
    if tenant_id is None:
        raise SettingsInvalid(f"no tenant {tenant_key!r}: `wegewart-api tenant create` makes one")
    token = issue_setup_link(database, tenant_id, utc_now())
    return f"{url}/setup?token={token}" if token else None


class _Announcing(uvicorn.Server):
    """Server that says when it listens."""

    def __init__(
        self, config: uvicorn.Config, url: str, setup_url: str | None, ready_file: Path | None
    ) -> None:
        super().__init__(config)
        self._url = url
        self._setup_url = setup_url
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.should_exit:
            return
        print(f"Wegewart läuft: {self._url}/\nWegewart listens: {self._url}/", file=sys.stderr)
        if self._setup_url:
            print(
                "Noch kein Konto. Einmaliger Einrichtungs-Link, 24 Stunden gültig:\n"
                "No account yet. One-time set-up link, valid for 24 hours:\n"
                f"  {self._setup_url}",
                file=sys.stderr,
                flush=True,
            )
        if self._ready_file is not None:
            _write_whole(self._ready_file, json.dumps({"url": self._url, "setup_url": self._setup_url}))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsInvalid(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error};"
            " choose another with --port, or --port 0 for a free one"
        ) from error


def _url(host: str, port: int) -> str:
    named = ANYWHERE.get(host, host)
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


def _write_whole(file: Path, text: str) -> None:
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=".ready-")
    with os.fdopen(handle, "w", encoding="utf-8") as written:
        written.write(text + "\n")
    Path(beside).replace(file)
