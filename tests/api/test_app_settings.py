"""Settings: who wins, what is refused, and that nothing secret shows."""

from pathlib import Path

import pytest

from wegewart.errors import SettingsInvalid
from wegewart_api.settings import Settings


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "wegewart.toml"
    file.write_text('port = 1001\nhost = "file"\nlanguage = "en"\n', encoding="utf-8")
    monkeypatch.setenv("WEGEWART_PORT", "1002")
    monkeypatch.setenv("WEGEWART_HOST", "environment")
    settings = Settings.load(file, port=1003, data_dir=None)
    assert (settings.port, settings.host, settings.language) == (1003, "environment", "en")
    assert settings.data_dir == Path("wegewart-data")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port = 70000", "port"),
        ("prot = 8080", "prot"),
        ("port = ", "settings"),
        ('language = "fr"', "language"),
        ('public_url = "wege.stadt.test"', "public_url"),
    ],
    ids=["out of range", "misspelt", "no TOML", "unknown word", "no address"],
)
def test_a_wrong_setting_is_named(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "wegewart.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsInvalid, match=told):
        Settings.load(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="no such file"):
        Settings.load(tmp_path / "none.toml")


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().port = 1  # type: ignore[misc]


def test_the_stores_password_does_not_show() -> None:
    settings = Settings.load(database_url="postgresql://wege:geheim@localhost/wege")
    assert "geheim" not in repr(settings)
    assert "geheim" in settings.store_url


def test_the_variable_that_names_the_data_sets_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEGEWART_DATA", "/somewhere/else")
    assert Settings.load().data_dir == Path("wegewart-data")


@pytest.mark.parametrize(
    ("given", "secure"),
    [
        ({}, False),
        ({"public_url": "https://wege.stadt.test/"}, True),
        ({"public_url": "http://wege.stadt.test"}, False),
        ({"secure_cookies": True}, True),
        ({"public_url": "https://wege.stadt.test", "secure_cookies": False}, False),
    ],
)
def test_cookies_are_secure_where_the_public_address_is(given: dict[str, object], secure: bool) -> None:
    assert Settings.load(**given).cookies_are_secure is secure
