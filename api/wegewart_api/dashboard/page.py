"""A request for a page: who asks, in which language, and how its answer is written."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from wegewart.damage import Taxonomy
from wegewart.severity import SeverityTable
from wegewart_api.auth.access import SettingsOf, optional_principal
from wegewart_api.auth.login import utc_now
from wegewart_api.auth.principal import Principal
from wegewart_api.dashboard.assets import built_assets
from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.symbols import PRIORITY_PATHS
from wegewart_api.dashboard.text import Language, Words, language_for, words_in
from wegewart_api.errors import NotAllowed
from wegewart_api.settings import Settings

LANGUAGE_COOKIE = "wegewart_language"
NOTICE_COOKIE = "wegewart_notice"
YEAR_S = 365 * 24 * 3600
NOTICE_S = 60  # a notice is read on the very next page
# What a notice may say: the cookie names a text of the catalogue, never carries one.
NOTICES = ("logged_out", "set_up", "confirm", "reject", "order", "start", "complete", "verify", "reopen")


class LoginNeeded(Exception):
    """Somebody who is not logged in asked for a page; they are led to the login and back."""


@dataclass(frozen=True)
class Page:
    """Everything a route needs to write its page."""

    request: Request
    settings: Settings
    who: Principal | None
    words: Words
    now: datetime

    @property
    def formats(self) -> Formats:
        """How this reader sees figures."""
        return Formats(self.words, self.now)

    @property
    def taxonomy(self) -> Taxonomy:
        """Words of the damages."""
        taxonomy: Taxonomy = self.request.app.state.taxonomy
        return taxonomy

    @property
    def severity_limits(self) -> SeverityTable:
        """What makes a damage low, medium or high."""
        limits: SeverityTable = self.request.app.state.severity_limits
        return limits

    @property
    def person(self) -> Principal:
        """The person who is logged in.

        Raises:
            LoginNeeded: If nobody is.
            NotAllowed: If a device asks.
        """
        if self.who is None:
            raise LoginNeeded
        if not self.who.is_person:
            raise NotAllowed("these pages are for people: a device speaks to /api/v1")
        return self.who

    @property
    def here(self) -> str:
        """Path and query of this page."""
        query = self.request.url.query
        return f"{self.request.url.path}?{query}" if query else self.request.url.path

    def render(self, template: str, status: int = 200, **view: object) -> HTMLResponse:
        """HTML of a template in the reader's language."""
        notice = self.request.cookies.get(NOTICE_COOKIE)
        text = (
            environment()
            .get_template(template)
            .render(
                page=self,
                t=self.words,
                f=self.formats,
                status=status,
                who=self.who,
                assets=built_assets(),
                languages=[(language, words_in(language)) for language in Language],
                notice=notice if notice in NOTICES else None,
                priority_paths=PRIORITY_PATHS,
                **view,
            )
        )
        headers = {
            "Cache-Control": "no-store",
            "Vary": "Cookie, Accept-Language",
            "Content-Language": self.words.language.value,
        }
        response = HTMLResponse(text, status_code=status, headers=headers)
        if notice is not None:
            response.delete_cookie(NOTICE_COOKIE, path="/")
        return response

    def lead_to(self, path: str, notice: str | None = None) -> RedirectResponse:
        """Answer that leads the browser to another page, which may say that something was done."""
        response = RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})
        if notice is not None:
            response.set_cookie(
                NOTICE_COOKIE,
                notice,
                max_age=NOTICE_S,
                httponly=True,
                samesite="lax",
                secure=self.settings.cookies_are_secure,
                path="/",
            )
        return response


def page_for(request: Request, settings: Settings, who: Principal | None) -> Page:
    """Page in the language that this reader gets."""
    language = language_for(
        request.cookies.get(LANGUAGE_COOKIE),
        who.language if who else None,
        request.headers.get("Accept-Language"),
        settings.language,
    )
    return Page(request, settings, who, words_in(language), utc_now())


def _page(
    request: Request, settings: SettingsOf, who: Annotated[Principal | None, Depends(optional_principal)]
) -> Page:
    request.state.who = who  # an error page still says who is logged in
    return page_for(request, settings, who)


def _public_page(request: Request, settings: SettingsOf) -> Page:
    return page_for(request, settings, None)


PageOf = Annotated[Page, Depends(_page)]
PublicPageOf = Annotated[Page, Depends(_public_page)]
"""For the pages before a login; an old login in the browser must not stand in their way."""


def own_path(path: str | None) -> str:
    """Path of this server to lead back to; anything else leads to the start."""
    if path is None or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path


@cache
def environment() -> Environment:
    """Jinja, escaping everything; a name a template does not get is an error."""
    made = Environment(
        loader=PackageLoader("wegewart_api.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["map_texts"] = _map_texts
    return made


def _map_texts(words: Words) -> str:
    """The map's words as JSON for its data attribute; Jinja escapes it there."""
    texts: dict[str, Any] = {name: words.of("map", key) for name, key in MAP_TEXTS.items()}
    return json.dumps(texts, ensure_ascii=False)


MAP_TEXTS = {
    "title": "title",
    "empty": "empty",
    "streetsFailed": "streets_failed",
    "pointsFailed": "points_failed",
    "unsupported": "unsupported",
    "open": "open_ticket",
    "zoomIn": "zoom_in",
    "zoomOut": "zoom_out",
    "close": "close",
    "scrollHelp": "scroll_help",
    "scrollHelpMac": "scroll_help_mac",
    "touchHelp": "touch_help",
}
