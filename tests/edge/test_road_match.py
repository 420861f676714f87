"""Which look belongs to which damage."""

import numpy as np

from wegewart_edge.road_match import chances_of_others, doubts, match

GATE = 13.8


def matched(damages, looks, sigma=0.1, tilt=0.0, gate_alone=GATE, classes=None):
    """Pairs of damages and looks along a line; `tilt` is one sigma of what moves all looks together."""
    differences = np.zeros((len(damages), len(looks), 2))
    differences[:, :, 0] = np.array(looks)[None] - np.array(damages)[:, None]
    spread = np.diag([sigma**2 + tilt**2, 0.01])
    covariances = np.broadcast_to(spread, (len(damages), len(looks), 2, 2))
    shift = np.tile([tilt, 0.0], (len(looks), 1))
    costs = np.zeros((len(damages), len(looks))) if classes is None else np.array(classes, float)
    pairs, alone = match(differences, covariances, shift, costs, GATE, gate_alone)
    return sorted(pairs), alone


def test_each_look_goes_to_its_damage():
    assert matched([1.0, 2.0, 3.0], [3.05, 0.95, 2.1]) == ([(0, 1), (1, 2), (2, 0)], {0, 1, 2})


def test_look_beyond_the_gate_belongs_to_none():
    assert matched([1.0], [2.0]) == ([], set())


def test_tilt_of_the_frame_moves_all_looks_together():
    """Both looks lie one gap further: the tilt moved them, and none is new."""
    pairs, alone = matched([1.0, 1.8], [1.7, 2.5], sigma=0.05, tilt=0.5)
    assert pairs == [(0, 0), (1, 1)]
    assert alone == set()


def test_another_class_is_dearer():
    pairs, _ = matched([1.0, 1.1], [1.05], classes=[[4.0], [0.0]])
    assert pairs == [(1, 0)]


def test_wider_gate_holds_only_where_nothing_else_is_near():
    far = 1.45  # 20 in the squared distance: beyond the gate
    assert matched([1.0], [far], gate_alone=3 * GATE) == ([(0, 0)], {0})
    assert matched([1.0, 1.9], [far], gate_alone=3 * GATE) == ([], set())


def test_the_less_is_known_of_a_damage_the_more_likely_a_look_is_at_something_else():
    covariances = np.array([np.diag([0.01, 0.01]), np.diag([1.0, 0.25])])
    differences = 2.5 * np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)) * [1.0, 0.0]
    doubt = doubts(covariances[:, None], np.array([1.0]))[:, 0]
    sure, unsure = chances_of_others(differences, covariances, doubt)
    assert sure < 0.02
    assert unsure > 10 * sure


def test_chances_are_the_ratio_of_both_densities():
    """Damages are seen again with 0.75; something else lies on 0.02 of a square metre."""
    covariances = np.array([[[0.25, 0.0], [0.0, 0.04]]])
    (chance,) = chances_of_others(
        np.zeros((1, 2)), covariances, doubts(covariances[:, None], np.array([4.0]))[0]
    )
    damage, other = 0.75 / (2 * np.pi * 0.5 * 0.2 * 4.0), 0.25 * 0.02
    assert abs(chance - other / (damage + other)) < 1e-12
