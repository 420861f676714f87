"""Settings: one class, documented in the example, mistakes named."""

import tomllib
from pathlib import Path

import pytest

from wegewart.errors import SettingsInvalid
from wegewart_edge.settings import EdgeSettings

EXAMPLE = Path(__file__).resolve().parents[2] / "edge" / "vehicle.example.toml"


def test_every_setting_stands_in_the_example_with_its_default():
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    commented = EXAMPLE.read_text(encoding="utf-8")
    for section, field in EdgeSettings.model_fields.items():
        for name, value in field.default.model_dump(mode="json").items():
            if value is None:
                assert f"# {name} = " in commented, f"[{section}] {name} is not documented"
            else:
                assert written[section][name] == value, f"[{section}] {name}"


def test_example_loads_and_holds_nothing_unknown():
    assert EdgeSettings.load(EXAMPLE, {}, {}) == EdgeSettings()


def test_command_line_wins_over_file_and_environment(tmp_path):
    path = tmp_path / "vehicle.toml"
    path.write_text(
        '[server]\nurl = "https://file.example"\ndevice_token = "from-file"\n[gate]\ndistance_m = 2.0\n'
    )
    loaded = EdgeSettings.load(
        path, {"server": {"url": "https://line.example"}}, {"WEGEWART_DEVICE_TOKEN": "from-environment"}
    )
    assert (loaded.server.url, loaded.token(), loaded.gate.distance_m) == (
        "https://line.example",
        "from-environment",
        2.0,
    )


def test_token_is_not_shown_when_settings_are_printed():
    loaded = EdgeSettings.load(None, {}, {"WEGEWART_DEVICE_TOKEN": "wgd_very_secret"})
    assert "very_secret" not in repr(loaded)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[gate]\ndistanze_m = 2.0\n", "gate.distanze_m"),
        ("[gate]\ndistance_m = -1\n", "greater than or equal to 0"),
        ("gate = 3\n", "must be a table"),
        ("[locate]\nnear_m = 20\n", "near_m must be below"),
        ("[gate\n", "no TOML"),
    ],
    ids=["misspelt", "range", "table", "zone", "toml"],
)
def test_mistake_in_the_file_is_named(tmp_path, text, says):
    path = tmp_path / "vehicle.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=says):
        EdgeSettings.load(path, {}, {})


def test_missing_or_empty_token_file_is_named(tmp_path):
    settings = EdgeSettings.load(None, {"server": {"token_file": tmp_path / "none"}}, {})
    with pytest.raises(SettingsInvalid, match="none"):
        settings.token()
    (tmp_path / "none").write_text("\n")
    with pytest.raises(SettingsInvalid, match="empty"):
        settings.token()
