"""First tables: who, what vehicles sent, streets, defects, tickets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
TICKET_STATES = "'new', 'checked', 'ordered', 'in_progress', 'repaired', 'verified', 'rejected', 'reopened'"
KEPT = {  # tables whose rows stay as they were written, and the columns meant ("" for all, also deletion)
    "ticket_event": "",
    "defect_event": "",
    "observation": "tenant_id, id, drive_id, bundle_sha256, content, content_sha256, received_at",
    "evidence": "tenant_id, sha256, media_type, size_bytes, stored_at",
}


def upgrade() -> None:
    """Create all tables, then what keeps their rows, then PostgreSQL's own geometry."""
    _create_tables()
    if op.get_bind().dialect.name == "postgresql":
        _keep_rows_on_postgresql()
        _add_geometry()
    else:
        _keep_rows_on_sqlite()


def _keep_rows_on_sqlite() -> None:
    for table, columns in KEPT.items():
        for event in [f"UPDATE OF {columns}"] if columns else ["UPDATE", "DELETE"]:
            name = f"{table}_keeps_its_rows_on_{event.split()[0].lower()}"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} keeps its rows as they were written'); END"
            )


def _keep_rows_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION wegewart_keep_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION '% keeps its rows as they were written', TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table, columns in KEPT.items():
        event = f"UPDATE OF {columns}" if columns else "UPDATE OR DELETE"
        op.execute(
            f"CREATE TRIGGER {table}_keeps_its_rows BEFORE {event} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION wegewart_keep_rows()"
        )


def _add_geometry() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    for table in ("observation", "defect", "ticket", "street_address"):
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN place geometry(Point, 4326)"
            " GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(lon, lat), 4326)) STORED"
        )
        op.execute(f"CREATE INDEX ix_{table}_place ON {table} USING gist (place)")


def _create_tables() -> None:
    op.create_table(
        "login_failure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "account_hash",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of the e-mail address that was tried",
        ),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_failure"),
    )
    op.create_index("ix_login_failure_account_hash_at", "login_failure", ["account_hash", "at"])
    op.create_index("ix_login_failure_address_at", "login_failure", ["address", "at"])
    op.create_index("ix_login_failure_at", "login_failure", ["at"])
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(64), nullable=False, comment="short name for the command line"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
        sa.UniqueConstraint("key", name="uq_tenant_key"),
    )
    op.create_table(
        "defect",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lat", sa.Float(53), nullable=False),
        sa.Column("lon", sa.Float(53), nullable=False),
        sa.Column("h3_cell", sa.BigInteger(), nullable=False),
        sa.Column("cov_ee_m2", sa.Float(53), nullable=False),
        sa.Column("cov_en_m2", sa.Float(53), nullable=False),
        sa.Column("cov_nn_m2", sa.Float(53), nullable=False),
        sa.Column("class_code", sa.String(16), nullable=False, comment="the likeliest"),
        sa.Column("class_probabilities", JSON, nullable=False),
        sa.Column("length_m", sa.Float(53)),
        sa.Column("length_sigma_m", sa.Float(53)),
        sa.Column("width_m", sa.Float(53)),
        sa.Column("width_sigma_m", sa.Float(53)),
        sa.Column("area_m2", sa.Float(53)),
        sa.Column("area_sigma_m2", sa.Float(53)),
        sa.Column("existence_log_odds", sa.Float(53), nullable=False),
        sa.Column("severity", JSON),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("observation_count", sa.Integer(), nullable=False),
        sa.Column("drive_count", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False, comment="the words are those of defects/"),
        sa.Column("street_id", sa.Uuid()),
        sa.Column("street_name", sa.String(200)),
        sa.Column("house_number", sa.String(32)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "cov_ee_m2 > 0 AND cov_nn_m2 > 0 AND cov_ee_m2 * cov_nn_m2 > cov_en_m2 * cov_en_m2",
            name="ck_defect_cov",
        ),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="ck_defect_position"),
        sa.CheckConstraint("observation_count >= 0 AND drive_count >= 0", name="ck_defect_counts"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_defect_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_defect"),
    )
    op.create_index("ix_defect_tenant_id_created_at_id", "defect", ["tenant_id", "created_at", "id"])
    op.create_index("ix_defect_tenant_id_h3_cell", "defect", ["tenant_id", "h3_cell"])
    op.create_index("ix_defect_tenant_id_lat_lon", "defect", ["tenant_id", "lat", "lon"])
    op.create_index(
        "ix_defect_tenant_id_status_created_at_id", "defect", ["tenant_id", "status", "created_at", "id"]
    )
    op.create_table(
        "device",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "device_id", sa.String(64), nullable=False, comment="the box's own name, as in its messages"
        ),
        sa.Column(
            "role",
            sa.String(16),
            nullable=False,
            comment="device: a box that sends; viewer: a system that only reads",
        ),
        sa.Column("token_id", sa.String(32), nullable=False, comment="the open part of the token"),
        sa.Column("token_hash", sa.String(64), nullable=False, comment="SHA-256 of the secret part"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("last_seen_at", TIME),
        sa.CheckConstraint("role IN ('device', 'viewer')", name="ck_device_role"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_device_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_device"),
        sa.UniqueConstraint("token_id", name="uq_device_token_id"),
    )
    op.create_index("ix_device_tenant_id_device_id", "device", ["tenant_id", "device_id"])
    op.create_table(
        "drive_pass",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("bundle_id", sa.String(128), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column(
            "observations_made",
            sa.Integer(),
            nullable=True,
            comment="as the closed drive says; null while it is open",
        ),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("track", JSON, nullable=False, comment="DriveTrack as it was sent, in its own datum"),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column(
            "processed_at", TIME, nullable=True, comment="when flow turned it into defects; null: still to do"
        ),
        sa.Column(
            "superseded_at",
            TIME,
            nullable=True,
            comment="when another bundle's complete pass over this drive took over",
        ),
        sa.CheckConstraint(
            "state <> 'closed' OR (observations_made IS NOT NULL AND ended_at IS NOT NULL)",
            name="ck_drive_pass_closed",
        ),
        sa.CheckConstraint("state IN ('open', 'closed', 'superseded')", name="ck_drive_pass_state"),
        sa.CheckConstraint("revision >= 1", name="ck_drive_pass_revision"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_drive_pass_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "drive_id", "bundle_sha256", name="pk_drive_pass"),
    )
    op.create_index("ix_drive_pass_processed_at_state", "drive_pass", ["processed_at", "state"])
    op.create_index(
        "ix_drive_pass_tenant_id_started_at_drive_id", "drive_pass", ["tenant_id", "started_at", "drive_id"]
    )
    op.create_table(
        "evidence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("stored_at", TIME, nullable=False),
        sa.CheckConstraint("media_type IN ('image/jpeg', 'image/webp')", name="ck_evidence_media_type"),
        sa.CheckConstraint("size_bytes > 0", name="ck_evidence_size_bytes"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_evidence_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name="pk_evidence"),
    )
    op.create_table(
        "setup_link",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, comment="SHA-256 of a random token"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_setup_link_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "token_hash", name="pk_setup_link"),
    )
    op.create_table(
        "street",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False, comment="in its source, such as way/4711"),
        sa.Column("import_id", sa.Uuid(), nullable=False, comment="the import that brought it"),
        sa.Column("name", sa.String(200)),
        sa.Column("ref", sa.String(64), nullable=True, comment="road number, such as B 85"),
        sa.Column("highway", sa.String(32), nullable=False, comment="OSM's class of the road"),
        sa.Column("geometry", JSON, nullable=False, comment="GeoJSON LineString, lon lat in ETRS89"),
        sa.Column("west", sa.Float(53), nullable=False),
        sa.Column("south", sa.Float(53), nullable=False),
        sa.Column("east", sa.Float(53), nullable=False),
        sa.Column("north", sa.Float(53), nullable=False),
        sa.CheckConstraint("south <= north AND west <= east", name="ck_street_box"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_street_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_street"),
        sa.UniqueConstraint("tenant_id", "source_id", name="uq_street_tenant_id_source_id"),
    )
    op.create_index("ix_street_tenant_id_name", "street", ["tenant_id", "name"])
    op.create_index("ix_street_tenant_id_south_north", "street", ["tenant_id", "south", "north"])
    op.create_table(
        "street_address",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("street_name", sa.String(200), nullable=False),
        sa.Column("house_number", sa.String(32), nullable=False),
        sa.Column("lat", sa.Float(53), nullable=False),
        sa.Column("lon", sa.Float(53), nullable=False),
        sa.Column("h3_cell", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="ck_street_address_position"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_street_address_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_street_address"),
        sa.UniqueConstraint("tenant_id", "source_id", name="uq_street_address_tenant_id_source_id"),
    )
    op.create_index("ix_street_address_tenant_id_h3_cell", "street_address", ["tenant_id", "h3_cell"])
    op.create_index("ix_street_address_tenant_id_street_name", "street_address", ["tenant_id", "street_name"])
    op.create_table(
        "ticket",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(16), nullable=False, comment="for people, such as 2026-000123"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reject_reason", sa.String(16)),
        sa.Column("class_code", sa.String(16), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False, comment="1 most urgent to 4"),
        sa.Column("lat", sa.Float(53), nullable=False),
        sa.Column("lon", sa.Float(53), nullable=False),
        sa.Column("h3_cell", sa.BigInteger(), nullable=False),
        sa.Column("street_name", sa.String(200)),
        sa.Column("house_number", sa.String(32)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("due_at", TIME),
        sa.CheckConstraint("(state = 'rejected') = (reject_reason IS NOT NULL)", name="ck_ticket_rejected"),
        sa.CheckConstraint(
            "reject_reason IN ('no_damage', 'not_ours', 'duplicate')", name="ck_ticket_reject_reason"
        ),
        sa.CheckConstraint(f"state IN ({TICKET_STATES})", name="ck_ticket_state"),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="ck_ticket_position"),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_ticket_priority"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_ticket_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_ticket"),
        sa.UniqueConstraint("tenant_id", "number", name="uq_ticket_tenant_id_number"),
    )
    op.create_index("ix_ticket_tenant_id_created_at_id", "ticket", ["tenant_id", "created_at", "id"])
    op.create_index("ix_ticket_tenant_id_lat_lon", "ticket", ["tenant_id", "lat", "lon"])
    op.create_index(
        "ix_ticket_tenant_id_state_created_at_id", "ticket", ["tenant_id", "state", "created_at", "id"]
    )
    op.create_index("ix_ticket_tenant_id_street_name", "ticket", ["tenant_id", "street_name"])
    op.create_index("ix_ticket_tenant_id_updated_at_id", "ticket", ["tenant_id", "updated_at", "id"])
    op.create_table(
        "ticket_number",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False, comment="last number given out in this year"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_ticket_number_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "year", name="pk_ticket_number"),
    )
    op.create_table(
        "user_account",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False, comment="lower case; it finds the tenant"),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False, comment="argon2id with its salt and cost"),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("language IN ('de', 'en')", name="ck_user_account_language"),
        sa.CheckConstraint(
            "role IN ('viewer', 'crew', 'inspector', 'dispatcher', 'admin', 'engineer')",
            name="ck_user_account_role",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_user_account_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_user_account"),
        sa.UniqueConstraint("email", name="uq_user_account_email"),
    )
    op.create_table(
        "defect_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("defect_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"], name="fk_defect_event_defect"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_defect_event"),
    )
    op.create_index(
        "ix_defect_event_tenant_id_defect_id_at_id", "defect_event", ["tenant_id", "defect_id", "at", "id"]
    )
    op.create_table(
        "drive_alignment",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column(
            "knots", JSON, nullable=False, comment="offset of the drive along its stations, with variance"
        ),
        sa.Column("computed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "drive_id", "bundle_sha256"],
            ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
            name="fk_drive_alignment_drive_pass",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "drive_id", "bundle_sha256", name="pk_drive_alignment"),
    )
    op.create_table(
        "observation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("content", JSON, nullable=False, comment="Observation as it was sent, in its own datum"),
        sa.Column("captured_at", TIME, nullable=False),
        sa.Column("lat", sa.Float(53), nullable=False),
        sa.Column("lon", sa.Float(53), nullable=False),
        sa.Column("h3_cell", sa.BigInteger(), nullable=False),
        sa.Column("station_m", sa.Float(53), nullable=False),
        sa.Column("class_code", sa.String(16), nullable=False, comment="the likeliest"),
        sa.Column(
            "evidence_sha256",
            sa.String(64),
            nullable=True,
            comment="as announced; the image may arrive later",
        ),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column(
            "superseded_at",
            TIME,
            nullable=True,
            comment="when another bundle's complete pass over this drive took over",
        ),
        sa.Column("defect_id", sa.Uuid()),
        sa.CheckConstraint(
            "lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="ck_observation_position"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"], name="fk_observation_defect"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_observation_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_observation"),
    )
    op.create_index(
        "ix_observation_tenant_id_captured_at_id", "observation", ["tenant_id", "captured_at", "id"]
    )
    op.create_index("ix_observation_tenant_id_defect_id", "observation", ["tenant_id", "defect_id"])
    op.create_index(
        "ix_observation_tenant_id_drive_id_bundle_sha256_station_m",
        "observation",
        ["tenant_id", "drive_id", "bundle_sha256", "station_m"],
    )
    op.create_index(
        "ix_observation_tenant_id_evidence_sha256", "observation", ["tenant_id", "evidence_sha256"]
    )
    op.create_index("ix_observation_tenant_id_h3_cell", "observation", ["tenant_id", "h3_cell"])
    op.create_table(
        "ticket_defect",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("defect_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"], name="fk_ticket_defect_defect"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"], ["ticket.tenant_id", "ticket.id"], name="fk_ticket_defect_ticket"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "ticket_id", "defect_id", name="pk_ticket_defect"),
    )
    op.create_index("ix_ticket_defect_tenant_id_defect_id", "ticket_defect", ["tenant_id", "defect_id"])
    op.create_table(
        "ticket_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True, comment="null where the system or a device acted"),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("actor_role", sa.String(16), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("comment", sa.Text()),
        sa.CheckConstraint(f"from_state IN ({TICKET_STATES})", name="ck_ticket_event_from_state"),
        sa.CheckConstraint(f"to_state IN ({TICKET_STATES})", name="ck_ticket_event_to_state"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"], ["ticket.tenant_id", "ticket.id"], name="fk_ticket_event_ticket"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_ticket_event"),
    )
    op.create_index(
        "ix_ticket_event_tenant_id_ticket_id_at_id", "ticket_event", ["tenant_id", "ticket_id", "at", "id"]
    )
    op.create_table(
        "user_session",
        sa.Column("token_hash", sa.String(64), nullable=False, comment="SHA-256 of a random token"),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["user_account.tenant_id", "user_account.id"],
            name="fk_user_session_user_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_user_session"),
    )
    op.create_index("ix_user_session_expires_at", "user_session", ["expires_at"])
    op.create_index("ix_user_session_tenant_id_user_id", "user_session", ["tenant_id", "user_id"])
