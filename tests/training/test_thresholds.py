"""Thresholds: the best F1 on val among those that leave sound road alone. Cases worked by hand."""

import pytest
from tests.training.scored_images import CODES, HERE, NOWHERE, THERE, image

from wegewart.errors import DatasetInvalid
from wegewart_training.thresholds import MOST, ThresholdRule, choose_thresholds

# D00 (class 0): F1 is 2/3 at 0.8, 4/5 at 0.4. D40 (class 1): 1 at 0.9.
VAL = [
    image(
        [(HERE, 0), (THERE, 0), (HERE, 1)],
        [(HERE, 0, 0.8), (NOWHERE, 0, 0.6), (THERE, 0, 0.4), (HERE, 1, 0.9)],
    )
]


def sound(*confidences):
    """Undamaged photographs with one D00 box each at these confidences; 0 is none."""
    return [image([], [(HERE, 0, confidence)] if confidence else []) for confidence in confidences]


def chosen(undamaged, most_alarms):
    rule = ThresholdRule(most_alarms=most_alarms)
    return choose_thresholds({"roads val": VAL}, {"sound train": undamaged}, CODES, rule)


def test_without_undamaged_photographs_the_best_f1_decides_alone():
    choice = choose_thresholds({"roads val": VAL}, {}, CODES, ThresholdRule())

    assert choice.thresholds == {"D00": 0.4, "D40": 0.9}
    assert choice.chosen_on == "best F1 per class on roads val, 1 images pooled"


@pytest.mark.parametrize(
    ("most_alarms", "threshold", "alarms"),
    [(0.5, 0.4, 2), (0.4, 0.8, 1), (0.25, 0.8, 1), (0.0, MOST, 0)],
    ids=["two-may", "not-quite-two", "one-may", "none-may"],
)
def test_a_threshold_rises_until_few_enough_sound_photographs_have_a_box(most_alarms, threshold, alarms):
    # Found on sound road at 0.85 and 0.5: at 0.4 both alarm, from 0.501 to 0.85 one, above none.
    choice = chosen(sound(0.85, 0.5, 0.0, 0.3), most_alarms)

    assert choice.thresholds == {"D00": threshold, "D40": 0.9}
    assert (choice.undamaged, choice.alarms) == (4, alarms)
    assert f"at most {100 * most_alarms:g} % of 4 undamaged photographs" in choice.chosen_on


def test_the_class_that_loses_least_gives_way():
    # One photograph alarms by D00 at 0.45 and another by D40 at 0.95: D40 would lose all, D00 a little.
    undamaged = [image([], [(HERE, 0, 0.45)]), image([], [(HERE, 1, 0.92)])]

    choice = chosen(undamaged, 0.5)

    assert choice.thresholds == {"D00": 0.8, "D40": 0.9}
    assert choice.alarms == 1


def test_sources_may_weigh_the_same_however_many_images_they_have():
    # Ten images of one source are best from 0.8 on, the one of the other from 0.3 on: pooled 0.8 wins.
    many = [image([(HERE, 0), (HERE, 1)], [(HERE, 0, 0.8), (NOWHERE, 0, 0.7), (HERE, 1, 0.9)])] * 10
    one = [image([(HERE, 0)], [(HERE, 0, 0.3)])]

    def threshold(weigh):
        rule = ThresholdRule(weigh=weigh)
        return choose_thresholds({"a": many, "b": one}, {}, CODES, rule).thresholds["D00"]

    assert threshold("images") == 0.8
    assert threshold("sources") == 0.3


def test_a_model_that_alarms_surely_on_everything_gets_no_thresholds():
    with pytest.raises(DatasetInvalid, match="more than 0 of 2"):
        chosen(sound(0.99, 0.98), 0.0)
