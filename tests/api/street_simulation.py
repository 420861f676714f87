"""Seeded streets with damages, driven several times: what FORMULAS section 4 was prototyped on."""

from dataclasses import dataclass, field

import numpy as np

from wegewart_api.defects.fusion import fuse_classes, fuse_places, fuse_sizes
from wegewart_api.defects.matching import DriveMatch, MatchingRules, match_drive
from wegewart_api.defects.sighting import FloatArray, KnownDefects, Sightings

CLASSES = 4


@dataclass(frozen=True)
class Setting:
    """One simulated town; the defaults are those of the prototype in FORMULAS section 4."""

    streets_m: tuple[float, ...] = (1000.0, 1000.0, 1000.0)
    spacing_m: float = 50.0
    passes: int = 10
    sigma_m: float = 2.5
    correlation_m: float = 750.0
    along_m: float = 0.3
    across_m: float = 0.15
    seen: float = 0.85
    false_per_km: float = 1.0
    class_flip: float = 0.08
    size_sigma_log: float = 0.15
    clumped: float = 0.3
    seen_by_pass: tuple[float, ...] = field(default=())


@dataclass(frozen=True)
class Damages:
    """True damages: station over all streets, place in metres, class index, log length and width."""

    station_m: FloatArray
    place_m: FloatArray
    class_index: np.ndarray[tuple[int], np.dtype[np.intp]]
    log_size: FloatArray


def draw_damages(setting: Setting, random: np.random.Generator) -> Damages:
    """Damages on parallel streets 100 m apart that run east, some of them in clumps of a few metres."""
    stations: list[float] = []
    places: list[tuple[float, float]] = []
    begin_m = 0.0
    for number, length_m in enumerate(setting.streets_m):
        count = max(1, round(length_m / setting.spacing_m))
        along: list[float] = []
        while len(along) < count:
            if along and random.random() < setting.clumped:
                along.append(float(np.clip(along[-1] + random.normal(0, 2.0), 0, length_m)))
            else:
                along.append(float(random.uniform(0, length_m)))
        for along_m in along:
            stations.append(begin_m + along_m)
            places.append((along_m, 100.0 * number + float(random.uniform(-1.5, 1.5))))
        begin_m += length_m
    order = np.argsort(stations)
    return Damages(
        np.array(stations)[order],
        np.array(places)[order],
        random.integers(0, CLASSES, len(order)).astype(np.intp),
        random.normal(-0.7, 0.6, (len(order), 2)),
    )


def drive(
    damages: Damages, setting: Setting, number: int, random: np.random.Generator
) -> tuple[Sightings, np.ndarray[tuple[int], np.dtype[np.intp]], FloatArray]:
    """One pass over all streets: what it saw, which damage each was (−1: false), and its true bias there."""
    share = setting.seen_by_pass[number] if setting.seen_by_pass else setting.seen
    truth = np.flatnonzero(random.random(len(damages.station_m)) < share)
    false = random.poisson(setting.false_per_km * sum(setting.streets_m) / 1000)
    street = random.integers(0, len(setting.streets_m), false)
    along = random.uniform(0, 1, false) * np.array(setting.streets_m)[street]
    begins = np.concatenate([[0.0], np.cumsum(setting.streets_m)[:-1]])
    station = np.concatenate([damages.station_m[truth], begins[street] + along])
    place = np.vstack(
        [
            damages.place_m[truth],
            np.column_stack([along, 100.0 * street + random.uniform(-1.5, 1.5, false)]),
        ]
    )
    classes = np.concatenate([damages.class_index[truth], random.integers(0, CLASSES, false)])
    size = np.vstack([damages.log_size[truth], random.normal(-0.7, 0.6, (false, 2))])
    order = np.argsort(station, kind="stable")
    station, place, classes, size = station[order], place[order], classes[order], size[order]
    which = np.concatenate([truth, np.full(false, -1)])[order].astype(np.intp)
    bias = _bias(station, setting, random)
    count = len(station)
    seen_place = place + bias + random.normal(0, 1, (count, 2)) * [setting.along_m, setting.across_m]
    flips = random.random(count) < setting.class_flip
    classes = np.where(flips, (classes + random.integers(1, CLASSES, count)) % CLASSES, classes)
    seen_size = size + random.normal(0, setting.size_sigma_log, (count, 2))
    relative = np.tile(np.diag([setting.along_m**2, setting.across_m**2]), (count, 1, 1))
    sightings = Sightings(
        station_m=station,
        place_m=seen_place,
        relative_m2=relative,
        gnss_m2=np.tile(np.eye(2) * setting.sigma_m**2, (count, 1, 1)),
        classes=_softened(classes),
        log_size=seen_size,
        log_size_sigma=np.full((count, 2), 0.05),
    )
    return sightings, which, bias


def empty_map() -> KnownDefects:
    """The map before the first drive."""
    return KnownDefects(
        np.zeros((0, 2)),
        np.zeros((0, 2, 2)),
        np.zeros((0, 2, 2)),
        np.zeros((0, CLASSES)),
        np.zeros((0, 2)),
        np.zeros((0, 2)),
    )


def _softened(classes: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FloatArray:
    """A detector's probabilities: 0.7 for the class it says, the rest over the others."""
    soft = np.full((len(classes), CLASSES), 0.1)
    soft[np.arange(len(classes)), classes] = 0.7
    return soft


def _bias(station_m: FloatArray, setting: Setting, random: np.random.Generator) -> FloatArray:
    bias = np.zeros((len(station_m), 2))
    current = random.normal(0, setting.sigma_m, 2)
    last_m = station_m[0] if len(station_m) else 0.0
    for index, at_m in enumerate(station_m):
        rho = np.exp(-(at_m - last_m) / setting.correlation_m)
        current = rho * current + np.sqrt(1 - rho**2) * random.normal(0, setting.sigma_m, 2)
        bias[index], last_m = current, at_m
    return bias


@dataclass(frozen=True)
class Merged:
    """Outcome of several passes: pairs of observations that were merged, and that should have been."""

    precision: float
    recall: float
    second_pass_share: float
    wrong_merges: int


def merge_passes(setting: Setting, seed: int, rules: MatchingRules | None = None) -> Merged:
    """Drive, match and average pass after pass, and compare the merges with the truth."""
    random = np.random.default_rng(seed)
    damages = draw_damages(setting, random)
    views: list[tuple[int, int, int]] = []
    town = Town()
    for number in range(setting.passes):
        seen, truth, _ = drive(damages, setting, number, random)
        match = match_drive(seen, town.known(), rules)
        for index, defect in enumerate(town.take(seen, match)):
            views.append((number, int(truth[index]), defect))
    return _compared(views)


class Town:
    """The map as flow keeps it: every defect with its aligned views."""

    def __init__(self) -> None:
        self.views: list[list[tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]]] = []
        self.frame: list[FloatArray] = []

    def known(self) -> KnownDefects:
        """The map for the next drive."""
        if not self.views:
            return empty_map()
        places = [
            fuse_places(np.array([v[0] for v in views]), np.array([v[1] for v in views]))
            for views in self.views
        ]
        sizes = [
            [
                fuse_sizes(
                    [(float(np.exp(v[3][axis])), float(np.exp(v[3][axis]) * v[4][axis])) for v in views], 0.15
                )
                for axis in (0, 1)
            ]
            for views in self.views
        ]
        return KnownDefects(
            np.array([p.place_m for p in places]),
            np.array([p.covariance_m2 for p in places]),
            np.array(self.frame),
            np.array([fuse_classes(np.array([v[2] for v in views]), 0.15) for views in self.views]),
            np.array([[np.log(s.size) for s in pair] for pair in sizes]),
            np.array([[s.sigma / s.size for s in pair] for pair in sizes]),
        )

    def take(self, seen: Sightings, match: DriveMatch) -> list[int]:
        """Add one drive; the defect of each observation."""
        bias = match.alignment.bias
        numbers = []
        for index, matched in enumerate(match.defect):
            number = int(matched)
            if number < 0:
                number = len(self.views)
                self.views.append([])
                self.frame.append(seen.gnss_m2[index])
            offset = bias.offset_m[index]
            remaining = bias.covariance_m2[index] if match.alignment.aligned[index] else np.zeros((2, 2))
            self.views[number].append(
                (
                    seen.place_m[index] - offset,
                    seen.relative_m2[index] + remaining,
                    seen.classes[index],
                    seen.log_size[index],
                    seen.log_size_sigma[index],
                )
            )
            numbers.append(number)
        return numbers


def _compared(views: list[tuple[int, int, int]]) -> Merged:
    merged = wrong = same = both = second_same = second_both = 0
    for a, (pass_a, truth_a, defect_a) in enumerate(views):
        for pass_b, truth_b, defect_b in views[a + 1 :]:
            if pass_a == pass_b:
                continue
            is_same = truth_a == truth_b >= 0
            is_merged = defect_a == defect_b
            same += is_same
            merged += is_merged
            both += is_same and is_merged
            wrong += is_merged and not is_same
            if (pass_a, pass_b) == (0, 1):
                second_same += is_same
                second_both += is_same and is_merged
    return Merged(
        both / merged if merged else 1.0,
        both / same if same else 1.0,
        second_both / second_same if second_same else 1.0,
        wrong,
    )
