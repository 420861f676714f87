"""The table of groups has one reader, and one rule for what a file name says of its source."""

import pytest

from wegewart.errors import DatasetInvalid
from wegewart_datasets.group_table import groups_of


def test_a_table_with_a_byte_order_mark_is_read_as_one_without(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("image,group\na.jpg,bridge\n", encoding="utf-8-sig")  # as a spreadsheet writes it

    assert groups_of(path) == {"a.jpg": "bridge"}


def test_a_table_in_another_encoding_is_refused_by_name(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_bytes("image,group\na.jpg,Brücke\n".encode("latin-1"))

    with pytest.raises(DatasetInvalid, match=r"groups\.csv cannot be read as CSV in UTF-8"):
        groups_of(path)
