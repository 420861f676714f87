"""Streets with their condition as their page shows it: approximations, the worst first, unseen ones last."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wegewart.condition import WARNING, Band, Condition, ConditionTable
from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.text import Language
from wegewart_api.defects.condition import Segment

PAGE_LENGTH = 50
MOST_STREETS = 20_000  # as the map's background: a town, not a country
MOST_LINES = 60_000


@dataclass(frozen=True)
class ValueWords:
    """A condition value with its 95 % bounds, and its class in a word."""

    value: str
    bounds: str
    band: Band
    word: str


@dataclass(frozen=True)
class StreetRow:
    """One street of the list; worst and mean are None where none of its segments has a value."""

    name: str
    worst: ValueWords | None
    mean: str | None
    from_warning: str | None
    seen: str
    length: str


@dataclass(frozen=True)
class LimitsRow:
    """Percent limits of one characteristic."""

    characteristic: str
    streets: str
    percents: tuple[str, str, str]


@dataclass(frozen=True)
class StreetsView:
    """Everything the page shows."""

    rows: list[StreetRow]
    total: int
    graded: int
    limits: list[LimitsRow]
    recalled: bool
    seen_least: str
    valid_days: str
    segment: str
    bands: list[Band]
    marks_href: str
    streets_known: bool
    next_href: str | None
    first_href: str | None


def streets_view(
    segments: Sequence[Segment], start: int, limits: ConditionTable, formats: Formats
) -> StreetsView:
    """The page from a place in the list on."""
    groups: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        groups[segment.street.name or segment.street.ref or ""].append(segment)
    in_order = sorted(groups, key=lambda name: (-_worst_value(groups[name]), name == "", name))
    shown = in_order[start : start + PAGE_LENGTH]
    following = start + PAGE_LENGTH
    return StreetsView(
        rows=[_row(name, groups[name], formats) for name in shown],
        total=len(in_order),
        graded=sum(_worst_value(group) > 0 for group in groups.values()),
        limits=_limits(limits, formats),
        recalled=limits.recalled,
        seen_least=formats.percent(limits.seen_least),
        valid_days=formats.number(limits.valid_days),
        segment=formats.kilometres(limits.segment_m),
        bands=list(Band),
        marks_href="/map/condition.geojson",
        streets_known=bool(segments),
        next_href=f"/streets?start={following}" if following < len(in_order) else None,
        first_href="/streets" if start else None,
    )


def segment_marks(segments: Sequence[Segment], formats: Formats) -> dict[str, Any]:
    """FeatureCollection of lines with what their popups say; `band` is "unknown" where there is no value."""
    return {
        "type": "FeatureCollection",
        "features": [_mark(segment, formats) for segment in segments[:MOST_LINES]],
    }


def _mark(segment: Segment, formats: Formats) -> dict[str, Any]:
    words, found = formats.words, segment.condition
    state = words("streets.unseen")
    if found is not None:
        told = _value_words(found, formats)
        state = words("streets.popup", value=told.value, bounds=told.bounds, word=told.word)
    return {
        "type": "Feature",
        "geometry": {
            "type": "LineString",
            "coordinates": [[round(lon, 6), round(lat, 6)] for lon, lat in segment.line],
        },
        "properties": {
            "id": segment.id,
            "band": found.band if found else "unknown",
            "title": segment.street.name or segment.street.ref or words("streets.unnamed"),
            "place": words(
                "streets.segment", start=formats.number(segment.from_m), end=formats.number(segment.to_m)
            ),
            "state": state,
            "href": None,
        },
    }


def _row(name: str, segments: Sequence[Segment], formats: Formats) -> StreetRow:
    graded = [(each, each.condition) for each in segments if each.condition is not None]
    seen_m = sum(each.seen_m for each in segments)
    length_m = sum(each.length_m for each in segments)
    worst = max((found for _, found in graded), key=lambda found: found.value, default=None)
    graded_m = sum(each.length_m for each, _ in graded)
    mean = sum(found.value * each.length_m for each, found in graded) / graded_m if graded else None
    from_warning_m = sum(each.length_m for each, found in graded if found.value >= WARNING)
    return StreetRow(
        name=name or formats.words("streets.unnamed"),
        worst=_value_words(worst, formats) if worst else None,
        mean=formats.number(mean, 1) if mean is not None else None,
        from_warning=formats.kilometres(from_warning_m) if graded else None,
        seen=formats.kilometres(seen_m),
        length=formats.kilometres(length_m),
    )


def _worst_value(segments: Sequence[Segment]) -> float:
    return max((each.condition.value for each in segments if each.condition is not None), default=0.0)


def _value_words(found: Condition, formats: Formats) -> ValueWords:
    least, most = formats.number(found.least, 1), formats.number(found.most, 1)
    return ValueWords(
        value=formats.number(found.value, 1),
        bounds=formats.words("streets.bounds", least=least, most=most),
        band=found.band,
        word=formats.words.of("band", found.band),
    )


def _limits(limits: ConditionTable, formats: Formats) -> list[LimitsRow]:
    german = formats.words.language is Language.DE
    names = {each.code: each.name_de if german else each.name_en for each in limits.characteristics}
    return [
        LimitsRow(
            names[each.characteristic],
            formats.words("streets.all") if "*" in of.highways else ", ".join(of.highways),
            tuple(formats.number(percent, 1) for percent in (each.at_1_5, each.at_3_5, each.at_4_5)),  # type: ignore[arg-type]
        )
        for of in limits.function_classes
        for each in of.limits
    ]
