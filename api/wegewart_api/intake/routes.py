"""What vehicles send, and what of it people and vehicles may look up.

The answer to a batch waits until passes that it completes are processed: who uploads sees the result, and a
vehicle cannot send faster than the office can think. What is stored stays stored if processing fails.
"""

import logging
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import BaseModel

from wegewart.damage import Taxonomy
from wegewart.drive import DriveState
from wegewart.wire import BundleRef
from wegewart_api.auth.access import Asking, SettingsOf, StoreOf, require_role
from wegewart_api.auth.login import utc_now
from wegewart_api.auth.principal import Principal, Role
from wegewart_api.auth.repository import note_device_seen
from wegewart_api.database.paging import LIMIT_DEFAULT, LIMIT_MOST, Cursor
from wegewart_api.errors import Conflict, Invalid, NotFound, TooLarge
from wegewart_api.intake import repository
from wegewart_api.intake.evidence_store import EvidenceStore, checked_media_type
from wegewart_api.intake.messages import (
    Accepted,
    DriveBatch,
    ObservationBatch,
    Results,
    read_drives,
    read_observations,
)
from wegewart_api.intake.processing import ProcessPass, process_complete
from wegewart_api.intake.repository import StoredObservation, StoredPass
from wegewart_api.intake.service import accept_drives, accept_observations

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/api/v1", tags=["intake"])

SHA256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
SENT_MODELS: tuple[type[BaseModel], ...] = (
    ObservationBatch,
    DriveBatch,
)  # bodies that routes read themselves


def _body_is(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_IMAGE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("image/jpeg", "image/webp")
        },
    }
}


async def _body(request: Request) -> bytes:
    """The body, read here so that reading its JSON happens in a thread and not in the event loop."""
    return await request.body()


async def _image(request: Request, settings: SettingsOf) -> bytes:
    most = settings.evidence_limit_bytes
    image = bytearray()
    async for part in request.stream():
        image += part
        if len(image) > most:
            raise TooLarge(f"an evidence image has at most {most} bytes")
    return bytes(image)


def _evidence_store(request: Request) -> EvidenceStore:
    store: EvidenceStore = request.app.state.evidence_store
    return store


def _taxonomy(request: Request) -> Taxonomy:
    taxonomy: Taxonomy = request.app.state.taxonomy
    return taxonomy


def _process(request: Request) -> ProcessPass:
    process: ProcessPass = request.app.state.process_pass
    return process


Device = Annotated[Principal, Depends(require_role(Role.DEVICE))]
Body = Annotated[bytes, Depends(_body)]
EvidenceOf = Annotated[EvidenceStore, Depends(_evidence_store)]
Process = Annotated[ProcessPass, Depends(_process)]


@router.post("/observations", openapi_extra=_body_is(ObservationBatch))
def post_observations(
    who: Device,
    body: Body,
    database: StoreOf,
    taxonomy: Annotated[Taxonomy, Depends(_taxonomy)],
    process: Process,
) -> Results:
    """Store observations; repeating is harmless. Items that are refused do not keep the others from it."""
    items = read_observations(body)
    now = utc_now()
    with database.writing() as connection:
        accepted = accept_observations(connection, who, items, taxonomy, now)
        note_device_seen(connection, who.tenant_id, who.actor_name, now)
    process_complete(database, process, accepted.touched)
    return _answer(accepted)


@router.post("/drives", openapi_extra=_body_is(DriveBatch))
def post_drives(who: Device, body: Body, database: StoreOf, process: Process) -> Results:
    """Store drives; a later revision replaces an earlier one, repeating is harmless."""
    items = read_drives(body)
    now = utc_now()
    with database.writing() as connection:
        accepted = accept_drives(connection, who, items, now)
        note_device_seen(connection, who.tenant_id, who.actor_name, now)
    process_complete(database, process, accepted.touched)
    return _answer(accepted)


@router.put(
    "/evidence/{sha256}",
    openapi_extra=_IMAGE_BODY,
    status_code=status.HTTP_201_CREATED,
    responses={200: {"description": "known"}, 201: {"description": "stored"}},
)
def put_evidence(
    sha256: SHA256,
    who: Device,
    request: Request,
    response: Response,
    image: Annotated[bytes, Depends(_image)],
    database: StoreOf,
    evidence: EvidenceOf,
) -> dict[str, str]:
    """Store an image under the hash of its bytes."""
    media_type = checked_media_type(image, request.headers.get("Content-Type"), sha256)
    evidence.keep(who.tenant_id, sha256, image)  # before the row: a row without its image would be a lie
    with database.writing() as connection:
        new = repository.add_evidence(connection, who.tenant_id, sha256, media_type, len(image), utc_now())
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    return {"sha256": sha256, "status": "stored" if new else "known"}


@router.get(
    "/evidence/{sha256}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}, "image/webp": {}}, "description": "the image"}},
)
def get_evidence(sha256: SHA256, who: Asking, database: StoreOf, evidence: EvidenceOf) -> Response:
    """The masked image of a damage."""
    with database.reading() as connection:
        media_type = repository.media_type_of_evidence(connection, who.tenant_id, sha256)
    image = evidence.read(who.tenant_id, sha256) if media_type is not None else None
    if media_type is not None and image is None:
        logger.error("evidence %s is noted but its file is gone: restore it from a backup", sha256)
    if image is None:
        raise NotFound("no such image: it may not have arrived yet")
    return Response(
        image,
        media_type=media_type,
        headers={
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'inline; filename="{sha256[:16]}.{(media_type or "").partition("/")[2]}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "ETag": f'"{sha256}"',
        },
    )


class PassAnswer(BaseModel):
    """A pass and how far it has come."""

    bundle: BundleRef
    state: DriveState
    revision: int
    observations_made: int | None
    observations_stored: int
    evidence_missing: list[str]
    processed_at: datetime | None
    superseded: bool


class DriveAnswer(BaseModel):
    """A drive and its passes, oldest first."""

    drive_id: UUID
    passes: list[PassAnswer]


@router.get("/drives/{drive_id}")
def get_drive(drive_id: UUID, who: Asking, database: StoreOf) -> DriveAnswer:
    """How much of a drive has arrived, what is missing, and whether it was processed."""
    with database.reading() as connection:
        stored = repository.passes_of_drive(connection, who.tenant_id, drive_id)
        if not stored:
            raise NotFound(f"no drive {drive_id} was announced")
        passes = [
            _pass_answer(
                one,
                repository.count_observations(connection, one.key),
                repository.evidence_missing(connection, one.key),
            )
            for one in stored
        ]
    return DriveAnswer(drive_id=drive_id, passes=passes)


@router.get("/observations")
def get_observations(
    who: Asking,
    database: StoreOf,
    drive_id: UUID | None = None,
    defect_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MOST)] = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Observations in order of capture, as they were sent, with their place in ETRS89 and their defect."""
    with database.reading() as connection:
        page = repository.list_observations(
            connection, who.tenant_id, drive_id, defect_id, Cursor.read(cursor), limit
        )
    return {
        "observations": [observation_answer(one) for one in page.rows],
        "next": page.next.text if page.next else None,
    }


def observation_answer(stored: StoredObservation) -> dict[str, Any]:
    """An observation as the API shows it."""
    return {
        **stored.sent.model_dump(mode="json"),
        "etrs89": {"lat": stored.lat, "lon": stored.lon},
        "received_at": stored.received_at.isoformat(),
        "superseded": stored.superseded_at is not None,
        "defect_id": str(stored.defect_id) if stored.defect_id else None,
    }


def _pass_answer(one: StoredPass, stored: int, missing: list[str]) -> PassAnswer:
    return PassAnswer(
        bundle=BundleRef(id=one.bundle_id, sha256=one.key.bundle_sha256),
        state=one.state,
        revision=one.revision,
        observations_made=one.observations_made,
        observations_stored=stored,
        evidence_missing=missing,
        processed_at=one.processed_at,
        superseded=one.superseded_at is not None,
    )


def _answer(accepted: Accepted) -> Results:
    """Results if nothing was refused.

    Raises:
        Conflict: If an item contradicts what is stored.
        Invalid: If an item breaks the rules of its message.
    """
    refused = [outcome for outcome in accepted.outcomes if outcome.status == "refused"]
    if not refused:
        return Results(results=accepted.outcomes)
    told = [outcome.model_dump(mode="json", exclude_none=True) for outcome in accepted.outcomes]
    problem = Conflict if any(outcome.code == 409 for outcome in refused) else Invalid
    raise problem(
        f"{len(refused)} of {len(told)} were refused, the others are stored; results says which and why",
        results=told,
    )
