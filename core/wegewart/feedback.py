"""Feedback v1: what a person in the office decided about one finding in one picture. One JSON line each.

It is a file, not a message: the office writes it, `wegewart-data feedback` makes a data set of it. There is
no free text and no name in it, only the role of who decided: a comment may hold anything about anybody.
"""

from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from wegewart.damage import DEFAULT_TAXONOMY
from wegewart.observation import COUNT_MOST, BoxPx, Evidence
from wegewart.wire import BundleRef, Identifier, Sha256, UtcDatetime, WireModel

BOX_SLACK_PX = 1.0  # rounding of boxes that were drawn on a scaled picture
ClassCode = Identifier


class ReviewerRole(StrEnum):
    """In which role somebody decided; a viewer decides nothing."""

    CREW = "crew"
    INSPECTOR = "inspector"
    DISPATCHER = "dispatcher"
    ADMIN = "admin"
    ENGINEER = "engineer"


class Verdict(StrEnum):
    """What was decided."""

    CONFIRMED = "confirmed"
    """Damage of this class is in this box."""
    REJECTED = "rejected"
    """Not a case; the reason says whether that is about the picture."""
    CLASS_CORRECTED = "class_corrected"
    """There is damage, of another class; if need be in another box."""
    BOX_CORRECTED = "box_corrected"
    """There is damage of this class, in another box."""
    DAMAGE_ADDED = "damage_added"
    """The bundle missed this damage."""
    WITHDRAWN = "withdrawn"
    """The decision that this one supersedes was a mistake, and nothing takes its place."""


NO_DAMAGE_SAID = frozenset({Verdict.REJECTED, Verdict.WITHDRAWN})
BOXLESS = frozenset({Verdict.CONFIRMED, Verdict.REJECTED, Verdict.WITHDRAWN})


class Rejection(StrEnum):
    """Why a finding was rejected; the first three are those of a ticket."""

    NO_DAMAGE = "no_damage"
    NOT_OURS = "not_ours"
    DUPLICATE = "duplicate"
    CANNOT_TELL = "cannot_tell"
    """The picture is too poor to say."""


class Seen(WireModel):
    """What the bundle had reported."""

    observation_id: UUID
    class_code: ClassCode
    confidence: float = Field(ge=0, le=1)
    box_px: BoxPx = Field(description="in pixels of the evidence picture, not of the frame")


class Feedback(WireModel):
    """One decision about one finding, and all that is needed to learn from it."""

    schema_version: Literal[1] = 1
    id: UUID = Field(description="of this decision; the same line may come again")
    supersedes: UUID | None = Field(default=None, description="an earlier decision that this one takes back")

    drive_id: UUID
    camera_id: Identifier
    sequence: int = Field(ge=0, le=COUNT_MOST, description="of the frame out of which the picture was cut")
    captured_at: UtcDatetime
    place: Identifier | None = Field(
        default=None, description="street section or map cell; pictures of one place stay in one split"
    )
    defect_id: UUID | None = Field(default=None, description="the damage on the street, over all drives")
    evidence: Evidence
    bundle: BundleRef = Field(description="which bundle looked")
    taxonomy: Identifier = DEFAULT_TAXONOMY
    seen: Seen | None = Field(default=None, description="none where the bundle missed the damage")

    verdict: Verdict
    rejection: Rejection | None = None
    instead: Identifier | None = Field(
        default=None, description="what it is instead of damage: shadow, cover, patch, leaves …"
    )
    class_code: ClassCode | None = Field(default=None, description="the true class, where it was corrected")
    box_px: BoxPx | None = Field(
        default=None, description="the true box in pixels of the evidence picture, where it was drawn"
    )
    whole_picture: bool = Field(
        description="whether the person looked for further damage: what nobody lists is then not there"
    )
    role: ReviewerRole
    decided_at: UtcDatetime

    licence: str = Field(min_length=1, max_length=200, description="under which the picture may be used")
    training_allowed: bool = Field(description="whether models may be trained with it")
    consent: str | None = Field(
        default=None, min_length=1, max_length=300, description="on what that rests: contract, decision, date"
    )

    @property
    def about(self) -> str:
        """The finding that is decided on: the same for two people who look at the same observation."""
        return str(self.id if self.seen is None else self.seen.observation_id)

    @property
    def true_class(self) -> ClassCode | None:
        """Class of the damage that is there, None if there is none."""
        return None if self.verdict in NO_DAMAGE_SAID else self.class_code or self._seen_class

    @property
    def true_box_px(self) -> BoxPx | None:
        """Box of the damage that is there in pixels of the picture, None if there is none."""
        return None if self.verdict in NO_DAMAGE_SAID else self.box_px or self._seen_box_px

    @property
    def picture_sha256(self) -> Sha256:
        """Hash of the picture, which is its name."""
        return self.evidence.sha256

    @property
    def _seen_class(self) -> ClassCode | None:
        return None if self.seen is None else self.seen.class_code

    @property
    def _seen_box_px(self) -> BoxPx | None:
        return None if self.seen is None else self.seen.box_px

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        added, rejected = self.verdict is Verdict.DAMAGE_ADDED, self.verdict is Verdict.REJECTED
        corrects_class, withdrawn = self.verdict is Verdict.CLASS_CORRECTED, self.verdict is Verdict.WITHDRAWN
        if (self.seen is None) != added and not withdrawn:
            raise ValueError("seen is what the bundle reported: none with damage_added, needed otherwise")
        if withdrawn and self.supersedes is None:
            raise ValueError("withdrawn takes back an earlier decision: name it in supersedes")
        if (self.rejection is not None) != rejected:
            raise ValueError("a rejection is needed with the verdict rejected, and only there")
        if self.instead is not None and self.rejection is not Rejection.NO_DAMAGE:
            raise ValueError("instead says what no_damage is: leave it out otherwise")
        if (self.class_code is not None) != (added or corrects_class):
            raise ValueError("class_code is needed with class_corrected and damage_added, and only there")
        if corrects_class and self.class_code == self._seen_class:
            raise ValueError(f"class_corrected names the class {self.class_code} that was there before")
        if (self.box_px is not None) == (self.verdict in BOXLESS) and not corrects_class:
            raise ValueError(
                "box_px is needed with box_corrected and damage_added, and not without a correction"
            )
        if self.supersedes == self.id:
            raise ValueError("a decision cannot take back itself")
        for box in (self.box_px, self._seen_box_px):
            self._check_inside(box)
        return self

    def _check_inside(self, box: BoxPx | None) -> None:
        across_px, down_px = self.evidence.width_px, self.evidence.height_px
        if box is not None and not (
            min(box.x1, box.y1) >= -BOX_SLACK_PX
            and box.x2 <= across_px + BOX_SLACK_PX
            and box.y2 <= down_px + BOX_SLACK_PX
        ):
            raise ValueError(
                f"box {box.x1:g} {box.y1:g} {box.x2:g} {box.y2:g} leaves the picture of {across_px} x "
                f"{down_px} px: boxes are in pixels of the evidence picture, not of the frame"
            )
