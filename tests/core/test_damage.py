"""The taxonomy is data: what ships, and what a faulty file says."""

from pathlib import Path

import pytest

from wegewart.damage import Measured, read_taxonomy, shipped_taxonomy
from wegewart.errors import InvalidTaxonomy

WITH_PATCH = """
id = "town-2"
title_de = "Mit Flickstellen"
title_en = "With patches"
source = "test"
[[class]]
code = "D40"
name_de = "Schlagloch"
name_en = "Pothole"
measured = "width"
[[class]]
code = "FLI"
name_de = "Flickstelle"
name_en = "Patch"
measured = "none"
damage = false
"""


def test_the_shipped_taxonomy_knows_the_four_classes_in_the_models_order() -> None:
    taxonomy = shipped_taxonomy()
    assert taxonomy.codes == ("D00", "D10", "D20", "D40")
    assert taxonomy.of("D40").name_de == "Schlagloch"
    assert taxonomy.of("D20").measured is Measured.AREA
    assert taxonomy.index_of("D20") == 2


def test_a_city_adds_a_class_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text(WITH_PATCH, encoding="utf-8")
    taxonomy = read_taxonomy(path)
    assert taxonomy.codes == ("D40", "FLI")
    assert not taxonomy.of("FLI").damage


def test_class_names_of_a_data_set_begin_with_the_code() -> None:
    assert shipped_taxonomy().codes_of(["D00 longitudinal crack", "D40"]) == ("D00", "D40")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("id = ", "Invalid value"),
        (WITH_PATCH.replace('"FLI"', '"D40"'), "stands twice"),
        (WITH_PATCH.replace('measured = "none"', 'measured = "depth"'), "measured"),
        ('id = "x-1"', "Field required"),
    ],
    ids=["no TOML", "a code twice", "unknown measure", "no classes"],
)
def test_a_faulty_taxonomy_file_says_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "faulty.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidTaxonomy, match=complaint) as caught:
        read_taxonomy(path)
    assert str(path) in str(caught.value)


def test_an_unknown_code_names_those_that_exist() -> None:
    with pytest.raises(InvalidTaxonomy, match="D00, D10, D20, D40"):
        shipped_taxonomy().of("D99")


def test_an_unknown_taxonomy_names_those_that_ship() -> None:
    with pytest.raises(InvalidTaxonomy, match="road-damage-1"):
        shipped_taxonomy("moon-1")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaxonomy, match="nowhere"):
        read_taxonomy(tmp_path / "nowhere.toml")
