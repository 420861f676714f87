"""What an office has in its store, for the tests of the pages: tickets, photographs, drives, streets."""

import csv
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
from sqlalchemy import Connection, insert, select, update
from tests.api.office import DEFAULT, Office
from tests.core.messages import drive_track_fields, observation_fields

from wegewart.geo import LocalPlane
from wegewart.identity import observation_id
from wegewart.observation import Observation
from wegewart_api.auth.login import NewAccount, create_account
from wegewart_api.auth.principal import Role
from wegewart_api.database import tables
from wegewart_api.database.cells import cell_of
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.database.migrate import migrate
from wegewart_api.defects.seen_ledger import keep_seen
from wegewart_api.defects.street_seen import SeenPart
from wegewart_api.intake.evidence_store import EvidenceFolder
from wegewart_api.intake.messages import PassKey
from wegewart_api.intake.processing import ProcessPass
from wegewart_api.settings import Settings
from wegewart_api.streets.repository import import_streets, newest_import
from wegewart_api.tickets.lifecycle import (
    PROPOSED,
    SYSTEM,
    SYSTEM_ROLE,
    Actor,
    TicketAction,
    TicketEvent,
    TicketState,
    act,
)

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "datasets" / "sample-drive"
STREETS = REPOSITORY / "datasets" / "streets" / "north-bayreuth.osm.gz"
PASSWORD = "sechs Eier und ein Ofen"
PEOPLE = {
    Role.DISPATCHER: "Einsatz Planung",
    Role.INSPECTOR: "Kontrolle Straße",
    Role.CREW: "Bau Hof",
    Role.VIEWER: "Lese Zugriff",
    Role.ADMIN: "Verwaltung Amt",
}
BUNDLES = ("ab" * 32, "cd" * 32)
KINDS = (
    ("D40", 1, "new"),
    ("D20", 2, "new"),
    ("D00", 3, "checked"),
    ("D10", 4, "new"),
    ("D40", 1, "ordered"),
    ("D20", 2, "in_progress"),
    ("D00", 4, "new"),
    ("D40", 2, "repaired"),
    ("D10", 3, "reopened"),
    ("D20", 3, "new"),
    ("D00", 3, "verified"),
    ("D40", 2, "rejected"),
)
STEPS = {
    "new": (),
    "checked": ("confirm",),
    "ordered": ("confirm", "order"),
    "in_progress": ("confirm", "order", "start"),
    "repaired": ("confirm", "order", "start", "complete"),
    "verified": ("confirm", "order", "start", "complete", "verify"),
    "rejected": ("reject",),
    "reopened": ("reject", "reopen"),
}
CROP_TOP_PX = 200  # the road strip of a frame, as a vehicle would cut it


@dataclass(frozen=True)
class Damage:
    """One ticket to put into the store, with everything that hangs on it."""

    number: str
    class_code: str = "D40"
    state: str = "new"
    priority: int = 2
    lat: float = 50.0
    lon: float = 11.55
    street: str | None = "Hauptstraße"
    house_number: str | None = "7"
    sightings: int = 1
    photographs: bool = True
    age_days: float = 3.0
    reject_reason: str | None = None
    street_id: UUID | None = None
    box_m: tuple[float, float] | None = None
    """Length and width; without it only the size that counts for the class is known."""


def open_office(folder: Path, process_pass: ProcessPass | None = None) -> Office:
    """An office over a fresh embedded store, with one person of each role who can log in."""
    settings = Settings.load(data_dir=folder)
    database = Database.open(settings.store_url)
    migrate(database)
    office = Office.open(database, settings, process_pass)
    for role, name in PEOPLE.items():
        person = NewAccount(email_of(role), name, PASSWORD, role)
        create_account(database, office.tenant(DEFAULT), person, datetime.now(UTC))
    return office


def email_of(role: Role) -> str:
    """Address with which the person of a role logs in."""
    return f"{role}@office.test"


def add_ticket(office: Office, damage: Damage, tenant_key: str = DEFAULT) -> UUID:
    """Put a ticket with its defect, sightings, photographs and history into the store; its id."""
    tenant = office.tenant(tenant_key)
    created_at = datetime.now(UTC) - timedelta(days=damage.age_days)
    ticket_id, defect_id = new_id(), new_id()
    with office.database.writing() as connection:
        connection.execute(insert(tables.defect).values(**_defect_row(tenant, defect_id, damage, created_at)))
        connection.execute(insert(tables.ticket).values(**_ticket_row(tenant, ticket_id, damage, created_at)))
        connection.execute(
            insert(tables.ticket_defect).values(tenant_id=tenant, ticket_id=ticket_id, defect_id=defect_id)
        )
        for number in range(damage.sightings):
            _add_sighting(office, connection, tenant, defect_id, damage, number, created_at)
        _add_history(connection, tenant, ticket_id, damage, created_at)
    return ticket_id


def add_drive(office: Office, **changes: Any) -> UUID:
    """Put one pass over a drive into the store; columns may be changed; its drive's id."""
    track = drive_track_fields()
    drive_id = changes.pop("drive_id", new_id())
    row = {
        "tenant_id": office.tenant(DEFAULT),
        "drive_id": drive_id,
        "bundle_sha256": BUNDLES[0],
        "bundle_id": "road-damage-nano-0.1.0-int8",
        "device_id": "box-01",
        "revision": 2,
        "state": "closed",
        "started_at": datetime(2026, 5, 4, 8, 0, tzinfo=UTC),
        "ended_at": datetime(2026, 5, 4, 8, 42, tzinfo=UTC),
        "observations_made": 3,
        "content_sha256": hashlib.sha256(drive_id.bytes).hexdigest(),
        "track": track,
        "received_at": datetime(2026, 5, 4, 9, 0, tzinfo=UTC),
    }
    with office.database.writing() as connection:
        connection.execute(insert(tables.drive_pass).values(**(row | changes)))
    return drive_id


def fill_office(office: Office) -> list[UUID]:
    """Streets of the committed extract, a dozen tickets along them, three drives; the tickets' ids."""
    tenant = office.tenant(DEFAULT)
    with office.database.writing() as connection:
        import_streets(connection, tenant, STREETS)
        places = _places_along_streets(connection, tenant)
    ids = []
    for number, ((code, priority, state), place) in enumerate(zip(KINDS, places, strict=False), start=1):
        damage = replace(
            place,
            number=f"2026-{number:06d}",
            class_code=code,
            priority=priority,
            state=state,
            sightings=1 + number % 4,
            photographs=number != 4,
            age_days=number * 2.5,
            reject_reason="duplicate" if state == "rejected" else None,
            box_m=(0.5 * number, 0.3 * number) if number % 3 else None,
        )
        ids.append(add_ticket(office, damage))
    _add_drives(office)
    _add_seen_streets(office, [place.street_id for place in places if place.street_id])
    return ids


def _add_seen_streets(office: Office, street_ids: list[UUID]) -> None:
    """Let one drive have seen these streets yesterday: every other one whole, the others to two thirds."""
    tenant = office.tenant(DEFAULT)
    parts = [
        SeenPart(street_id, True, 0.0, 0.66 if number % 2 else 1.0)
        for number, street_id in enumerate(street_ids)
    ]
    with office.database.writing() as connection:
        drive_id = connection.execute(select(tables.drive_pass.c.drive_id).limit(1)).scalar_one()
        keep_seen(connection, PassKey(tenant, drive_id, BUNDLES[0]), parts, newest_import(connection, tenant))
        yesterday = datetime.now(UTC) - timedelta(days=1)
        connection.execute(update(tables.street_seen).values(at=yesterday))


def _places_along_streets(connection: Connection, tenant_id: UUID) -> list[Damage]:
    """Places on named streets, in the same order on every run, with a house number where one is near."""
    address = tables.street_address
    found = connection.execute(
        select(address.c.street_name, address.c.house_number)
        .where(address.c.tenant_id == tenant_id)
        .order_by(address.c.source_id)
    )
    numbers = {row.street_name: row.house_number for row in found}
    rows = connection.execute(
        select(tables.street.c.name, tables.street.c.geometry, tables.street.c.id)
        .where(
            tables.street.c.tenant_id == tenant_id,
            tables.street.c.name.is_not(None),
            tables.street.c.highway.in_(("residential", "tertiary", "secondary")),
            tables.street.c.south.between(49.975, 49.99),
            tables.street.c.west.between(11.58, 11.612),
        )
        .order_by(tables.street.c.source_id)
    ).all()
    by_name = {name: (geometry["coordinates"], street_id) for name, geometry, street_id in rows}
    places = []
    for name, (line, street_id) in by_name.items():
        lon, lat = line[len(line) // 2]
        damage = Damage("", lat=lat, lon=lon, street=name, house_number=numbers.get(name))
        places.append(replace(damage, street_id=street_id))
    return places


def _defect_row(tenant: UUID, defect_id: UUID, damage: Damage, created_at: datetime) -> dict[str, Any]:
    others = [code for code in ("D00", "D10", "D20", "D40") if code != damage.class_code]
    measured = {"D40": "width_m", "D20": "area_m2"}.get(damage.class_code, "length_m")
    sizes = {measured: 0.62, measured.replace("_m", "_sigma_m"): 0.06}
    if damage.box_m:
        length_m, width_m = damage.box_m
        sizes = {
            "length_m": length_m,
            "length_sigma_m": 0.15 * length_m,
            "width_m": width_m,
            "width_sigma_m": 0.08 * width_m,
            "area_m2": length_m * width_m,
            "area_sigma_m2": 0.23 * length_m * width_m,
        }
    return {
        "tenant_id": tenant,
        "id": defect_id,
        "lat": damage.lat,
        "lon": damage.lon,
        "h3_cell": cell_of(damage.lat, damage.lon),
        "cov_ee_m2": 1.4,
        "cov_en_m2": 0.3,
        "cov_nn_m2": 0.8,
        "map_lat": damage.lat,
        "map_lon": damage.lon,
        **dict.fromkeys(("relative_ee_m2", "relative_nn_m2"), 0.12),
        **dict.fromkeys(("frame_ee_m2", "frame_nn_m2"), 0.6),
        **dict.fromkeys(("relative_en_m2", "frame_en_m2"), 0.0),
        "class_code": damage.class_code,
        "class_probabilities": {damage.class_code: 0.86, others[0]: 0.1, others[1]: 0.04},
        **sizes,
        "existence_log_odds": 2.9,
        "first_seen_at": created_at - timedelta(days=20),
        "last_seen_at": created_at,
        "observation_count": damage.sightings,
        "drive_count": damage.sightings,
        "status": "present",
        "street_id": damage.street_id,
        "street_name": damage.street,
        "house_number": damage.house_number,
        "created_at": created_at,
        "updated_at": created_at,
    }


def _ticket_row(tenant: UUID, ticket_id: UUID, damage: Damage, created_at: datetime) -> dict[str, Any]:
    return {
        "tenant_id": tenant,
        "id": ticket_id,
        "number": damage.number,
        "state": damage.state,
        "reject_reason": damage.reject_reason,
        "class_code": damage.class_code,
        "priority": damage.priority,
        "lat": damage.lat,
        "lon": damage.lon,
        "h3_cell": cell_of(damage.lat, damage.lon),
        "street_name": damage.street,
        "house_number": damage.house_number,
        "created_at": created_at,
        "updated_at": created_at,
    }


def _add_sighting(
    office: Office,
    connection: Connection,
    tenant: UUID,
    defect_id: UUID,
    damage: Damage,
    number: int,
    created_at: datetime,
) -> None:
    drive_id = new_id()
    captured_at = created_at - timedelta(days=7 * number)
    frame, box = _labelled_frame(damage.class_code, number)
    shown = LocalPlane(damage.lat, damage.lon).lat_lon(0.3 * number, -0.2 * number)
    changes: dict[str, Any] = {
        "id": str(observation_id(drive_id, "front", BUNDLES[0], number, 0)),
        "drive_id": str(drive_id),
        "captured_at": captured_at.isoformat(),
        "lat": shown[0],
        "lon": shown[1],
        "class_probabilities": {damage.class_code: 0.8},
        "confidence": round(0.81 - 0.07 * number, 2),
        "looks": 1 + number,
        "box_px": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
        "frame_size_px": {"width": 1024, "height": 640},
        "bundle": {"id": "road-damage-nano-0.1.0-int8", "sha256": BUNDLES[0]},
    }
    if damage.photographs:
        changes |= {
            "no_evidence_reason": None,
            "evidence": _kept_photograph(office, connection, tenant, frame),
        }
    seen = Observation.model_validate(observation_fields(first_sequence=number, **changes))
    connection.execute(
        insert(tables.observation).values(
            tenant_id=tenant,
            id=seen.id,
            drive_id=drive_id,
            bundle_sha256=BUNDLES[0],
            content_sha256=hashlib.sha256(seen.id.bytes).hexdigest(),
            content=seen.model_dump(mode="json"),
            captured_at=seen.captured_at,
            lat=seen.lat,
            lon=seen.lon,
            h3_cell=cell_of(seen.lat, seen.lon),
            station_m=seen.station_m,
            class_code=damage.class_code,
            evidence_sha256=seen.evidence.sha256 if seen.evidence else None,
            received_at=created_at,
            defect_id=defect_id,
        )
    )


def _labelled_frame(class_code: str, number: int) -> tuple[Path, tuple[float, float, float, float]]:
    """A frame of the sample drive that shows a damage of this class, and its labelled box."""
    with (SAMPLE / "truth.csv").open(encoding="utf-8") as file:
        labels = [row for row in csv.DictReader(file) if row["pass"] == "1"]
    fitting = [row for row in labels if row["class"] == class_code] or labels
    fitting = [row for row in fitting if float(row["y2"]) - max(float(row["y1"]), CROP_TOP_PX) > 8] or fitting
    chosen = fitting[number % len(fitting)]
    frame = SAMPLE / "pass-1" / "images" / f"{int(chosen['sequence']):03d}.jpg"
    return frame, tuple(float(chosen[side]) for side in ("x1", "y1", "x2", "y2"))  # type: ignore[return-value]


def _kept_photograph(office: Office, connection: Connection, tenant: UUID, frame: Path) -> dict[str, Any]:
    picture = cv2.imread(str(frame))
    strip = picture[CROP_TOP_PX:]
    image = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    sha256 = hashlib.sha256(image).hexdigest()
    known = connection.execute(
        select(tables.evidence.c.sha256).where(
            tables.evidence.c.tenant_id == tenant, tables.evidence.c.sha256 == sha256
        )
    ).first()
    if known is None:
        EvidenceFolder(office.settings.evidence_dir).keep(tenant, sha256, image)
        connection.execute(
            insert(tables.evidence).values(
                tenant_id=tenant,
                sha256=sha256,
                media_type="image/jpeg",
                size_bytes=len(image),
                stored_at=datetime.now(UTC),
            )
        )
    return {
        "sha256": sha256,
        "left_px": 0,
        "top_px": CROP_TOP_PX,
        "width_px": strip.shape[1],
        "height_px": strip.shape[0],
        "mask_bundle": {"id": "mask-0.1.0-int8", "sha256": "ef" * 32},
    }


def _add_history(
    connection: Connection, tenant: UUID, ticket_id: UUID, damage: Damage, created_at: datetime
) -> None:
    events = [act_of_system(created_at)]
    for number, action in enumerate(STEPS[damage.state], start=1):
        at = created_at + timedelta(hours=5 * number)
        reason = "duplicate" if action == "reject" else None
        comment = "Mit der Nachbarstelle zusammen erledigen." if action == "order" else None
        actor = Actor(None, "Einsatz Planung", Role.ADMIN)
        events.append(act(events[-1].to_state, TicketAction(action), actor, at, reason, comment))
    for event in events:
        row = {
            "action": event.action,
            "from_state": event.from_state,
            "to_state": event.to_state,
            "actor_name": event.actor.name,
            "actor_role": event.actor.role or SYSTEM_ROLE,
            "at": event.at,
            "reason": event.reason,
            "comment": event.comment,
        }
        connection.execute(
            insert(tables.ticket_event).values(tenant_id=tenant, id=new_id(), ticket_id=ticket_id, **row)
        )


def act_of_system(at: datetime) -> TicketEvent:
    """First event of every history: Wegewart proposed the ticket."""
    return TicketEvent(PROPOSED, None, TicketState.NEW, SYSTEM, at)


def _add_drives(office: Office) -> None:
    track = drive_track_fields()
    seen = track["stretches"][0]
    blurred = seen | {
        "from_station_m": 120.0,
        "to_station_m": 165.0,
        "valid": False,
        "invalid_reason": "blurred",
    }
    track["stretches"] = [seen | {"from_station_m": 165.0, "to_station_m": 3480.0}, blurred]
    day = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    add_drive(office, track=track, observations_made=0, processed_at=day + timedelta(hours=1))
    week = timedelta(days=7)
    add_drive(office, track=track, started_at=day + week, ended_at=day + week + timedelta(minutes=35))
    add_drive(office, state="open", ended_at=None, observations_made=None, started_at=day + 2 * week)
