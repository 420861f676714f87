"""Two detectors on the same images: paired differences, and false alarms where both find equally much."""

import pytest
from tests.training.scored_images import HERE, NOWHERE, THERE, evaluation, image

from wegewart.errors import CalledWrongly
from wegewart_training.comparison import at_equal_recall, compare
from wegewart_training.curves import best_f1_point, curve_of, false_alarm_curve, false_alarms, point_at_recall
from wegewart_training.judged import judge

HIT, MISS = [(HERE, 0, 0.9)], [(NOWHERE, 0, 0.9)]


def roads(*found):
    return [image([(HERE, 0)], one, name=f"road_{n}.jpg") for n, one in enumerate(found)]


def test_a_model_against_itself_differs_by_nothing():
    images = roads(*[HIT, MISS] * 10)

    differences = compare(evaluation(images), evaluation(images, model="same")).differences()

    assert {gap.value for gap in differences.values()} == {0.0}
    assert {gap.interval for gap in differences.values()} == {(0.0, 0.0)}


def test_a_difference_that_all_images_share_is_surer_than_either_score():
    # Ours finds one image in four more, the same everywhere else.
    ours = evaluation(roads(*[HIT, HIT, MISS, MISS] * 10))
    other = evaluation(roads(*[HIT, MISS, MISS, MISS] * 10), model="other")

    gap = compare(ours, other).differences()["recall"]

    assert gap.value == pytest.approx(0.25)
    assert 0.1 < gap.interval[0] < 0.25 < gap.interval[1] < 0.4
    alone = ours.intervals["recall"]
    assert gap.interval[1] - gap.interval[0] < alone[1] - alone[0]


def test_figures_that_a_set_does_not_have_are_not_compared():
    sound = evaluation([image([], MISS, name="sound_1.jpg")])

    differences = compare(sound, sound).differences()
    assert differences.keys() == {"images_with_false_box"}


def test_other_images_are_refused():
    with pytest.raises(CalledWrongly, match="same images"):
        compare(evaluation(roads(HIT, HIT)), evaluation(roads(HIT)))


def test_a_curve_worked_by_hand():
    # Ranked over two images: hit .9, false .8, hit .7.
    curve = curve_of(judge(roads(HIT, [(NOWHERE, 0, 0.8), (HERE, 0, 0.7)])))

    assert curve.recall.tolist() == [0.5, 0.5, 1.0]
    assert curve.precision.tolist() == pytest.approx([1.0, 0.5, 2 / 3])
    assert curve.false_per_image.tolist() == [0.0, 0.5, 0.5]
    assert best_f1_point(curve).confidence == pytest.approx(0.7)
    assert point_at_recall(curve, 0.5).confidence == pytest.approx(0.9)
    assert point_at_recall(curve, 0.51).confidence == pytest.approx(0.7)


def test_a_recall_that_is_never_reached_has_no_point():
    assert point_at_recall(curve_of(judge(roads(HIT, []))), 0.6) is None
    assert best_f1_point(curve_of(judge(roads(MISS)))) is None
    assert best_f1_point(curve_of(judge([image([], MISS)]))) is None


def test_equal_confidences_share_one_point():
    curve = curve_of(judge(roads([(HERE, 0, 0.5), (NOWHERE, 0, 0.5)])))

    assert curve.recall.tolist() == [1.0]
    assert curve.precision.tolist() == [0.5]


def test_false_alarms_are_compared_where_both_find_as_much():
    # The other is best at 0.2, where it finds both and alarms on one of two sound photographs. Ours finds
    # both at 0.8 and alarms on none there, though on both from 0.6.
    ours = evaluation(roads([(HERE, 0, 0.9)], [(HERE, 0, 0.8)]))
    other = evaluation(roads([(HERE, 0, 0.3)], [(HERE, 0, 0.2)]), model="other")
    sound_ours = [image([], [(NOWHERE, 1, 0.6)], name=f"sound_{n}.jpg") for n in range(2)]
    sound_other = [image([], [(THERE, 1, 0.25 - n / 10)], name=f"sound_{n}.jpg") for n in range(2)]
    pairs = [
        compare(ours, other),
        compare(evaluation(sound_ours, "sound"), evaluation(sound_other, "sound", "other")),
    ]

    (row,) = at_equal_recall(pairs)

    assert (row.labelled, row.undamaged, row.recall) == ("roads test", "sound", 1.0)
    assert (row.ours_alarms.with_false_box, row.other_alarms.with_false_box) == (0, 1)
    assert row.other_alarms.share == 0.5
    assert row.our_recall_at_thresholds == 1.0  # both are surer than 0.5


def test_several_labelled_sets_are_also_pooled():
    # Of three boxes in all the other finds two at its best F1; ours finds one at its thresholds.
    few = compare(evaluation(roads(HIT), "few"), evaluation(roads([(HERE, 0, 0.6)]), "few", "other"))
    many = compare(
        evaluation(roads([], MISS), "many"), evaluation(roads([(HERE, 0, 0.5)], []), "many", "other")
    )
    sound = evaluation([image([], [], name="sound_1.jpg")], "sound")

    rows = {row.labelled: row for row in at_equal_recall([few, many, compare(sound, sound)])}

    assert rows.keys() == {"few", "many", "all labelled"}
    assert rows["all labelled"].recall == pytest.approx(2 / 3)
    assert rows["all labelled"].our_recall_at_thresholds == pytest.approx(1 / 3)
    assert rows["all labelled"].ours_alarms is None  # ours never finds two
    assert rows["few"].ours_alarms.with_false_box == 0


def test_a_photograph_with_many_boxes_alarms_once():
    sound = judge([image([], [(HERE, 0, 0.9), (THERE, 0, 0.8)]), image([], [(HERE, 0, 0.3)]), image([], [])])
    curve = curve_of(judge(roads([(HERE, 0, 0.85)], [(HERE, 0, 0.3)])))

    assert false_alarms(sound, 0.5).with_false_box == 1
    assert false_alarms(sound, 0.3).with_false_box == 2  # from the threshold on
    assert false_alarm_curve(sound, curve).tolist() == pytest.approx([1 / 3, 2 / 3])
