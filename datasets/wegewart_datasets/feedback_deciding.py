"""From decisions of people to what is in a picture. Pure: decisions in, outcomes out.

Findings belong to a frame, not to a picture: several pictures may be cut out of one frame and overlap, and
damage that is known from one of them is in the other as well. So decisions are gathered by frame, each
finding is settled once, and every picture gets what lies within it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from wegewart.feedback import Feedback, Rejection, Verdict
from wegewart.observation import BoxPx, Evidence

SAME_BOX_IOU = 0.5  # two boxes that would match each other in a score are one claim
LEAST_VISIBLE = 0.25  # of a box; damage that is cut off further cannot be recognised
LEAST_SIDE_PX = 1.0  # a thinner box holds no pixel of its own
Corners = tuple[float, float, float, float]
FrameKey = tuple[UUID, str, int]


class State(StrEnum):
    """What people together say of a finding."""

    DAMAGE = "damage"
    NO_DAMAGE = "no damage"
    OPEN = "open"
    """Nobody has said what the picture shows there."""
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Finding:
    """One finding in a frame, with all decisions about it. `corners_px`: in pixels of the frame."""

    state: State
    label: str
    corners_px: Corners
    decisions: tuple[Feedback, ...]
    detail: str = ""


class Aside(StrEnum):
    """Why a picture makes no sample; the worst reason first."""

    NOT_ALLOWED = "training is not allowed"
    AT_ODDS = "its lines disagree on where it was cut out"
    FAULTY = "a line about it cannot be used"
    CONFLICT = "people disagree"
    OPEN = "a finding in it is not decided"
    UNKNOWN_CLASS = "a class in it is unknown"
    CUT_OFF = "all damage in it is cut off at its edge"
    NOT_CHECKED = "nobody looked over the whole picture"


@dataclass(frozen=True)
class PictureBox:
    """A finding as far as it lies within a picture, in pixels of the picture."""

    finding: Finding
    corners_px: Corners
    visible: float
    """Share of the box that lies within the picture."""


@dataclass(frozen=True)
class Picture:
    """A picture and all that is known to be in it, or not to be in it."""

    sha256: str
    evidence: Evidence
    decisions: tuple[Feedback, ...]
    boxes: tuple[PictureBox, ...]
    aside: tuple[Aside, ...]
    """Empty where the picture can be learned from."""

    def of(self, state: State) -> tuple[PictureBox, ...]:
        """Boxes of findings in one state."""
        return tuple(box for box in self.boxes if box.finding.state is state)

    @property
    def damage(self) -> tuple[PictureBox, ...]:
        """Damage that can be recognised in the picture."""
        return tuple(box for box in self.boxes if _is_clear_damage(box))

    @property
    def cut_off(self) -> tuple[PictureBox, ...]:
        """Damage of which too little lies within the picture."""
        return tuple(box for box in self.of(State.DAMAGE) if not _is_clear_damage(box))


def _is_clear_damage(box: PictureBox) -> bool:
    x1, y1, x2, y2 = box.corners_px
    wide = min(x2 - x1, y2 - y1) >= LEAST_SIDE_PX
    return box.finding.state is State.DAMAGE and box.visible >= LEAST_VISIBLE and wide


def decide(
    decisions: Sequence[Feedback],
    faulty_pictures: Collection[str] = (),
    barred_frames: Collection[FrameKey] = (),
) -> list[Picture]:
    """What is in each picture, in the order in which the pictures first appear.

    Unknown classes are not judged here: that needs a taxonomy.

    Args:
        faulty_pictures: Those of which a line cannot be used.
        barred_frames: Those that must not be learned from, besides what the decisions themselves bar.
    """
    by_frame: dict[FrameKey, list[Feedback]] = defaultdict(list)
    by_picture: dict[str, list[Feedback]] = defaultdict(list)
    for decision in decisions:
        by_frame[frame_of(decision)].append(decision)
        by_picture[decision.picture_sha256].append(decision)
    findings = {frame: _settled(of_frame) for frame, of_frame in by_frame.items()}
    barred = {frame_of(one) for one in decisions if not one.training_allowed}.union(barred_frames)
    return [_picture(of_picture, findings, faulty_pictures, barred) for of_picture in by_picture.values()]


def frame_of(decision: Feedback) -> FrameKey:
    """The frame out of which the picture was cut."""
    return (decision.drive_id, decision.camera_id, decision.sequence)


def _picture(
    decisions: Sequence[Feedback],
    findings: Mapping[FrameKey, list[Finding]],
    faulty: Collection[str],
    barred: Collection[FrameKey],
) -> Picture:
    first = decisions[0]
    boxes = tuple(
        box for finding in findings[frame_of(first)] if (box := _within(finding, first.evidence)) is not None
    )
    states = {box.finding.state for box in boxes}
    at_odds = {(frame_of(one), one.evidence) for one in decisions} != {(frame_of(first), first.evidence)}
    found = {
        Aside.NOT_ALLOWED: any(frame_of(one) in barred for one in decisions),
        Aside.AT_ODDS: at_odds,
        Aside.FAULTY: first.picture_sha256 in faulty,
        Aside.CONFLICT: State.CONFLICT in states,
        Aside.OPEN: State.OPEN in states,
        Aside.CUT_OFF: State.DAMAGE in states and not any(_is_clear_damage(box) for box in boxes),
        Aside.NOT_CHECKED: not any(one.whole_picture for one in decisions),
    }
    aside = tuple(reason for reason, applies in found.items() if applies)
    return Picture(first.picture_sha256, first.evidence, tuple(decisions), boxes, aside)


def _within(finding: Finding, evidence: Evidence) -> PictureBox | None:
    x1, y1, x2, y2 = finding.corners_px
    left, top = evidence.left_px, evidence.top_px
    moved = (x1 - left, y1 - top, x2 - left, y2 - top)
    clipped = (
        max(moved[0], 0.0),
        max(moved[1], 0.0),
        min(moved[2], float(evidence.width_px)),
        min(moved[3], float(evidence.height_px)),
    )
    visible = _area(clipped) / _area(moved)
    return PictureBox(finding, clipped, visible) if visible > 0 else None


def _settled(decisions: Sequence[Feedback]) -> list[Finding]:
    """Findings of one frame: those of the bundle, then the damage that people added."""
    by_finding: dict[str, list[Feedback]] = defaultdict(list)
    added: list[Feedback] = []
    for decision in decisions:
        if decision.verdict is Verdict.DAMAGE_ADDED:
            added.append(decision)
        else:
            by_finding[decision.about].append(decision)
    findings = [_settled_one(of_finding) for of_finding in by_finding.values()]
    findings = _joined([_against_others(finding, findings) for finding in findings])
    for decision in added:
        _add(decision, findings)
    return findings


def _settled_one(decisions: Sequence[Feedback]) -> Finding:
    claims = [one for one in decisions if one.true_box_px is not None]
    denied = [one for one in decisions if one.rejection is Rejection.NO_DAMAGE]
    implied = [one for one in decisions if one.rejection in {Rejection.NOT_OURS, Rejection.DUPLICATE}]
    best = _best(claims or decisions)
    label, corners = _label(best), _corners(best)

    def finding(state: State, detail: str = "") -> Finding:
        return Finding(state, label, corners, tuple(decisions), detail)

    if denied and (claims or implied):
        return finding(State.CONFLICT, "damage for some, no damage for others")
    if len({_label(one) for one in claims}) > 1:
        return finding(State.CONFLICT, "classes " + ", ".join(sorted({_label(one) for one in claims})))
    if any(iou(_corners(one), corners) < SAME_BOX_IOU for one in claims):
        return finding(State.CONFLICT, "boxes that hardly overlap")
    if claims:
        return finding(State.DAMAGE)
    if denied:
        return finding(State.NO_DAMAGE)
    return finding(State.OPEN, ", ".join(sorted({str(one.rejection) for one in decisions})))


def _best(decisions: Sequence[Feedback]) -> Feedback:
    """The latest decision with a box that a person drew, else the latest."""
    return max(decisions, key=lambda one: (one.box_px is not None, one.decided_at, one.id))


def _against_others(finding: Finding, findings: Sequence[Finding]) -> Finding:
    """A finding that is no damage although the same class is confirmed in the same place is in conflict."""
    opposite = {State.DAMAGE: State.NO_DAMAGE, State.NO_DAMAGE: State.DAMAGE}.get(finding.state)
    for other in findings:
        if other.state is opposite and other.label == finding.label and _overlap(other, finding.corners_px):
            detail = "the same class in the same place is confirmed and rejected"
            return replace(finding, state=State.CONFLICT, detail=detail)
    return finding


def _joined(findings: Sequence[Finding]) -> list[Finding]:
    """Findings without those that are a second box over confirmed damage, as after `duplicate`."""
    kept = [finding for finding in findings if finding.state is not State.OPEN]
    for finding in findings:
        if finding.state is not State.OPEN:
            continue
        for number, other in enumerate(kept):
            if (
                other.state is State.DAMAGE
                and other.label == finding.label
                and _overlap(other, finding.corners_px)
            ):
                kept[number] = replace(other, decisions=(*other.decisions, *finding.decisions))
                break
        else:
            kept.append(finding)
    return kept


def _add(decision: Feedback, findings: list[Finding]) -> None:
    """Damage that a person added: new, or the same that is known already, or at odds with what is known."""
    label, corners = _label(decision), _corners(decision)
    for number, known in enumerate(findings):
        if not _overlap(known, corners):
            continue
        joined = (*known.decisions, decision)
        same = known.label == label
        was_added = known.decisions[0].verdict is Verdict.DAMAGE_ADDED
        if known.state is State.DAMAGE and same:
            findings[number] = Finding(State.DAMAGE, label, known.corners_px, joined)
            return
        if known.state is State.OPEN and same:
            findings[number] = Finding(State.DAMAGE, label, corners, joined)
            return
        if known.state is State.NO_DAMAGE or (known.state is State.DAMAGE and was_added):
            detail = f"{label} was added where others see {known.label if was_added else 'no damage'}"
            findings[number] = Finding(State.CONFLICT, known.label, known.corners_px, joined, detail)
            return
    findings.append(Finding(State.DAMAGE, label, corners, (decision,)))


def _overlap(finding: Finding, corners: Corners) -> bool:
    return iou(finding.corners_px, corners) >= SAME_BOX_IOU


def _label(decision: Feedback) -> str:
    """The true class, or after a rejection the one that the bundle had reported."""
    if decision.true_class is not None:
        return decision.true_class
    return decision.seen.class_code if decision.seen else ""


def _corners(decision: Feedback) -> Corners:
    """The true box, or after a rejection the bundle's, in pixels of the frame."""
    box: BoxPx | None = decision.true_box_px or (decision.seen.box_px if decision.seen else None)
    if box is None:  # a withdrawal of added damage, which reading leaves out
        raise ValueError(f"decision {decision.id} has no box")
    left, top = decision.evidence.left_px, decision.evidence.top_px
    return (box.x1 + left, box.y1 + top, box.x2 + left, box.y2 + top)


def iou(one: Corners, other: Corners) -> float:
    """Intersection over union of two boxes."""
    shared = _area(
        (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    )
    return shared / (_area(one) + _area(other) - shared)


def _area(corners: Corners) -> float:
    return max(corners[2] - corners[0], 0.0) * max(corners[3] - corners[1], 0.0)
