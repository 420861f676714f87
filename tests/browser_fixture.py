"""A real browser for tests: Debian's Chromium, off the network, with axe-core and a server to talk to."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

REPOSITORY = Path(__file__).parents[1]
FRONT_END = REPOSITORY / "api" / "dashboard"
MANIFEST = REPOSITORY / "api" / "wegewart_api" / "dashboard" / "static" / "built" / "manifest.json"
AXE = FRONT_END / "node_modules" / "axe-core" / "axe.min.js"
BUILD_LIMIT_S = 300
LOCALES = {"de": "de-DE", "en": "en-GB"}
HEIGHTS_PX = {1280: 900, 360: 740}
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


@dataclass
class Visit:
    """A browser window on one server, and what it asked of others or complained about."""

    origin: str
    context: BrowserContext
    page: Page
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def log_in(self, email: str, password: str) -> None:
        """Log in by the form."""
        self.page.goto("/login")
        self.page.fill("#email", email)
        self.page.fill("#password", password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_selector("form[action='/logout']")

    def wait_for_map(self) -> str:
        """Wait until the map has drawn, and give its state: full, empty or error."""
        self.page.wait_for_selector("[data-map]:not([data-state=loading])", timeout=60_000)
        state = self.page.get_attribute("[data-map]", "data-state")
        assert state is not None
        return state

    def accessibility_violations(self) -> list[str]:
        """What axe-core finds wrong on this page by WCAG 2.2 A and AA and its best practices."""
        found = self.page.evaluate("() => axe.run()")
        return [
            f"{each['id']}: {each['help']} at {node['html'][:120]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(
            self.page.evaluate(
                "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Chromium without a window; skips, or fails in CI, where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        _missing("Chromium is missing: apt-get install chromium")
    sandbox = () if os.geteuid() else ("--no-sandbox",)  # Chromium's sandbox refuses to run as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser, origin: str, *, language: str = "de", width_px: int = 1280, scripts: bool = True
) -> Iterator[Visit]:
    """A fresh window without cookies; with scripts, axe-core is at hand on each page."""
    context = browser.new_context(
        base_url=origin,
        locale=LOCALES[language],
        viewport={"width": width_px, "height": HEIGHTS_PX.get(width_px, 900)},
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    if scripts:
        context.add_init_script(path=AXE)  # an injected tag would be stopped by the page's security policy
    page = context.new_page()
    window = Visit(origin, context, page)

    def note(request: Request) -> None:
        if not request.url.startswith((f"{origin}/", "data:", f"blob:{origin}/")):
            window.foreign.append(request.url)

    context.on("request", note)
    page.on("pageerror", lambda error: window.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: window.complaints.append(message.text) if "Security Policy" in message.text else None,
    )
    try:
        yield window
    finally:
        context.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """An app listening on a free port of this machine; its origin."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def build_front_end() -> None:
    """Build styles and map with npm, unless that was done already."""
    if MANIFEST.is_file() and AXE.is_file():
        return
    npm = shutil.which("npm")
    if npm is None:
        _missing("npm is missing: install Node.js 20.19 or later")
    for command in (["ci"], ["run", "build"]):
        subprocess.run([npm, *command], cwd=FRONT_END, check=True, timeout=BUILD_LIMIT_S)


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
