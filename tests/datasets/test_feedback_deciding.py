"""From decisions to what is in a picture: agreement, conflict, overlapping cuts of one frame, groups."""

import pytest
from tests.datasets.feedback_lines import ELSEWHERE, HERE, MOVED, Office, box, named

from wegewart.feedback import Feedback
from wegewart_datasets.feedback_deciding import Aside, Picture, State, decide, iou
from wegewart_datasets.feedback_groups import GroupBy, groups_of_pictures

FAR = (110.0, 30.0, 158.0, 60.0)


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def decided(office: Office) -> list[Picture]:
    return decide([Feedback.model_validate_json(line) for line in office.lines])


def only(office: Office) -> Picture:
    (picture,) = decided(office)
    return picture


def labels(picture: Picture) -> list[tuple[str, tuple[float, ...]]]:
    return [(box.finding.label, box.corners_px) for box in picture.damage]


def test_two_people_who_agree_make_one_box_and_the_drawn_one_counts(office):
    office.says("a", "p", "box_corrected", box_px=box(MOVED))
    office.says("b", "p", "confirmed", decided_at="2026-05-06T10:00:00Z", role="dispatcher")

    picture = only(office)

    assert labels(picture) == [("D00", MOVED)]
    assert picture.aside == ()


@pytest.mark.parametrize(
    ("verdict", "changes", "detail"),
    [
        ("rejected", {"rejection": "no_damage"}, "damage for some, no damage for others"),
        ("class_corrected", {"class_code": "D20"}, "classes D00, D20"),
        ("box_corrected", {"box_px": box(ELSEWHERE)}, "boxes that hardly overlap"),
    ],
    ids=["whether", "class", "box"],
)
def test_people_who_disagree_put_the_picture_aside(verdict, changes, detail, office):
    office.says("a", "p", "confirmed")
    office.says("b", "p", verdict, **changes)

    picture = only(office)

    assert picture.aside == (Aside.CONFLICT,)
    (conflict,) = picture.of(State.CONFLICT)
    assert conflict.finding.detail == detail
    assert len(conflict.finding.decisions) == 2


@pytest.mark.parametrize("rejection", ["not_ours", "duplicate", "cannot_tell"])
def test_a_rejection_that_is_not_about_the_picture_decides_nothing(rejection, office):
    office.says("a", "p", "rejected", rejection=rejection)

    assert only(office).aside == (Aside.OPEN,)

    office.says("b", "p", "confirmed")

    assert only(office).aside == ()
    assert labels(only(office)) == [("D00", HERE)]


@pytest.mark.parametrize("rejection", ["not_ours", "duplicate"])
def test_no_damage_contradicts_damage_that_is_not_ours_or_known(rejection, office):
    office.says("a", "p", "rejected", rejection=rejection)
    office.says("b", "p", "rejected", rejection="no_damage")

    assert only(office).aside == (Aside.CONFLICT,)


def test_added_damage_that_is_known_already_is_no_second_box(office):
    office.says("a", "p", "confirmed")
    office.says("b", "p", "damage_added", class_code="D00", box_px=box(MOVED))
    office.says("c", "p", "damage_added", class_code="D40", box_px=box(ELSEWHERE))

    assert labels(only(office)) == [("D00", HERE), ("D40", ELSEWHERE)]


@pytest.mark.parametrize(
    "first",
    [
        ("rejected", {"rejection": "no_damage"}),
        ("damage_added", {"class_code": "D00", "box_px": box(HERE)}),
    ],
    ids=["rejected", "added with another class"],
)
def test_damage_added_against_what_others_see_is_a_conflict(first, office):
    office.says("a", "p", first[0], **first[1])
    office.says("b", "p", "damage_added", class_code="D20", box_px=box(MOVED))

    assert only(office).aside == (Aside.CONFLICT,)


def test_the_second_class_in_one_place_may_be_rejected(office):
    seen = {"observation_id": named("other"), "class_code": "D20", "confidence": 0.3, "box_px": box(MOVED)}
    office.says("a", "p", "confirmed")
    office.says("b", "p", "rejected", rejection="no_damage", seen=seen)

    picture = only(office)
    assert labels(picture) == [("D00", HERE)]
    assert picture.aside == ()

    office.says("c", "p", "class_corrected", class_code="D20")
    assert Aside.CONFLICT in only(office).aside


def test_a_second_box_over_confirmed_damage_may_be_rejected_as_a_duplicate(office):
    seen = {"observation_id": named("other"), "class_code": "D00", "confidence": 0.3, "box_px": box(MOVED)}
    office.says("a", "p", "rejected", rejection="duplicate", seen=seen)
    office.says("b", "p", "confirmed")

    picture = only(office)

    assert labels(picture) == [("D00", HERE)]
    assert picture.aside == ()
    assert len(picture.damage[0].finding.decisions) == 2

    office.says("c", "q", "rejected", rejection="duplicate", seen={**seen, "box_px": box(FAR)})
    office.says("d", "q", "confirmed")
    assert decided(office)[1].aside == (Aside.OPEN,)


def test_damage_known_from_one_cut_of_a_frame_is_in_the_other_cut_as_well(office):
    frame = {"sequence": 7}
    office.says("a", "left", "rejected", rejection="no_damage", **frame)
    moved = office.says("b", "right", "confirmed", **frame)
    moved["evidence"]["left_px"] = 60  # columns 80 to 120 of the frame, 20 to 60 of this picture
    office.lines[-1] = Feedback.model_validate(moved).model_dump_json()

    left, right = decided(office)

    assert labels(left) == [("D00", (80.0, 30.0, 120.0, 70.0))]
    assert labels(right) == [("D00", HERE)]
    assert [box.visible for box in right.of(State.NO_DAMAGE)] == []  # frame columns 20 to 60: outside
    assert left.aside == right.aside == ()


def test_a_picture_with_nothing_but_a_cut_off_piece_of_damage_is_not_empty(office):
    frame = {"sequence": 7}
    office.says("a", "left", "rejected", rejection="no_damage", **frame)
    moved = office.says("b", "right", "confirmed", **frame)
    moved["evidence"]["left_px"] = 132  # frame columns 152 to 192; the left picture ends at 160
    office.lines[-1] = Feedback.model_validate(moved).model_dump_json()

    left, right = decided(office)

    assert left.aside == (Aside.CUT_OFF,)
    assert left.cut_off[0].visible == pytest.approx(0.2)
    assert right.aside == ()


def test_what_is_barred_from_training_bars_every_cut_of_the_frame(office):
    office.says("a", "left", "confirmed", sequence=7, training_allowed=False)
    office.says("b", "right", "confirmed", sequence=7)
    office.says("c", "other", "confirmed", sequence=8)

    assert [picture.aside for picture in decided(office)] == [(Aside.NOT_ALLOWED,), (Aside.NOT_ALLOWED,), ()]


def test_lines_that_disagree_on_the_cut_are_not_believed(office):
    office.says("a", "p", "confirmed")
    other = office.says("b", "p", "confirmed")
    other["evidence"]["top_px"] = 100
    office.lines[-1] = Feedback.model_validate(other).model_dump_json()

    assert Aside.AT_ODDS in only(office).aside


def test_overlap_of_boxes_by_hand():
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0


def grouped(office: Office, by: GroupBy) -> list[str]:
    return groups_of_pictures([picture.decisions for picture in decided(office)], by)


def test_drives_and_places_hold_pictures_together(office):
    a, b, c = named("drive a"), named("drive b"), named("drive c")
    office.says("1", "p1", "confirmed", drive_id=a, place="8a1f8d")
    office.says("2", "p2", "confirmed", drive_id=a, place="8a1f8e", sequence=1)
    office.says("3", "p3", "confirmed", drive_id=b, place="8a1f8e")
    office.says("4", "p4", "confirmed", drive_id=c, defect_id=named("hole"))
    office.says("5", "p5", "confirmed", drive_id=c, place="8a1fff", sequence=1)

    both, place, drive = (grouped(office, by) for by in (GroupBy.BOTH, GroupBy.PLACE, GroupBy.DRIVE))

    assert both[0] == both[1] == both[2] != both[3] == both[4]
    assert place[1] == place[2]
    assert len(set(place)) == 4
    assert drive == [f"drive-{one}" for one in (a, a, b, c, c)]


def test_cuts_of_one_frame_are_one_group_whatever_place_they_name(office):
    office.says("1", "p1", "confirmed", sequence=7, place="8a1f8d")
    office.says("2", "p2", "confirmed", sequence=7, place="8a1f8e")
    office.says("3", "p3", "confirmed", sequence=7)
    office.says("4", "p4", "confirmed", sequence=8)

    place = grouped(office, GroupBy.PLACE)

    assert place == ["place-8a1f8d"] * 3 + [f"drive-{named('drive a')}"]
