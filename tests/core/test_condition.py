"""Condition values of segments: the published formula, fields on a grid, chances, and a city's own limits."""

import math
import random
from pathlib import Path

import pytest

from wegewart.condition import (
    Band,
    Damage,
    PercentLimits,
    band_of,
    condition_of,
    fields_touched,
    read_condition_table,
    shipped_condition_table,
)
from wegewart.damage import shipped_taxonomy
from wegewart.errors import LimitsInvalid
from wegewart.severity import Extent, Measure

TABLE = shipped_condition_table()
SHIPPED = Path(__file__).parents[2] / "core" / "wegewart" / "limits" / "condition-1.toml"


def box(length_m: float, width_m: float, sigma_share: float = 0.0) -> Extent:
    """Extent of a box whose sides are known to a share of themselves."""
    return Extent(Measure(length_m, sigma_share * length_m), Measure(width_m, sigma_share * width_m))


@pytest.mark.parametrize(
    ("share_percent", "value"),
    [
        (0.0, 1.5 + 2.0 * (0 - 1) / (15 - 1)),
        (1.0, 1.5),
        (8.0, 2.5),
        (15.0, 3.5),
        (20.0, 4.0),
        (25.0, 4.5),
        (30.0, 5.0),
        (100.0, 5.0),
    ],
)
def test_the_normalisation_passes_through_target_warning_and_threshold(
    share_percent: float, value: float
) -> None:
    limits = PercentLimits(characteristic="RISS", at_1_5=1, at_3_5=15, at_4_5=25, recalled=True)
    assert limits.value(share_percent) == pytest.approx(value)


def test_a_value_never_leaves_the_scale_and_never_falls_with_the_share() -> None:
    limits = PercentLimits(characteristic="RISS", at_1_5=20, at_3_5=30, at_4_5=32, recalled=True)
    values = [limits.value(share / 10) for share in range(1001)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (1.0, 5.0)


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (1.0, Band.BLUE),
        (1.49, Band.BLUE),
        (1.5, Band.DARK_GREEN),
        (2.5, Band.LIGHT_GREEN),
        (3.49, Band.LIGHT_GREEN),
        (3.5, Band.YELLOW),
        (4.5, Band.RED),
        (5.0, Band.RED),
    ],
)
def test_bands_begin_at_their_limits(value: float, band: Band) -> None:
    assert band_of(value) is band


@pytest.mark.parametrize(("length_m", "width_m"), [(0.3, 0.3), (5.0, 0.2), (0.4, 3.1), (2.6, 1.9)])
def test_fields_touched_agree_with_boxes_and_lines_thrown_on_a_grid(length_m: float, width_m: float) -> None:
    draw = random.Random(3)
    strip_m, count, boxes, lines = TABLE.strip_m, 20_000, 0, 0
    for _ in range(count):
        along, across = draw.random() * TABLE.field_m, draw.random() * strip_m
        rows = math.floor((along + length_m) / TABLE.field_m)
        columns = math.floor((across + width_m) / strip_m)
        boxes += (1 + rows) * (1 + columns)
        lines += 1 + rows + columns
    extent = box(length_m, width_m)
    assert fields_touched(extent, TABLE, line=False)[0] == pytest.approx(boxes / count, rel=0.02)
    assert fields_touched(extent, TABLE, line=True)[0] == pytest.approx(lines / count, rel=0.02)


def test_a_segment_worked_by_hand() -> None:
    # 50 m of one lane are 150 fields. A net of 4 m by 3.5 m touches 5 · 4 = 20 of them: 13.33 %,
    # so 1.5 + 2 · 12.333/14 = 3.262. A pothole of 1 m by 1.1667 m touches 4: 2.667 %, so 1.738.
    damages = [Damage("D20", 1.0, box(4, 3.5)), Damage("D40", 1.0, box(1, 3.5 / 3))]
    found = condition_of(damages, 50, 1, "residential", TABLE)
    assert found.fields == pytest.approx(150)
    assert [part.share_percent for part in found.parts] == pytest.approx([100 * 20 / 150, 100 * 4 / 150])
    assert [part.value for part in found.parts] == pytest.approx([3.2619, 1.7381], abs=1e-4)
    assert found.value == pytest.approx(3.2619, abs=1e-4)  # the worse of the two
    assert (found.least, found.most) == pytest.approx((found.value, found.value))
    assert found.band is Band.LIGHT_GREEN
    assert [part.damages for part in found.parts] == [1, 1]


def test_two_lanes_seen_halve_the_share() -> None:
    damages = [Damage("D20", 1.0, box(4, 3.5))]
    assert condition_of(damages, 50, 2, "x", TABLE).parts[0].share_percent == pytest.approx(100 * 20 / 300)


def test_a_seen_segment_without_damages_is_as_good_as_the_formula_lets_it_be() -> None:
    found = condition_of([], 50, 1, "residential", TABLE)
    assert found.value == pytest.approx(1.5 - 2 / 14)
    assert found.band is Band.BLUE


def test_a_doubtful_damage_counts_by_its_chance_and_widens_the_bounds() -> None:
    sure, doubtful = (
        condition_of([Damage("D20", chance, box(4, 3.5))], 50, 1, "x", TABLE) for chance in (1.0, 0.5)
    )
    sound = condition_of([], 50, 1, "x", TABLE)
    assert sound.value < doubtful.value < sure.value
    assert doubtful.least == sound.value
    assert doubtful.most >= sure.value


def test_bounds_hold_the_value_of_a_segment_drawn_from_its_chances_and_sizes() -> None:
    """In 19 of 20 draws of which damages exist and how large they are, overlaps drawn on the grid."""
    draw = random.Random(17)
    damages = [
        Damage(
            draw.choice(("D00", "D20", "D20")), draw.uniform(0.5, 0.99), box(draw.uniform(0.5, 4), 1.5, 0.2)
        )
        for _ in range(8)
    ]
    stated = condition_of(damages, 50, 1, "x", TABLE)
    values = []
    for _ in range(2000):
        taken: set[tuple[int, int]] = set()
        for damage in damages:
            if draw.random() < damage.existence:
                taken |= _fields_on_a_grid(damage, draw)
        values.append(TABLE.limits_of("x")[0].value(100 * len(taken) / stated.fields))
    inside = sum(stated.parts[0].least <= value <= stated.parts[0].most for value in values) / len(values)
    assert 0.93 <= inside <= 0.995
    assert stated.parts[0].value == pytest.approx(sum(values) / len(values), abs=0.12)


def _fields_on_a_grid(damage: Damage, draw: random.Random) -> set[tuple[int, int]]:
    assert damage.extent.length is not None
    assert damage.extent.width is not None
    factor = max(draw.gauss(1, 0.2), 0)
    length, width = damage.extent.length.size * factor, damage.extent.width.size * factor / TABLE.strip_m
    along, across = draw.uniform(0, 50), draw.uniform(0, 3)
    rows = range(math.floor(along), math.floor(along + length) + 1)
    columns = range(math.floor(across), math.floor(across + width) + 1)
    if damage.class_code == "D20":
        return {(row % 50, column % 3) for row in rows for column in columns}
    steps = [k / 400 for k in range(401)]
    return {(math.floor(along + k * length) % 50, math.floor(across + k * width) % 3) for k in steps}


def test_a_damage_without_a_size_counts_as_the_least_it_can_be_and_is_told() -> None:
    found = condition_of([Damage("D40", 1.0, Extent())], 50, 1, "x", TABLE)
    assert found.parts[1].share_percent == pytest.approx(100 / 150)
    assert found.without_extent == 1


def test_a_damage_larger_than_its_segment_ends_at_the_worst_value() -> None:
    assert condition_of([Damage("D20", 1.0, box(400, 40))], 50, 1, "x", TABLE).value == 5.0


def test_the_shipped_table_counts_every_damage_class_and_says_that_it_is_recalled() -> None:
    counted = {code for each in TABLE.characteristics for code in each.class_codes}
    assert counted == set(shipped_taxonomy().codes)
    assert TABLE.recalled


def test_a_city_grades_its_main_roads_more_strictly(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    strict = """
[[function_class]]
code = "main"
highways = ["primary", "secondary"]
limits = [
  { characteristic = "RISS", at_1_5 = 0.5, at_3_5 = 5, at_4_5 = 20, recalled = false },
  { characteristic = "AUSB", at_1_5 = 0.5, at_3_5 = 2, at_4_5 = 5, recalled = false },
]
"""
    path.write_text(SHIPPED.read_text(encoding="utf-8") + strict, encoding="utf-8")
    table = read_condition_table(path)
    damages = [Damage("D20", 1.0, box(4, 3.5))]
    assert condition_of(damages, 50, 1, "primary", table).value == pytest.approx(3.5 + (40 / 3 - 5) / 15)
    assert condition_of(damages, 50, 1, "residential", table).value == pytest.approx(3.2619, abs=1e-4)


def test_all_mistakes_of_a_table_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in (
        ("segment_m = 50.0", "segment_m = 0.0"),
        ("seen_least = 0.8", "seen_least = 1.2"),
        ('highways = ["*"]', 'highways = ["primary", "primary"]'),
        ('areas = ["D40"]', 'areas = ["D20"]'),
        ("at_1_5 = 1.0", "at_1_5 = 20.0"),
        ('characteristic = "AUSB"', 'characteristic = "RISS"'),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LimitsInvalid) as complaint:
        read_condition_table(path)
    told = str(complaint.value)
    for mistake in (
        "segment_m: must lie above 0",
        "seen_least: must lie above 0 and at most at 1",
        "primary: belongs to more than one function class",
        'no function class has the highway "*"',
        "D20: counts in more than one place",
        "default: needs limits of AUSB, RISS once each, has RISS, RISS",
        "default, RISS: needs 0 <= at_1_5 < at_3_5 < at_4_5 <= 100",
    ):
        assert mistake in told
