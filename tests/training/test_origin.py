"""Where photographs come from: by the data set's table, else by their names."""

from pathlib import Path

import pytest
from tests.datasets.yolo_sets import write_yolo_set

from wegewart.errors import DatasetInvalid
from wegewart_datasets.yolo import read_data_yaml
from wegewart_training.origin import Origin, origin_of, read_origins


@pytest.fixture
def data(tmp_path):
    return read_data_yaml(write_yolo_set(tmp_path / "roads", {"test": {"a_1": ""}}))


@pytest.mark.parametrize("table", ["extra/groups.csv", "images.csv"])
def test_the_table_of_the_data_set_counts(data, table):
    path = data.root / table
    path.parent.mkdir(exist_ok=True)
    path.write_text("image,source,group,split\na_1.jpg,bicycles,ride 7,test\n")

    origins = read_origins(data)

    assert origin_of(Path("images/test/a_1.jpg"), origins) == Origin("bicycles", "ride 7")
    assert origin_of(Path("Japan_000012.jpg"), origins) == Origin("Japan", "")


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        ("Czech_000194", "Czech"),
        ("China_MotorBike_000002", "China_MotorBike"),
        ("DE_Berlin_1001933894267415", "DE_Berlin"),
        ("frame", "frame"),
        ("000123", "unnamed"),
        ("IMG-20240501-WA03", "IMG"),
    ],
)
def test_without_a_table_the_name_before_the_number_is_the_source(data, stem, source):
    assert origin_of(Path(f"{stem}.jpg"), read_origins(data)) == Origin(source, "")


def test_a_table_without_its_columns_is_refused(data):
    (data.root / "images.csv").write_text("file,group\na_1.jpg,7\n")

    with pytest.raises(DatasetInvalid, match="no column image:"):
        read_origins(data)


def test_a_table_as_split_writes_it_leaves_the_source_to_the_names(data):
    path = data.root / "extra/groups.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("image,group,split\nNorway_000011.jpg,Norway_00001,test\n")

    origins = read_origins(data)

    assert origin_of(Path("Norway_000011.jpg"), origins) == Origin("Norway", "Norway_00001")
