"""A ticket's life: every state, action and role; proposals; and decisions over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.api.office import Office, problem
from tests.api.street_simulation import Setting
from tests.api.test_flow import send
from tests.api.town import Town

from wegewart.damage import shipped_taxonomy
from wegewart_api.auth.principal import PEOPLE, Role
from wegewart_api.database.engine import Database
from wegewart_api.errors import Conflict, Invalid, NotAllowed
from wegewart_api.flow import process_pass
from wegewart_api.settings import Settings
from wegewart_api.tickets.lifecycle import (
    SYSTEM,
    Actor,
    InvalidTransition,
    RejectReason,
    TicketAction,
    TicketState,
    act,
    allowed_actions,
)
from wegewart_api.tickets.proposal import (
    Believed,
    LastTicket,
    Priority,
    Proposal,
    ProposalRules,
    SizeSteps,
    measured_size,
    priority_of,
    propose,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
TAXONOMY = shipped_taxonomy()
RULES = ProposalRules()

# Written out, so that a change of the table shows here: action, states it starts from, state it leads to.
LEADS = {
    "confirm": ({"new", "reopened"}, "checked"),
    "reject": ({"new", "checked", "ordered", "reopened"}, "rejected"),
    "order": ({"checked", "reopened"}, "ordered"),
    "start": ({"ordered"}, "in_progress"),
    "complete": ({"checked", "ordered", "in_progress"}, "repaired"),
    "verify": ({"repaired"}, "verified"),
    "reopen": ({"repaired", "verified", "rejected"}, "reopened"),
}
MAY = {
    "viewer": set(),
    "engineer": set(),
    "device": set(),
    "crew": {"start", "complete"},
    "inspector": {"confirm", "reject", "verify"},
    "dispatcher": {"confirm", "reject", "verify", "order", "reopen"},
    "admin": set(LEADS),
}
EVERY = [(state, action, role) for state in TicketState for action in TicketAction for role in Role]


@pytest.mark.parametrize(("state", "action", "role"), EVERY)
def test_every_state_action_and_role(state: TicketState, action: TicketAction, role: Role) -> None:
    actor = Actor(UUID(int=1), "Somebody", role)
    starts, target = LEADS[action]
    if action not in MAY[role]:
        with pytest.raises(NotAllowed, match=f"role {role} may not {action}"):
            act(state, action, actor, NOW, RejectReason.NO_DAMAGE)
    elif state not in starts:
        with pytest.raises(InvalidTransition) as refused:
            act(state, action, actor, NOW, RejectReason.NO_DAMAGE)
        assert refused.value.extensions["allowed_actions"] == allowed_actions(state, role)
        assert action not in refused.value.extensions["allowed_actions"]
    else:
        event = act(state, action, actor, NOW, RejectReason.NO_DAMAGE, "seen")
        assert (event.from_state, event.to_state, event.actor.name) == (state, target, "Somebody")
        assert action in allowed_actions(state, role)


def test_every_state_can_be_left_and_reached() -> None:
    reached = {"new", *(target for _, target in LEADS.values())}
    left = set().union(*(starts for starts, _ in LEADS.values()))
    assert reached == left == set(TicketState)


@pytest.mark.parametrize("reason", [None, "", "weather"])
def test_a_rejection_needs_a_known_reason(reason: str | None) -> None:
    with pytest.raises(Invalid, match="no_damage, not_ours, duplicate"):
        act(TicketState.NEW, TicketAction.REJECT, Actor(None, "A", Role.ADMIN), NOW, reason)


def test_the_system_reopens_without_a_role() -> None:
    event = act(TicketState.REPAIRED, TicketAction.REOPEN, SYSTEM, NOW, "seen_again")
    assert event.to_state is TicketState.REOPENED


# --- proposals ------------------------------------------------------------------------------------------

POTHOLE = Believed("D40", 0.9, 0.5, 0.4, 0.2, NOW)


def last(state: str, reason: str | None = None, days_ago: float = 400, **changes: Any) -> LastTicket:
    """A pothole's ticket that came to this state some days ago."""
    found = LastTicket(
        TicketState(state),
        RejectReason(reason) if reason else None,
        "D40",
        0.4,
        NOW - timedelta(days=days_ago),
    )
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("defect", "ticket", "proposal", "reason"),
    [
        (POTHOLE, None, "open", "first"),
        (replace(POTHOLE, existence=0.4), None, "nothing", None),
        (POTHOLE, last("new"), "nothing", None),
        (POTHOLE, last("in_progress"), "nothing", None),
        (POTHOLE, last("reopened"), "nothing", None),
        (POTHOLE, last("repaired", days_ago=3), "reopen", "seen_again"),
        (POTHOLE, last("verified", days_ago=3), "reopen", "seen_again"),
        (
            replace(POTHOLE, last_seen_at=NOW - timedelta(days=9)),
            last("repaired", days_ago=3),
            "nothing",
            None,
        ),
        (POTHOLE, last("rejected", "not_ours"), "nothing", None),
        (POTHOLE, last("rejected", "duplicate"), "nothing", None),
        (POTHOLE, last("rejected", "no_damage"), "nothing", None),
        (replace(POTHOLE, width_m=0.7), last("rejected", "no_damage"), "reopen", "grown"),
        (replace(POTHOLE, width_m=0.7), last("rejected", "no_damage", days_ago=30), "nothing", None),
        (replace(POTHOLE, class_code="D20"), last("rejected", "no_damage"), "reopen", "class_changed"),
    ],
    ids=[
        "seen for the first time",
        "doubtful",
        "has an open ticket",
        "is being repaired",
        "was opened again",
        "seen after its repair",
        "seen after its repair was verified",
        "not seen since its repair",
        "not ours",
        "duplicate",
        "no damage, unchanged",
        "no damage, but grown",
        "grown within the quiet days",
        "no damage, but of another class",
    ],
)
def test_which_defects_get_a_ticket(
    defect: Believed, ticket: LastTicket | None, proposal: str, reason: str | None
) -> None:
    proposed = propose(defect, ticket, TAXONOMY, RULES, NOW)
    assert (proposed.proposal, proposed.reason) == (Proposal(proposal), reason)


def test_a_city_narrows_what_becomes_a_ticket() -> None:
    rules = ProposalRules(classes=frozenset({"D40"}), width_least_m=0.3)
    assert propose(POTHOLE, None, TAXONOMY, rules, NOW).proposal is Proposal.OPEN
    assert propose(replace(POTHOLE, width_m=0.2), None, TAXONOMY, rules, NOW).proposal is Proposal.NOTHING
    assert propose(replace(POTHOLE, width_m=None), None, TAXONOMY, rules, NOW).proposal is Proposal.OPEN
    assert (
        propose(replace(POTHOLE, class_code="D00"), None, TAXONOMY, rules, NOW).proposal is Proposal.NOTHING
    )


@pytest.mark.parametrize(
    ("class_code", "length_m", "width_m", "area_m2", "priority"),
    [
        ("D40", None, 0.5, None, Priority.URGENT),
        ("D40", None, 0.3, None, Priority.HIGH),
        ("D40", None, 0.15, None, Priority.MEDIUM),
        ("D40", None, 0.05, None, Priority.LOW),
        ("D40", 1.0, None, None, Priority.MEDIUM),
        ("D20", None, None, 5.0, Priority.HIGH),
        ("D20", None, None, 0.5, Priority.LOW),
        ("D00", 3.0, 0.1, None, Priority.MEDIUM),
        ("D10", 0.1, 1.0, None, Priority.LOW),
    ],
)
def test_priority_follows_class_and_size(
    class_code: str, length_m: float | None, width_m: float | None, area_m2: float | None, priority: Priority
) -> None:
    defect = Believed(class_code, 0.9, length_m, width_m, area_m2, NOW)
    assert priority_of(defect, TAXONOMY, RULES) is priority


def test_a_cracks_length_is_the_diagonal_of_its_box() -> None:
    assert measured_size(Believed("D10", 0.9, 0.3, 0.4, None, NOW), TAXONOMY) == pytest.approx(0.5)


def test_steps_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="must not lie below"):
        SizeSteps(urgent_from=0.1, high_from=0.4)


# --- over HTTP ------------------------------------------------------------------------------------------

STREET = Setting(streets_m=(200.0,), spacing_m=20.0, seen=1.0, false_per_km=0.0, clumped=0.0)


@pytest.fixture
def proposed(store: Database, settings: Settings) -> Office:
    """An office with ten proposed tickets."""
    office = Office.open(store, settings, process_pass)
    send(office, Town(STREET, 1).drive(0))
    return office


def first_ticket(office: Office) -> str:
    """Id of the first ticket."""
    ticket_id: str = office.person().get("/api/v1/tickets").json()["tickets"][0]["id"]
    return ticket_id


def test_a_ticket_goes_its_whole_way_through_the_roles(proposed: Office) -> None:
    ticket = first_ticket(proposed)
    people = {role: proposed.person(role) for role in PEOPLE}
    way = [
        (Role.INSPECTOR, "confirm", "checked"),
        (Role.DISPATCHER, "order", "ordered"),
        (Role.CREW, "start", "in_progress"),
        (Role.CREW, "complete", "repaired"),
        (Role.INSPECTOR, "verify", "verified"),
        (Role.DISPATCHER, "reopen", "reopened"),
    ]
    for role, action, state in way:
        answer = people[role].post(
            f"/api/v1/tickets/{ticket}/events", json={"action": action, "comment": "so"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == state
    events = people[Role.VIEWER].get(f"/api/v1/tickets/{ticket}").json()["events"]
    assert [each["to_state"] for each in events] == ["new", *(state for _, _, state in way)]
    assert [each["actor_role"] for each in events] == ["system", *(role for role, _, _ in way)]
    assert events[0]["actor_name"] == "Wegewart"


def test_a_transition_that_is_not_allowed_names_those_that_are(proposed: Office) -> None:
    refused = problem(
        proposed.person(Role.ADMIN).post(
            f"/api/v1/tickets/{first_ticket(proposed)}/events", json={"action": "verify"}
        ),
        409,
    )
    assert refused["state"] == "new"
    assert refused["allowed_actions"] == ["confirm", "reject"]


def test_a_role_that_may_not_is_told_who_may(proposed: Office) -> None:
    told = problem(
        proposed.person(Role.CREW).post(
            f"/api/v1/tickets/{first_ticket(proposed)}/events", json={"action": "confirm"}
        ),
        403,
    )
    assert "inspector, dispatcher, admin" in told["detail"]


def test_devices_decide_nothing(proposed: Office) -> None:
    answer = proposed.device().post(
        f"/api/v1/tickets/{first_ticket(proposed)}/events", json={"action": "confirm"}
    )
    problem(answer, 403)


def test_who_saw_an_older_state_changes_nothing(proposed: Office) -> None:
    ticket, inspector = first_ticket(proposed), proposed.person(Role.INSPECTOR)
    body = {"action": "reject", "reason": "no_damage", "expected_state": "new"}
    assert (
        inspector.post(f"/api/v1/tickets/{ticket}/events", json=body).json()["reject_reason"] == "no_damage"
    )
    told = problem(inspector.post(f"/api/v1/tickets/{ticket}/events", json=body), 409)
    assert told["state"] == "rejected"
    assert len(inspector.get(f"/api/v1/tickets/{ticket}").json()["events"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": "reject"},
        {"action": "reject", "reason": "x"},
        {"action": "order", "x": 1},
    ],
    ids=["nothing", "no such action", "no reason", "no such reason", "an unknown field"],
)
def test_a_decision_that_cannot_be_understood_is_refused(proposed: Office, body: dict[str, Any]) -> None:
    problem(
        proposed.person(Role.ADMIN).post(f"/api/v1/tickets/{first_ticket(proposed)}/events", json=body), 422
    )


def test_lists_come_in_pages_that_hold_everything_once(proposed: Office) -> None:
    viewer = proposed.person()
    seen, cursor = [], None
    while True:
        page = viewer.get(
            "/api/v1/tickets", params={"limit": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [each["number"] for each in page["tickets"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 10
    assert seen == sorted(seen)


def test_lists_are_narrowed_by_what_is_asked(proposed: Office) -> None:
    viewer = proposed.person()
    everything = viewer.get("/api/v1/tickets").json()["tickets"]

    def numbers(**wanted: Any) -> set[str]:
        answer = viewer.get("/api/v1/tickets", params=wanted)
        assert answer.status_code == 200, answer.text
        return {each["number"] for each in answer.json()["tickets"]}

    code = everything[0]["class_code"]
    assert numbers(**{"class": code}) == {each["number"] for each in everything if each["class_code"] == code}
    assert numbers(state="checked") == set()
    assert numbers(street="Nirgendweg") == set()
    middle = sorted(each["lon"] for each in everything)[5]
    box = f"11.0,49.0,{middle},51.0"
    assert numbers(bbox=box) == {each["number"] for each in everything if each["lon"] <= middle}
    before = datetime.now(UTC).isoformat()
    proposed.person(Role.ADMIN).post(
        f"/api/v1/tickets/{everything[0]['id']}/events", json={"action": "confirm"}
    )
    assert numbers(since=before) == numbers(state="checked") == {everything[0]["number"]}


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"bbox": "1,2,3"}, 400),
        ({"bbox": "12,50,11,51"}, 400),
        ({"bbox": "nan,50,11,51"}, 400),
        ({"cursor": "§"}, 400),
        ({"state": "lost"}, 422),
        ({"since": "yesterday"}, 422),
        ({"limit": 0}, 422),
    ],
)
def test_a_list_that_is_asked_for_wrongly_says_so(
    proposed: Office, wanted: dict[str, Any], status: int
) -> None:
    problem(proposed.person().get("/api/v1/tickets", params=wanted), status)


def test_a_ticket_that_is_not_there_is_not_found(proposed: Office) -> None:
    problem(proposed.person().get(f"/api/v1/tickets/{UUID(int=7)}"), 404)
    answer = proposed.person(Role.ADMIN).post(
        f"/api/v1/tickets/{UUID(int=7)}/events", json={"action": "confirm"}
    )
    problem(answer, 404)


def test_conflicts_are_problems_of_one_kind() -> None:
    assert issubclass(InvalidTransition, Conflict)
