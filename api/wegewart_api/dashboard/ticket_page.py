"""One ticket as its page shows it: photographs with the box, facts in words, and history."""

import math
from dataclasses import dataclass
from datetime import datetime

from wegewart.damage import Taxonomy
from wegewart.observation import Evidence, Observation
from wegewart_api.dashboard.formats import Formats
from wegewart_api.dashboard.labels import StateLabel, coordinates, place_words, state_label
from wegewart_api.dashboard.page import Page
from wegewart_api.dashboard.repository import DefectRecord, EventRecord, Sighting, TicketRecord
from wegewart_api.dashboard.severity_words import SeverityFact, severity_fact
from wegewart_api.dashboard.symbols import ClassLabel, class_label
from wegewart_api.dashboard.text import Words


@dataclass(frozen=True)
class Photograph:
    """The masked road strip of one observation, and the box in the strip's own pixels."""

    href: str
    width_px: int
    height_px: int
    box_left_px: float
    box_top_px: float
    box_width_px: float
    box_height_px: float


@dataclass(frozen=True)
class View:
    """One observation as a view of the damage."""

    id: str
    href: str
    photograph: Photograph | None
    missing: str | None
    """Why there is no photograph, in words."""
    captured_at: datetime
    label: ClassLabel
    confidence: float
    looks: int
    nearest_m: float
    bundle_id: str


@dataclass(frozen=True)
class ClassChance:
    """How likely a damage is of one class."""

    label: ClassLabel
    probability: float


@dataclass(frozen=True)
class SizeFact:
    """One measured size in words."""

    name: str
    size: str


@dataclass(frozen=True)
class DefectFacts:
    """What is known of one defect, in words and figures."""

    id: str
    label: ClassLabel
    position: str
    accuracy: str
    chances: list[ClassChance]
    sizes: list[SizeFact]
    severity: SeverityFact
    existence: float
    first_seen_at: datetime
    last_seen_at: datetime
    observations: int
    drives: int


@dataclass(frozen=True)
class HistoryEntry:
    """One step of the ticket's history."""

    title: str
    actor: str
    at: datetime
    reason: str | None
    comment: str | None


@dataclass(frozen=True)
class TicketView:
    """Everything the ticket's page shows."""

    id: str
    number: str
    label: ClassLabel
    state: StateLabel
    reject_reason: str | None
    priority: int
    place: str
    position: str
    created_at: datetime
    due_at: datetime | None
    defects: list[DefectFacts]
    main: View | None
    views: list[View]
    history: list[HistoryEntry]
    marks_href: str


def ticket_view(
    record: TicketRecord,
    defects: list[DefectRecord],
    sightings: list[Sighting],
    events: list[EventRecord],
    chosen_view: str | None,
    page: Page,
) -> TicketView:
    """The page of one ticket; `chosen_view` is the observation the reader asked to see large."""
    taxonomy, formats, words = page.taxonomy, page.formats, page.words
    views = [_view(record, sighting, taxonomy, words) for sighting in sightings]
    return TicketView(
        id=str(record.id),
        number=record.number,
        label=class_label(record.class_code, taxonomy, words.language),
        state=state_label(record.state, words),
        reject_reason=words.of("reason", record.reject_reason) if record.reject_reason else None,
        priority=record.priority,
        place=place_words(record.street_name, record.house_number, words),
        position=coordinates(record.lat, record.lon, formats),
        created_at=record.created_at,
        due_at=record.due_at,
        defects=[_facts(defect, page) for defect in defects],
        main=_main_view(views, chosen_view),
        views=views,
        history=[_entry(event, words) for event in events],
        marks_href=f"/tickets/{record.id}/marks.geojson",
    )


def _main_view(views: list[View], chosen: str | None) -> View | None:
    """The view that was asked for; else the one the model was surest of among those with a photograph."""
    for view in views:
        if view.id == chosen:
            return view
    return max(views, key=lambda view: (view.photograph is not None, view.confidence), default=None)


def _view(record: TicketRecord, sighting: Sighting, taxonomy: Taxonomy, words: Words) -> View:
    seen = sighting.observation
    photograph = _photograph(seen, seen.evidence) if seen.evidence and sighting.photograph_stored else None
    return View(
        id=str(seen.id),
        href=f"/tickets/{record.id}?view={seen.id}",
        photograph=photograph,
        missing=None if photograph else _missing_words(seen, words),
        captured_at=seen.captured_at,
        label=class_label(seen.likeliest_class, taxonomy, words.language),
        confidence=seen.confidence,
        looks=seen.looks,
        nearest_m=seen.nearest_m,
        bundle_id=seen.bundle.id,
    )


def _missing_words(seen: Observation, words: Words) -> str:
    if seen.evidence is not None:
        return words("ticket.photo_on_its_way")
    return words("ticket.photo_none", reason=seen.no_evidence_reason)


def _photograph(seen: Observation, evidence: Evidence) -> Photograph:
    """The crop with the box moved into its pixels and cut at its edges."""
    left_px = min(max(seen.box_px.x1 - evidence.left_px, 0.0), evidence.width_px)
    top_px = min(max(seen.box_px.y1 - evidence.top_px, 0.0), evidence.height_px)
    right_px = min(max(seen.box_px.x2 - evidence.left_px, 0.0), evidence.width_px)
    bottom_px = min(max(seen.box_px.y2 - evidence.top_px, 0.0), evidence.height_px)
    return Photograph(
        href=f"/api/v1/evidence/{evidence.sha256}",
        width_px=evidence.width_px,
        height_px=evidence.height_px,
        box_left_px=left_px,
        box_top_px=top_px,
        box_width_px=right_px - left_px,
        box_height_px=bottom_px - top_px,
    )


def _facts(defect: DefectRecord, page: Page) -> DefectFacts:
    taxonomy, formats = page.taxonomy, page.formats
    chances = sorted(defect.class_probabilities.items(), key=lambda pair: -pair[1])
    language = formats.words.language
    return DefectFacts(
        id=str(defect.id),
        label=class_label(defect.class_code, taxonomy, language),
        position=coordinates(defect.lat, defect.lon, formats),
        accuracy=formats.accuracy(defect.covariance),
        chances=[ClassChance(class_label(code, taxonomy, language), share) for code, share in chances],
        sizes=_sizes(defect, formats),
        severity=severity_fact(defect, page.severity_limits, formats),
        existence=1 / (1 + math.exp(-max(-700.0, min(700.0, defect.existence_log_odds)))),
        first_seen_at=defect.first_seen_at,
        last_seen_at=defect.last_seen_at,
        observations=defect.observation_count,
        drives=defect.drive_count,
    )


def _sizes(defect: DefectRecord, formats: Formats) -> list[SizeFact]:
    measured = (
        ("length", defect.length_m, defect.length_sigma_m, "m"),
        ("width", defect.width_m, defect.width_sigma_m, "m"),
        ("area", defect.area_m2, defect.area_sigma_m2, "m²"),
    )
    return [
        SizeFact(formats.words.of("size", name), formats.size(size, sigma, unit))
        for name, size, sigma, unit in measured
        if size is not None
    ]


def _entry(event: EventRecord, words: Words) -> HistoryEntry:
    known = words.has(f"event.{event.action}")
    title = words.of("event", event.action) if known else words.of("state", event.to_state)
    role = words.of("role", event.actor_role) if words.has(f"role.{event.actor_role}") else ""
    return HistoryEntry(
        title=title,
        actor=words("history.actor", name=event.actor_name, role=role) if role else event.actor_name,
        at=event.at,
        reason=_reason_words(event.reason, words),
        comment=event.comment,
    )


def _reason_words(reason: str | None, words: Words) -> str | None:
    if reason is None:
        return None
    for family in ("reason", "noted"):  # what a person chose, and what Wegewart noted itself
        if words.has(f"{family}.{reason}"):
            return words.of(family, reason)
    return reason
