"""Severity where people and programs look: from stored sizes, by the city's limits, unknown where it is."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.api.dashboard_store import Damage, add_ticket
from tests.api.office import Office

from wegewart.errors import LimitsInvalid
from wegewart_api.app import create_app
from wegewart_api.database import tables
from wegewart_api.settings import Settings

API = "/api/v1"
EVERYTHING_HIGH = """
id = "town-1"
source = "Dienstanweisung 7"
[[class]]
code = "D40"
counts = "width"
basis = "standard"
recalled = false
steps = [{ from = 0, low = 0, medium = 0, high = 1 }]
"""


def with_pothole(office: Office, **sizes: float | None) -> tuple[Any, str]:
    """Client of a reader, and the id of a ticket whose pothole has these sizes and no others."""
    ticket_id = add_ticket(office, Damage("2026-000001", photographs=False))
    nothing = dict.fromkeys(("width_m", "width_sigma_m", "length_m", "length_sigma_m"))
    with office.database.writing() as connection:
        connection.execute(update(tables.defect).values(**(nothing | sizes)))
    return office.person(), str(ticket_id)


def test_a_defect_and_its_ticket_tell_their_severity_with_what_it_stands_on(office: Office) -> None:
    reader, ticket_id = with_pothole(office, width_m=0.31, width_sigma_m=0.08)
    severity = reader.get(f"{API}/defects").json()["defects"][0]["severity"]
    assert severity["low"] + severity["medium"] + severity["high"] == pytest.approx(1)
    # 0.31 ± 0.08 m: Φ(1.75) = 0.9599 lies below 450 mm, and two of three rows of depth are high beyond
    assert severity["high"] == pytest.approx(2 / 3 * 0.0401, abs=1e-3)
    assert severity["likeliest"] == "medium"
    assert severity["size"] == {"value": 0.31, "sigma": 0.08}
    assert (severity["counts"], severity["basis"], severity["source"]) == ("width", "standard", "ASTM D6433")
    assert severity["unknown_reason"] is None
    assert severity["recalled"] is True
    ticket = reader.get(f"{API}/tickets/{ticket_id}").json()
    assert ticket["severity"] == ticket["defects"][0]["severity"] == severity
    assert reader.get(f"{API}/tickets").json()["tickets"][0]["severity"] == severity
    defect_id = ticket["defects"][0]["id"]
    assert reader.get(f"{API}/defects/{defect_id}").json()["severity"] == severity
    point = reader.get(f"{API}/map/defects.geojson").json()["features"][0]
    assert point["properties"]["severity"] == "medium"


def test_a_defect_without_the_size_that_counts_is_of_unknown_severity(office: Office) -> None:
    reader, ticket_id = with_pothole(office, length_m=2.0, length_sigma_m=0.1)
    severity = reader.get(f"{API}/tickets/{ticket_id}").json()["severity"]
    assert severity.pop("unknown_reason") == "no_size"
    assert set(severity.values()) == {None}
    point = reader.get(f"{API}/map/defects.geojson").json()["features"][0]
    assert point["properties"]["severity"] is None


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "de",
            ("Schwere", "gering", "mittel", "hoch", "Nach der Breite allein, ohne Tiefe: 0,31", "noch nicht"),
        ),
        ("en", ("Severity", "low", "medium", "high", "By width alone, without a depth: 0.31", "not checked")),
    ],
)
def test_the_tickets_page_tells_severity_in_words(
    office: Office, language: str, said: tuple[str, ...]
) -> None:
    reader, ticket_id = with_pothole(office, width_m=0.31, width_sigma_m=0.08)
    reader.cookies.set("wegewart_language", language)
    text = reader.get(f"/tickets/{ticket_id}").text
    for words in (*said, "ASTM D6433"):
        assert words in text


def test_the_tickets_page_says_unknown_and_why(office: Office) -> None:
    reader, ticket_id = with_pothole(office)
    text = reader.get(f"/tickets/{ticket_id}").text
    assert "unbekannt" in text
    assert "Die Größe, nach der sie sich richtet, war nicht messbar." in text


def test_a_citys_own_limits_count_at_once_for_what_is_stored(office: Office, tmp_path: Path) -> None:
    _, ticket_id = with_pothole(office, width_m=0.05, width_sigma_m=0.01)
    table = tmp_path / "town.toml"
    table.write_text(EVERYTHING_HIGH, encoding="utf-8")
    settings = Settings.load(data_dir=office.settings.data_dir, severity_limits=table)
    town = Office(
        office.database, settings, create_app(settings, office.database, lambda _connection, _pass: None)
    )
    severity = town.person().get(f"{API}/tickets/{ticket_id}").json()["severity"]
    assert (severity["high"], severity["source"]) == (1.0, "Dienstanweisung 7")


def test_a_faulty_table_stops_the_start_and_names_all_its_mistakes(office: Office, tmp_path: Path) -> None:
    table = tmp_path / "town.toml"
    wrong = EVERYTHING_HIGH.replace("from = 0", "from = 1").replace("high = 1", "high = 0")
    table.write_text(wrong, encoding="utf-8")
    settings = Settings.load(data_dir=tmp_path, severity_limits=table)
    with pytest.raises(LimitsInvalid, match=r"(?s)must begin at 0.*needs weights"):
        create_app(settings, office.database, lambda _connection, _pass: None)
