"""The pages in a real browser: accessible, self-contained, usable by keyboard, and whole without scripts."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.api.dashboard_store import PASSWORD, email_of
from tests.browser_fixture import Visit, visit

from wegewart_api.auth.principal import Role

pytestmark = pytest.mark.browser

LANGUAGES = ("de", "en")
WIDTHS_PX = (360, 1280)
PAGES = {
    "overview": "/",
    "drives": "/drives",
    "streets": "/streets",
    "missing": "/tickets/01970000-0000-7000-8000-000000000000",
}


def logged_in(window: Visit, role: Role = Role.DISPATCHER) -> Visit:
    """The window after a login."""
    window.log_in(email_of(role), PASSWORD)
    return window


def open_first_ticket(window: Visit) -> None:
    """Go from the overview to its first ticket."""
    window.page.goto("/")
    window.page.click(".tickets tbody a")
    window.page.wait_for_url("**/tickets/*")


def keep_screenshot(window: Visit, name: str) -> None:
    """A picture of the page, where WEGEWART_SCREENSHOTS names a folder for them."""
    folder = os.environ.get("WEGEWART_SCREENSHOTS")
    if folder:
        window.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def assert_sound(window: Visit) -> None:
    """No violation, nothing from elsewhere, no complaint, nothing wider than the window."""
    assert window.accessibility_violations() == []
    assert window.foreign == []
    assert window.complaints == []
    assert not window.overflows()


@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_accessible_and_asks_nobody_else(browser: Browser, origin, language, width_px):
    with visit(browser, origin, language=language, width_px=width_px) as window:
        window.page.goto("/login")
        assert window.page.get_attribute("html", "lang") == language
        assert_sound(window)
        window.page.goto("/setup?token=old")
        assert_sound(window)
        logged_in(window)
        for name, path in PAGES.items():
            window.page.goto(path)
            if window.page.locator("[data-map]").count():
                assert window.wait_for_map() in ("full", "empty")
            keep_screenshot(window, f"{name}-{language}-{width_px}")
            assert_sound(window)
        open_first_ticket(window)
        assert window.wait_for_map() == "full"
        window.page.click("details summary")
        keep_screenshot(window, f"ticket-{language}-{width_px}")
        assert_sound(window)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_filter_that_finds_nothing_says_how_to_go_on(browser: Browser, origin, language):
    with visit(browser, origin, language=language, width_px=360) as window:
        logged_in(window)
        window.page.goto("/?street=Nirgendsweg&class=D40")
        assert window.wait_for_map() == "empty"
        assert window.page.input_value("#filter-street") == "Nirgendsweg"
        keep_screenshot(window, f"nothing-found-{language}")
        assert_sound(window)
        window.page.click(".empty a")
        assert window.page.url == f"{origin}/"


def test_dark_colours_are_accessible_too(browser: Browser, origin):
    with visit(browser, origin) as window:
        window.page.emulate_media(color_scheme="dark")
        logged_in(window)
        window.wait_for_map()
        keep_screenshot(window, "overview-dark")
        assert_sound(window)
        open_first_ticket(window)
        window.wait_for_map()
        keep_screenshot(window, "ticket-dark")
        assert_sound(window)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_office_says_what_to_do_next(browser: Browser, empty_origin, language):
    with visit(browser, empty_origin, language=language, width_px=360) as window:
        logged_in(window)
        assert window.page.locator("[data-map]").count() == 0  # there is nothing to draw
        assert window.page.locator(".empty").is_visible()
        assert "wegewart-api streets import" in window.page.inner_text("main")
        keep_screenshot(window, f"empty-{language}")
        assert_sound(window)
        window.page.goto("/drives")
        assert window.page.locator(".empty").is_visible()
        assert_sound(window)


def test_pages_work_without_scripts_from_login_to_a_decision(browser: Browser, origin):
    with visit(browser, origin, scripts=False) as window:
        logged_in(window)
        window.page.goto("/?state=new&class=D00")
        window.page.click(".tickets tbody a")
        assert window.page.locator("figure svg image").count() == 1
        window.page.click("button[value=confirm]")
        assert "Geprüft" in window.page.inner_text(".page-title")
        assert "Der Auftrag ist bestätigt." in window.page.inner_text("[role=status]")
        assert window.foreign == []


def test_photograph_and_box_lie_where_the_crop_says(browser: Browser, origin):
    with visit(browser, origin) as window:
        logged_in(window)
        open_first_ticket(window)
        loaded = window.page.evaluate(
            """async () => {
                 const svg = document.querySelector("figure svg");
                 const image = new Image();
                 image.src = svg.querySelector("image").getAttribute("href");
                 await image.decode();
                 const box = svg.querySelector(".photo__box").getBBox();
                 const view = svg.viewBox.baseVal;
                 return [image.naturalWidth, image.naturalHeight, view.width, view.height,
                         box.x >= 0 && box.y >= 0 && box.x + box.width <= view.width
                         && box.y + box.height <= view.height && box.width > 0];
               }"""
        )
        assert loaded == [1024, 440, 1024, 440, True]


def test_a_row_shows_its_point_on_the_map_by_keyboard(browser: Browser, origin):
    with visit(browser, origin) as window:
        logged_in(window)
        window.wait_for_map()
        row = window.page.locator(".tickets tbody tr").nth(2)
        button = row.locator("button[data-show]")
        button.focus()
        window.page.keyboard.press("Enter")
        popup = window.page.locator(".maplibregl-popup")
        popup.wait_for()
        assert row.locator(".ticket-number").inner_text() in popup.inner_text()
        popup.locator("a").press("Enter")
        window.page.wait_for_url("**/tickets/*")


def test_hovering_a_point_lights_its_row(browser: Browser, origin):
    with visit(browser, origin) as window:
        logged_in(window)
        window.page.goto("/?street=Euben")
        window.wait_for_map()
        canvas = window.page.locator(".maplibregl-canvas").bounding_box()
        assert canvas is not None
        frame = {"top": 40, "right": 72, "bottom": 44, "left": 32}  # the only point is in its middle
        window.page.mouse.move(
            canvas["x"] + (canvas["width"] + frame["left"] - frame["right"]) / 2,
            canvas["y"] + (canvas["height"] + frame["top"] - frame["bottom"]) / 2,
        )
        window.page.wait_for_selector("tr.is-lit")


def test_switching_the_language_stays_on_the_page(browser: Browser, origin):
    with visit(browser, origin) as window:
        logged_in(window, Role.VIEWER)
        window.page.goto("/?class=D40&state=all")
        window.page.click("form[action='/language'] button")
        assert window.page.get_attribute("html", "lang") == "en"
        assert window.page.url == f"{origin}/?class=D40&state=all"
        window.page.goto("/drives")
        assert window.page.inner_text("h1") == "Drives"
