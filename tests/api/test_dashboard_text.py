"""The catalogue: the same keys in both languages, each one used, and none missing."""

import re
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest

from wegewart.condition import Band
from wegewart.drive import InvalidReason
from wegewart.severity import SIZED, Basis, Grade, Unknown
from wegewart_api.auth.principal import Role
from wegewart_api.dashboard import errors, formats, page
from wegewart_api.dashboard.filters import StateChoice
from wegewart_api.dashboard.symbols import PRIORITY_PATHS
from wegewart_api.dashboard.text import Language, language_for, words_in
from wegewart_api.tickets.lifecycle import (
    NOTED,
    PROPOSED,
    SYSTEM_ROLE,
    RejectReason,
    TicketAction,
    TicketState,
)

PACKAGE = Path(str(files("wegewart_api.dashboard")))
DE, EN = (words_in(language).entries for language in Language)
# Families whose members are words of code: t.of("state", …) and the like.
FAMILIES = {
    "state": {*TicketState, *StateChoice},
    "action": set(TicketAction),
    "event": {*TicketAction, PROPOSED, NOTED},
    "reason": set(RejectReason),
    "noted": {"first", "seen_again", "grown", "class_changed", "withdrawn"},
    "role": {*Role, SYSTEM_ROLE},
    "priority": {str(level) for level in PRIORITY_PATHS},
    "notice": set(page.NOTICES),
    "invalid": set(InvalidReason),
    "drive_state": {"open", "incomplete", "waiting", "processed", "superseded"},
    "chance": {name for _, name in formats.CHANCES},
    "size": {"length", "width", "area"},
    "severity": set(Grade),
    "band": set(Band),
    "severity.because": set(Unknown),
    "severity.by": set(SIZED),
    "severity.basis": {*Basis, "recalled"},
    "map": set(page.MAP_TEXTS.values()),
    "error": {f"{status}.{part}" for status in errors.TOLD for part in ("title", "help")},
    "setup": {"name", "email"},
    "setup.wrong_field": {"name", "email", "password"},
}


def used_keys() -> set[str]:
    """Keys that templates and code name, and those of the families."""
    files_with_words = (*PACKAGE.glob("*.py"), *PACKAGE.glob("templates/*.html"))
    source = "".join(file.read_text(encoding="utf-8") for file in files_with_words)
    named = set(re.findall(r'\b(?:t|words)\(\s*"([a-z0-9_.]+)"', source))
    for pair in re.findall(r'\bwords\("([a-z_.]+)" if [^)]*? else "([a-z_.]+)"\)', source):
        named |= set(pair)
    return named | {f"{family}.{member}" for family, members in FAMILIES.items() for member in members}


def known(entries) -> set[str]:
    """Keys of a catalogue; singular and plural count as one."""
    return {key.removesuffix(".one").removesuffix(".other") for key in entries}


def placeholders(text: str) -> set[str]:
    """Names that a text wants filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys():
    assert set(DE) == set(EN)


def test_each_text_wants_the_same_values_in_both_languages():
    assert {key: placeholders(DE[key]) for key in DE} == {key: placeholders(EN[key]) for key in EN}


def test_every_plural_has_both_forms():
    stems = {key.rsplit(".", 1)[0] for key in DE if key.endswith((".one", ".other"))}
    assert all(f"{stem}.one" in DE and f"{stem}.other" in DE for stem in stems)


def test_every_key_that_is_used_exists():
    assert used_keys() - known(DE) == set()


def test_no_key_is_unused():
    assert known(DE) - used_keys() == set()


def test_no_template_writes_words_of_its_own():
    class_name = r"{% block main_class %}.*?{% endblock %}"
    markup = re.compile(class_name + r"|{#.*?#}|{%.*?%}|{{.*?}}|<[^>]*>|&\w+;", re.DOTALL)
    own_names = {"Wegewart"}
    for template in PACKAGE.glob("templates/*.html"):
        words = set(re.findall(r"[A-Za-zÄÖÜäöüß]{2,}", markup.sub(" ", template.read_text(encoding="utf-8"))))
        assert words <= own_names, template.name


@pytest.mark.parametrize(
    "forbidden", [" style=", "<style", "onclick", "onsubmit", "javascript:", "|safe", "| safe"]
)
def test_templates_have_no_inline_style_or_script_and_trust_no_data(forbidden):
    for template in PACKAGE.glob("templates/*.html"):
        assert forbidden not in template.read_text(encoding="utf-8"), template.name


def test_every_form_that_posts_carries_the_csrf_token_but_those_before_a_login():
    for template in PACKAGE.glob("templates/*.html"):
        for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text("utf-8"), re.DOTALL):
            assert 'include "csrf.html"' in form or template.name in ("login.html", "setup.html")


@pytest.mark.parametrize(
    ("cookie", "account", "accepted", "default", "language"),
    [
        pytest.param("en", "de", "de", "de", "en", id="what the reader chose counts most"),
        pytest.param(None, "en", "de-DE,de;q=0.9", "de", "en", id="then the account"),
        pytest.param(None, None, "en-GB,en;q=0.9,de;q=0.5", "de", "en", id="then the browser"),
        pytest.param(None, None, "de;q=0.5,en;q=0.7", "de", "en", id="by its weights"),
        pytest.param(None, None, "fr-FR,fr;q=0.9,en;q=0.3", "de", "en", id="skipping what is not spoken"),
        pytest.param(None, None, "en;q=0", "de", "de", id="zero means never"),
        pytest.param(None, None, "en;q=much", "de", "de", id="a broken weight means never"),
        pytest.param("fr", None, None, "en", "en", id="else the server's setting"),
    ],
)
def test_language_of_a_page(cookie, account, accepted, default, language):
    assert language_for(cookie, account, accepted, default) == language
