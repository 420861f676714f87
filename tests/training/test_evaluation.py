"""One data set and one detector: which sources have a row of their own."""

from tests.training.scored_images import HERE, evaluation, image

from wegewart_training.evaluation import MOST_LISTED, OTHERS

HIT = ([(HERE, 0)], [(HERE, 0, 0.9)])


def test_among_very_many_sources_the_small_ones_share_a_row():
    photographs = [image(*HIT, f"camera{number}_.jpg") for number in range(MOST_LISTED)]
    photographs += [image(*HIT, f"Japan_{number}.jpg") for number in range(10)]

    by_source = evaluation(photographs).by_source

    assert {name: scores.images for name, scores in by_source.items()} == {"Japan": 10, OTHERS: MOST_LISTED}


def test_a_few_sources_have_a_row_each_however_small():
    by_source = evaluation([image(*HIT, "Norway_1.jpg"), image(*HIT, "Japan_1.jpg")]).by_source

    assert by_source.keys() == {"Norway", "Japan"}
