"""Severity by size alone: the limits of ASTM D6433, the size's uncertainty, and a city's own table."""

import itertools
import math
import random
from pathlib import Path

import pytest

from wegewart.damage import Measured, shipped_taxonomy
from wegewart.errors import LimitsInvalid
from wegewart.severity import (
    Basis,
    Extent,
    Grade,
    Measure,
    Severity,
    SeverityTable,
    Unknown,
    diagonal,
    read_severity_table,
    severity_of,
    shipped_severity_table,
)

THIRD = 1 / 3


def pothole(width_m: float, sigma_m: float = 0.0, table: SeverityTable | None = None) -> Severity:
    """Severity of a pothole of a width."""
    found = severity_of("D40", Extent(width=Measure(width_m, sigma_m)), table or shipped_severity_table())
    assert isinstance(found, Severity)
    return found


def chances(severity: Severity | Unknown) -> tuple[float, float, float]:
    """Low, medium, high."""
    assert isinstance(severity, Severity)
    return severity.low, severity.medium, severity.high


@pytest.mark.parametrize(
    ("width_m", "expected"),
    [
        (0.0, (1, 0, 0)),
        (0.099, (1, 0, 0)),
        (0.1, (2 * THIRD, THIRD, 0)),  # column 100 to 200 mm: L, L, M
        (0.199, (2 * THIRD, THIRD, 0)),
        (0.2, (THIRD, 2 * THIRD, 0)),  # column 200 to 450 mm: L, M, M
        (0.449, (THIRD, 2 * THIRD, 0)),
        (0.45, (0, THIRD, 2 * THIRD)),  # column 450 to 750 mm: M, H, H
        (0.75, (0, THIRD, 2 * THIRD)),  # beyond: M up to 25 mm of depth, else H
        (5.0, (0, THIRD, 2 * THIRD)),
    ],
)
def test_an_exactly_known_pothole_gets_what_its_column_of_the_standard_says(
    width_m: float, expected: tuple[float, float, float]
) -> None:
    assert chances(pothole(width_m)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("width_m", "likeliest"),
    [(0.05, Grade.LOW), (0.15, Grade.LOW), (0.3, Grade.MEDIUM), (0.6, Grade.HIGH), (1.0, Grade.HIGH)],
)
def test_the_likeliest_grade_is_that_of_the_standards_middle_row(width_m: float, likeliest: Grade) -> None:
    assert pothole(width_m).likeliest is likeliest


def test_a_pothole_measured_on_a_limit_lies_half_on_either_side_of_it() -> None:
    # 0.20 ± 0.02 m: half on L, L, M and half on L, M, M; five sigmas from any other limit
    assert chances(pothole(0.2, 0.02)) == pytest.approx((0.5, 0.5, 0.0), abs=1e-6)


def test_an_interval_worked_by_hand() -> None:
    # 0.30 ± 0.10 m, cut off at 0 (Φ(−3) = 0.00135): Φ(−2) = 0.02275, Φ(−1) = 0.15866, Φ(1.5) = 0.93319
    kept = 1 - 0.00135
    below_100 = (0.02275 - 0.00135) / kept
    below_200 = (0.15866 - 0.02275) / kept
    below_450 = (0.93319 - 0.15866) / kept
    above = (1 - 0.93319) / kept
    low = below_100 + 2 * THIRD * below_200 + THIRD * below_450
    assert pothole(0.3, 0.1).low == pytest.approx(low, abs=2e-5)
    assert pothole(0.3, 0.1).high == pytest.approx(2 * THIRD * above, abs=2e-5)


@pytest.mark.parametrize(("width_m", "sigma_m"), [(0.15, 0.05), (0.31, 0.08), (0.44, 0.2), (0.1, 0.4)])
def test_probabilities_agree_with_a_simulation_of_the_measurement(width_m: float, sigma_m: float) -> None:
    draw = random.Random(5)
    sums, count = [0.0, 0.0, 0.0], 0
    while count < 40_000:
        width = draw.gauss(width_m, sigma_m)
        if width >= 0:
            sums = [total + one for total, one in zip(sums, chances(pothole(width)), strict=True)]
            count += 1
    simulated = tuple(total / count for total in sums)
    assert chances(pothole(width_m, sigma_m)) == pytest.approx(simulated, abs=0.008)  # three sigmas


@pytest.mark.parametrize("sigma_m", [0.0, 1e-9, 0.01, 0.3, 50.0])
def test_probabilities_sum_to_one_and_rise_with_the_size(sigma_m: float) -> None:
    found = [pothole(0.01 * step, sigma_m) for step in range(150)]
    for each in found:
        assert sum(chances(each)) == pytest.approx(1, abs=1e-12)
        assert min(chances(each)) >= 0
    for smaller, larger in itertools.pairwise(found):
        assert larger.low <= smaller.low + 1e-12
        assert larger.high >= smaller.high - 1e-12
        assert larger.expected >= smaller.expected - 1e-12


def test_no_severity_mentions_a_depth_or_claims_one_beyond_the_standards_rows() -> None:
    assert not [name for name in Severity.__slots__ if "depth" in name]
    assert max(pothole(100.0).high, pothole(0.3).medium) <= 2 * THIRD + 1e-12


def test_a_crack_counts_by_the_diagonal_of_its_box() -> None:
    extent = Extent(length=Measure(4.0, 0.4), width=Measure(3.0, 0.1))
    assert diagonal(extent) == pytest.approx(Measure(5.0, (4 * 0.4 + 3 * 0.1) / 5))
    found = severity_of("D00", extent, shipped_severity_table())
    assert isinstance(found, Severity)
    assert found.counted.size == pytest.approx(5.0)
    assert found.counts is Measured.LENGTH
    assert found.basis is Basis.ASSUMPTION


def test_the_sigma_of_a_diagonal_is_that_of_two_sides_with_one_common_error() -> None:
    draw = random.Random(11)
    found = []
    for _ in range(20_000):
        factor = draw.gauss(1, 0.05)
        found.append(math.hypot(4 * factor, 3 * factor))
    spread = math.sqrt(sum((each - 5) ** 2 for each in found) / len(found))
    measured = diagonal(Extent(length=Measure(4, 0.2), width=Measure(3, 0.15)))
    assert measured is not None
    assert measured.sigma == pytest.approx(spread, rel=0.03)


def test_a_net_counts_by_the_part_of_its_box_that_cracks_fill() -> None:
    found = severity_of("D20", Extent(area=Measure(10.0, 2.0)), shipped_severity_table())
    assert isinstance(found, Severity)
    assert found.counted == pytest.approx(Measure(6.0, math.hypot(0.6 * 2.0, 0.15 * 10.0)))


@pytest.mark.parametrize(
    ("code", "extent", "reason"),
    [
        ("D40", Extent(), Unknown.NO_SIZE),
        ("D40", Extent(length=Measure(1, 0.1), area=Measure(1, 0.1)), Unknown.NO_SIZE),
        ("D00", Extent(width=Measure(1, 0.1)), Unknown.NO_SIZE),
        ("D20", Extent(width=Measure(1, 0.1)), Unknown.NO_SIZE),
        ("FLI", Extent(width=Measure(1, 0.1)), Unknown.NO_LIMITS),
    ],
)
def test_without_a_size_or_limits_the_severity_is_unknown(code: str, extent: Extent, reason: Unknown) -> None:
    assert severity_of(code, extent, shipped_severity_table()) is reason


def test_the_shipped_table_fits_the_shipped_taxonomy_and_says_what_is_recalled_or_assumed() -> None:
    table = shipped_severity_table().checked(shipped_taxonomy())
    assert {limits.code for limits in table.classes} == set(shipped_taxonomy().codes)
    assert {limits.code: (limits.basis, limits.recalled) for limits in table.classes} == {
        "D40": (Basis.STANDARD, True),
        "D00": (Basis.ASSUMPTION, False),
        "D10": (Basis.ASSUMPTION, False),
        "D20": (Basis.ASSUMPTION, False),
    }


OWN = """
id = "town-1"
source = "Dienstanweisung 7"
[[class]]
code = "D40"
counts = "width"
basis = "standard"
recalled = false
steps = [{ from = 0, low = 1, medium = 0, high = 0 }, { from = 0.15, low = 0, medium = 0, high = 1 }]
"""


def test_a_city_sets_its_own_limits(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text(OWN, encoding="utf-8")
    table = read_severity_table(path)
    assert chances(pothole(0.15, 0.0, table)) == (0, 0, 1)
    assert pothole(0.15, 0.0, table).source == "Dienstanweisung 7"
    assert severity_of("D00", Extent(), table) is Unknown.NO_LIMITS


def test_all_mistakes_of_a_table_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "town.toml"
    path.write_text(
        """
id = "town-1"
source = "x"
[[class]]
code = "D40"
counts = "width"
basis = "standard"
recalled = false
fill = 1.5
steps = [
  { from = 0.1, low = 0, medium = 1, high = 0 },
  { from = 0.4, low = 1, medium = 1, high = 0 },
  { from = 0.3, low = 0, medium = 0, high = 0 },
]
[[class]]
code = "D40"
counts = "none"
basis = "standard"
recalled = false
steps = [{ from = 0, low = -1, medium = 2, high = 0 }]
""",
        encoding="utf-8",
    )
    with pytest.raises(LimitsInvalid) as complaint:
        read_severity_table(path)
    told = str(complaint.value)
    for mistake in (
        "D40: fill belongs to classes that count by area, not by width",
        "D40: fill must lie above 0 and at most at 1, not at 1.5",
        "D40: the first step must begin at 0, not at 0.1",
        "D40: the step from 0.3 needs weights of at least 0, and one above 0",
        "D40: a larger damage must not be less severe: the step from 0.4 is",
        "D40: steps must rise: 0.3 follows 0.4",
        "D40: counts must be one of length, area, width",
        "D40: the step from 0 needs weights of at least 0, and one above 0",
        "D40: its limits stand twice",
    ):
        assert mistake in told
    assert told.startswith(str(path))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("counts", "count", "class.0.count"),
        ('"width"', '"depth"', "class.0.counts"),
        ("high = 0", 'high = "much"', "class.0.steps.0.high"),
        ("low = 1", "low = nan", "class.0.steps.0.low"),
        ("[[class]]", "[[class", "is no TOML"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "town.toml"
    path.write_text(OWN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LimitsInvalid, match=complaint):
        read_severity_table(path)


def test_a_missing_table_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(LimitsInvalid, match=r"nowhere\.toml: cannot be read"):
        read_severity_table(tmp_path / "nowhere.toml")


def test_a_table_of_other_classes_or_sizes_than_the_taxonomys_is_refused() -> None:
    shipped = shipped_severity_table()
    limits = shipped.classes[0]
    wrong = shipped.model_copy(
        update={
            "classes": (
                limits.model_copy(update={"code": "D99"}),
                limits.model_copy(update={"counts": Measured.AREA}),
            )
        }
    )
    with pytest.raises(LimitsInvalid) as complaint:
        wrong.checked(shipped_taxonomy())
    assert "D99 is no class of the taxonomy" in str(complaint.value)
    assert "D40 counts by area, but by width in the taxonomy" in str(complaint.value)
