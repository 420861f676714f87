"""All tables. Every row carries its tenant, and every reference carries it too: no row can point across.

Positions are ETRS89 degrees; `h3_cell` is the cell of database/cells.py. What changes state does so by events
that can be added but neither changed nor deleted (triggers of the first migration). On PostgreSQL the
migration adds a generated geometry column `place` to defect and observation.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from wegewart_api.database.types import Json, UtcTime

ROLES = ("viewer", "crew", "inspector", "dispatcher", "admin", "engineer")
TOKEN_ROLES = ("device", "viewer")
TICKET_STATES = ("new", "checked", "ordered", "in_progress", "repaired", "verified", "rejected", "reopened")
REJECT_REASONS = ("no_damage", "not_ours", "duplicate")
PASS_STATES = ("open", "closed", "superseded")
APPEND_ONLY = ("defect_event", "ticket_event")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _tenant() -> Column[Any]:
    return Column("tenant_id", Uuid, primary_key=True)


def _id() -> Column[Any]:
    return Column("id", Uuid, primary_key=True)


def _of_tenant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id"], ["tenant.id"])


def _one_of(column: str, words: Sequence[str]) -> CheckConstraint:
    allowed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def _position() -> tuple[Column[Any], Column[Any], Column[Any], CheckConstraint]:
    on_earth = CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="position")
    return (
        Column("lat", Float(53), nullable=False),
        Column("lon", Float(53), nullable=False),
        Column("h3_cell", BigInteger, nullable=False),
        on_earth,
    )


# --- who ------------------------------------------------------------------------------------------

tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", String(64), nullable=False, unique=True, comment="short name for the command line"),
    Column("name", String(200), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

user_account = Table(
    "user_account",
    metadata,
    _tenant(),
    _id(),
    Column("email", String(254), nullable=False, unique=True, comment="lower case; it finds the tenant"),
    Column("display_name", String(200), nullable=False),
    Column("password_hash", String(200), nullable=False, comment="argon2id with its salt and cost"),
    Column("role", String(16), nullable=False),
    Column("language", String(2), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    _of_tenant(),
    _one_of("role", ROLES),
    _one_of("language", ("de", "en")),
)

setup_link = Table(
    "setup_link",
    metadata,
    _tenant(),
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of a random token"),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    _of_tenant(),
)

user_session = Table(
    "user_session",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of a random token"),
    Column("tenant_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"], ["user_account.tenant_id", "user_account.id"], ondelete="CASCADE"
    ),
    Index(None, "tenant_id", "user_id"),
)

login_failure = Table(  # the one table without a tenant: who fails to log in has none
    "login_failure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column(
        "account_hash", String(64), nullable=False, comment="SHA-256 of the e-mail address that was tried"
    ),
    Column("address", String(64), nullable=False),
    Column("at", UtcTime, nullable=False, index=True),
    Index(None, "account_hash", "at"),
    Index(None, "address", "at"),
)

device = Table(
    "device",
    metadata,
    _tenant(),
    _id(),
    Column("device_id", String(64), nullable=False, comment="the box's own name, as in its messages"),
    Column(
        "role",
        String(16),
        nullable=False,
        comment="device: a box that sends; viewer: a system that only reads",
    ),
    Column("token_id", String(32), nullable=False, unique=True, comment="the open part of the token"),
    Column("token_hash", String(64), nullable=False, comment="SHA-256 of the secret part"),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Column("last_seen_at", UtcTime),
    _one_of("role", TOKEN_ROLES),
    _of_tenant(),
    Index(None, "tenant_id", "device_id"),
)

# --- what vehicles sent ---------------------------------------------------------------------------

drive_pass = Table(
    "drive_pass",
    metadata,
    _tenant(),
    Column("drive_id", Uuid, primary_key=True),
    Column("bundle_sha256", String(64), primary_key=True),
    Column("bundle_id", String(128), nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("observations_made", Integer, comment="as the closed drive says; null while it is open"),
    Column("content_sha256", String(64), nullable=False),
    Column("track", Json, nullable=False, comment="DriveTrack as it was sent, in its own datum"),
    Column("received_at", UtcTime, nullable=False),
    Column("processed_at", UtcTime, comment="when flow turned it into defects; null: still to do"),
    Column("superseded_at", UtcTime, comment="when another bundle's complete pass over this drive took over"),
    Column(
        "seen_import_id",
        Uuid,
        comment="import of the streets that street_seen was found on; null: still to do",
    ),
    _of_tenant(),
    _one_of("state", PASS_STATES),
    CheckConstraint("revision >= 1", name="revision"),
    CheckConstraint(
        "state <> 'closed' OR (observations_made IS NOT NULL AND ended_at IS NOT NULL)", name="closed"
    ),
    Index(None, "tenant_id", "started_at", "drive_id"),
    Index(None, "processed_at", "state"),
)

evidence = Table(
    "evidence",
    metadata,
    _tenant(),
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(32), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("stored_at", UtcTime, nullable=False),
    _of_tenant(),
    _one_of("media_type", ("image/jpeg", "image/webp")),
    CheckConstraint("size_bytes > 0", name="size_bytes"),
)

# --- streets --------------------------------------------------------------------------------------

street = Table(
    "street",
    metadata,
    _tenant(),
    _id(),
    Column("source_id", String(64), nullable=False, comment="in its source, such as way/4711"),
    Column("import_id", Uuid, nullable=False, comment="the import that brought it"),
    Column("name", String(200)),
    Column("ref", String(64), comment="road number, such as B 85"),
    Column("highway", String(32), nullable=False, comment="OSM's class of the road"),
    Column("geometry", Json, nullable=False, comment="GeoJSON LineString, lon lat in ETRS89"),
    Column("west", Float(53), nullable=False),
    Column("south", Float(53), nullable=False),
    Column("east", Float(53), nullable=False),
    Column("north", Float(53), nullable=False),
    _of_tenant(),
    UniqueConstraint("tenant_id", "source_id"),
    CheckConstraint("south <= north AND west <= east", name="box"),
    Index(None, "tenant_id", "south", "north"),
    Index(None, "tenant_id", "name"),
)

street_address = Table(
    "street_address",
    metadata,
    _tenant(),
    _id(),
    Column("source_id", String(64), nullable=False),
    Column("import_id", Uuid, nullable=False),
    Column("street_name", String(200), nullable=False),
    Column("house_number", String(32), nullable=False),
    *_position(),
    _of_tenant(),
    UniqueConstraint("tenant_id", "source_id"),
    Index(None, "tenant_id", "h3_cell"),
    Index(None, "tenant_id", "street_name"),
)

street_seen = Table(
    "street_seen",
    metadata,
    _tenant(),
    _id(),
    Column("drive_id", Uuid, nullable=False),
    Column("bundle_sha256", String(64), nullable=False),
    Column("street_id", Uuid, nullable=False),
    Column("forward", Boolean, nullable=False, comment="driven as the street's line runs"),
    Column("from_share", Float(53), nullable=False, comment="of the length of the street's line"),
    Column("to_share", Float(53), nullable=False),
    Column("at", UtcTime, nullable=False, comment="when the pass came to its end"),
    ForeignKeyConstraint(
        ["tenant_id", "drive_id", "bundle_sha256"],
        ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
    ),
    CheckConstraint("0 <= from_share AND from_share < to_share AND to_share <= 1", name="shares"),
    Index(None, "tenant_id", "street_id"),
    Index(None, "tenant_id", "drive_id", "bundle_sha256"),
)

# --- what is on the street ------------------------------------------------------------------------

defect = Table(
    "defect",
    metadata,
    _tenant(),
    _id(),
    *_position(),
    Column("cov_ee_m2", Float(53), nullable=False),
    Column("cov_en_m2", Float(53), nullable=False),
    Column("cov_nn_m2", Float(53), nullable=False),
    Column("class_code", String(16), nullable=False, comment="the likeliest"),
    Column("class_probabilities", Json, nullable=False),
    Column("length_m", Float(53)),
    Column("length_sigma_m", Float(53)),
    Column("width_m", Float(53)),
    Column("width_sigma_m", Float(53)),
    Column("area_m2", Float(53)),
    Column("area_sigma_m2", Float(53)),
    Column("existence_log_odds", Float(53), nullable=False),
    Column("severity", Json),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("observation_count", Integer, nullable=False),
    Column("drive_count", Integer, nullable=False),
    Column("status", String(16), nullable=False, comment="the words are those of defects/"),
    Column("street_id", Uuid),
    Column("street_name", String(200)),
    Column("house_number", String(32)),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("map_lat", Float(53), comment="place in the frame that drives are aligned to (defects/state.py)"),
    Column("map_lon", Float(53)),
    Column("relative_ee_m2", Float(53), comment="how well the place is known within that frame"),
    Column("relative_en_m2", Float(53)),
    Column("relative_nn_m2", Float(53)),
    Column("frame_ee_m2", Float(53), comment="how well that frame is known there, shared by neighbours"),
    Column("frame_en_m2", Float(53)),
    Column("frame_nn_m2", Float(53)),
    _of_tenant(),
    CheckConstraint(
        "cov_ee_m2 > 0 AND cov_nn_m2 > 0 AND cov_ee_m2 * cov_nn_m2 > cov_en_m2 * cov_en_m2", name="cov"
    ),
    CheckConstraint("observation_count >= 0 AND drive_count >= 0", name="counts"),
    Index(None, "tenant_id", "h3_cell"),
    Index(None, "tenant_id", "lat", "lon"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "status", "created_at", "id"),
)

defect_event = Table(
    "defect_event",
    metadata,
    _tenant(),
    _id(),
    Column("defect_id", Uuid, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text),
    Column("detail", Json, nullable=False),
    ForeignKeyConstraint(["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"]),
    Index(None, "tenant_id", "defect_id", "at", "id"),
)

observation = Table(
    "observation",
    metadata,
    _tenant(),
    _id(),
    Column("drive_id", Uuid, nullable=False),
    Column("bundle_sha256", String(64), nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("content", Json, nullable=False, comment="Observation as it was sent, in its own datum"),
    Column("captured_at", UtcTime, nullable=False),
    *_position(),
    Column("station_m", Float(53), nullable=False),
    Column("class_code", String(16), nullable=False, comment="the likeliest"),
    Column("evidence_sha256", String(64), comment="as announced; the image may arrive later"),
    Column("received_at", UtcTime, nullable=False),
    Column("superseded_at", UtcTime, comment="when another bundle's complete pass over this drive took over"),
    Column("defect_id", Uuid),
    _of_tenant(),
    ForeignKeyConstraint(["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"]),
    Index(None, "tenant_id", "drive_id", "bundle_sha256", "station_m"),
    Index(None, "tenant_id", "defect_id"),
    Index(None, "tenant_id", "h3_cell"),
    Index(None, "tenant_id", "captured_at", "id"),
    Index(None, "tenant_id", "evidence_sha256"),
)

defect_look = Table(
    "defect_look",
    metadata,
    _tenant(),
    Column("defect_id", Uuid, primary_key=True),
    Column("drive_id", Uuid, primary_key=True),
    Column("bundle_sha256", String(64), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("seen", Boolean, nullable=False, comment="false: looked at the place and saw no damage"),
    Column("offset_east_m", Float(53), nullable=False, comment="of the drive against the map, there"),
    Column("offset_north_m", Float(53), nullable=False),
    Column(
        "offset_ee_m2", Float(53), nullable=False, comment="what remains unknown of it; 0 if it is the map"
    ),
    Column("offset_en_m2", Float(53), nullable=False),
    Column("offset_nn_m2", Float(53), nullable=False),
    ForeignKeyConstraint(["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"]),
    ForeignKeyConstraint(
        ["tenant_id", "drive_id", "bundle_sha256"],
        ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
    ),
    Index(None, "tenant_id", "drive_id", "bundle_sha256"),
)

drive_alignment = Table(
    "drive_alignment",
    metadata,
    _tenant(),
    Column("drive_id", Uuid, primary_key=True),
    Column("bundle_sha256", String(64), primary_key=True),
    Column("knots", Json, nullable=False, comment="offset of the drive along its stations, with variance"),
    Column("computed_at", UtcTime, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "drive_id", "bundle_sha256"],
        ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
    ),
)

# --- what the office decides ----------------------------------------------------------------------

ticket_number = Table(
    "ticket_number",
    metadata,
    _tenant(),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False, comment="last number given out in this year"),
    _of_tenant(),
)

ticket = Table(
    "ticket",
    metadata,
    _tenant(),
    _id(),
    Column("number", String(16), nullable=False, comment="for people, such as 2026-000123"),
    Column("state", String(16), nullable=False),
    Column("reject_reason", String(16)),
    Column("class_code", String(16), nullable=False),
    Column("priority", SmallInteger, nullable=False, comment="1 most urgent to 4"),
    *_position(),
    Column("street_name", String(200)),
    Column("house_number", String(32)),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("due_at", UtcTime),
    Column("size", Float(53), comment="m or m² by class, when it was proposed: has it grown since?"),
    _of_tenant(),
    UniqueConstraint("tenant_id", "number"),
    _one_of("state", TICKET_STATES),
    _one_of("reject_reason", REJECT_REASONS),
    CheckConstraint("(state = 'rejected') = (reject_reason IS NOT NULL)", name="rejected"),
    CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "state", "created_at", "id"),
    Index(None, "tenant_id", "updated_at", "id"),
    Index(None, "tenant_id", "lat", "lon"),
    Index(None, "tenant_id", "street_name"),
)

ticket_defect = Table(
    "ticket_defect",
    metadata,
    _tenant(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("defect_id", Uuid, primary_key=True),
    ForeignKeyConstraint(["tenant_id", "ticket_id"], ["ticket.tenant_id", "ticket.id"]),
    ForeignKeyConstraint(["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"]),
    Index(None, "tenant_id", "defect_id"),
)

ticket_event = Table(
    "ticket_event",
    metadata,
    _tenant(),
    _id(),
    Column("ticket_id", Uuid, nullable=False),
    Column("action", String(32), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("actor_id", Uuid, comment="null where the system or a device acted"),
    Column("actor_name", String(200), nullable=False),
    Column("actor_role", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", String(64)),
    Column("comment", Text),
    ForeignKeyConstraint(["tenant_id", "ticket_id"], ["ticket.tenant_id", "ticket.id"]),
    _one_of("from_state", TICKET_STATES),
    _one_of("to_state", TICKET_STATES),
    Index(None, "tenant_id", "ticket_id", "at", "id"),
)
