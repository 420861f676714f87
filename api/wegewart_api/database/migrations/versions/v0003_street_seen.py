"""Which parts of which streets each pass looked at: what a segment's condition value stands on."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add; what earlier passes looked at is filled in by the program, which knows the streets."""
    comment = "import of the streets that street_seen was found on; null: still to do"
    op.add_column("drive_pass", sa.Column("seen_import_id", sa.Uuid(), comment=comment))
    op.create_table(
        "street_seen",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("street_id", sa.Uuid(), nullable=False),
        sa.Column("forward", sa.Boolean(), nullable=False, comment="driven as the street's line runs"),
        sa.Column("from_share", sa.Float(53), nullable=False, comment="of the length of the street's line"),
        sa.Column("to_share", sa.Float(53), nullable=False),
        sa.Column("at", TIME, nullable=False, comment="when the pass came to its end"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "drive_id", "bundle_sha256"],
            ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
            name="fk_street_seen_drive_pass",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_street_seen"),
        sa.CheckConstraint(
            "0 <= from_share AND from_share < to_share AND to_share <= 1", name="ck_street_seen_shares"
        ),
    )
    op.create_index("ix_street_seen_tenant_id_street_id", "street_seen", ["tenant_id", "street_id"])
    op.create_index(
        "ix_street_seen_tenant_id_drive_id_bundle_sha256",
        "street_seen",
        ["tenant_id", "drive_id", "bundle_sha256"],
    )
