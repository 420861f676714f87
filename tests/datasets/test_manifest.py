"""Data sets are named by manifest; one that is not here says what to set."""

import pytest
from tests.datasets.yolo_sets import settings_for, write_manifest, write_yolo_set

from wegewart.errors import DatasetInvalid, SettingsInvalid
from wegewart_datasets.manifest import Location, data_yaml_of, manifest_names, read_manifest
from wegewart_datasets.settings import DataSettings

SHIPPED = DataSettings.load({})


@pytest.mark.parametrize("name", manifest_names(SHIPPED))
def test_every_shipped_manifest_is_complete_and_calls_itself_by_its_file(name):
    assert read_manifest(name, SHIPPED).licence


def test_a_data_set_outside_the_repository_asks_for_the_variable():
    with pytest.raises(DatasetInvalid, match="set WEGEWART_DATA"):
        data_yaml_of(read_manifest("road-damage", SHIPPED), SHIPPED)


def test_the_smoke_set_needs_no_variable():
    assert data_yaml_of(read_manifest("smoke", SHIPPED), SHIPPED).is_file()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    settings = settings_for(tmp_path)
    write_manifest(settings.manifests, "roads")

    with pytest.raises(DatasetInvalid, match=r"data/roads/data\.yaml is missing"):
        data_yaml_of(read_manifest("roads", settings), settings)


def test_the_place_of_a_data_set_follows_from_its_location(tmp_path):
    settings = settings_for(tmp_path)
    write_manifest(settings.manifests, "roads")
    write_manifest(settings.manifests, "own", location=Location.REPOSITORY)
    in_data = write_yolo_set(tmp_path / "data" / "roads", {"train": {"a": ""}})
    in_repository = write_yolo_set(tmp_path / "own", {"train": {"a": ""}})

    assert data_yaml_of(read_manifest("roads", settings), settings) == in_data
    assert data_yaml_of(read_manifest("own", settings), settings) == in_repository


def test_unknown_names_are_answered_with_the_known_ones(tmp_path):
    settings = settings_for(tmp_path)
    write_manifest(settings.manifests, "roads")

    with pytest.raises(DatasetInvalid, match="it knows roads"):
        read_manifest("streets", settings)


@pytest.mark.parametrize("fields", [{"colour": "red"}, {"name": "other"}], ids=["unknown", "other-name"])
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path, fields):
    settings = settings_for(tmp_path)
    write_manifest(settings.manifests, "roads", **fields)

    with pytest.raises(DatasetInvalid):
        read_manifest("roads", settings)


def test_a_variable_that_names_no_folder_is_called_wrong(tmp_path):
    with pytest.raises(SettingsInvalid, match="is not a folder"):
        DataSettings.load({"WEGEWART_DATA": str(tmp_path / "gone")})
