"""Feedback lines that come again, take one another back, or cannot be read."""

import json

import pytest
from tests.datasets.feedback_lines import Office, box, named

from wegewart.errors import DatasetInvalid
from wegewart_datasets.feedback_reading import read_feedback


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def read(office):
    office.write()
    return read_feedback([office.file])


def test_a_line_that_comes_again_counts_once(office):
    office.says("a", "p", "confirmed")
    office.lines.append(office.lines[0])

    found = read(office)

    assert (len(found.decisions), found.repeated, found.faulty) == (1, 1, ())


def test_a_decision_that_comes_again_with_other_content_counts_never(office):
    office.says("a", "p", "confirmed")
    office.says("a", "p", "rejected", rejection="no_damage")
    office.says("b", "q", "confirmed")

    found = read(office)

    assert [str(decision.id) for decision in found.decisions] == [named("b")]
    assert [fault.at.line for fault in found.faulty] == [1, 2]
    assert {fault.picture_sha256 for fault in found.faulty} == {office.picture("p")}


def test_a_later_decision_takes_an_earlier_one_back_and_a_withdrawal_leaves_nothing(office):
    office.says("a", "p", "confirmed")
    office.says("b", "p", "rejected", rejection="no_damage", supersedes=named("a"))
    office.says("c", "q", "damage_added", class_code="D40", box_px=box((1.0, 1.0, 20.0, 20.0)))
    office.says("d", "q", "withdrawn", supersedes=named("c"))

    found = read(office)

    assert [str(decision.id) for decision in found.decisions] == [named("b")]
    assert (found.taken_back, found.without_target, found.faulty) == (3, (), ())


def test_a_line_takes_back_a_decision_of_another_file(office):
    may = office.file.with_name("may.jsonl")
    office.says("a", "p", "confirmed")
    office.says("b", "q", "confirmed")
    may.write_text("\n".join(office.lines))
    office.lines.clear()
    office.says("c", "p", "rejected", rejection="no_damage", supersedes=named("a"))
    office.says("d", "q", "withdrawn", supersedes=named("b"))
    office.lines.append("{")
    office.write()

    together, alone = read_feedback([may, office.file]), read_feedback([office.file])

    assert [str(decision.id) for decision in together.decisions] == [named("c")]
    assert (together.taken_back, together.without_target) == (3, ())
    assert [str(decision.id) for decision in alone.without_target] == [named("c"), named("d")]
    assert alone.taken_back == 0
    assert [str(fault.at) for fault in together.faulty] == [f"{office.file} line 3"]


def test_nobody_takes_back_a_decision_about_another_picture(office):
    office.says("a", "p", "confirmed")
    office.says("b", "q", "confirmed", supersedes=named("a"))

    found = read(office)

    assert [str(decision.id) for decision in found.decisions] == [named("a")]
    assert [(fault.at.line, fault.picture_sha256) for fault in found.faulty] == [(2, office.picture("q"))]
    assert found.taken_back == 0


def test_faulty_lines_are_told_with_their_number_and_picture_and_the_others_count(office):
    office.says("a", "p", "confirmed")
    office.lines.append('{"torn": ')
    later = office.says("b", "q", "confirmed")
    office.lines[-1] = json.dumps(later | {"schema_version": 2, "role": "viewer"})

    found = read(office)

    assert len(found.decisions) == 1
    assert [(fault.at.line, fault.picture_sha256) for fault in found.faulty] == [
        (2, None),
        (3, office.picture("q")),
    ]
    assert "schema_version" in found.faulty[1].reason
    assert "role" in found.faulty[1].reason


@pytest.mark.parametrize("content", [None, b"\n\n", b"\xff\xfe\x00"], ids=["missing", "empty", "no text"])
def test_a_file_without_a_line_says_what_to_do(content, tmp_path):
    path = tmp_path / "feedback.jsonl"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DatasetInvalid, match=r"export it|JSONL"):
        read_feedback([path])
