"""Looks of passes at defects, the map's frame, and a ticket's size: what merging and proposals stand on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ADDED = (
    "map_lat",
    "map_lon",
    "relative_ee_m2",
    "relative_en_m2",
    "relative_nn_m2",
    "frame_ee_m2",
    "frame_en_m2",
    "frame_nn_m2",
)


def upgrade() -> None:
    """Add; nothing is removed or filled: no defect was made before."""
    for name in ADDED:
        op.add_column("defect", sa.Column(name, sa.Float(53)))
    op.add_column("ticket", sa.Column("size", sa.Float(53)))
    op.create_table(
        "defect_look",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("defect_id", sa.Uuid(), nullable=False),
        sa.Column("drive_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("offset_east_m", sa.Float(53), nullable=False),
        sa.Column("offset_north_m", sa.Float(53), nullable=False),
        sa.Column("offset_ee_m2", sa.Float(53), nullable=False),
        sa.Column("offset_en_m2", sa.Float(53), nullable=False),
        sa.Column("offset_nn_m2", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "defect_id"], ["defect.tenant_id", "defect.id"], name="fk_defect_look_defect"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "drive_id", "bundle_sha256"],
            ["drive_pass.tenant_id", "drive_pass.drive_id", "drive_pass.bundle_sha256"],
            name="fk_defect_look_drive_pass",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "defect_id", "drive_id", "bundle_sha256", name="pk_defect_look"),
    )
    op.create_index(
        "ix_defect_look_tenant_id_drive_id_bundle_sha256",
        "defect_look",
        ["tenant_id", "drive_id", "bundle_sha256"],
    )
