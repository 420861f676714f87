"""The office's story: a complete pass comes in; defects are found again or found new; tickets are proposed.

    observations ─► align ─► match ─► defects (believed anew) ─► street ─► tickets

One transaction, one pass of a tenant at a time (intake/processing.py holds the lock). The same pass again
changes nothing; another model's pass over the same drive takes the place of the earlier one.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from wegewart.damage import Taxonomy, shipped_taxonomy
from wegewart.drive import DriveTrack
from wegewart_api.auth.login import utc_now
from wegewart_api.auth.repository import all_tenants
from wegewart_api.database.engine import Database
from wegewart_api.database.ids import new_id
from wegewart_api.database.locks import wait_for_turn
from wegewart_api.defects import ledger, seen_ledger
from wegewart_api.defects import repository as defects
from wegewart_api.defects.drive import DriveCompared, Sighted, box_of, compare_drive
from wegewart_api.defects.existence import DefectStatus, ExistenceRules, Look, probability, status_of
from wegewart_api.defects.ledger import StoredLook
from wegewart_api.defects.matching import MatchingRules
from wegewart_api.defects.repository import DefectEvent, StoredDefect
from wegewart_api.defects.state import DefectState, View, derive
from wegewart_api.defects.street_seen import seen_parts
from wegewart_api.defects.visibility import VisibilityRules
from wegewart_api.intake import repository as intake
from wegewart_api.intake.messages import PassKey
from wegewart_api.intake.processing import CompletePass
from wegewart_api.streets.box import Box
from wegewart_api.streets.locating import StreetFinder, StreetPlace
from wegewart_api.streets.repository import finder_for, newest_import
from wegewart_api.tickets import repository as tickets
from wegewart_api.tickets.lifecycle import (
    NOTED,
    PROPOSED,
    SYSTEM,
    TicketAction,
    TicketEvent,
    TicketState,
    act,
)
from wegewart_api.tickets.proposal import (
    Believed,
    LastTicket,
    Proposal,
    ProposalRules,
    measured_size,
    priority_of,
    propose,
)
from wegewart_api.tickets.repository import StoredTicket, TicketFace

logger = logging.getLogger(__name__)

NEIGHBOURHOOD_M = 100.0  # beyond the drive's own box: several times the widest gate of plain GNSS


@dataclass(frozen=True)
class FlowRules:
    """All that a city or a test may set."""

    taxonomy: Taxonomy = field(default_factory=shipped_taxonomy)
    matching: MatchingRules = field(default_factory=MatchingRules)
    visibility: VisibilityRules = field(default_factory=VisibilityRules)
    existence: ExistenceRules = field(default_factory=ExistenceRules)
    proposal: ProposalRules = field(default_factory=ProposalRules)


@dataclass(frozen=True)
class PassOutcome:
    """What a pass changed."""

    observations: int
    seen_again: int
    new_defects: int
    missed: int
    withdrawn: int
    tickets: int


def process_pass(
    connection: Connection,
    complete: CompletePass,
    rules: FlowRules | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> PassOutcome:
    """Turn a complete pass into defects and proposed tickets, within the caller's transaction."""
    rules = rules or FlowRules()
    key, now = complete.key, clock()
    track = intake.track_of_pass(connection, key)
    observations = intake.observations_of_pass(connection, key)
    around = box_of(track, observations)
    if complete.given_up:
        return _give_up(connection, key, around, rules, now)
    known = _known_around(connection, key, around)
    compared = compare_drive(track, observations, known, rules.matching, rules.visibility)
    sighted = _with_earlier_assignments(connection, key, compared.sighted, known)
    left = _take_back(connection, key)
    finder = _finder(connection, key, around)
    created = _create(connection, key, sighted, finder, rules, now)
    _keep_looks(connection, key, sighted, created, compared, now)
    _keep_seen_streets(connection, key, track, finder, rules)
    touched = {each.defect.id for each in sighted if each.defect} | {
        look.defect_id for look in compared.missed
    }
    withdrawn = _refresh(connection, key, touched | left, finder, rules, now)
    shown = set(created.values()) | {each.defect.id for each in sighted if each.defect}
    proposed = _propose(connection, key, shown | touched, rules, now)
    outcome = PassOutcome(
        observations=len(observations),
        seen_again=len(sighted) - len(created),
        new_defects=len(created),
        missed=len(compared.missed),
        withdrawn=withdrawn,
        tickets=proposed,
    )
    logger.info("drive %s: %s", key.drive_id, outcome)
    return outcome


def _give_up(
    connection: Connection, key: PassKey, around: Box | None, rules: FlowRules, now: datetime
) -> PassOutcome:
    """Take back all that a pass said, because the vehicle took it back."""
    left = set(ledger.leave_defects(connection, key))
    seen_ledger.forget_seen(connection, key)
    withdrawn = _refresh(connection, key, left, _finder(connection, key, around), rules, now)
    outcome = PassOutcome(0, 0, 0, 0, withdrawn, 0)
    logger.info("drive %s given up: %s", key.drive_id, outcome)
    return outcome


def refresh_seen_streets(database: Database, rules: FlowRules | None = None) -> int:
    """Find again which streets were seen, for passes from before the newest import of streets; how many.

    One transaction for each pass: whoever else writes waits for one drive at most.
    """
    rules = rules or FlowRules()
    with database.reading() as connection:
        waiting = [
            key
            for tenant_id in all_tenants(connection)
            if (import_id := newest_import(connection, tenant_id)) is not None
            for key in seen_ledger.passes_seen_elsewhere(connection, tenant_id, import_id)
        ]
    for key in waiting:
        with database.writing() as connection:
            wait_for_turn(connection, f"defects of {key.tenant_id}")
            track = intake.track_of_pass(connection, key)
            finder = _finder(connection, key, box_of(track, ()))
            _keep_seen_streets(connection, key, track, finder, rules)
    if waiting:
        logger.info("streets that %d drives saw were found again", len(waiting))
    return len(waiting)


def _keep_seen_streets(
    connection: Connection, key: PassKey, track: DriveTrack, finder: StreetFinder, rules: FlowRules
) -> None:
    parts = seen_parts(track, finder, rules.visibility)
    seen_ledger.keep_seen(connection, key, parts, newest_import(connection, key.tenant_id))


def _known_around(connection: Connection, key: PassKey, around: Box | None) -> list[StoredDefect]:
    if around is None:
        return []
    return defects.defects_within(connection, key.tenant_id, around.grown(NEIGHBOURHOOD_M))


def _finder(connection: Connection, key: PassKey, around: Box | None) -> StreetFinder:
    box = around or Box(0.0, 0.0, 0.0, 0.0)
    return finder_for(connection, key.tenant_id, box.grown(NEIGHBOURHOOD_M))


def _with_earlier_assignments(
    connection: Connection, key: PassKey, sighted: tuple[Sighted, ...], known: list[StoredDefect]
) -> list[Sighted]:
    """A later revision of a pass: what was matched before stays, and only what came in new is matched."""
    earlier = {each.observation.sent.id: each.observation.defect_id for each in sighted}
    taken = {defect_id for defect_id in earlier.values() if defect_id is not None}
    by_id = {each.id: each for each in known}
    by_id |= defects.some_defects(connection, key.tenant_id, taken - by_id.keys())
    kept = []
    for each in sighted:
        before = earlier[each.observation.sent.id]
        defect = by_id[before] if before is not None else each.defect
        if before is None and defect is not None and defect.id in taken:
            defect = None
        kept.append(Sighted(each.observation, defect, each.offset, each.frame))
    return kept


def _take_back(connection: Connection, key: PassKey) -> set[UUID]:
    """Take back what this pass, and other models' passes of its drive, said before; the defects concerned."""
    passes = [key, *ledger.other_passes(connection, key)]
    return {left for each in passes for left in ledger.leave_defects(connection, each)}


def _create(
    connection: Connection,
    key: PassKey,
    sighted: list[Sighted],
    finder: StreetFinder,
    rules: FlowRules,
    now: datetime,
) -> dict[UUID, UUID]:
    """Store a defect for each observation that shows none of the known ones; its id by the observation's."""
    created: dict[UUID, UUID] = {}
    states: dict[UUID, tuple[DefectState, DefectStatus]] = {}
    places: dict[UUID, StreetPlace] = {}
    for each in sighted:
        if each.defect is None:
            defect_id = created[each.observation.sent.id] = new_id()
            view = _view(each)
            look = Look(each.observation.sent.captured_at, seen=True)
            state = derive([view], [look], each.frame, rules.matching.alignment.agreement, rules.existence)
            states[defect_id] = (state, status_of(state.existence_log_odds, 1, rules.existence))
            places[defect_id] = finder.place(state.lat, state.lon, each.observation.sent.heading_deg)
    ledger.add_defects(connection, key.tenant_id, states, places, now)
    found = [(each, _event("created", key, now)) for each in states]
    ledger.add_events(connection, key.tenant_id, found)
    return created


def _keep_looks(
    connection: Connection,
    key: PassKey,
    sighted: list[Sighted],
    created: dict[UUID, UUID],
    compared: DriveCompared,
    now: datetime,
) -> None:
    shows = {
        each.observation.sent.id: each.defect.id if each.defect else created[each.observation.sent.id]
        for each in sighted
    }
    ledger.assign_observations(connection, key.tenant_id, shows)
    seen = [
        StoredLook(
            shows[each.observation.sent.id], each.observation.sent.captured_at, seen=True, offset=each.offset
        )
        for each in sighted
    ]
    again = {look.defect_id for look in seen}
    ledger.add_looks(
        connection, key, seen + [look for look in compared.missed if look.defect_id not in again]
    )
    ledger.keep_alignment(connection, key, compared.knots, now)


def _refresh(
    connection: Connection,
    key: PassKey,
    ids: set[UUID],
    finder: StreetFinder,
    rules: FlowRules,
    now: datetime,
) -> int:
    """Derive these defects anew from all their views and looks; those without a view are withdrawn."""
    views = ledger.views_of(connection, key.tenant_id, ids)
    looks = ledger.looks_of(connection, key.tenant_id, ids)
    before = ledger.frames_of(connection, key.tenant_id, ids)
    states: dict[UUID, tuple[DefectState, DefectStatus]] = {}
    places: dict[UUID, StreetPlace] = {}
    events: list[tuple[UUID, DefectEvent]] = []
    for each in sorted(views):
        status, frame = before[each]
        state = derive(views[each], looks[each], frame, rules.matching.alignment.agreement, rules.existence)
        now_status = status_of(state.existence_log_odds, state.observation_count, rules.existence)
        states[each] = (state, now_status)
        places[each] = finder.place(state.lat, state.lon, views[each][-1].observation.heading_deg)
        if now_status is not status:
            events.append((each, _event(str(now_status), key, now)))
    ledger.change_defects(connection, key.tenant_id, states, places, now)
    withdrawn = sorted(
        each for each in ids if each not in views and before[each][0] is not DefectStatus.WITHDRAWN
    )
    _withdraw(connection, key, withdrawn, now)
    ledger.add_events(connection, key.tenant_id, events)
    return len(withdrawn)


def _withdraw(connection: Connection, key: PassKey, ids: list[UUID], now: datetime) -> None:
    """Mark defects that the newer model did not see; their tickets stay, with a note for who handles them."""
    ledger.withdraw_defects(connection, key.tenant_id, ids, now)
    ledger.add_events(connection, key.tenant_id, [(each, _event("withdrawn", key, now)) for each in ids])
    last = {ticket.id for ticket in tickets.last_tickets(connection, key.tenant_id, ids).values()}
    for ticket_id in sorted(last):
        ticket = tickets.ticket_for_update(connection, key.tenant_id, ticket_id)
        if ticket is not None:
            note = TicketEvent(NOTED, ticket.state, ticket.state, SYSTEM, now, reason="withdrawn")
            tickets.record(connection, key.tenant_id, ticket.id, note)


def _event(kind: str, key: PassKey, now: datetime) -> DefectEvent:
    detail = {"drive_id": str(key.drive_id), "bundle_sha256": key.bundle_sha256}
    return DefectEvent(kind, now, SYSTEM.name, None, detail)


def _view(each: Sighted) -> View:
    return View(each.observation.sent, each.observation.lat, each.observation.lon, each.offset)


def _propose(
    connection: Connection, key: PassKey, ids: Iterable[UUID], rules: FlowRules, now: datetime
) -> int:
    """Propose tickets for defects, open closed ones again, and bring untouched proposals up to date."""
    stored = defects.some_defects(connection, key.tenant_id, ids)
    last = tickets.last_tickets(connection, key.tenant_id, stored)
    proposed = 0
    faces: dict[UUID, TicketFace] = {}
    for each in sorted(stored):
        found, ticket = stored[each], last.get(each)
        if found.status is DefectStatus.WITHDRAWN or found.class_code not in rules.taxonomy.codes:
            continue
        believed = _believed(found)
        face = _face(found, believed, rules)
        decision = propose(believed, _last(ticket), rules.taxonomy, rules.proposal, now)
        if decision.proposal is Proposal.OPEN:
            event = TicketEvent(PROPOSED, None, TicketState.NEW, SYSTEM, now, decision.reason)
            tickets.open_ticket(connection, key.tenant_id, each, face, event)
            proposed += 1
        elif decision.proposal is Proposal.REOPEN and ticket is not None:
            _reopen(connection, key, believed, ticket, rules, now)
        elif ticket is not None and ticket.state is TicketState.NEW and ticket.face != face:
            faces[ticket.id] = face
    tickets.follow_defect(connection, key.tenant_id, faces, now)
    return proposed


def _reopen(
    connection: Connection,
    key: PassKey,
    believed: Believed,
    ticket: StoredTicket,
    rules: FlowRules,
    now: datetime,
) -> None:
    """Open a ticket again, unless a person has decided otherwise since it was read."""
    fresh = tickets.ticket_for_update(connection, key.tenant_id, ticket.id)
    decision = propose(believed, _last(fresh), rules.taxonomy, rules.proposal, now)
    if fresh is not None and decision.proposal is Proposal.REOPEN:
        event = act(fresh.state, TicketAction.REOPEN, SYSTEM, now, decision.reason)
        tickets.record(connection, key.tenant_id, fresh.id, event)


def _believed(found: StoredDefect) -> Believed:
    return Believed(
        class_code=found.class_code,
        existence=probability(found.existence_log_odds),
        length_m=found.length.size if found.length else None,
        width_m=found.width.size if found.width else None,
        area_m2=found.area.size if found.area else None,
        last_seen_at=found.last_seen_at,
    )


def _last(ticket: StoredTicket | None) -> LastTicket | None:
    if ticket is None:
        return None
    return LastTicket(ticket.state, ticket.reject_reason, ticket.class_code, ticket.size, ticket.updated_at)


def _face(found: StoredDefect, believed: Believed, rules: FlowRules) -> TicketFace:
    return TicketFace(
        class_code=found.class_code,
        priority=priority_of(believed, rules.taxonomy, rules.proposal),
        lat=found.lat,
        lon=found.lon,
        street_name=found.street_name,
        house_number=found.house_number,
        size=measured_size(believed, rules.taxonomy),
    )
